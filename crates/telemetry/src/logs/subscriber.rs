//! The subscriber of the whole process: decides which events are lines, and hands spans to who makes steps of traces of
//! them. Nobody does by itself: a request's story is in the access log.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};
use tracing_core::span::Current;

use super::Level;
use super::levels::{Levels, Unchanged};
use super::line::{self, Style};

/// The target of what is told whatever the levels are: that one was changed.
const TURNED: &str = "gwanmun_telemetry::logs::turned";

/// Gives events to `write`, and with them what makes lines of them.
pub(super) struct Subscriber<W> {
    dial: Arc<Dial>,
    style: Style,
    write: W,
}

/// Levels that can be turned while they are in use, and who takes spans.
pub(super) struct Dial {
    levels: ArcSwap<Levels>,
    /// The targets of every place in the code that was passed.
    known: Mutex<BTreeSet<&'static str>>,
    spans: OnceLock<Box<SpanTaker>>,
}

/// Who takes spans. It is told of spans only, and asked which of them it wants.
pub(super) type SpanTaker = dyn tracing::Subscriber + Send + Sync;

impl Dial {
    pub(super) fn new(levels: Levels) -> Self {
        Self { levels: ArcSwap::from_pointee(levels), known: Mutex::default(), spans: OnceLock::new() }
    }

    /// From now on spans go there. The first call decides.
    pub(super) fn hand_spans_to(&self, taker: Box<SpanTaker>) {
        if self.spans.set(taker).is_ok() {
            tracing::callsite::rebuild_interest_cache();
        }
    }

    /// From now on so much is told.
    pub(super) fn turn_to(&self, levels: Levels) {
        if *self.levels.swap(Arc::new(levels.clone())) != levels {
            // Every place in the code remembers whether it is heard.
            tracing::callsite::rebuild_interest_cache();
        }
    }

    /// From now on so much is told of one target and what is below it; with no level, what the configuration says.
    pub(super) fn change(&self, name: &str, level: Option<Level>) -> Result<(), Unchanged> {
        let mut outcome = Ok(());
        self.levels.rcu(|levels| match levels.with(name, level) {
            Ok(changed) => {
                outcome = Ok(());
                Arc::new(changed)
            }
            Err(unchanged) => {
                outcome = Err(unchanged);
                Arc::clone(levels)
            }
        });
        outcome?;
        tracing::callsite::rebuild_interest_cache();
        let level = level.map_or("as configured", Level::name);
        tracing::warn!(target: TURNED, event = "log-level-changed", logger = name, becomes = level, "the level of a logger was changed");
        Ok(())
    }

    pub(super) fn levels(&self) -> Arc<Levels> {
        self.levels.load_full()
    }

    /// Every place in the code that was passed, by its target.
    pub(super) fn known_targets(&self) -> Vec<&'static str> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// There is a place in the code with this target.
    pub(super) fn knows(&self, target: &'static str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
    }

    /// Whether an event is told.
    fn tells(&self, target: &str, level: tracing::Level) -> bool {
        target == TURNED || level <= self.levels.load().effective(target).filter()
    }
}

impl<W: Fn(Style, &dyn Fn(Style) -> Vec<u8>) + 'static> Subscriber<W> {
    pub(super) fn new(level: Level, style: Style, write: W) -> Self {
        Self { dial: Arc::new(Dial::new(Levels::new(level, []))), style, write }
    }

    /// What changes the levels.
    pub(super) fn dial(&self) -> Arc<Dial> {
        Arc::clone(&self.dial)
    }
}

impl<W> Subscriber<W> {
    fn spans(&self) -> Option<&SpanTaker> {
        self.dial.spans.get().map(Box::as_ref)
    }
}

