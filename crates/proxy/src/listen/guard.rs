//! What an HTTP/2 client may do that costs us work and it nothing: h2 answers PING, SETTINGS and the like for ever. The heads
//! of all frames are counted here, in both directions, before h2 sees them; who overdraws a budget is told to calm down
//! (RFC 9113 section 10.5).

use std::time::Duration;

use gwanmun_core::Abort;
use tokio::time::Instant;

use crate::listen::frames::{FrameHead, FrameWalker};
use crate::listen::stream::PREFACE;
use crate::plan::Http2Limits;

/// Types of frames (RFC 9113 section 6, RFC 9218 section 7.1).
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const PRIORITY: u8 = 2;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
    pub(super) const PRIORITY_UPDATE: u8 = 16;
}

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
/// A client may well send so many WINDOW_UPDATEs for a piece of data that it got: for stream and connection, in halves.
const UPDATES_PER_PIECE: u32 = 4;
/// Besides one for so many bytes: Go's client tells stream and connection of every 4096 bytes that its program has read.
const BYTES_PER_UPDATE: u32 = 1024;

/// Counts the frames of one connection.
#[derive(Debug)]
pub(crate) struct Guard {
    inbound: FrameWalker,
    outbound: FrameWalker,
    tally: Tally,
    /// Since when the rest of a head is being waited for; the greeting counts as one.
    head_since: Option<Instant>,
    told: Option<Abort>,
}

/// How far a header section, or the greeting, has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Preface and first frame.
    Greeting,
    /// More frames of it will come.
    Open,
    /// The head of its last frame has been seen.
    Closing,
    Whole,
}

#[derive(Debug)]
struct Tally {
    interval: Duration,
    resets: Budget,
    pings: Budget,
    settings: Budget,
    empty: Budget,
    priorities: Budget,
    updates: Budget,
    others: Budget,
    latest_stream: u32,
    head: Head,
    /// Whether a header section began in the piece that is looked at.
    begun: bool,
    /// Set once, by the first budget that was overdrawn.
    verdict: Option<Abort>,
}

/// So many in an interval. The clock is only looked at when the budget is spent; so a client that was quiet for long may
/// spend it twice in a row.
#[derive(Debug)]
struct Budget {
    spent: u32,
    limit: u32,
    since: Instant,
}

impl Guard {
    /// A connection that begins now.
    pub(crate) fn new(limits: &Http2Limits, now: Instant) -> Self {
        let budget = |limit| Budget { spent: 0, limit, since: now };
        Self {
            inbound: FrameWalker::after(PREFACE.len()),
            outbound: FrameWalker::after(0),
            tally: Tally {
                interval: limits.interval,
                resets: budget(limits.resets),
                pings: budget(limits.pings),
                settings: budget(limits.settings),
                empty: budget(limits.empty_frames),
                priorities: budget(limits.priorities),
                updates: budget(limits.window_updates),
                others: budget(limits.other_frames),
                latest_stream: 0,
                head: Head::Greeting,
                begun: false,
                verdict: None,
            },
            head_since: Some(now),
            told: None,
        }
    }

    /// Counts what the client has sent.
    pub(crate) fn received(&mut self, bytes: &[u8], now: impl Fn() -> Instant) {
        let tally = &mut self.tally;
        tally.begun = false;
        self.inbound.walk(bytes, |head, _| tally.received(head, &now));
        if tally.head == Head::Closing && !self.inbound.is_within_payload() {
            tally.head = Head::Whole;
        }
        if tally.head == Head::Whole {
            self.head_since = None;
        } else if tally.begun {
            self.head_since = Some(now());
        }
    }

    /// Counts what the client is sent: a part of what it says is an answer to that. h2 has budgets of its own, and its
    /// GOAWAY is where it says so.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        let (tally, told) = (&mut self.tally, &mut self.told);
        self.outbound.walk(bytes, |head, rest| match head.kind {
            kind::DATA | kind::HEADERS if head.length > 0 => {
                tally.pings.earn(1);
                tally.updates.earn(UPDATES_PER_PIECE + head.length / BYTES_PER_UPDATE);
            }
            kind::GOAWAY => *told = why_h2_goes(rest),
            _ => {}
        });
    }

    /// Why the connection has to end.
    pub(crate) fn verdict(&self) -> Option<Abort> {
        self.tally.verdict
    }

    /// What h2 has told the client by itself.
    pub(crate) fn told(&self) -> Option<Abort> {
        self.told
    }

    /// Ends the connection for a reason that shows elsewhere.
    pub(crate) fn condemn(&mut self, why: Abort) {
        self.tally.verdict.get_or_insert(why);
    }

    /// Since when the rest of a head is being waited for.
    pub(crate) fn head_since(&self) -> Option<Instant> {
        self.head_since
    }

    /// The latest stream that the client began.
    pub(crate) fn latest_stream(&self) -> u32 {
        self.tally.latest_stream
    }
}

