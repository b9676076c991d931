//! Decides which events are lines. Spans are not kept: a request's story is in the access log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};

use super::Level;
use super::line::{self, Style};

/// Libraries that tell of every frame and poll: below a warning they are heard at `Level::Trace` only.
const CHATTY: [&str; 9] =
    ["h2", "hyper", "hyper_util", "mio", "notify", "rustls", "tokio", "tokio_rustls", "tokio_util"];

/// Turns events into lines and gives them to `write`.
pub(super) struct Subscriber<W> {
    level: Arc<Dial>,
    style: Style,
    write: W,
}

/// A level that can be turned while it is in use.
pub(super) struct Dial(AtomicUsize);

impl Dial {
    /// From now on so much is told.
    pub(super) fn turn_to(&self, level: Level) {
        let place = Level::ALL.iter().position(|known| *known == level).unwrap_or_default();
        if self.0.swap(place, Ordering::Relaxed) != place {
            // Every place in the code remembers whether it is heard.
            tracing::callsite::rebuild_interest_cache();
        }
    }

    fn level(&self) -> Level {
        Level::ALL.get(self.0.load(Ordering::Relaxed)).copied().unwrap_or_default()
    }
}

impl<W: Fn(Vec<u8>) + 'static> Subscriber<W> {
    pub(super) fn new(level: Level, style: Style, write: W) -> Self {
        let dial = Dial(AtomicUsize::default());
        dial.turn_to(level);
        Self { level: Arc::new(dial), style, write }
    }

    /// What changes the level.
    pub(super) fn dial(&self) -> Arc<Dial> {
        Arc::clone(&self.level)
    }
}

impl<W: Fn(Vec<u8>) + 'static> tracing::Subscriber for Subscriber<W> {
    // Asked once per place in the code: what is not shown costs a load and a branch.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let library = metadata.target().split("::").next().unwrap_or_default();
        let limit = match self.level.level() {
            Level::Info | Level::Debug if CHATTY.contains(&library) => LevelFilter::WARN,
            level => level.filter(),
        };
        metadata.is_event() && *metadata.level() <= limit
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.level().filter())
    }

    fn event(&self, event: &Event<'_>) {
        (self.write)(line::of(event, SystemTime::now(), self.style));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Never asked for, since no span is enabled.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};
    use tracing::subscriber::with_default;

    use super::*;

    fn lines(level: Level, style: Style, act: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let write = move |line| sink.lock().unwrap().push(String::from_utf8(line).unwrap());
        with_default(Subscriber::new(level, style, write), act);
        Arc::try_unwrap(lines).unwrap().into_inner().unwrap()
    }

    fn json_of(act: impl FnOnce()) -> Value {
        let lines = lines(Level::Info, Style::Json, act);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].matches('\n').count(), 1);
        let mut value: Value = serde_json::from_str(&lines[0]).unwrap();
        assert!(value["time"].as_str().unwrap().ends_with('Z'));
        value.as_object_mut().unwrap().remove("time");
        value
    }

    #[test]
    fn fields_stand_beside_the_message() {
        let value = json_of(|| {
            tracing::info!(event = "listening", listener = "edge", port = 8080, tls = false, "listening");
        });
        let wanted = json!({"level": "info", "message": "listening", "event": "listening", "listener": "edge", "port": 8080, "tls": false});
        assert_eq!(value, wanted);
    }

    #[test]
    fn keys_come_in_a_fixed_order() {
        let lines = lines(Level::Info, Style::Json, || tracing::warn!(target: "other", b = 1, a = 2, "m {}", 3));
        let rest = &lines[0][r#"{"time":"2026-01-02T03:04:05.678901Z","#.len()..];
        assert_eq!(rest, "\"level\":\"warn\",\"target\":\"other\",\"message\":\"m 3\",\"b\":1,\"a\":2}\n");
    }

    #[test]
    fn hostile_values_stay_in_their_quotes() {
        let value = json_of(|| {
            tracing::error!(path = "a\"}\n{\u{1b}[2J\u{9b}", message = "x\ny\"", time = "now", rate = f64::NAN);
        });
        let wanted = json!({"level": "error", "message": "x\ny\"", "path": "a\"}\n{\u{1b}[2J\u{9b}",
            "field_time": "now", "rate": "NaN"});
        assert_eq!(value, wanted);
    }

    #[test]
    fn errors_tell_their_causes() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("no port")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Outer("x".parse::<u16>().unwrap_err());
        let value = json_of(|| tracing::info!(error = &error as &dyn std::error::Error));
        assert_eq!(value["error"], "no port: invalid digit found in string");
        assert_eq!(value["message"], "");
    }

    #[test]
    fn levels_beyond_the_chosen_one_are_silent() {
        let all = || {
            tracing::error!("e");
            tracing::warn!("w");
            tracing::info!("i");
            tracing::debug!("d");
            tracing::trace!("t");
            tracing::debug!(target: "h2::frame", "frame");
            tracing::warn!(target: "h2::frame", "warning");
            tracing::debug!(target: "h2o", "another library");
        };
        let count = |level| lines(level, Style::Plain, all).len();
        let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        assert_eq!(levels.map(count), [1, 3, 4, 6, 8]);
    }

    #[test]
    fn the_level_can_be_turned_while_it_is_in_use() {
        let lines = Arc::new(Mutex::new(0));
        let sink = Arc::clone(&lines);
        let subscriber = Subscriber::new(Level::Info, Style::Plain, move |_| *sink.lock().unwrap() += 1);
        let dial = subscriber.dial();
        let told = || {
            tracing::debug!("d");
            std::mem::take(&mut *lines.lock().unwrap())
        };
        with_default(subscriber, || {
            let before = told();
            dial.turn_to(Level::Debug);
            let turned = told();
            dial.turn_to(Level::Error);
            assert_eq!((before, turned, told()), (0, 1, 0));
        });
    }

    #[test]
    fn text_is_short() {
        let act = || tracing::info!(event = "listening", listener = "edge", note = "two words", "listening");
        let plain = &lines(Level::Info, Style::Plain, act)[0];
        assert_eq!(&plain["03:04:05.678".len()..], " info  listening listener=edge note=\"two words\"\n");
        let coloured = &lines(Level::Info, Style::Coloured, act)[0];
        assert!(coloured.contains("\x1b[32minfo\x1b[0m  listening \x1b[2mlistener=\x1b[0medge"), "{coloured:?}");
    }

    #[test]
    fn text_escapes_what_steers_a_terminal() {
        let act = || tracing::info!(path = "\u{1b}[2J", "a\nb");
        assert!(lines(Level::Info, Style::Plain, act)[0].ends_with("a\\nb path=\"\\u001b[2J\"\n"));
    }

    #[test]
    fn beginning_twice_is_quiet() {
        super::super::init(Level::Error, super::super::Format::Json);
        super::super::init(Level::Trace, super::super::Format::Text);
    }
}
