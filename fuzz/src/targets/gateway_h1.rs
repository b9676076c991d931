//! Raw bytes against the whole gateway over HTTP/1: what reaches the upstream must be what an independent strict reader
//! finds in the client's bytes, and what comes back must be answers.

use crate::pieces::Choices;
use crate::reader::{self, End, Message, Reading};
use crate::world::{Client, Seen, Service, play};

/// The input's first byte chooses the upstream's manner, the second whether the client closes, then how the rest is cut.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    let manner = Manner::of(choices.one_of(8));
    let closes = choices.one_of(2) == 1;
    let pieces = choices.pieces();
    let stream = pieces.concat();
    if stream.starts_with(b"PRI ") {
        return;
    }
    let seen = play(vec![Client { pieces, closes }], Upstream(manner));
    let reference = reader::requests(&stream);
    judge(&reference, &seen, closes);
}

fn judge(reference: &Reading, seen: &Seen, closes: bool) {
    let methods: Vec<&str> = reference.messages.iter().map(Message::method).collect();
    let answers = reader::answers(&seen.clients[0], |place| methods.get(place).map(|method| (*method).to_owned()));
    assert!(!matches!(answers.end, End::Broken(_)), "the client gets what is no answer: {:?}", answers.end);
    let finals = answers.messages.iter().filter(|answer| answer.status() >= 200 || answer.status() == 101).count();
    assert!(
        finals <= methods.len() + usize::from(reference.end != End::Clean),
        "{finals} answers to {} requests",
        methods.len()
    );
    if !closes && reference.messages.first().is_some_and(|first| first.whole) {
        assert!(finals > 0, "a whole request has no answer");
    }

    let sent = sent(&seen.upstream);
    // Of what the client sent, each request may be carried once, and in this order on each upstream connection.
    let mut left: Vec<&Message> = reference.messages.iter().collect();
    for request in &sent {
        check_clean(request);
        let place = left.iter().position(|original| is_of(request, original));
        let Some(place) = place else {
            panic!("the upstream gets a request that the client did not send: {request:?}");
        };
        left.remove(place);
    }
}

/// The requests that an upstream's connections carried; what is behind an upgrade is none.
pub(crate) fn sent(connections: &[Vec<u8>]) -> Vec<Message> {
    let mut sent = Vec::new();
    for bytes in connections {
        let reading = reader::requests(bytes);
        let tunnel = reading.messages.iter().position(|request| request.all("upgrade").next().is_some());
        match tunnel {
            Some(place) => sent.extend(reading.messages.into_iter().take(place + 1)),
            None => {
                assert!(
                    !matches!(reading.end, End::Broken(_)),
                    "the upstream gets what is no request: {:?}",
                    reading.end
                );
                sent.extend(reading.messages);
            }
        }
    }
    sent
}

/// Whether the upstream's request can be what became of the client's.
fn is_of(request: &Message, original: &Message) -> bool {
    let body = if request.whole && original.whole {
        request.body == original.body
    } else {
        // Whoever breaks off is not made whole.
        !request.whole && original.body.starts_with(&request.body)
    };
    let upgrade = request.all("upgrade").next().is_some();
    request.method() == original.method() && (body || upgrade)
}

