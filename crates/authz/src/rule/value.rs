//! Values of requests and claims as the interpreter's, borrowed where that can be.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;
use serde_json::Value;

/// What an evaluation may still do. An evaluation stays on its thread; the interpreter wants something that may be shared.
#[derive(Debug)]
pub(crate) struct Work(AtomicU32);

impl Work {
    pub(crate) fn new(units: u32) -> Self {
        Self(AtomicU32::new(units))
    }

    /// Takes `units`; false if there are not as many, and then there are none.
    pub(crate) fn take(&self, units: u32) -> bool {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(units);
        self.0.store(left, Ordering::Relaxed);
        left > 0
    }

    /// Takes what a text costs.
    pub(crate) fn take_text(&self, text: &str) -> bool {
        self.take(u32::try_from(text.len() / 16).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// Whether more was wanted than there was.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// `value` for the interpreter; `None` if that takes more work than there is.
pub(crate) fn of_json<'v>(value: &'v Value, work: &Work) -> Option<Box<dyn Val + 'v>> {
    if !work.take(1) {
        return None;
    }
    Some(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64()?)),
        },
        Value::String(text) => return of_text(text, work),
        Value::Array(values) => {
            let values = values.iter().map(|value| of_json(value, work)).collect::<Option<Vec<_>>>()?;
            Box::new(CelList::from(values))
        }
        Value::Object(members) => {
            let member = |(name, value): (&'v String, &'v Value)| {
                work.take_text(name).then_some(())?;
                Some((CelMapKey::from(name.as_str()), of_json(value, work)?))
            };
            Box::new(CelMap::from(members.iter().map(member).collect::<Option<HashMap<_, _>>>()?))
        }
    })
}

/// `text` for the interpreter.
pub(crate) fn of_text<'v>(text: &'v str, work: &Work) -> Option<Box<dyn Val + 'v>> {
    work.take_text(text).then(|| Box::new(CelString::from(text)) as Box<dyn Val + 'v>)
}

/// `texts` for the interpreter.
pub(crate) fn of_texts<'v>(texts: &'v [String], work: &Work) -> Option<Box<dyn Val + 'v>> {
    let texts = texts.iter().map(|text| of_text(text, work)).collect::<Option<Vec<_>>>()?;
    Some(Box::new(CelList::from(texts)))
}
