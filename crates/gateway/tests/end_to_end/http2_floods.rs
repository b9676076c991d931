//! HTTP/2 clients that make the gateway work for nothing: each loses its connection, the gateway's memory stays where it
//! was, and everybody else is served as if nothing happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gwanmun_testkit::frames::{Frames, GET, Goodbye, Outcome, PREFACE, fields, flag, frame, kind};
use gwanmun_testkit::{Authority, Connection, Gateway, Http2, Reply, Speaks, Upstream, eventually, patiently};
use http::Response;

use crate::{all_to, setup, start};

/// RFC 9113 section 7.
const PROTOCOL_ERROR: u32 = 1;
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// What an attack may make the gateway grow by.
const GROWTH: usize = 24 << 20;

/// A gateway under attack, with decent clients of both versions that go on asking.
struct Siege {
    gateway: Gateway,
    before: usize,
    over: Arc<AtomicBool>,
    decent: Vec<tokio::task::JoinHandle<u32>>,
    _upstream: Upstream,
}

impl Siege {
    async fn begin(limits: &str) -> Self {
        let upstream = Upstream::answering(Speaks::Http1, async |request| {
            Response::new(Reply::from(vec![b'x'; if request.uri().path() == "/large" { 1 << 20 } else { 2 }]))
        })
        .await;
        let gateway = start(&format!("workers: 1\nlimits: {limits}\n{}", all_to(upstream.url()))).await;
        let mut http2 = Http2::tcp(gateway.web()).await;
        let mut http1 = gateway.connect().await;
        assert_eq!((http2.get("/").await.status(), http1.get("/").await.status()), (200, 200));
        let before = gateway.peak_memory();
        let over = Arc::new(AtomicBool::new(false));
        let (over1, over2) = (Arc::clone(&over), Arc::clone(&over));
        let decent = vec![
            tokio::spawn(async move {
                let mut count = 0;
                while !over1.load(Ordering::Relaxed) {
                    assert_eq!(http1.get("/").await.status(), 200);
                    count += 1;
                }
                count
            }),
            tokio::spawn(async move {
                let mut count = 0;
                while !over2.load(Ordering::Relaxed) {
                    assert_eq!(http2.get("/").await.status(), 200);
                    count += 1;
                }
                count
            }),
        ];
        Self { gateway, before, over, decent, _upstream: upstream }
    }

    /// The attack is over: it was counted as `reason`, the decent clients noticed nothing.
    async fn end(self, reason: &str) {
        let line = self.gateway.event("connection-aborted").await;
        assert_eq!(
            (&line["reason"], &line["listener"], &line["peer"]),
            (&reason.into(), &"web".into(), &"127.0.0.1".into())
        );
        let series = format!(r#"gwanmun_connections_aborted_total{{listener="web",reason="{reason}"}}"#);
        assert_eq!(self.gateway.metric(&series).await, Some(1.0));
        self.survived(reason).await;
    }

    /// The decent clients noticed nothing, and the gateway is as it was.
    async fn survived(self, attack: &str) {
        self.over.store(true, Ordering::Relaxed);
        for client in self.decent {
            assert!(patiently("decent clients", client).await.expect("decent clients are served") > 0);
        }
        let growth = self.gateway.peak_memory().saturating_sub(self.before);
        assert!(growth < GROWTH, "{attack}: the gateway grew by {growth} bytes");
        let in_flight = r#"gwanmun_in_flight{listener="web"}"#;
        eventually("the end of all requests", async || {
            (self.gateway.metric(in_flight).await == Some(0.0)).then_some(())
        })
        .await;
        assert_eq!(self.gateway.get("/").await.status(), 200);
    }
}

fn calmed(words: &str) -> impl Fn(&Goodbye) -> bool {
    move |goodbye| goodbye.code == Some(ENHANCE_YOUR_CALM) && goodbye.words == words
}

fn get(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, flag::WHOLE, stream, fields(GET))
}

#[tokio::test]
async fn rapid_reset() {
    let siege = Siege::begin("{}").await;
    let goodbye = Frames::connect(siege.gateway.web()).await.flood(100_000, |round| {
        let stream = round * 2 + 1;
        [get(stream), frame(kind::RST_STREAM, 0, stream, 8_u32.to_be_bytes())].concat()
    });
    let goodbye = goodbye.await;
    assert!(calmed("resets")(&goodbye) || calmed("too_many_resets")(&goodbye), "{goodbye:?}");
    assert!(goodbye.latest <= 4002, "{goodbye:?}");
    siege.end("resets").await;
}

#[tokio::test]
async fn resets_that_the_gateway_is_provoked_to() {
    let siege = Siege::begin("{http2: {provoked-resets: 100}}").await;
    let goodbye = Frames::connect(siege.gateway.web()).await.flood(100_000, |round| {
        let stream = round * 2 + 1;
        // A window that grows too large is an error of the stream (RFC 9113 section 6.9.1).
        let headers = frame(kind::HEADERS, flag::END_HEADERS, stream, fields(GET));
        [headers, frame(kind::WINDOW_UPDATE, 0, stream, 0x7fff_ffff_u32.to_be_bytes())].concat()
    });
    let goodbye = goodbye.await;
    assert_eq!(goodbye.code, Some(ENHANCE_YOUR_CALM), "{goodbye:?}");
    siege.end("provoked-resets").await;
}