/// What must hold for whatever reaches an upstream.
pub(crate) fn check_clean(request: &Message) {
    // Services in the manner of CGI cannot tell apart names that differ in other characters than letters and digits.
    let plain = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let names = request.fields.iter().chain(&request.trailers).map(|(name, _)| plain(name));
    for name in names {
        let internal = name == "txn-token" || name.starts_with("x-gwanmun-") || name.starts_with("x-consent-");
        assert!(!internal, "an internal header passes: {name}");
        let of_the_hop = matches!(&*name, "keep-alive" | "proxy-connection" | "proxy-authenticate" | "trailer");
        assert!(!of_the_hop, "a hop-by-hop header passes: {name}");
        let claim = matches!(
            &*name,
            "client-cert"
                | "x-forwarded-client-cert"
                | "x-real-ip"
                | "client-ip"
                | "true-client-ip"
                | "cf-connecting-ip"
        );
        assert!(!claim, "a claim about the client passes: {name}");
        assert!(!matches!(&*name, "b3") && !name.starts_with("x-b3-"), "a forged trace passes: {name}");
    }
    let only = |name: &str, wanted: &[u8]| {
        let values: Vec<_> = request.all(name).collect();
        assert!(values == [wanted], "{name} is {values:?}");
    };
    only("x-forwarded-for", b"unknown");
    only("x-forwarded-proto", b"http");
    assert!(request.all("forwarded").count() == 1, "Forwarded is not the gateway's alone");
    assert!(request.all("forwarded").all(|value| value.starts_with(b"for=unknown")), "a forged Forwarded passes");
    assert!(request.all("traceparent").count() == 1 && request.all("tracestate").count() == 0, "a forged trace passes");
    assert!(request.all("host").count() == 1, "not one Host");
    for value in request.all("te") {
        assert_eq!(value, b"trailers", "te");
    }
    let path = request.target().split('?').next().unwrap_or_default();
    if path != "*" {
        assert!(path.starts_with('/'), "the target is {path}");
        assert!(!path.contains("//") && !path.contains('\\'), "the path is not canonical: {path}");
        assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "the path has dot segments: {path}");
    }
    for (name, _) in &request.trailers {
        assert!(
            !matches!(&**name, "host" | "content-length" | "transfer-encoding" | "authorization" | "cookie"),
            "a trailer that changes the message passes: {name}"
        );
    }
}

/// How an upstream behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    Length,
    Chunked,
    Close,
    Early,
    UntilClose,
    Continue,
    Silent,
    Upgrade,
}

impl Manner {
    pub(crate) fn of(choice: u8) -> Self {
        match choice {
            0 => Self::Length,
            1 => Self::Chunked,
            2 => Self::Close,
            3 => Self::Early,
            4 => Self::UntilClose,
            5 => Self::Continue,
            6 => Self::Silent,
            _ => Self::Upgrade,
        }
    }

    /// What it says to `request`; an empty piece ends the connection.
    fn say(self, request: &Message) -> Vec<Vec<u8>> {
        let pieces: &[&[u8]] = match self {
            _ if request.method() == "HEAD" => &[b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"],
            Self::Length => &[b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n", b"answer"],
            Self::Early => &[b"HTTP/1.1 403 No\r\ncontent-length: 6\r\n\r\nanswer"],
            Self::Chunked => &[
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n6\r\nans",
                b"wer\r\n0\r\nx-end: 1\r\n\r\n",
            ],
            Self::Close => &[b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nanswer", b""],
            Self::UntilClose => &[b"HTTP/1.1 200 OK\r\n\r\nans", b"wer", b""],
            Self::Continue => {
                &[b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer"]
            }
            Self::Silent => &[b""],
            Self::Upgrade if request.all("upgrade").next().is_some() => {
                &[b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello"]
            }
            Self::Upgrade => &[b"HTTP/1.1 204 Nothing\r\n\r\n"],
        };
        pieces.iter().map(|piece| piece.to_vec()).collect()
    }
}

/// Answers each request on a connection once.
pub(crate) struct Upstream(pub(crate) Manner);

impl Service for Upstream {
    fn hear(&self, _: usize, heard: &[u8], new: usize) -> Option<Vec<Vec<u8>>> {
        let answerable = |bytes: &[u8]| {
            let reading = reader::requests(bytes);
            let early = matches!(self.0, Manner::Early);
            reading.messages.into_iter().filter(|request| request.whole || early).collect::<Vec<_>>()
        };
        let before = answerable(&heard[..heard.len() - new]).len();
        Some(answerable(heard).iter().skip(before).flat_map(|request| self.0.say(request)).collect())
    }
}