impl<W: Fn(Style, &dyn Fn(Style) -> Vec<u8>) + 'static> tracing::Subscriber for Subscriber<W> {
    // Asked once per place in the code: what is not shown costs a load and a branch.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() {
            return self.spans().map_or_else(Interest::never, |spans| spans.register_callsite(metadata));
        }
        self.dial.knows(metadata.target());
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() {
            return self.spans().is_some_and(|spans| spans.enabled(metadata));
        }
        self.dial.tells(metadata.target(), *metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let of_spans = self.spans().map(|spans| spans.max_level_hint().unwrap_or(LevelFilter::TRACE));
        // That a level was changed is always told.
        let of_events = self.dial.levels().most().max(LevelFilter::WARN);
        Some(of_spans.map_or(of_events, |of_spans| of_spans.max(of_events)))
    }

    fn event(&self, event: &Event<'_>) {
        let now = SystemTime::now();
        (self.write)(self.style, &|style| line::of(event, now, style));
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        // Without a taker no span is enabled.
        self.spans().map_or_else(|| Id::from_u64(1), |spans| spans.new_span(attributes))
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        if let Some(spans) = self.spans() {
            spans.record(id, values);
        }
    }

    fn record_follows_from(&self, id: &Id, cause: &Id) {
        if let Some(spans) = self.spans() {
            spans.record_follows_from(id, cause);
        }
    }

    fn enter(&self, id: &Id) {
        if let Some(spans) = self.spans() {
            spans.enter(id);
        }
    }

    fn exit(&self, id: &Id) {
        if let Some(spans) = self.spans() {
            spans.exit(id);
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.spans().map_or_else(|| id.clone(), |spans| spans.clone_span(id))
    }

    fn try_close(&self, id: Id) -> bool {
        self.spans().is_some_and(|spans| spans.try_close(id))
    }

    fn current_span(&self) -> Current {
        self.spans().map_or_else(Current::none, |spans| spans.current_span())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tracing::subscriber::with_default;

    use super::{Level, *};
    use crate::redact;
    use crate::scope;
    use crate::trace::TraceContext;

    fn lines(level: Level, style: Style, act: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let write = move |style, form: &dyn Fn(Style) -> Vec<u8>| {
            sink.lock().unwrap().push(String::from_utf8(form(style)).unwrap());
        };
        with_default(Subscriber::new(level, style, write), act);
        // Another test may be asking every subscriber for its level just now, and so hold this one.
        std::mem::take(&mut *lines.lock().unwrap())
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
        let subscriber = Subscriber::new(Level::Info, Style::Plain, move |_, _: &dyn Fn(Style) -> Vec<u8>| {
            *sink.lock().unwrap() += 1
        });
        let dial = subscriber.dial();
        let told = || {
            tracing::debug!("d");
            std::mem::take(&mut *lines.lock().unwrap())
        };
        with_default(subscriber, || {
            let before = told();
            dial.turn_to(Levels::new(Level::Debug, []));
            let turned = told();
            dial.turn_to(Levels::new(Level::Debug, [(module_path!().into(), Level::Error)]));
            assert_eq!((before, turned, told()), (0, 1, 0));
            dial.change("gwanmun_telemetry::logs", Some(Level::Debug)).unwrap();
            assert_eq!(told(), 1, "that it was changed, since the nearer name decides");
            dial.change(module_path!(), Some(Level::Debug)).unwrap();
            assert_eq!(told(), 2);
            assert!(dial.known_targets().contains(&module_path!()));
        });
    }

    #[test]
    fn that_a_level_was_changed_is_told_whatever_the_levels_are() {
        let lines = lines(Level::Off, Style::Json, || {
            tracing::error!("silent");
            let dial = Dial::new(Levels::new(Level::Off, []));
            dial.change("ROOT", None).unwrap();
            dial.change("a b", None).unwrap_err();
        });
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains(r#""logger":"ROOT","becomes":"as configured""#), "{lines:?}");
    }

    #[test]
    fn spans_go_to_who_takes_them_and_events_do_not() {
        #[derive(Clone, Default)]
        struct Taker(Arc<Mutex<Vec<String>>>);
        impl Taker {
            fn note(&self, what: &str, id: &Id) {
                self.0.lock().unwrap().push(format!("{what} {}", id.into_u64()));
            }
        }
        impl tracing::Subscriber for Taker {
            fn enabled(&self, metadata: &Metadata<'_>) -> bool {
                metadata.name() == "wanted"
            }
            fn new_span(&self, _: &Attributes<'_>) -> Id {
                self.note("new", &Id::from_u64(7));
                Id::from_u64(7)
            }
            fn record(&self, id: &Id, _: &Record<'_>) {
                self.note("record", id);
            }
            fn record_follows_from(&self, id: &Id, _: &Id) {
                self.note("follows", id);
            }
            fn event(&self, _: &Event<'_>) {
                panic!("an event is a line");
            }
            fn enter(&self, id: &Id) {
                self.note("enter", id);
            }
            fn exit(&self, id: &Id) {
                self.note("exit", id);
            }
            fn try_close(&self, id: Id) -> bool {
                self.note("close", &id);
                true
            }
        }
        let taker = Taker::default();
        let lines = Arc::new(Mutex::new(0));
        let sink = Arc::clone(&lines);
        let subscriber = Subscriber::new(Level::Error, Style::Plain, move |_, _: &dyn Fn(Style) -> Vec<u8>| {
            *sink.lock().unwrap() += 1
        });
        let dial = subscriber.dial();
        with_default(subscriber, || {
            let make = || tracing::info_span!("wanted", a = tracing::field::Empty);
            assert!(make().is_disabled());
            dial.hand_spans_to(Box::new(taker.clone()));
            let span = make();
            span.record("a", 1);
            span.in_scope(|| tracing::error!("a line"));
            tracing::info!("not a line");
            drop(span);
            assert!(tracing::info_span!("not wanted").is_disabled());
        });
        assert_eq!(*taker.0.lock().unwrap(), ["new 7", "record 7", "enter 7", "exit 7", "close 7"]);
        assert_eq!(*lines.lock().unwrap(), 1);
    }

    #[test]
    fn lines_of_a_request_tell_its_trace_and_span() {
        let trace = TraceContext::new_root(false);
        let value = json_of(|| {
            let _within = scope::enter(Some(trace));
            tracing::info!(a = 1, "m");
        });
        let wanted = json!({"level": "info", "message": "m", "a": 1, "trace_id": &*trace.trace_id_hex(),
            "span_id": &*trace.span_id_hex()});
        assert_eq!(value, wanted);
        let text = &lines(Level::Info, Style::Plain, || {
            let _within = scope::enter(Some(trace));
            tracing::info!("m");
        })[0];
        assert!(text.ends_with(&format!("m trace_id={}\n", &*trace.trace_id_hex())), "{text}");
    }

    #[test]
    fn an_event_that_names_its_trace_keeps_it() {
        let value = json_of(|| {
            let _within = scope::enter(Some(TraceContext::new_root(false)));
            tracing::info!(trace_id = "of another", "m");
        });
        assert_eq!(value, json!({"level": "info", "message": "m", "trace_id": "of another"}));
    }

    #[test]
    fn secrets_are_masked_in_messages_and_fields() {
        let value = json_of(|| {
            let error = std::io::Error::other("redis://ann:hunter2@db refused");
            tracing::info!(api_key = "abc", pin = 1234, tokens = 5, password = true, error = &error as &dyn std::error::Error,
                header = ?("authorization", "Bearer abc"), "sent Bearer abc");
        });
        let wanted = json!({"level": "info", "message": "sent Bearer ***", "api_key": "***", "pin": "***", "tokens": 5,
            "password": true, "error": "redis://***@db refused", "header": "(\"authorization\", \"Bearer ***\")"});
        assert_eq!(value, wanted);
        let text = &lines(Level::Info, Style::Plain, || tracing::info!(token = "a b", c = "\u{9b}", "m"))[0];
        assert!(text.ends_with("m token=*** c=\"\\u009b\"\n"), "{text}");
    }

    #[test]
    fn a_value_without_end_is_cut() {
        let value = json_of(|| tracing::info!(long = ?["é"; 100_000], text = "é".repeat(100_000), "m"));
        for key in ["long", "text"] {
            let kept = value[key].as_str().unwrap();
            assert!(kept.len() < 17_000 && kept.ends_with('…'), "{}", kept.len());
        }
    }

    proptest! {
        #[test]
        fn any_event_is_one_line_of_json(a in any::<String>(), b in any::<String>()) {
            let value = json_of(|| tracing::info!(a, b = ?b, error = %a, "{b}"));
            prop_assert_eq!(value["a"].as_str().unwrap(), redact::text(&a));
            prop_assert_eq!(value["message"].as_str().unwrap(), redact::text(&b));
        }
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
