//! One exception as it was seen, cut to what may be kept and sent, without secrets.

use std::any::type_name;
use std::backtrace::Backtrace;
use std::error::Error;
use std::panic::Location;

use crate::redact;
use crate::scope;
use crate::trace::TraceContext;

/// Places in the code that are kept of one exception.
pub(super) const FRAMES: usize = 50;
/// Bytes of a message.
const MESSAGE: usize = 4096;
/// Bytes of a name: a kind, a function, a file.
const NAME: usize = 256;
/// Causes of an error that are told.
const CAUSES: usize = 8;

/// What somebody should look at.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Exception {
    /// What kind it is: `panic`, or the name of an error's type.
    pub kind: String,
    /// What it says.
    pub message: String,
    /// What caused it, the nearest first.
    pub causes: Vec<Cause>,
    /// Where it happened, the innermost last.
    pub frames: Vec<Frame>,
    /// The request in which it happened.
    pub trace: Option<TraceContext>,
    /// What was asked for, of few different words: `GET /orders/{id}`.
    pub transaction: Option<String>,
    /// How it was met.
    pub origin: Origin,
}

/// An error behind an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The name of its type, as far as it is known.
    pub kind: String,
    /// What it says.
    pub message: String,
}

/// How an exception was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A thread panicked.
    Panic,
    /// Somebody had an error and told of it.
    Error,
}

/// A place in the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The function, as far as it is known; else empty.
    pub function: String,
    /// The file, as far as it is known; else empty.
    pub file: String,
    /// The line, from 1; 0 where it is not known.
    pub line: u32,
}

impl Exception {
    /// An error that is called `kind`, in the request that this thread works on.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
            causes: Vec::new(),
            frames: Vec::new(),
            trace: scope::current(),
            transaction: None,
            origin: Origin::Error,
        }
    }

    /// `error` with its causes, in the request that this thread works on, at the place that calls this.
    #[track_caller]
    pub fn of_error<E: Error + ?Sized>(error: &E) -> Self {
        let mut exception = Self::new(kind_of(error), error.to_string());
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        let cause = |cause: &dyn Error| Cause { kind: kind_of(cause), message: cause.to_string() };
        exception.causes = causes.take(CAUSES).map(cause).collect();
        exception.frames = vec![Frame::at(Location::caller())];
        exception
    }

    /// A panic that said `message`.
    pub(super) fn of_panic(message: impl Into<String>) -> Self {
        Self { origin: Origin::Panic, ..Self::new("panic", message) }
    }

    /// The same, of few different words what was asked for.
    #[must_use]
    pub fn during(mut self, transaction: impl Into<String>) -> Self {
        self.transaction = Some(transaction.into());
        self
    }

    /// The same with no more than may be kept, and no secrets in what people wrote.
    pub(super) fn bounded(mut self) -> Self {
        cut(&mut self.kind, NAME);
        self.message = said(self.message);
        self.causes.truncate(CAUSES);
        for cause in &mut self.causes {
            cut(&mut cause.kind, NAME);
            cause.message = said(std::mem::take(&mut cause.message));
        }
        self.frames.drain(..self.frames.len().saturating_sub(FRAMES));
        self.frames.iter_mut().for_each(Frame::cut);
        if let Some(transaction) = &mut self.transaction {
            cut(transaction, NAME);
        }
        self
    }
}

impl Origin {
    /// Its name in metrics and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Error => "error",
        }
    }
}

impl Frame {
    /// A place whose function is not known.
    pub(super) fn at(place: &Location<'_>) -> Self {
        Self { function: String::new(), file: place.file().to_owned(), line: place.line() }
    }

    /// Whether it is in the application's code, and not in a library or the runtime.
    pub fn is_application(&self) -> bool {
        /// Crates below the application.
        const LIBRARIES: [&str; 22] = [
            "alloc",
            "axum",
            "axum_core",
            "core",
            "futures_core",
            "futures_util",
            "gwanmun_chassis",
            "gwanmun_telemetry",
            "h2",
            "hyper",
            "hyper_util",
            "mio",
            "rustls",
            "serde",
            "serde_json",
            "sqlx_core",
            "std",
            "tokio",
            "tokio_rustls",
            "tower",
            "tracing",
            "__rustc",
        ];
        /// Where sources of others lie when they are built. Functions that were inlined say no crate.
        const ELSEWHERE: [&str; 6] = [
            "/rustc/",
            "/registry/src/",
            "/git/checkouts/",
            "/library/std/src/",
            "crates/chassis/src/",
            "crates/telemetry/src/exceptions/hook.rs",
        ];
        if self.file.is_empty() {
            // What has no path is C: `_start`, `__libc_start_main`.
            return self.function.contains("::") && !LIBRARIES.contains(&self.krate());
        }
        !ELSEWHERE.iter().any(|place| self.file.contains(place)) && !LIBRARIES.contains(&self.krate())
    }