#[tokio::test]
async fn control_frames() {
    let floods: [(&str, Vec<u8>); 6] = [
        ("pings", frame(kind::PING, 0, 0, [7; 8])),
        ("settings", frame(kind::SETTINGS, 0, 0, [0, 4, 0, 1, 0, 0])),
        ("priorities", frame(kind::PRIORITY, 0, 1, [0, 0, 0, 3, 1])),
        ("window-updates", frame(kind::WINDOW_UPDATE, 0, 0, 1_u32.to_be_bytes())),
        ("other-frames", frame(0xbe, 0, 0, [0; 100])),
        ("empty-frames", frame(kind::DATA, 0, 1, [])),
    ];
    for (reason, flood) in floods {
        let siege = Siege::begin("{}").await;
        let mut attacker = Frames::connect(siege.gateway.web()).await;
        attacker.send(frame(kind::HEADERS, flag::END_HEADERS, 1, fields(GET))).await;
        let goodbye = attacker.flood(10_000, move |_| flood.repeat(100)).await;
        assert_eq!(goodbye, Goodbye { code: Some(ENHANCE_YOUR_CALM), latest: 1, words: reason.to_owned() });
        siege.end(reason).await;
    }
}

#[tokio::test]
async fn a_header_section_without_end() {
    let siege = Siege::begin("{}").await;
    let mut attacker = Frames::connect(siege.gateway.web()).await;
    attacker.send(frame(kind::HEADERS, 0, 1, fields(GET))).await;
    let goodbye = attacker.flood(100_000, |_| frame(kind::CONTINUATION, 0, 1, fields(&[("x", "y")]))).await;
    assert!(calmed("too_many_continuations")(&goodbye), "{goodbye:?}");
    siege.end("continuations").await;
}

#[tokio::test]
async fn a_few_bytes_that_stand_for_many() {
    let siege = Siege::begin("{}").await;
    let mut attacker = Frames::connect(siege.gateway.web()).await;
    // One entry as large as the table, and then references to it (RFC 7541 section 6.1).
    let mut section = fields(GET);
    section.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    section.extend([b'y'; 4000]);
    section.resize(16_000, 0xbe);
    attacker.send(frame(kind::HEADERS, flag::WHOLE, 1, section)).await;
    let goodbye = attacker.outcome(1).await;
    let Outcome::Ended(goodbye) = goodbye else { panic!("{goodbye:?}") };
    assert!(calmed("header_list_way_too_large")(&goodbye), "{goodbye:?}");
    siege.end("header-list").await;
}

#[tokio::test]
async fn nonsense() {
    let siege = Siege::begin("{}").await;
    let mut attacker = Frames::connect(siege.gateway.web()).await;
    attacker.send(frame(kind::DATA, 0, 1, "x")).await;
    let Outcome::Ended(goodbye) = attacker.outcome(1).await else { panic!("it goes on") };
    assert_eq!(goodbye.code, Some(PROTOCOL_ERROR));
    siege.end("protocol-error").await;
}

#[tokio::test]
async fn heads_that_never_come() {
    let beginnings = [
        [PREFACE, &frame(kind::SETTINGS, 0, 0, [0; 6])[..10]].concat(),
        [PREFACE, &frame(kind::SETTINGS, 0, 0, []), &frame(kind::HEADERS, 0, 1, fields(GET))].concat(),
        [PREFACE, &frame(kind::SETTINGS, 0, 0, []), &get(1)[..20]].concat(),
    ];
    for beginning in beginnings {
        let siege = Siege::begin("{header-timeout: 300ms}").await;
        let mut attacker = siege.gateway.connect().await;
        attacker.send(&beginning).await;
        let said = patiently("the end of a slow client", attacker.rest()).await.unwrap_or_default();
        assert!(said.ends_with(b"header-timeout"), "{said:?}");
        siege.end("header-timeout").await;
    }
}

#[tokio::test]
async fn a_greeting_over_tls_that_never_comes() {
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]);
    let listeners =
        "listeners: [{name: web, address: 127.0.0.1:0, tls: {certificates: [{certificate: a.pem, key: a.key}]}}]";
    let configuration = format!("{listeners}\nlimits: {{header-timeout: 300ms}}\n{}", all_to("http://127.0.0.1:1"));
    let setup = setup().with_file("a.pem", identity.pem()).with_file("a.key", identity.key());
    let gateway = setup.start(&configuration).await;
    let mut client = Connection::tls(gateway.web(), "a.test", &authority, &["h2"]).await.unwrap();
    let said = patiently("the end of a silent client", client.rest()).await.unwrap_or_default();
    assert!(said.ends_with(b"header-timeout"), "{said:?}");
}

#[tokio::test]
async fn half_a_preface_is_not_waited_for_either() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let gateway = start(&format!("limits: {{header-timeout: 300ms}}\n{}", all_to(upstream.url()))).await;
    let mut client = Connection::tcp(gateway.web()).await;
    client.send(&PREFACE[..10]).await;
    client.closed().await;
}

#[tokio::test]
async fn windows_that_stay_shut() {
    let siege = Siege::begin("{idle-timeout: 1s}").await;
    let mut attacker = Frames::with_settings(siege.gateway.web(), &[(1, 0), (4, 0)]).await;
    let large = [(":method", "GET"), (":scheme", "http"), (":path", "/large"), (":authority", "gateway.test")];
    let streams = (0..100).map(|number| number * 2 + 1);
    let requests: Vec<_> =
        streams.flat_map(|stream| frame(kind::HEADERS, flag::WHOLE, stream, fields(&large))).collect();
    attacker.send(requests).await;
    let (mut answered, mut reset) = (0, 0);
    while let Some(frame) = attacker.next().await {
        answered += u32::from(frame.kind == kind::HEADERS);
        reset += u32::from(frame.kind == kind::RST_STREAM);
    }
    assert_eq!((answered, reset), (100, 100), "and in the end the connection is idle, and closed");
    let given_up = r#"gwanmun_faults_total{code="request-timeout"}"#;
    assert_eq!(siege.gateway.metric(given_up).await, Some(100.0));
    siege.survived("windows").await;
}
