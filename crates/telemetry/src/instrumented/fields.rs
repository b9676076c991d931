//! The values of a span's fields: few, short, and without secrets.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};

use crate::redact;
use crate::span::Attribute;

/// Attributes of one span.
const MOST: usize = 32;
/// Bytes of one value.
const WORDS: usize = 1_024;
/// Bytes of all values.
const ALL_WORDS: usize = 4_096;

/// What the fields of a span say.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) attributes: Vec<(Cow<'static, str>, Attribute)>,
    /// What stands under `error`.
    pub(super) error: Option<String>,
    /// Bytes that were told so far.
    told: usize,
}

impl Fields {
    fn tell(&mut self, field: &Field, value: Attribute) {
        let name = field.name();
        let value = if redact::is_secret(name) { Attribute::Text(redact::MASK.into()) } else { value };
        if let Some((_, present)) = self.attributes.iter_mut().find(|(known, _)| known == name) {
            *present = value;
        } else if self.attributes.len() < MOST {
            self.attributes.push((name.into(), value));
        }
    }

    fn tell_text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let room = ALL_WORDS.saturating_sub(self.told);
        if room == 0 {
            return;
        }
        let mut text = Bounded { text: String::new(), most: WORDS.min(room) };
        // It is full.
        let _ = text.write_fmt(value);
        let Bounded { text, .. } = text;
        self.told = self.told.saturating_add(text.len());
        let text = redact::text(&text);
        match field.name() {
            "error" => self.error = Some(text.into_owned()),
            _ => self.tell(field, Attribute::Text(text.into())),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.tell_text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.tell_text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.tell_text(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.tell(field, Attribute::Whole(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.tell(field, Attribute::Whole(value)),
            Err(_) => self.tell_text(field, format_args!("{value}")),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.tell(field, Attribute::Number(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.tell(field, Attribute::Flag(value));
    }
}

/// A text that stops what writes it when it is full.
struct Bounded {
    text: String,
    most: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.most.saturating_sub(self.text.len());
        let fitting = text.floor_char_boundary(room);
        self.text.push_str(text.get(..fitting).unwrap_or_default());
        if fitting < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use tracing::info_span;

    use super::*;
    use crate::instrumented::taker;
    use crate::scope;
    use crate::span::Span;
    use crate::trace::TraceContext;
    use crate::tracer::Tracer;

    fn made(make: impl FnOnce()) -> Span {
        let (tracer, kept) = Tracer::keeping();
        tracing::subscriber::with_default(taker(tracer), || {
            let _entered = scope::enter(Some(TraceContext::new_root(true)));
            make();
        });
        kept.take().remove(0)
    }

    fn text(span: &Span, name: &str) -> String {
        let (_, value) = span.attributes.iter().find(|(known, _)| known == name).unwrap();
        let Attribute::Text(text) = value else { panic!("{value:?}") };
        text.to_string()
    }

    #[test]
    fn secrets_are_not_told() {
        let span = made(|| {
            drop(info_span!(
                "a",
                password = "hunter2",
                note = "Bearer abcdefghijklmnop",
                otp_secret = 735_912,
                plain = "x"
            ))
        });
        let all = format!("{span:?}");
        assert!(!all.contains("hunter2") && !all.contains("735912") && !all.contains("abcdefghijklmnop"), "{all}");
        assert_eq!(text(&span, "plain"), "x");
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        let span = made(|| drop(info_span!("a", long = "\u{e9}".repeat(5_000).as_str(), debug = ?vec![1; 5_000])));
        assert_eq!((text(&span, "long").len(), text(&span, "debug").len()), (WORDS, WORDS));
    }

    #[test]
    fn all_values_together_are_bounded_however_often_they_are_told() {
        let long = "x".repeat(WORDS);
        let span = made(|| {
            let span = info_span!("a", one = "", two = "");
            for _ in 0..10 {
                span.record("one", long.as_str()).record("two", long.as_str());
            }
        });
        assert_eq!((text(&span, "one").len(), text(&span, "two").len()), (WORDS, WORDS));
        let span = made(|| drop(info_span!("a", one = long, two = long, three = long, four = long, five = long)));
        assert_eq!(text(&span, "four").len(), WORDS);
        assert!(span.attributes.iter().all(|(name, _)| name != "five"));
    }

    #[test]
    fn the_latest_value_counts_and_big_numbers_are_texts() {
        let span = made(|| {
            let span = info_span!("a", n = 1, big = u64::MAX, half = 0.5, yes = true);
            span.record("n", 2);
        });
        assert!(span.attributes.contains(&("n".into(), Attribute::Whole(2))));
        assert!(span.attributes.contains(&("half".into(), Attribute::Number(0.5))));
        assert!(span.attributes.contains(&("yes".into(), Attribute::Flag(true))));
        assert_eq!(text(&span, "big"), u64::MAX.to_string());
    }
}
