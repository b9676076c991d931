//! One entry as one line of JSON, written byte by byte: this runs for every request, so there is no serializer, no
//! formatter and no allocation in it.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::Entry;
use crate::json;
use crate::sanitized::Sanitized;
use gwanmun_core::Stamp;

/// Appends the line with its line feed. The quotes around values stand in the words between them.
pub(super) fn push(out: &mut Vec<u8>, stamp: &mut Stamp, entry: &Entry<'_>) {
    out.reserve(640 + entry.path.len() + entry.user_agent.map_or(0, <[u8]>::len));
    out.extend_from_slice(b"{\"time\":\"");
    stamp.push(out, entry.time);
    // Hexadecimal digits.
    plain(out, b"\",\"trace_id\":\"", entry.trace_id.as_bytes());
    plain(out, b"\",\"span_id\":\"", entry.span_id.as_bytes());
    address(out, b"\",\"client\":", entry.client);
    text(out, b",\"listener\":\"", entry.listener.as_bytes());
    // Tokens of HTTP have neither quotes nor controls.
    plain(out, b"\",\"protocol\":\"", entry.protocol.as_bytes());
    plain(out, b"\",\"method\":\"", entry.method.as_bytes());
    text(out, b"\",\"host\":\"", entry.host.as_bytes());
    text(out, b"\",\"path\":\"", entry.path);
    out.push(b'"');
    optional_text(out, b",\"route\":", entry.route.map(str::as_bytes));
    optional_text(out, b",\"upstream\":", entry.upstream.map(str::as_bytes));
    optional_text(out, b",\"endpoint\":", entry.endpoint.map(str::as_bytes));
    number(out, b",\"status\":", entry.status.into());
    optional_text(out, b",\"fault\":", entry.fault.map(str::as_bytes));
    optional_text(out, b",\"fault_reason\":", entry.fault_reason.map(str::as_bytes));
    number(out, b",\"duration_us\":", micros(entry.duration));
    match entry.upstream_duration {
        Some(duration) => number(out, b",\"upstream_us\":", micros(duration)),
        None => out.extend_from_slice(b",\"upstream_us\":null"),
    }
    number(out, b",\"bytes_in\":", entry.bytes_in);
    number(out, b",\"bytes_out\":", entry.bytes_out);
    optional_text(out, b",\"principal\":", entry.principal.map(str::as_bytes));
    optional_text(out, b",\"user_agent\":", entry.user_agent);
    if !entry.sanitized.is_nothing() {
        names(out, ",\"sanitized\":", entry.sanitized);
    }
    if let Some(linked) = entry.linked_trace_id {
        plain(out, b",\"linked_trace_id\":\"", linked.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

/// The words before a value, and the value, which needs no escaping.
fn plain(out: &mut Vec<u8>, words: &[u8], value: &[u8]) {
    out.extend_from_slice(words);
    out.extend_from_slice(value);
}

/// The words before a value, with its quote, and the value.
fn text(out: &mut Vec<u8>, words: &[u8], value: &[u8]) {
    out.extend_from_slice(words);
    json::push_escaped(out, value);
}

fn optional_text(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => json::push_string(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn names(out: &mut Vec<u8>, key: &str, sanitized: Sanitized) {
    out.extend_from_slice(key.as_bytes());
    let mut before = b'[';
    for what in sanitized.iter() {
        out.extend_from_slice(&[before, b'"']);
        out.extend_from_slice(what.name().as_bytes());
        out.push(b'"');
        before = b',';
    }
    out.push(b']');
}

fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn address(out: &mut Vec<u8>, key: &[u8], address: Option<IpAddr>) {
    out.extend_from_slice(key);
    let Some(address) = address else { return out.extend_from_slice(b"null") };
    out.push(b'"');
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        // Writing into a vector cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
    out.push(b'"');
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::sanitized::What;

    const BARE: Entry<'static> = Entry {
        time: UNIX_EPOCH,
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
        span_id: "00f067aa0ba902b7",
        client: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))),
        listener: "edge",
        protocol: "HTTP/2",
        method: "GET",
        host: "",
        path: b"*",
        route: None,
        upstream: None,
        endpoint: None,
        status: 404,
        fault: None,
        fault_reason: None,
        duration: Duration::ZERO,
        upstream_duration: None,
        bytes_in: 0,
        bytes_out: 0,
        principal: None,
        user_agent: None,
        sanitized: Sanitized::NOTHING,
        linked_trace_id: None,
    };

    fn line(entry: &Entry<'_>) -> String {
        let mut out = Vec::new();
        push(&mut out, &mut Stamp::new(), entry);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_has_the_fields_of_the_contract_in_their_order() {
        let full = Entry {
            client: "2001:db8::1".parse().ok(),
            host: "example.org:8443",
            path: b"/caf\xc3\xa9",
            route: Some("orders"),
            upstream: Some("orders"),
            endpoint: Some("http://127.0.0.1:9001"),
            status: 502,
            fault: Some("upstream-malformed"),
            fault_reason: Some("malformed-head"),
            duration: Duration::from_nanos(1_234_999),
            upstream_duration: Some(Duration::from_secs(2)),
            bytes_in: 7,
            bytes_out: u64::MAX,
            principal: Some("alice"),
            user_agent: Some(b"curl \"8\""),
            ..BARE
        };
        let wanted = concat!(
            r#"{"time":"1970-01-01T00:00:00.000000Z","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","#,
            r#""span_id":"00f067aa0ba902b7","client":"2001:db8::1","listener":"edge","protocol":"HTTP/2","#,
            r#""method":"GET","host":"example.org:8443","path":"/café","route":"orders","upstream":"orders","#,
            r#""endpoint":"http://127.0.0.1:9001","status":502,"fault":"upstream-malformed","#,
            r#""fault_reason":"malformed-head","duration_us":1234,"upstream_us":2000000,"bytes_in":7,"bytes_out":18446744073709551615,"principal":"alice","#,
            r#""user_agent":"curl \"8\""}"#,
            "\n"
        );
        assert_eq!(line(&full), wanted);
    }

    #[test]
    fn what_is_absent_is_null() {
        let value: Value = serde_json::from_str(&line(&BARE)).unwrap();
        let object = value.as_object().unwrap();
        assert_eq!(object.len(), 21);
        let nulls: Vec<_> = object.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key.as_str()).collect();
        let wanted =
            ["endpoint", "fault", "fault_reason", "principal", "route", "upstream", "upstream_us", "user_agent"];
        assert_eq!(nulls, wanted);
        assert_eq!(value["client"], json!("192.0.2.1"));
    }

    #[test]
    fn what_was_done_at_the_door_is_told_where_something_was() {
        let mut sanitized = Sanitized::NOTHING;
        sanitized.add(What::Referer);
        sanitized.add(What::Path);
        let linked_trace_id = Some("0af7651916cd43dd8448eb211c80319c");
        let value: Value = serde_json::from_str(&line(&Entry { sanitized, linked_trace_id, ..BARE })).unwrap();
        assert_eq!(value["sanitized"], json!(["path", "header:referer"]));
        assert_eq!(value["linked_trace_id"], json!(linked_trace_id));
    }

    proptest! {
        #[test]
        fn any_bytes_make_one_line_of_valid_json(
            path in proptest::collection::vec(any::<u8>(), 0..40),
            user_agent in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            host in any::<String>(),
            principal in proptest::option::of(any::<String>()),
            client in any::<Option<IpAddr>>(),
            micros in any::<u64>(),
        ) {
            let text = line(&Entry {
                client,
                host: &host,
                path: &path,
                principal: principal.as_deref(),
                user_agent: user_agent.as_deref(),
                duration: Duration::from_micros(micros),
                ..BARE
            });
            prop_assert_eq!(text.find('\n'), Some(text.len() - 1));
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&value["path"], &json!(String::from_utf8_lossy(&path)));
            prop_assert_eq!(&value["user_agent"], &json!(user_agent.as_deref().map(String::from_utf8_lossy)));
            prop_assert_eq!(&value["host"], &json!(host));
            prop_assert_eq!(&value["principal"], &json!(principal));
            prop_assert_eq!(&value["client"], &json!(client.map(|client| client.to_string())));
            prop_assert_eq!(&value["duration_us"], &json!(micros));
        }
    }
}