/// The reason in a GOAWAY (RFC 9113 section 6.8), whose code is `NO_ERROR` where nothing is wrong.
fn why_h2_goes(payload: &[u8]) -> Option<Abort> {
    let (code, words) = payload.get(4..)?.split_first_chunk::<4>()?;
    if *code == [0; 4] {
        return None;
    }
    let known: [(&[u8], _); 5] = [
        (b"too_many_resets", Abort::Resets),
        (b"too_many_internal_resets", Abort::ProvokedResets),
        (b"too_many_data_frames", Abort::EmptyFrames),
        (b"too_many_continuations", Abort::Continuations),
        (b"header_list_way_too_large", Abort::HeaderList),
    ];
    Some(known.iter().find(|(known, _)| words.starts_with(known)).map_or(Abort::ProtocolError, |(_, why)| *why))
}

impl Tally {
    fn received(&mut self, head: FrameHead, now: &impl Fn() -> Instant) {
        let (interval, empty) = (self.interval, head.length == 0);
        let ends = |flag| head.flags & flag != 0;
        let was = self.head;
        self.head = Head::Whole;
        let (budget, why) = match head.kind {
            kind::HEADERS => {
                self.begun = true;
                self.head = if ends(END_HEADERS) { Head::Closing } else { Head::Open };
                self.latest_stream = self.latest_stream.max(head.stream);
                if !empty || ends(END_STREAM) {
                    return;
                }
                (&mut self.empty, Abort::EmptyFrames)
            }
            kind::CONTINUATION => {
                // Anywhere else it ends the connection.
                if was == Head::Open {
                    self.head = if ends(END_HEADERS) { Head::Closing } else { Head::Open };
                }
                if !empty {
                    return;
                }
                (&mut self.empty, Abort::EmptyFrames)
            }
            kind::DATA if !empty || ends(END_STREAM) => return,
            kind::DATA => (&mut self.empty, Abort::EmptyFrames),
            kind::RST_STREAM => (&mut self.resets, Abort::Resets),
            kind::SETTINGS => {
                if was == Head::Greeting {
                    self.head = Head::Closing;
                }
                (&mut self.settings, Abort::Settings)
            }
            kind::PING => (&mut self.pings, Abort::Pings),
            kind::WINDOW_UPDATE => (&mut self.updates, Abort::WindowUpdates),
            kind::PRIORITY | kind::PRIORITY_UPDATE => (&mut self.priorities, Abort::Priorities),
            _ => (&mut self.others, Abort::OtherFrames),
        };
        if !budget.spend(interval, now) {
            self.verdict.get_or_insert(why);
        }
    }
}

impl Budget {
    /// Spends one; `false` if there was none left.
    fn spend(&mut self, interval: Duration, now: &impl Fn() -> Instant) -> bool {
        if self.spent >= self.limit {
            let now = now();
            if now - self.since < interval {
                return false;
            }
            (self.spent, self.since) = (0, now);
        }
        self.spent += 1;
        true
    }

    fn earn(&mut self, amount: u32) {
        self.spent = self.spent.saturating_sub(amount);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Http2Limits = Http2Limits {
        interval: Duration::from_secs(10),
        resets: 3,
        provoked_resets: 3,
        pings: 3,
        settings: 3,
        empty_frames: 3,
        priorities: 3,
        window_updates: 3,
        other_frames: 3,
        header_table_bytes: 4096,
    };

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(9 + usize::from(length), 0);
        frame
    }

    /// A guard whose client has said hello.
    fn greeted(now: Instant) -> Guard {
        let mut guard = Guard::new(&LIMITS, now);
        guard.received(PREFACE, || now);
        guard.received(&frame(kind::SETTINGS, 0, 0), || now);
        assert_eq!(guard.head_since(), None);
        guard
    }

    #[test]
    fn each_budget_ends_a_connection_when_it_is_overdrawn_and_not_before() {
        let now = Instant::now();
        let floods = [
            (kind::RST_STREAM, 0, 4, Abort::Resets),
            (kind::PING, 0, 8, Abort::Pings),
            (kind::PING, 1, 8, Abort::Pings),
            (kind::DATA, 0, 0, Abort::EmptyFrames),
            (kind::HEADERS, END_HEADERS, 0, Abort::EmptyFrames),
            (kind::CONTINUATION, 0, 0, Abort::EmptyFrames),
            (kind::PRIORITY, 0, 5, Abort::Priorities),
            (kind::PRIORITY_UPDATE, 0, 9, Abort::Priorities),
            (kind::WINDOW_UPDATE, 0, 4, Abort::WindowUpdates),
            (0xfa, 0, 7, Abort::OtherFrames),
            (7, 0, 8, Abort::OtherFrames),
        ];
        for (kind, flags, length, why) in floods {
            let mut guard = greeted(now);
            guard.received(&frame(kind, flags, length).repeat(3), || now);
            assert_eq!(guard.verdict(), None, "{why:?}");
            guard.received(&frame(kind, flags, length), || now);
            assert_eq!(guard.verdict(), Some(why));
        }
        let mut guard = greeted(now);
        guard.received(&frame(kind::SETTINGS, 1, 0).repeat(3), || now);
        assert_eq!(guard.verdict(), Some(Abort::Settings), "the greeting counts");
    }

