//! Families as Prometheus' text format 0.0.4: the one place that makes it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::family::{Family, Sample, Value, Word};

/// Every family with its help, type and samples, in the order given; each name is to be there once.
pub(super) fn text(families: &[Family]) -> String {
    let mut text = Text { out: String::with_capacity(families.iter().map(size).sum()), bounds: Vec::new(), of: None };
    families.iter().for_each(|family| text.family(family));
    text.out
}

/// About how many bytes it will be.
fn size(family: &Family) -> usize {
    let lines = family.samples.first().map_or(0, |sample| match &sample.value {
        Value::Histogram { counts, .. } => counts.len() + 2,
        Value::Count(_) | Value::Number(_) => 1,
    });
    let labels = |sample: &Sample| sample.labels.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let line = family.name.len() + family.samples.first().map_or(0, labels) + 24;
    2 * family.name.len() + family.help.len() + 32 + family.samples.len() * lines * line
}

struct Text {
    out: String,
    /// The bounds `of` a histogram as they are written.
    bounds: Vec<Box<str>>,
    of: Option<Arc<[f64]>>,
}

impl Text {
    fn family(&mut self, family: &Family) {
        for part in ["# HELP ", &family.name, " "] {
            self.out.push_str(part);
        }
        self.escaped(&family.help, Quotes::Plain);
        for part in ["\n# TYPE ", &family.name, " ", family.kind.name(), "\n"] {
            self.out.push_str(part);
        }
        for sample in &family.samples {
            match &sample.value {
                Value::Count(count) => {
                    self.series(&family.name, "", &sample.labels, None);
                    self.count(*count);
                }
                Value::Number(number) => {
                    self.series(&family.name, "", &sample.labels, None);
                    self.number(*number);
                }
                Value::Histogram { bounds, counts, sum } => {
                    self.histogram(&family.name, &sample.labels, bounds, counts, *sum);
                }
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, Word)], bounds: &Arc<[f64]>, counts: &[u64], sum: f64) {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, bounds)) {
            self.bounds = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]).map(String::into).collect();
            self.of = Some(Arc::clone(bounds));
        }
        // What all lines of this histogram have in common is made once and copied.
        let begin = self.out.len();
        self.series(name, "_bucket", labels, Some(""));
        let head = self.out.split_off(begin);
        let head = head.strip_suffix("\"} ").unwrap_or(&head);
        let mut count = 0;
        for (bound, within) in self.bounds.iter().zip(counts) {
            count += within;
            self.out.push_str(head);
            self.out.push_str(bound);
            self.out.push_str("\"} ");
            push_count(&mut self.out, count);
        }
        self.series(name, "_sum", labels, None);
        self.number(sum);
        self.series(name, "_count", labels, None);
        self.count(count);
    }

    fn series(&mut self, name: &str, suffix: &str, labels: &[(&str, Word)], bound: Option<&str>) {
        self.out.push_str(name);
        self.out.push_str(suffix);
        let mut before = '{';
        let labels = labels.iter().map(|(label, value)| (*label, &**value));
        for (label, value) in labels.chain(bound.map(|bound| ("le", bound))) {
            self.out.push(before);
            self.out.push_str(label);
            self.out.push_str("=\"");
            self.escaped(value, Quotes::Escaped);
            self.out.push('"');
            before = ',';
        }
        self.out.push_str(if before == '{' { " " } else { "} " });
    }

    fn count(&mut self, count: u64) {
        push_count(&mut self.out, count);
    }

    /// The shortest digits that mean the same number, and the format's words for what has none.
    fn number(&mut self, number: f64) {
        let _ = match number {
            f64::INFINITY => self.out.write_str("+Inf"),
            f64::NEG_INFINITY => self.out.write_str("-Inf"),
            number => write!(self.out, "{number}"),
        };
        self.out.push('\n');
    }

    fn escaped(&mut self, text: &str, quotes: Quotes) {
        let mut rest = text;
        while let Some(place) = rest.find(['\\', '"', '\n']) {
            let (plain, special) = rest.split_at(place);
            self.out.push_str(plain);
            let mut special = special.chars();
            match special.next() {
                Some('\n') => self.out.push_str("\\n"),
                Some('"') if quotes == Quotes::Plain => self.out.push('"'),
                Some(character) => self.out.extend(['\\', character]),
                None => {}
            }
            rest = special.as_str();
        }
        self.out.push_str(rest);
    }
}

