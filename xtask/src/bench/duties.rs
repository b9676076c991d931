//! Before anything is measured, every proxy shows that it does what all must do: curl asks the origin for the head that
//! arrived there, and the answer is looked through.

use std::process::Command;

use super::identity::Identity;
use super::product::{ADDED_HEADER, REMOVED_HEADER, SET_HEADER};
use super::row::Door;
use super::running::RunningProxy;
use crate::failure::Failure;
use crate::steps;

/// Fails with the duty that a proxy neglects.
pub(crate) fn check(proxy: &RunningProxy) -> Result<(), Failure> {
    let name = proxy.product.name();
    let credential = proxy.setup.identity.as_ref().and_then(Identity::credential);
    let answer = ask(proxy, credential.as_deref())?;
    match neglected(&answer) {
        Some(duty) => Err(Failure::new(format!("{name} neglects a duty: {duty}; it answered:\n{answer}"))),
        None => Ok(()),
    }
}

/// The answer to a request with a header that says who asks or without one, in lower case; its body is the head that arrived at the
/// origin.
pub(crate) fn ask(proxy: &RunningProxy, credential: Option<&str>) -> Result<String, Failure> {
    let last = proxy.setup.routes.count() - 1;
    let (path, host) = proxy.setup.routes.request(last, "inspect");
    let scheme = if proxy.setup.door == Door::Tls { "https" } else { "http" };
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--insecure", "--max-time", "10", "--include", "--ipv4"]);
    curl.args(["-H", &format!("{REMOVED_HEADER}: leaked")]);
    if let Some(credential) = credential {
        curl.args(["-H", credential]);
    }
    curl.arg(if proxy.setup.door == Door::H2c { "--http2-prior-knowledge" } else { "--http1.1" });
    if let Some(host) = host {
        curl.args(["-H", &format!("Host: {host}")]);
    }
    // The name that the load uses: a session is good at one origin.
    curl.arg(format!("{scheme}://localhost:{}{path}", proxy.setup.address.port()));
    Ok(steps::output(curl)?.to_ascii_lowercase())
}

/// The head of an answer and its body.
pub(crate) fn split(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").unwrap_or((answer, ""))
}

/// The status of an answer, as text.
pub(crate) fn status(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap_or("none")
}

/// What is wrong with an answer (in lower case), whose body is the request that arrived at the origin.
fn neglected(answer: &str) -> Option<String> {
    let (head, arrived) = split(answer);
    let line = |(name, value): (&str, &str)| format!("{name}: {value}").to_ascii_lowercase();
    if status(head) != "200" {
        return Some(format!("status 200 is wanted, found {}", status(head)));
    }
    if !head.contains(&line(ADDED_HEADER)) {
        return Some(format!("the response header `{}` is missing", ADDED_HEADER.0));
    }
    if !arrived.contains(&line(SET_HEADER)) {
        return Some(format!("the request header `{}` is missing", SET_HEADER.0));
    }
    if arrived.contains("leaked") {
        return Some(format!("the request header `{REMOVED_HEADER}` was not removed"));
    }
    // Envoy writes an address of the machine where the client is on loopback, so the value is not compared.
    if !arrived.contains("x-forwarded-for: ") {
        return Some("the request header `X-Forwarded-For` is missing".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "http/1.1 200 ok\r\nx-gateway: passed\r\n\r\n\
        get /inspect http/1.1\r\nx-bench: set\r\nx-forwarded-for: 127.0.0.1\r\n\r\n";

    #[test]
    fn an_answer_with_every_duty_done_passes() {
        assert_eq!(neglected(GOOD), None);
    }

    #[test]
    fn each_neglected_duty_is_named() {
        let cases = [
            ("200 ok", "404 no", "404"),
            ("x-gateway: passed", "server: x", "X-Gateway"),
            ("x-bench: set", "a: b", "X-Bench"),
            ("x-forwarded-for: 127.0.0.1", "a: b", "X-Forwarded-For"),
            ("x-bench: set", "x-bench: set\r\nx-remove-me: leaked", "X-Remove-Me"),
        ];
        for (good, bad, named) in cases {
            let duty = neglected(&GOOD.replace(good, bad)).unwrap();
            assert!(duty.contains(named), "{bad}: {duty}");
        }
    }
}