    #[test]
    fn what_requests_consist_of_is_not_counted() {
        let now = Instant::now();
        let mut guard = greeted(now);
        for _ in 0..1000 {
            guard.received(&frame(kind::HEADERS, END_HEADERS, 20), || now);
            guard.received(&frame(kind::DATA, 0, 1), || now);
            guard.received(&frame(kind::DATA, END_STREAM, 0), || now);
        }
        assert_eq!(guard.verdict(), None);
    }

    #[test]
    fn a_budget_is_whole_again_after_the_interval() {
        let start = Instant::now();
        let mut guard = greeted(start);
        for round in 0..10 {
            let now = start + LIMITS.interval * round;
            guard.received(&frame(kind::PING, 0, 8).repeat(3), || now);
        }
        assert_eq!(guard.verdict(), None);
    }

    #[test]
    fn pings_and_window_updates_are_earned_by_what_the_client_is_sent() {
        let now = Instant::now();
        let mut guard = greeted(now);
        for _ in 0..100 {
            guard.sent(&frame(kind::DATA, 0, 100));
            guard.received(&frame(kind::PING, 0, 8), || now);
            guard.received(&frame(kind::WINDOW_UPDATE, 0, 4).repeat(2), || now);
        }
        assert_eq!(guard.verdict(), None);
        guard.sent(&frame(kind::PING, 1, 8).repeat(100));
        guard.sent(&frame(kind::GOAWAY, 0, 8));
        assert_eq!(guard.told(), None, "it was told that all is well");
        guard.received(&frame(kind::PING, 0, 8).repeat(4), || now);
        assert_eq!(guard.verdict(), Some(Abort::Pings), "answers to PING earn nothing");
    }

    #[test]
    fn a_client_may_read_large_answers_in_small_pieces() {
        let now = Instant::now();
        let mut guard = Guard::new(&Http2Limits { window_updates: 20, ..LIMITS }, now);
        guard.received(PREFACE, || now);
        for _ in 0..100 {
            guard.sent(&[&[0, 0x40, 0, kind::DATA, 0, 0, 0, 0, 1][..], &[0; 0x4000]].concat());
            guard.received(&frame(kind::WINDOW_UPDATE, 0, 4).repeat(2 * 0x4000 / 4096), || now);
        }
        assert_eq!(guard.verdict(), None);
    }

    #[test]
    fn what_h2_tells_a_client_is_overheard() {
        let said = [
            (&b"\0\0\0\x01\0\0\0\x0btoo_many_resets"[..], Some(Abort::Resets)),
            (b"\0\0\0\x01\0\0\0\x01", Some(Abort::ProtocolError)),
            (b"\0\0\0\x01\0\0\0\0", None),
            (b"\0\0\0\x01", None),
        ];
        for (payload, why) in said {
            let mut guard = greeted(Instant::now());
            let mut goaway = frame(kind::GOAWAY, 0, u8::try_from(payload.len()).unwrap());
            goaway.truncate(9);
            guard.sent(&[&goaway, payload].concat());
            assert_eq!(guard.told(), why);
        }
    }

    #[test]
    fn a_head_is_waited_for_from_its_first_frame_to_its_last_byte() {
        let (start, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let mut guard = Guard::new(&LIMITS, start);
        assert_eq!(guard.head_since(), Some(start), "the greeting");
        guard.received(&PREFACE[..10], || later);
        guard.received(&[&PREFACE[10..], &frame(kind::SETTINGS, 0, 6)[..12]].concat(), || later);
        assert_eq!(guard.head_since(), Some(start));
        guard.received(&[0; 3], || later);
        assert_eq!(guard.head_since(), None);
        let headers = frame(kind::HEADERS, 0, 5);
        guard.received(&[&frame(kind::HEADERS, END_HEADERS, 5)[..], &headers[..11]].concat(), || later);
        assert_eq!(guard.head_since(), Some(later));
        guard.received(&headers[11..], || later + LIMITS.interval);
        guard.received(&frame(kind::CONTINUATION, 0, 5), || later + LIMITS.interval);
        assert_eq!(guard.head_since(), Some(later));
        guard.received(&frame(kind::CONTINUATION, END_HEADERS, 5)[..13], || later + LIMITS.interval);
        assert_eq!(guard.head_since(), Some(later));
        guard.received(&[0], || later);
        assert_eq!(guard.head_since(), None);
        assert_eq!(guard.latest_stream(), 1);
    }

    proptest! {
        #[test]
        fn cutting_the_bytes_anywhere_changes_no_verdict(
            frames in prop::collection::vec((0..18_u8, prop::sample::select(vec![0, 1, 4, 5]), 0..9_u8), 0..40),
            size in 1..30_usize,
        ) {
            let now = Instant::now();
            let bytes: Vec<u8> = frames.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, *length)).collect();
            let (mut whole, mut cut) = (greeted(now), greeted(now));
            whole.received(&bytes, || now);
            bytes.chunks(size).for_each(|piece| cut.received(piece, || now));
            prop_assert_eq!(whole.verdict(), cut.verdict());
            prop_assert_eq!(whole.head_since(), cut.head_since());
        }
    }
}
