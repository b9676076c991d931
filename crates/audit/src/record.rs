//! What is recorded: who did what to what, and what was decided. A record becomes text where it is made, on the thread of
//! its request; the place in the chain is added by the writer.

use std::net::IpAddr;

use gwanmun_core::Code;

use crate::text::push_string;

/// The longest `resource`, in bytes of the log; more is cut and ends in `…`.
const LONGEST_RESOURCE: usize = 2048;
/// The longest of any other member.
const LONGEST: usize = 512;

/// One thing that was decided. What is not known is not written.
#[derive(Debug, Clone)]
#[must_use = "a record is written by `AuditLog::record`"]
pub struct Record<'a> {
    event: Event,
    decision: Decision,
    actor: Option<&'a [u8]>,
    credential: Option<&'a [u8]>,
    client: Option<IpAddr>,
    action: Option<&'a [u8]>,
    resource: Option<(&'a [u8], &'a [u8])>,
    route: Option<&'a [u8]>,
    rule: Option<&'a [u8]>,
    fault: Option<Code>,
    trace_id: Option<&'a [u8]>,
}

/// What was decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Who somebody is.
    Authenticate,
    /// Whether they may.
    Authorize,
    /// Somebody begins a session, or cannot.
    Login,
    /// Sessions end.
    Logout,
    /// Business code did something, or would not: `action` says what.
    Business,
}

/// What was decided. There is nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may go on.
    Allow,
    /// It may not.
    Deny,
}

impl<'a> Record<'a> {
    /// A record of which only the outcome is known.
    pub fn new(event: Event, decision: Decision) -> Self {
        Self {
            event,
            decision,
            actor: None,
            credential: None,
            client: None,
            action: None,
            resource: None,
            route: None,
            rule: None,
            fault: None,
            trace_id: None,
        }
    }

    /// The subject of who acts.
    pub fn actor(mut self, subject: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.actor = Some(subject.as_ref());
        self
    }

    /// Kind and name of what proves it: `jwt:corp`.
    pub fn credential(mut self, credential: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.credential = Some(credential.as_ref());
        self
    }

    /// Where the request comes from.
    pub fn client(mut self, address: IpAddr) -> Self {
        self.client = Some(address);
        self
    }

    /// What they want to do: the method, or the name that business code has for it.
    pub fn action(mut self, method: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.action = Some(method.as_ref());
        self
    }

    /// What they want to do it to. A query is cut off, since secrets travel in it.
    pub fn resource(mut self, host: &'a (impl AsRef<[u8]> + ?Sized), path: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.resource = Some((host.as_ref(), path.as_ref()));
        self
    }

    /// The id of the route.
    pub fn route(mut self, id: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.route = Some(id.as_ref());
        self
    }

    /// The rule that decided: `scope orders.read`.
    pub fn rule(mut self, rule: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.rule = Some(rule.as_ref());
        self
    }

    /// What the client was answered.
    pub fn fault(mut self, code: Code) -> Self {
        self.fault = Some(code);
        self
    }

    /// The trace that the request belongs to.
    pub fn trace_id(mut self, id: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.trace_id = Some(id.as_ref());
        self
    }

    /// The record as the end of a line, from the member `event` on.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        body.extend_from_slice(b"\"event\":\"");
        body.extend_from_slice(self.event.as_str().as_bytes());
        body.push(b'"');
        push(&mut body, "actor", self.actor);
        push(&mut body, "credential", self.credential);
        if let Some(address) = self.client {
            push(&mut body, "client", Some(address.to_string().as_bytes()));
        }
        push(&mut body, "action", self.action);
        if let Some((host, path)) = self.resource {
            let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
            body.extend_from_slice(b",\"resource\":");
            push_string(&mut body, &[host, path].concat(), LONGEST_RESOURCE);
        }
        push(&mut body, "route", self.route);
        push(&mut body, "decision", Some(self.decision.as_str().as_bytes()));
        push(&mut body, "rule", self.rule);
        push(&mut body, "fault", self.fault.map(|code| code.name().as_bytes()));
        push(&mut body, "trace_id", self.trace_id);
        body.push(b'}');
        body
    }
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Authorize => "authorize",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Business => "business",
        }
    }
}

impl Decision {
    fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

fn push(body: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    body.extend_from_slice(b",\"");
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(b"\":");
    push_string(body, value, LONGEST);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_members_of_the_contract_in_their_order() {
        let record = Record::new(Event::Authorize, Decision::Deny)
            .actor("u1")
            .credential("jwt:corp")
            .client(IpAddr::from([203, 0, 113, 7]))
            .action("GET")
            .resource("orders.example", "/orders/7?token=secret")
            .route("orders")
            .rule("scope orders.read")
            .fault(Code::MalformedRequest)
            .trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
        let wanted = r#""event":"authorize","actor":"u1","credential":"jwt:corp","client":"203.0.113.7","action":"GET","resource":"orders.example/orders/7","route":"orders","decision":"deny","rule":"scope orders.read","fault":"malformed-request","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;
        assert_eq!(String::from_utf8(record.body()).unwrap(), wanted);
    }

    #[test]
    fn business_code_names_what_it_does() {
        let record = Record::new(Event::Business, Decision::Allow).action("order.cancelled").resource("", "order/7");
        let wanted = r#""event":"business","action":"order.cancelled","resource":"order/7","decision":"allow"}"#;
        assert_eq!(String::from_utf8(record.body()).unwrap(), wanted);
    }

    #[test]
    fn what_is_not_known_is_not_written() {
        let body = Record::new(Event::Authenticate, Decision::Allow).body();
        assert_eq!(String::from_utf8(body).unwrap(), r#""event":"authenticate","decision":"allow"}"#);
    }

    #[test]
    fn a_record_is_bounded_whatever_it_is_made_of() {
        let long = "\u{1}".repeat(100_000);
        let record = Record::new(Event::Authorize, Decision::Deny).actor(&long).resource(&long, &long).rule(&long);
        assert!(record.body().len() < 4096);
    }
}
