//! Prometheus' text format 0.0.4, read more strictly than Prometheus reads it: what could be told in two ways, comes twice,
//! is out of place or has a name that `promtool` complains about is refused.

use std::collections::{BTreeMap, BTreeSet};

/// What a page of metrics says.
#[derive(Debug)]
pub struct Exposition {
    /// The kinds, by name.
    kinds: BTreeMap<String, String>,
    /// The values, by series as they are written.
    values: BTreeMap<String, f64>,
}

/// One line with a number.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

/// A family while its lines come.
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    samples: Vec<Sample<'a>>,
}

impl Exposition {
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut page = Self { kinds: BTreeMap::new(), values: BTreeMap::new() };
        if !text.is_empty() && !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut lines = text.split_terminator('\n').peekable();
        while let Some(line) = lines.next() {
            let name = help(line).ok_or_else(|| format!("wanted HELP of a name: {line}"))?;
            let kind =
                lines.next().and_then(|line| line.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '));
            let kind = kind.ok_or_else(|| format!("wanted TYPE behind HELP: {line}"))?;
            let mut family = Family { name, kind, samples: Vec::new() };
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (series, sample) = sample(line).map_err(|what| format!("{what}: {line}"))?;
                if page.values.insert(series.to_owned(), sample.value).is_some() {
                    return Err(format!("it is there twice: {line}"));
                }
                family.samples.push(sample);
            }
            family.check().map_err(|what| format!("{what}: {name}"))?;
            if page.kinds.insert(name.to_owned(), kind.to_owned()).is_some() {
                return Err(format!("it is there twice: {name}"));
            }
        }
        Ok(page)
    }

    /// `counter`, `gauge` or `histogram`, where there is such a name.
    pub fn kind(&self, name: &str) -> Option<&str> {
        self.kinds.get(name).map(String::as_str)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// The number of a series as it is written: `orders_total{payment="card"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.values.get(series).copied()
    }

    /// All series as they are written, in order.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

impl Family<'_> {
    fn check(&self) -> Result<(), String> {
        let reserved = ["_total", "_bucket", "_count", "_sum"].into_iter().find(|end| self.name.ends_with(end));
        match (self.kind, reserved) {
            ("counter", Some("_total")) | ("gauge" | "histogram", None) => {}
            _ => return Err(format!("a {} is not called so", self.kind)),
        }
        if self.kind == "histogram" {
            return self.check_histogram();
        }
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            if sample.name != self.name {
                return Err(format!("{} is not of this family", sample.name));
            }
            if self.kind == "counter" && !(sample.value >= 0.0 && sample.value.is_finite()) {
                return Err(format!("a counter is not {}", sample.value));
            }
            if !seen.insert(&sample.labels) {
                return Err("labels are there twice".to_owned());
            }
        }
        self.check_labels(self.samples.iter().map(|sample| &sample.labels[..]))
    }

    /// Every group of labels has its buckets, ascending and adding up, its sum and its count, in this order.
    fn check_histogram(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut samples = self.samples.iter().peekable();
        while let Some(first) = samples.peek() {
            let labels = first.labels.split_last().map(|(_, labels)| labels).ok_or("a bucket has no bound")?;
            let (mut bound, mut count) = (f64::NEG_INFINITY, 0.0);
            while let Some(bucket) = samples.next_if(|sample| sample.name.strip_suffix("_bucket") == Some(self.name)) {
                let Some((("le", le), own)) = bucket.labels.split_last().map(|((name, le), own)| ((*name, le), own))
                else {
                    return Err("the last label of a bucket is its bound".to_owned());
                };
                let next = number(le)?;
                if own != labels || bound >= next || bucket.value < count || bucket.value.fract() != 0.0 {
                    return Err(format!("the bucket {le} does not follow the one before"));
                }
                (bound, count) = (next, bucket.value);
            }
            let mut end = |suffix| samples.next().filter(|sample| sample.name.strip_suffix(suffix) == Some(self.name));
            let (Some(sum), Some(total)) = (end("_sum"), end("_count")) else {
                return Err("sum and count follow the buckets".to_owned());
            };
            if sum.labels != labels || total.labels != labels || total.value != count || bound != f64::INFINITY {
                return Err(format!("{count} up to {bound} are not {} of {labels:?}", total.value));
            }
            if sum.value.is_nan() || !seen.insert(labels) {
                return Err(format!("{labels:?} are there twice, or their sum is no number"));
            }
        }
        self.check_labels(seen.into_iter())
    }

    fn check_labels<'b>(&self, mut all: impl Iterator<Item = &'b [(&'b str, String)]>) -> Result<(), String> {
        let names = |labels: &[(&'b str, String)]| labels.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let Some(first) = all.next().map(names) else { return Ok(()) };
        let reserved = |name: &&str| ["le", "quantile"].contains(name) || name.starts_with("__");
        if first.iter().any(reserved) || first.iter().collect::<BTreeSet<_>>().len() != first.len() {
            return Err(format!("{first:?} are no labels"));
        }
        match all.map(names).find(|names| *names != first) {
            Some(other) => Err(format!("some have {first:?}, some {other:?}")),
            None => Ok(()),
        }
    }
}

/// The name behind `# HELP`, if there is help too.
fn help(line: &str) -> Option<&str> {
    let (name, help) = line.strip_prefix("# HELP ")?.split_once(' ')?;
    let escapes_are_known = help.replace("\\\\", "").replace("\\n", "").find('\\').is_none();
    (is_name(name) && !help.is_empty() && !help.contains(char::is_control) && escapes_are_known).then_some(name)
}

/// The series as it is written, and what it says.
fn sample(line: &str) -> Result<(&str, Sample<'_>), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").ok_or("a label has no value")?;
            if !is_name(label) {
                return Err(format!("'{label}' is no label"));
            }
            let (value, behind) = quoted(value)?;
            labels.push((label, value));
            match (behind.strip_prefix(','), behind.strip_prefix('}')) {
                (Some(next), _) => rest = next,
                (_, Some(end)) => {
                    rest = end;
                    break;
                }
                _ => return Err("labels do not end".to_owned()),
            }
        }
    }
    if !is_name(name) {
        return Err(format!("'{name}' is no name"));
    }
    let value = number(rest.strip_prefix(' ').ok_or("no value")?)?;
    Ok((&line[..line.len() - rest.len()], Sample { name, labels, value }))
}

