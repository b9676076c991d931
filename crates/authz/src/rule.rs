//! A rule in the Common Expression Language: read and checked once, then evaluated for each request with no more of the
//! principal and the request than it names, and no more work than it is allowed.

mod check;
mod function;
mod kind;
mod parse;
mod slot;
mod value;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use cel::common::types::CelBool;
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, ExecutionError, IdedExpr, Value};
use gwanmun_core::{Level, Principal};

use crate::action::Action;
use crate::decision::shortened;
use crate::invalid::{Argument, Invalid};
use crate::rule::slot::Slot;
use crate::rule::value::Work;

/// What one evaluation may take: about one for each value that is read, for each 16 bytes of it and for each element; and
/// [`STEP`] for each step of a loop.
const WORK: u32 = 50_000;

/// What a step of a loop takes, besides one for each part of its condition.
const STEP: u32 = 16;

/// The beginning of the names that count the steps of loops; what follows is what a step takes. Nobody can write them.
const COUNT: &str = "@count";

/// A checked expression.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `rule <expression>`, shortened.
    label: Box<str>,
    expression: IdedExpr,
    slots: Vec<Slot>,
}

/// What a rule can ask about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) level: Level,
    pub(crate) action: &'a Action<'a>,
}

impl Rule {
    /// Reads and checks `text`.
    ///
    /// # Errors
    /// Every mistake that is seen without a request.
    pub(crate) fn new(text: &str) -> Result<Self, Vec<Invalid>> {
        let parsed = parse::parse(text);
        let (expression, slots) = parsed.map_err(|mistakes| {
            let at = |column| Argument::Rule { column };
            mistakes.into_iter().map(|(column, mistake)| mistake.at(at(column))).collect::<Vec<_>>()
        })?;
        let label = format!("rule {}", shortened(&text.split_whitespace().collect::<Vec<_>>().join(" "), 100));
        Ok(Self { label: label.into(), expression, slots })
    }

    /// Its words in the audit record.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// Why it cannot be computed, in words of ours and of the expression.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> Result<bool, String> {
        let variables =
            Variables { slots: &self.slots, facts, work: Work::new(WORK), failed: AtomicU32::new(u32::MAX) };
        let mut context = Context::with_env(function::environment());
        context.set_variable_resolver(&variables);
        // The interpreter is not ours: should it panic, this rule refuses and the worker lives.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let value = Value::resolve_val(&self.expression, &context)?;
            Ok(value
                .downcast_ref::<CelBool>()
                .map(|held| *held.inner())
                .ok_or_else(|| value.get_type().name().to_owned()))
        }));
        if variables.work.is_exhausted() {
            return Err("it takes more work than a rule may".to_owned());
        }
        match outcome {
            Ok(Ok(Ok(held))) => Ok(held),
            Ok(Ok(Err(kind))) => Err(format!("it gave {kind}, wanted true or false")),
            Ok(Err(error)) => Err(variables.why(&error)),
            Err(_) => Err("its interpreter failed".to_owned()),
        }
    }

    /// Everything that it asks about, and what is there.
    pub(crate) fn values(&self, facts: &Facts<'_>) -> Vec<(String, String)> {
        let mut values: Vec<_> =
            self.slots.iter().filter_map(|slot| Some((slot.to_string(), slot.shown(facts)?))).collect();
        values.sort();
        values.dedup();
        values
    }
}

/// Answers the interpreter's questions. The checked expression has no variables but `@N`, the slots by their place, and
/// those of loops.
#[derive(Debug)]
struct Variables<'a> {
    slots: &'a [Slot],
    facts: &'a Facts<'a>,
    work: Work,
    /// The last slot that had no value.
    failed: AtomicU32,
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let place = variable.strip_prefix('@')?;
        if let Some(units) = variable.strip_prefix(COUNT) {
            return Some(CowVal::owned(CelBool::from(self.work.take(units.parse().unwrap_or(STEP)))));
        }
        let place: u32 = place.parse().ok()?;
        let slot = self.slots.get(usize::try_from(place).ok()?)?;
        let value = slot.value(self.facts, &self.work);
        if value.is_err() {
            self.failed.store(place, Ordering::Relaxed);
        }
        value.ok()
    }
}

impl Variables<'_> {
    /// Why evaluation ended with `error`, without any value that came from outside.
    fn why(&self, error: &ExecutionError) -> String {
        match error {
            ExecutionError::UndeclaredReference(_) => {
                let place = usize::try_from(self.failed.load(Ordering::Relaxed)).ok();
                let slot = place.and_then(|place| self.slots.get(place));
                let why = slot.and_then(|slot| {
                    Some(format!("{} {}", shortened(&slot.to_string(), 160), slot.value(self.facts, &self.work).err()?))
                });
                why.unwrap_or_else(|| "something in it has no value".to_owned())
            }
            ExecutionError::NoSuchKey(_) => "a key is not there".to_owned(),
            ExecutionError::IndexOutOfBounds(_) => "an index is beyond the end".to_owned(),
            ExecutionError::NoSuchOverload(call) => {
                format!("{} does not go with ({})", call.function(), call.argument_types().join(", "))
            }
            ExecutionError::UnexpectedType { got, want } => format!("found {got}, wanted {want}"),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
            ExecutionError::Overflow(..) => "a number is too large".to_owned(),
            ExecutionError::FunctionError { function, .. } => format!("{function}() cannot take its argument"),
            ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
                format!("{operator} does not go with these kinds")
            }
            _ => "values of these kinds do not go together".to_owned(),
        }
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
