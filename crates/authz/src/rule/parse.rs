//! From text to a checked expression. The parser is not ours: what could lead it astray is refused before, and it works on a
//! thread of its own, with a deep stack, whose panic is a refusal.

use std::thread;

use cel::parser::Parser;
use cel::{IdedExpr, ParseErrors};

use crate::invalid::Mistake;
use crate::rule::check::check;
use crate::rule::slot::Slot;

/// The longest expression, bytes.
const LONGEST: usize = 2048;

/// How deep brackets and choices may stand in each other.
const DEEPEST: usize = 16;

/// A mistake and its column, from 1, where that is known.
pub(crate) type Placed = (Option<usize>, Mistake);

/// The stack of the parser, bytes: an expression of the longest length that is one chain fits.
const STACK: usize = 32 << 20;

/// Reads and checks `text`.
pub(crate) fn parse(text: &str) -> Result<(IdedExpr, Vec<Slot>), Vec<Placed>> {
    refuse_early(text).map_err(|mistake| vec![mistake])?;
    let owned = text.to_owned();
    let builder = thread::Builder::new().name("rule".to_owned()).stack_size(STACK);
    let parsed = builder.spawn(move || {
        let parsed = Parser::new().max_recursion_depth(96).parse_with_source_info(&owned);
        let (expression, source) = parsed.map_err(|errors| refused(&owned, &errors))?;
        check(expression, &owned, &source)
    });
    let outcome = parsed.map_err(|error| vec![(None, Mistake::new(format!("no thread for its parser: {error}")))])?;
    outcome.join().unwrap_or_else(|_| Err(vec![(None, Mistake::new("the parser failed on this expression"))]))
}

/// What the parser does not need to see.
fn refuse_early(text: &str) -> Result<(), Placed> {
    if text.trim().is_empty() {
        return Err((None, Mistake::new("found nothing, wanted an expression")));
    }
    if text.len() > LONGEST {
        return Err((None, Mistake::new(format!("found {} bytes, wanted at most {LONGEST}", text.len()))));
    }
    let mut scan = Scan::default();
    for (column, character) in (1..).zip(text.chars()) {
        if character.is_control() && !matches!(character, '\n' | '\t' | '\r') {
            return Err((Some(column), Mistake::new("found a control character")));
        }
        scan.see(character);
        if scan.depth + scan.choices > DEEPEST {
            return Err((
                Some(column),
                Mistake::new(format!("found more than {DEEPEST} brackets and choices in each other")),
            ));
        }
    }
    Ok(())
}

/// Counts brackets and choices outside of plain strings. It errs on the side of more.
#[derive(Default)]
struct Scan {
    quote: Option<char>,
    escaped: bool,
    depth: usize,
    choices: usize,
}

impl Scan {
    fn see(&mut self, character: char) {
        if self.escaped {
            self.escaped = false;
            return;
        }
        match (self.quote, character) {
            (Some(_), '\\') => self.escaped = true,
            (Some(quote), _) if quote == character => self.quote = None,
            (Some(_), '\n') => self.quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => self.quote = Some(character),
            (None, '(' | '[' | '{') => self.depth += 1,
            (None, ')' | ']' | '}') => self.depth = self.depth.saturating_sub(1),
            (None, '?') => self.choices += 1,
            (None, _) => {}
        }
    }
}

/// The parser's first complaints, in our words where they are its grammar's.
fn refused(text: &str, errors: &ParseErrors) -> Vec<Placed> {
    let placed = |error: &cel::ParseError| {
        let line = usize::try_from(error.pos.0).ok().filter(|line| *line > 0);
        let within = usize::try_from(error.pos.1).unwrap_or_default();
        let before =
            line.map(|line| text.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum::<usize>());
        let message = error.msg.lines().next().unwrap_or_default();
        (before.map(|before| before + within.max(1)), syntax(message))
    };
    errors.errors.iter().take(3).map(placed).collect()
}

fn syntax(message: &str) -> Mistake {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    // What the grammar would take here is a list of all its tokens: of no use to anybody.
    let short = message.split(" expecting ").next().unwrap_or_default();
    if short.contains("has() macro") {
        let mistake = Mistake::new("has() takes a member: 'has(principal.claims.name)'");
        return mistake.with_hint("for other names: \"'x-name' in request.headers\"");
    }
    let mistake = Mistake::new(format!("it does not read: {}", crate::decision::shortened(short, 160)));
    match short.contains("'='") || short.contains("'=") {
        true => mistake.with_hint("equality is '=='"),
        false => mistake,
    }
}