/// Help has no quotes around it, labels have.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Quotes {
    Plain,
    Escaped,
}

fn push_count(out: &mut String, count: u64) {
    out.push_str(itoa::Buffer::new().format(count));
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use gwanmun_testkit::Exposition;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::super::family::Kind;
    use super::*;

    #[test]
    fn help_and_labels_are_escaped_each_in_its_way() {
        let family = Family::new("x_total", Kind::Counter, "a \"b\" \\ \n c");
        let family = family.sample(vec![("l", "a \"b\" \\ \n c".into()), ("m", "".into())], Value::Count(1));
        let wanted = "# HELP x_total a \"b\" \\\\ \\n c\n# TYPE x_total counter\n\
            x_total{l=\"a \\\"b\\\" \\\\ \\n c\",m=\"\"} 1\n";
        assert_eq!(text(&[family]), wanted);
    }

    #[test]
    fn buckets_add_up() {
        let histogram = |bounds: &[f64], counts: &[u64], sum| Value::Histogram {
            bounds: bounds.into(),
            counts: counts.into(),
            sum,
        };
        let family = Family::new("x_seconds", Kind::Histogram, "X.")
            .sample(vec![("a", "\"}".into())], histogram(&[0.5, 1.0], &[1, 0, 2], 7.25))
            .sample(vec![], histogram(&[2.0], &[1, 1], 0.1));
        let wanted = r#"# HELP x_seconds X.
# TYPE x_seconds histogram
x_seconds_bucket{a="\"}",le="0.5"} 1
x_seconds_bucket{a="\"}",le="1"} 1
x_seconds_bucket{a="\"}",le="+Inf"} 3
x_seconds_sum{a="\"}"} 7.25
x_seconds_count{a="\"}"} 3
x_seconds_bucket{le="2"} 1
x_seconds_bucket{le="+Inf"} 2
x_seconds_sum 0.1
x_seconds_count 2
"#;
        assert_eq!(text(&[family]), wanted);
    }

    #[test]
    fn numbers_have_the_words_of_the_format() {
        let shown = |number| {
            let text = text(&[Family::gauge("x", "X.", Value::Number(number))]);
            text.lines().last().unwrap().to_owned()
        };
        let numbers = [0.0, 1.5, -2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        assert_eq!(numbers.map(shown), ["x 0", "x 1.5", "x -2", "x +Inf", "x -Inf", "x NaN"]);
    }

    proptest! {
        #[test]
        fn whatever_was_counted_is_read_as_it_was(
            help in "(\\PC|[\\\\\"\n])+",
            counters in btree_map("\\PC*|[\\\\\"\n{},= ]*", any::<u64>(), 0..8),
            histograms in btree_map("[a-z\"\\\\]*", (vec(0_u64..1000, 4), -1e9_f64..1e9), 0..4),
        ) {
            let word = |word: &str| vec![("label", Word::from(word.to_owned()))];
            let total = Family { help: help.clone().into(), ..Family::new("a_total", Kind::Counter, "") };
            let total = counters.iter().fold(total, |family, (value, n)| family.sample(word(value), Value::Count(*n)));
            let bounds: Arc<[f64]> = [0.1, 0.25, 10.0].into();
            let size = histograms.iter().fold(Family::new("b", Kind::Histogram, "B."), |family, (value, (counts, sum))| {
                let value = (value, Value::Histogram { bounds: Arc::clone(&bounds), counts: counts.clone(), sum: *sum });
                family.sample(word(value.0), value.1)
            });
            let text = text(&[total, size]);
            let page = match Exposition::read(&text) {
                Ok(page) => page,
                Err(what) => return Err(TestCaseError::fail(format!("{what}\n{text}"))),
            };
            prop_assert_eq!(page.series().count(), counters.len() + 6 * histograms.len());
            let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            for (value, count) in &counters {
                prop_assert_eq!(page.value(&format!("a_total{{label=\"{}\"}}", escaped(value))), Some(*count as f64));
            }
            for (value, (counts, sum)) in &histograms {
                let value = escaped(value);
                let within = counts[0] + counts[1];
                let bucket = page.value(&format!("b_bucket{{label=\"{value}\",le=\"0.25\"}}"));
                prop_assert_eq!(bucket, Some(within as f64));
                prop_assert_eq!(page.value(&format!("b_sum{{label=\"{value}\"}}")), Some(*sum));
            }
        }
    }
}
