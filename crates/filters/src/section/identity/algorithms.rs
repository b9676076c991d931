//! A list of the algorithms that somebody may sign with, as it is written for issuers and for OpenID providers.

use gwanmun_config::{Spanned, did_you_mean};
use gwanmun_jose::Algorithm;
use gwanmun_proxy::Ground;

/// Those in `written`; mistakes go to `ground`, with what `wrong` says against one: a message and a hint.
pub(super) fn algorithms_in(
    written: &[Spanned<String>],
    wrong: impl Fn(Algorithm) -> Option<(String, &'static str)>,
    ground: &mut Ground<'_>,
) -> Option<Vec<Algorithm>> {
    let mut algorithms = Vec::with_capacity(written.len());
    let mut is_good = true;
    for name in written {
        match name.parse::<Algorithm>() {
            Ok(algorithm) => match wrong(algorithm) {
                Some((message, hint)) => {
                    ground.refuse_with_hint(name.span, message, hint);
                    is_good = false;
                }
                None => algorithms.push(algorithm),
            },
            Err(unknown) => {
                let message = format!("found '{}', {unknown}", name.value);
                let upper = name.to_ascii_uppercase();
                match did_you_mean(&upper, Algorithm::ALL.iter().map(|known| known.as_str())) {
                    Some(close) => ground.refuse_with_hint(name.span, message, format!("did you mean '{close}'?")),
                    None => ground.refuse(name.span, message),
                }
                is_good = false;
            }
        }
    }
    is_good.then_some(algorithms)
}
