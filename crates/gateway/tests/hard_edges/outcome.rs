//! What came of a form: whether it is what was wanted of us, and in one or two words for whoever it was sent to.

use crate::client::{Answer, Heard};
use crate::form::{End, Form, Seen};
use crate::recorder::Received;

/// The path of the request that is sent after every form, to see that nothing comes late.
pub(crate) const FENCE: &str = "/fence";

/// What the gateway says of itself and of the client to every upstream.
const OURS: [&str; 7] = [
    "forwarded",
    "host",
    "traceparent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// Whether that is what was wanted; if not, what is wrong.
pub(crate) fn judge(form: &Form, heard: &Heard, received: &[Received]) -> Result<(), String> {
    let second = form.end == End::Kept && form.has_second();
    let mut wanted = form.seen.clone();
    if second {
        let line = "GET /second HTTP/1.1".to_owned();
        wanted.push(Seen { line, fields: Vec::new(), body: Vec::new(), trailers: Vec::new() });
    }
    let (whole, broken): (Vec<_>, Vec<_>) = received.iter().partition(|request| request.is_whole());
    if let Some(flawed) = whole.iter().find(|request| request.flaw.is_some()) {
        return Err(format!("the upstream saw something malformed: {:?}", flawed.flaw));
    }
    if whole.len() != wanted.len() {
        return Err(format!("{} requests reached the upstream whole, {} were wanted", whole.len(), wanted.len()));
    }
    for (request, wanted) in whole.iter().zip(&wanted) {
        let asked = |name: &str| wanted.fields.iter().any(|field| field.starts_with(format!("{name}:").as_bytes()));
        let mut fields: Vec<_> = request.head.iter().skip(1).map(|line| lower_name(line)).collect();
        fields.retain(|field| {
            let name = field.split(|&byte| byte == b':').next().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            asked(&name) || !(OURS.contains(&&*name) || name == "content-length" || name == "transfer-encoding")
        });
        if let End::Switched(behind) = form.end {
            fields.retain(|field| !field.starts_with(b"connection:") && !field.starts_with(b"upgrade:"));
            if request.body != behind.as_bytes() {
                return Err("other bytes than wanted went through the tunnel".to_owned());
            }
        }
        let body = if matches!(form.end, End::Switched(_)) { &wanted.body } else { &request.body };
        let trailers = request.trailers.iter().map(|line| lower_name(line)).collect();
        let mut found = Seen { line: request.line(), fields, body: body.clone(), trailers };
        let mut wanted = wanted.clone();
        // Fields with different names may change places.
        for seen in [&mut found, &mut wanted] {
            seen.fields.sort_by(|a, b| name_of(a).cmp(name_of(b)));
        }
        if found != wanted {
            return Err("the upstream saw something else".to_owned());
        }
    }
    let may_break = match form.end {
        End::Cut(_) | End::Gone => broken.len() <= 1,
        _ => broken.is_empty(),
    };
    if !may_break {
        return Err("something broken reached the upstream".to_owned());
    }
    let mut answers = heard.answers.iter();
    for wanted in &wanted {
        let (status, path) = match form.end {
            End::Switched(_) => (101, None),
            _ => (200, wanted.line.split(' ').nth(1)),
        };
        match answers.next() {
            Some(answer) if answer.status == status && answer.field("x-path") == path => {}
            other => return Err(format!("the answer to {} is {:?}", wanted.line, other.map(|answer| answer.status))),
        }
    }
    match (form.end, answers.next()) {
        (End::Refused(status) | End::Cut(status), Some(answer)) => is_problem(answer, status)?,
        (End::Refused(_) | End::Cut(_), None) => return Err("there is no answer".to_owned()),
        (End::Gone, Some(answer)) if [400, 408].contains(&answer.status) => {}
        (_, None) => {}
        (_, Some(answer)) => return Err(format!("an answer too many: {answer:?}")),
    }
    if !heard.rest.is_empty() || answers.next().is_some() {
        return Err("more was said than wanted".to_owned());
    }
    if heard.closed { Ok(()) } else { Err("the connection did not close".to_owned()) }
}

fn is_problem(answer: &Answer, status: u16) -> Result<(), String> {
    let code = match status {
        400 => "malformed-request",
        413 => "body-too-large",
        414 => "uri-too-long",
        417 => "expectation-failed",
        431 => "headers-too-large",
        501 => "unsupported-coding",
        505 => "unsupported-version",
        other => panic!("no fault has the status {other}"),
    };
    let kind = format!(r#""type":"urn:gwanmun:fault:{code}""#);
    let body = String::from_utf8_lossy(&answer.body);
    let good = answer.status == status
        && answer.field("content-type") == Some("application/problem+json")
        && answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
        && body.contains(&kind)
        && body.contains(&format!(r#""status":{status}"#));
    if good {
        Ok(())
    } else {
        Err(format!("no problem {status} {code} that closes: {} {:?} {body}", answer.status, answer.fields))
    }
}

fn lower_name(line: &[u8]) -> Vec<u8> {
    let end = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
    [line[..end].to_ascii_lowercase().as_slice(), &line[end..]].concat()
}

fn name_of(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b':').next().unwrap_or_default()
}

/// What somebody made of a form, in the words of [`Form::outcome`] and some more.
pub(crate) fn describe(form: &Form, heard: &Heard, received: &[Received]) -> String {
    let is_second = |request: &&Received| request.path() == "/second";
    let whole: Vec<_> = received.iter().filter(|request| request.is_whole()).collect();
    let broken = received.len() - whole.len();
    let flawed = whole.iter().any(|request| request.flaw.is_some());
    let second = whole.iter().any(is_second);
    let mine: Vec<_> = whole.iter().filter(|request| !is_second(request)).collect();
    let swallowed = mine.iter().any(|request| request.body.windows(11).any(|window| window == b"GET /second"));
    let own = heard.answers.get(mine.len() + usize::from(second)..).and_then(|answers| answers.last());
    let tail = match (own, heard.closed) {
        (Some(answer), true) => format!("{}", answer.status),
        (Some(answer), false) => format!("{}, open", answer.status),
        (None, true) => "closed".to_owned(),
        (None, false) => "waits".to_owned(),
    };
    let named = if mine.iter().any(|request| request.path() == "/smuggled") {
        "**smuggled**".to_owned()
    } else if mine.len() > form.seen.len().max(1) {
        format!("**{} requests**", mine.len())
    } else if flawed {
        "**passed as it is**".to_owned()
    } else {
        "passed".to_owned()
    };
    match (mine.len(), second) {
        (0, _) if form.end == End::Gone && own.is_none() => "cut".to_owned(),
        (0, _) if broken > 0 => format!("cut, {tail}"),
        (0, true) => format!("{}, next passed", heard.answers.first().map_or(0, |answer| answer.status)),
        (0, false) if !heard.rest.is_empty() && own.is_none() => "answered without a head".to_owned(),
        (0, false) if own.is_some() => format!("refused, {tail}"),
        (0, false) => tail,
        (_, _) if swallowed && !matches!(form.end, End::Switched(_)) => format!("{named}, **next one in its body**"),
        (_, true) => named,
        (_, false) if own.is_some() => format!("{named}, rest refused, {tail}"),
        (_, false) if !form.has_second() => named,
        (_, false) => format!("{named}, {tail}"),
    }
}