    /// The crate of its function: `shop` of `<shop::Orders as core::fmt::Debug>::fmt`.
    fn krate(&self) -> &str {
        let path = self.function.trim_start_matches(['<', '&', '*', '(', '[']);
        let path = path.strip_prefix("dyn ").or_else(|| path.strip_prefix("mut ")).unwrap_or(path);
        path.split("::").next().unwrap_or_default()
    }

    fn cut(&mut self) {
        cut(&mut self.function, NAME);
        cut(&mut self.file, NAME);
    }
}

/// The frames of a backtrace, the innermost last, without those of the panic's own machinery.
pub(super) fn frames_of(backtrace: &Backtrace) -> Vec<Frame> {
    frames_in(&backtrace.to_string())
}

/// Reads what a backtrace prints: `   7: shop::orders::place`, then mostly `             at ./src/orders.rs:12:5`.
fn frames_in(text: &str) -> Vec<Frame> {
    /// Where a panic becomes one, and what may stand between that and who panicked.
    const BEGINS: [&str; 2] = ["rust_begin_unwind", "std::panicking::begin_panic"];
    const MACHINERY: [&str; 6] = [
        "core::panicking::",
        "core::option::",
        "core::result::",
        "core::slice::index::",
        "core::cell::",
        "std::panic::",
    ];
    let mut frames = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if let Some(place) = line.strip_prefix("at ") {
            let Some(Frame { file, line, .. }) = frames.last_mut() else { continue };
            let mut parts = place.rsplitn(3, ':');
            let (_, row, path) = (parts.next(), parts.next(), parts.next());
            if let Some((row, path)) = row.and_then(|row| row.parse().ok()).zip(path) {
                (*file, *line) = (path.to_owned(), row);
            }
            continue;
        }
        // Of inlined functions only the innermost has a number.
        let function = match line.split_once(": ") {
            Some((number, function)) if number.bytes().all(|byte| byte.is_ascii_digit()) => function,
            _ => line,
        };
        if frames.len() < 1024 {
            frames.push(Frame { function: function.to_owned(), file: String::new(), line: 0 });
        }
    }
    let is = |names: &[&str], frame: &Frame| names.iter().any(|name| frame.function.contains(name));
    let begins = frames.iter().position(|frame| is(&BEGINS, frame)).map_or(0, |first| {
        let rest = frames.iter().skip(first);
        first + rest.take_while(|frame| is(&BEGINS, frame) || is(&MACHINERY, frame)).count()
    });
    let mut frames: Vec<Frame> = frames.drain(begins..).take(FRAMES).collect();
    frames.reverse();
    frames
}

/// The name of an error's type, without where it is defined; of one whose type is not known what its `Debug` begins with.
fn kind_of<E: Error + ?Sized>(error: &E) -> String {
    let name = type_name::<E>();
    if !name.starts_with("dyn ") {
        let plain = name.split('<').next().unwrap_or(name);
        return plain.rsplit("::").next().unwrap_or(plain).to_owned();
    }
    let debug = format!("{error:?}");
    let name = debug.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    if name.starts_with(|c: char| c.is_ascii_uppercase()) { name.to_owned() } else { "Error".to_owned() }
}

/// What people wrote, as it may be kept.
fn said(mut text: String) -> String {
    // Not after: half a secret may not be known as one.
    cut(&mut text, MESSAGE * 2);
    let mut text = redact::text(&text).into_owned();
    cut(&mut text, MESSAGE);
    text
}