/// A value up to its quote, and what is behind.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match (character, character == '\\') {
            ('"', _) => return Ok((value, &text[place + 1..])),
            (_, true) => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, plain @ ('\\' | '"'))) => plain,
                other => return Err(format!("an escape that is none: {other:?}")),
            }),
            (plain, false) => value.push(plain),
        }
    }
    Err("a value does not end".to_owned())
}

fn number(text: &str) -> Result<f64, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        text if plain => text.parse().map_err(|_| format!("'{text}' is no number")),
        text => Err(format!("'{text}' is no number")),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"# HELP orders_total Orders \\ \n.
# TYPE orders_total counter
orders_total{a="1",b="\"\\\n,}"} 1
orders_total{a="2",b=""} 2.5
# HELP quiet Nothing.
# TYPE quiet gauge
# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{a="1",le="0.5"} 1
wait_seconds_bucket{a="1",le="+Inf"} 3
wait_seconds_sum{a="1"} 7
wait_seconds_count{a="1"} 3
"#;

    #[test]
    fn a_page_is_read() {
        let page = Exposition::read(GOOD).unwrap();
        assert_eq!(page.value(r#"orders_total{a="1",b="\"\\\n,}"}"#), Some(1.0));
        assert_eq!(page.value(r#"wait_seconds_count{a="1"}"#), Some(3.0));
        assert_eq!(page.names().collect::<Vec<_>>(), ["orders_total", "quiet", "wait_seconds"]);
        assert_eq!(page.kind("wait_seconds"), Some("histogram"));
        assert!(Exposition::read("").is_ok());
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (good, bad) in [
            ("} 2.5\n", "} 2.5 1700000000\n"),
            ("orders_total Orders", "orders-total Orders"),
            ("Nothing.", ""),
            ("Nothing.", "No\\thing."),
            ("quiet", "quiet_total"),
            ("orders_total", "orders"),
            ("quiet", "orders_total"),
            ("quiet gauge", "quiet summary"),
            ("a=\"2\"", "c=\"2\""),
            ("a=\"2\",b=\"\"", "a=\"1\",b=\"\\\"\\\\\\n,}\""),
            ("a=\"2\"", "a-b=\"2\""),
            ("\"2\"", "\"\\2\""),
            ("2.5", "-2.5"),
            ("2.5", "2.5e3"),
            ("2.5", "inf"),
            ("le=\"0.5\"} 1", "le=\"0.5\"} 4"),
            ("le=\"0.5\"} 1", "le=\"0.5\"} 0.5"),
            ("\"+Inf\"", "\"2\""),
            ("0.5", "+Inf"),
            ("count{a=\"1\"} 3", "count{a=\"1\"} 4"),
            ("sum{a=\"1\"} 7\n", ""),
            ("# TYPE quiet gauge\n", ""),
            ("# HELP quiet Nothing.\n", ""),
        ] {
            let broken = GOOD.replace(good, bad);
            assert_ne!(broken, GOOD, "{good}");
            assert!(Exposition::read(&broken).is_err(), "{broken}");
        }
        assert!(Exposition::read(GOOD.trim_end()).is_err());
        assert!(Exposition::read(&GOOD.repeat(2)).is_err());
    }
}
