//! Before anything is measured, every guarded proxy shows that it guards: who may pass passes, who may not does not, and
//! the origin sees what it should and nothing else.

use super::rung::{Asked, Rung};
use super::{Identity, bearer, guard};
use crate::bench::duties::{self, split, status};
use crate::bench::running::RunningProxy;
use crate::failure::{Failure, While};

/// What a proxy answered, in lower case; the body of an answer is the request that arrived at the origin.
#[derive(Debug, Clone, Default)]
struct Answers {
    /// To the token that opens the rung.
    granted: String,
    /// To the same token once more.
    again: String,
    /// To nobody in particular.
    anonymous: String,
    /// To a token somebody made up.
    forged: String,
    /// To a good token without the role and the scope.
    stranger: String,
}

/// Fails with what a proxy neglects.
pub(super) fn check(proxy: &RunningProxy) -> Result<(), Failure> {
    duties::check(proxy)?;
    let Some(identity) = proxy.setup.identity.as_ref().filter(|identity| identity.rung.is_guarded()) else {
        return Ok(());
    };
    let rung = identity.rung;
    let answers = Answers {
        granted: duties::ask(proxy, identity.credential().as_deref())?,
        again: duties::ask(proxy, identity.credential().as_deref())?,
        anonymous: duties::ask(proxy, None)?,
        forged: duties::ask(proxy, Some(&forged(identity)))?,
        stranger: duties::ask(proxy, Some(&bearer(&identity.tokens.stranger)))?,
    };
    if let Some(duty) = neglected(rung, &answers) {
        return Err(Failure::new(format!("`{}` neglects a duty: {duty}\n{answers:#?}", rung.title())));
    }
    if rung.asks(Asked::Audit) {
        let path = guard::audit_log(&proxy.setup);
        let log = std::fs::read_to_string(&path).while_doing(&path)?;
        if !log.contains("\"deny\"") {
            return Err(Failure::new(format!("{path}: a record of a refusal is wanted, found:\n{log}")));
        }
    }
    Ok(())
}

fn forged(identity: &Identity) -> String {
    match identity.credential() {
        Some(opaque) if !identity.rung.asks(Asked::Token) => format!("{opaque}-not"),
        _ => bearer(&identity.tokens.forged()),
    }
}

/// What is wrong with the answers.
fn neglected(rung: Rung, answers: &Answers) -> Option<String> {
    for (who, answer) in [("without a token", &answers.anonymous), ("with a forged token", &answers.forged)] {
        if status(answer) != "401" {
            return Some(format!("status 401 is wanted {who}, found {}", status(answer)));
        }
    }
    if rung.asks(Asked::Decision) && rung.asks(Asked::Token) && status(&answers.stranger) != "403" {
        return Some(format!("status 403 is wanted without the role, found {}", status(&answers.stranger)));
    }
    if status(&answers.granted) != "200" {
        return Some(format!("status 200 is wanted with a token, found {}", status(&answers.granted)));
    }
    for header in ["authorization", "cookie"] {
        if split(&answers.granted).1.contains(&format!("\n{header}:")) {
            return Some(format!("the request header `{header}` was not kept from the origin"));
        }
    }
    if !rung.asks(Asked::Passport) {
        return None;
    }
    match (passports(&answers.granted).as_slice(), passports(&answers.again).as_slice()) {
        ([one], [other]) if (one == other) == (rung == Rung::PassportReused) => None,
        ([_], [_]) if rung == Rung::PassportReused => Some("two requests had two Passports".to_owned()),
        ([_], [_]) => Some("two requests had the same Passport".to_owned()),
        (first, _) => Some(format!("one request header `Txn-Token` is wanted, found {}", first.len())),
    }
}

fn passports(answer: &str) -> Vec<&str> {
    split(answer).1.lines().filter_map(|line| line.strip_prefix("txn-token: ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(passports: [&str; 2]) -> Answers {
        let arrived = |passport| format!("http/1.1 200 ok\r\n\r\nget / http/1.1\r\n{passport}a: b\r\n\r\n");
        let [granted, again] = passports.map(arrived);
        let refused = "http/1.1 401 unauthorized\r\n\r\n".to_owned();
        let stranger = "http/1.1 403 forbidden\r\n\r\n".to_owned();
        Answers { granted, again, anonymous: refused.clone(), forged: refused, stranger }
    }

    const ONE: &str = "txn-token: one\r\n";
    const OTHER: &str = "txn-token: other\r\n";

    #[test]
    fn who_does_everything_passes() {
        for rung in [Rung::Known, Rung::Authorized, Rung::Introspected, Rung::EnvoyUnknown] {
            assert_eq!(neglected(rung, &answers(["", ""])), None, "{rung:?}");
        }
        assert_eq!(neglected(Rung::PassportEach, &answers([ONE, OTHER])), None);
        assert_eq!(neglected(Rung::PassportReused, &answers([ONE, ONE])), None);
    }

    #[test]
    fn a_guard_that_lets_others_pass_is_named() {
        let open = "http/1.1 200 ok\r\n\r\nget / http/1.1\r\n\r\n".to_owned();
        let good = answers(["", ""]);
        let cases = [
            (Answers { anonymous: open.clone(), ..good.clone() }, "without a token"),
            (Answers { forged: open.clone(), ..good.clone() }, "forged"),
            (Answers { stranger: open, ..good.clone() }, "without the role"),
            (Answers { granted: good.anonymous.clone(), ..good.clone() }, "with a token"),
            (answers(["authorization: bearer x\r\n", ""]), "`authorization`"),
            (answers(["cookie: gwanmun=x\r\n", ""]), "`cookie`"),
        ];
        for (answers, named) in cases {
            let duty = neglected(Rung::Authorized, &answers).unwrap();
            assert!(duty.contains(named), "{named}: {duty}");
        }
    }

    #[test]
    fn a_passport_that_is_missing_double_stale_or_wasted_is_named() {
        let double = format!("{ONE}{OTHER}");
        let cases = [
            (Rung::PassportEach, ["", ""], "found 0"),
            (Rung::PassportEach, [double.as_str(), ONE], "found 2"),
            (Rung::PassportEach, [ONE, ONE], "the same"),
            (Rung::PassportReused, [ONE, OTHER], "two Passports"),
        ];
        for (rung, passports, named) in cases {
            let duty = neglected(rung, &answers(passports)).unwrap();
            assert!(duty.contains(named), "{named}: {duty}");
        }
    }
}
