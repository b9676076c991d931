//! `gwanmun test`: the tests in the configuration, through the real router and filters, without the network.

use std::path::{Path, PathBuf};

use gwanmun_filters::Registry;
use gwanmun_proxy::rehearse::Rehearsal;

use crate::cli::Outcome;
use crate::load::{Configuration, from_files};
use crate::paint::Paint;
use crate::terminal::{complain, say, stdout_style};
use crate::testing::{Case, Difference, judge};

/// Runs every test and says how each went.
pub(crate) fn run(registry: &Registry, files: &[PathBuf]) -> Outcome {
    let configuration = from_files(registry, files);
    configuration.complain();
    let Some(plan) = &configuration.plan else { return Outcome::AtFault };
    if configuration.tests.is_empty() {
        say("no tests");
        return Outcome::Good;
    }
    let paint = Paint::new(stdout_style());
    let mut failed = 0;
    for case in &configuration.tests {
        let place = place(&configuration, case);
        match judge(case, plan) {
            Ok((differences, _)) if differences.is_empty() => {
                say(format_args!("{}      {place}  {}", paint.good("ok"), case.title))
            }
            Ok((differences, rehearsed)) => {
                failed += 1;
                say(format_args!("{}  {place}  {}", paint.bad("FAILED"), case.title));
                differences.iter().for_each(|difference| say(format_args!("        {}", sentence(difference))));
                if let Some(fault) = rehearsed.fault {
                    say(format_args!("        the gateway answered by itself: {}", fault.name()));
                }
                say(format_args!("        {}", paint.dim(why(files, case))));
            }
            Err(error) => {
                complain(format_args!("error: {place}: the test cannot run: {error}"));
                return Outcome::CouldNotStart;
            }
        }
    }
    let total = configuration.tests.len();
    let plural = if total == 1 { "" } else { "s" };
    if failed == 0 {
        say(format_args!("{total} test{plural}, all good"));
        return Outcome::Good;
    }
    say(format_args!("{total} test{plural}, {failed} failed"));
    Outcome::AtFault
}

fn place(configuration: &Configuration, case: &Case) -> String {
    let (file, line, _) = configuration.sources.location(case.span);
    format!("{file}:{line}")
}

fn sentence(difference: &Difference) -> String {
    match difference {
        Difference::NotAsked { by } => format!("the upstream was not asked: {by} answered"),
        Difference::Differs { what, expected, found } => format!("{what}: expected {expected}, found {found}"),
    }
}

/// The command that shows what happened.
fn why(files: &[PathBuf], case: &Case) -> String {
    let Rehearsal { method, headers, body, peer, listener, .. } = &case.rehearsal;
    let mut words = vec!["gwanmun".to_owned(), "explain".to_owned()];
    words.extend(files.iter().map(|file| quoted(&Path::display(file).to_string())));
    words.extend([method.to_string(), quoted(&case.url)]);
    for (name, value) in headers {
        words.extend(["-H".to_owned(), quoted(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))]);
    }
    if !body.is_empty() {
        words.extend(["--data".to_owned(), quoted(&String::from_utf8_lossy(body))]);
    }
    if let Some(peer) = peer {
        words.extend(["--from".to_owned(), peer.to_string()]);
    }
    if let Some(listener) = listener {
        words.extend(["--listener".to_owned(), quoted(listener)]);
    }
    words.join(" ")
}

/// For a shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,=@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("/orders/7"), "/orders/7");
        assert_eq!(quoted("/a?b=c&d"), "'/a?b=c&d'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