/// Takes away what is longer than `limit` bytes.
fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use std::num::ParseIntError;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    struct NoPort(ParseIntError);

    impl std::fmt::Display for NoPort {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no port")
        }
    }

    impl Error for NoPort {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn no_port() -> NoPort {
        NoPort("x".parse::<u16>().unwrap_err())
    }

    #[test]
    fn an_error_tells_its_type_its_causes_and_who_told_of_it() {
        let trace = TraceContext::new_root(true);
        let _within = scope::enter(Some(trace));
        let exception = Exception::of_error(&no_port());
        assert_eq!((&*exception.kind, &*exception.message), ("NoPort", "no port"));
        let cause = Cause { kind: "ParseIntError".to_owned(), message: "invalid digit found in string".to_owned() };
        assert_eq!(exception.causes, [cause]);
        assert_eq!(exception.trace, Some(trace));
        assert!(exception.frames[0].file.ends_with("exception.rs"), "{:?}", exception.frames);
        assert_eq!(exception.origin, Origin::Error);
    }

    #[test]
    fn an_error_of_any_type_is_known_by_what_it_prints() {
        let kind = |error: &dyn Error| Exception::of_error(error).kind;
        assert_eq!(kind(&no_port()), "NoPort");
        assert_eq!(kind(&"x".parse::<u16>().unwrap_err()), "ParseIntError");
        assert_eq!(kind(&*Box::<dyn Error>::from("out of eggs")), "Error");
    }

    #[test]
    fn a_backtrace_is_read_without_the_machinery_of_panics() {
        let text = "   0: <std::backtrace::Backtrace>::force_capture
   1: gwanmun_telemetry::exceptions::hook::told
             at /home/me/gwanmun/crates/telemetry/src/exceptions/hook.rs:12:5
   2: std::panicking::panic_with_hook
   3: __rustc::rust_begin_unwind
             at /rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/std/src/panicking.rs:689:5
   4: core::panicking::panic_fmt
   5: core::option::expect_failed
   6: shop::stock::take
             at ./src/stock.rs:31:9
      shop::orders::place
             at ./src/orders.rs:12:5
   7: <axum::handler::Layered<L,H,T,S> as axum::handler::Handler<T,S>>::call
             at /home/me/.cargo/registry/src/index-1/axum-0.8.9/src/handler/mod.rs:1:2
   8: __libc_start_main
";
        let frames = frames_in(text);
        let told: Vec<_> = frames.iter().map(|frame| (&*frame.function, &*frame.file, frame.line)).collect();
        let handler = "<axum::handler::Layered<L,H,T,S> as axum::handler::Handler<T,S>>::call";
        let wanted = [
            ("__libc_start_main", "", 0),
            (handler, "/home/me/.cargo/registry/src/index-1/axum-0.8.9/src/handler/mod.rs", 1),
            ("shop::orders::place", "./src/orders.rs", 12),
            ("shop::stock::take", "./src/stock.rs", 31),
        ];
        assert_eq!(told, wanted);
        let application: Vec<_> = frames.iter().map(Frame::is_application).collect();
        assert_eq!(application, [false, false, true, true]);
    }

    #[test]
    fn a_real_backtrace_is_read() {
        let frames = frames_of(&Backtrace::force_capture());
        let own = frames.iter().find(|frame| frame.function.contains("a_real_backtrace_is_read")).unwrap();
        assert!(own.file.ends_with("exception.rs") && own.line > 0, "{own:?}");
    }

    #[test]
    fn an_exception_is_cut_to_what_may_be_kept() {
        let frame = |line| Frame { function: "é".repeat(300), file: "f".repeat(300), line };
        let exception = Exception {
            frames: (0..100).map(frame).collect(),
            causes: vec![Cause { kind: "k".repeat(9000), message: "c".repeat(9000) }; 20],
            transaction: Some("t".repeat(9000)),
            ..Exception::new("k".repeat(9000), "ä".repeat(9000))
        };
        let kept = exception.bounded();
        assert!(kept.kind.len() <= NAME && kept.message.len() <= MESSAGE && kept.message.ends_with('…'));
        assert_eq!((kept.frames.len(), kept.frames[49].line, kept.causes.len()), (FRAMES, 99, CAUSES));
        assert!(kept.frames.iter().all(|frame| frame.function.len() <= NAME && frame.file.len() <= NAME));
        assert!(kept.transaction.unwrap().len() <= NAME && kept.causes[0].message.len() <= MESSAGE);
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_a_backtrace_without_a_panic(text in "([ 0-9]{0,4}: [a-z:<>]{0,9}\n| at [a-z:0-9]{0,9}\n|\\PC{0,9}\n){0,60}") {
            prop_assert!(frames_in(&text).len() <= FRAMES);
        }
    }
}
