//! `gwanmun filters`: what a configuration may name, and everything about one of them.

use gwanmun_config::did_you_mean;
use gwanmun_filters::Registry;

use crate::cli::Outcome;
use crate::manual::{Argument, Kind, Page, Short, pages};
use crate::paint::Paint;
use crate::terminal::{complain, say, stdout_style};

/// Paragraphs are broken at this many characters.
const WIDTH: usize = 100;

/// Lists everything, or shows `name`.
pub(crate) fn run(registry: &Registry, name: Option<&str>) -> Outcome {
    let pages = pages(registry);
    let paint = Paint::new(stdout_style());
    let Some(name) = name else {
        say(list(&pages, paint));
        return Outcome::Good;
    };
    let found: Vec<String> = pages.iter().filter(|page| page.name == name).map(|page| whole(page, paint)).collect();
    if found.is_empty() {
        let hint = match did_you_mean(name, pages.iter().map(|page| page.name)) {
            Some(close) => format!("did you mean '{close}'?"),
            None => "`gwanmun filters` lists them all".to_owned(),
        };
        complain(format_args!("error: there is no predicate or filter called '{name}': {hint}"));
        return Outcome::WrongUsage;
    }
    say(found.join("\n\n"));
    Outcome::Good
}

fn list(pages: &[Page], paint: Paint) -> String {
    let width = pages.iter().map(|page| page.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (kind, heading) in [(Kind::Predicate, "Predicates"), (Kind::Filter, "Filters")] {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(paint.bold(heading));
        let of_kind = pages.iter().filter(|page| page.kind == kind);
        lines.extend(
            of_kind.map(|page| format!("  {}  {}", paint.name(format_args!("{:width$}", page.name)), page.summary())),
        );
    }
    lines.push(String::new());
    lines.push(paint.dim("gwanmun filters NAME shows arguments and an example"));
    lines.join("\n")
}

fn whole(page: &Page, paint: Paint) -> String {
    let mut lines = vec![format!("{} ({})", paint.bold(page.name), page.kind.name())];
    for paragraph in &page.description {
        lines.push(String::new());
        lines.extend(wrapped(paragraph, WIDTH));
    }
    if !page.arguments.is_empty() {
        lines.push(String::new());
        lines.push(paint.bold("Arguments"));
        page.arguments.iter().for_each(|argument| lines.extend(described(argument, paint)));
    }
    let name = page.name;
    match &page.short {
        Short::No => {}
        Short::Name => lines.extend([String::new(), format!("May stand as its bare name: `{name}`")]),
        Short::Argument(argument) => {
            lines.extend([String::new(), format!("In short: `{name}: …` is `{name}: {{{argument}: …}}`")])
        }
    }
    lines.extend([String::new(), paint.bold("Example"), page.example.trim_end().to_owned()]);
    lines.join("\n")
}

fn described(argument: &Argument, paint: Paint) -> Vec<String> {
    let Argument { name, value, is_required, default, description } = argument;
    let presence = match default {
        _ if *is_required => ", required".to_owned(),
        Some(default) => format!(", default {default}"),
        None => ", optional".to_owned(),
    };
    let mut lines = vec![format!("  {}  {value}{presence}", paint.name(name))];
    let paragraphs = description.iter().flat_map(|paragraph| wrapped(paragraph, WIDTH - 6));
    lines.extend(paragraphs.map(|line| format!("      {line}")));
    lines
}

/// `text` in lines of at most `width` characters, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_broken_between_words() {
        assert_eq!(wrapped("aa bb cc d eeeeee", 5), ["aa bb", "cc d", "eeeeee"]);
    }
}
