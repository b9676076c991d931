//! The service behind: reads strictly, keeps what it got byte for byte, and answers. What breaks off is kept too.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gwanmun_testkit::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// The path that upgrades.
const SWITCH: &str = "/switch";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";

/// A running service; dropped, it accepts nothing more.
pub(crate) struct Recorder {
    port: u16,
    book: Arc<Mutex<Book>>,
    task: JoinHandle<()>,
}

/// What came over one connection from the end of one request to the end of the next.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// The request line and the fields, each without its end.
    pub(crate) head: Vec<Vec<u8>>,
    /// The body without its coding; of a connection that was switched, what came after that.
    pub(crate) body: Vec<u8>,
    /// The fields after the body.
    pub(crate) trailers: Vec<Vec<u8>>,
    /// What is wrong with it.
    pub(crate) flaw: Option<Flaw>,
}

/// Why something is no good request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The connection ended before it did.
    BrokenOff,
    /// It is malformed or ambiguous in itself: whoever sent it passed on what it should have refused or cleaned.
    Malformed(String),
}

impl Received {
    /// Whether it is all there, good or not.
    pub(crate) fn is_whole(&self) -> bool {
        self.flaw != Some(Flaw::BrokenOff)
    }

    /// The request line.
    pub(crate) fn line(&self) -> String {
        self.head.first().map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default()
    }

    /// The path of the request line, as far as there is one.
    pub(crate) fn path(&self) -> String {
        self.line().split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |lines: &[Vec<u8>]| lines.iter().map(|line| line.escape_ascii().to_string()).collect::<Vec<_>>();
        f.debug_struct("Received")
            .field("head", &text(&self.head))
            .field("body", &self.body.escape_ascii().to_string())
            .field("trailers", &text(&self.trailers))
            .field("flaw", &self.flaw)
            .finish()
    }
}

#[derive(Default)]
struct Book {
    received: Vec<Received>,
    /// Connections with a part of a request on them.
    busy: usize,
}

impl Recorder {
    /// Starts on a free port.
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let port = listener.local_addr().unwrap().port();
        let book = Arc::<Mutex<Book>>::default();
        let kept = Arc::clone(&book);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(
                    Reader { stream, ahead: Vec::new(), busy: Busy { book: Arc::clone(&kept), is: false } }.serve(),
                );
            }
        });
        Self { port, book, task }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What has come since this was asked the last time, once nothing is half-way.
    pub(crate) async fn take(&self) -> Vec<Received> {
        let begin = Instant::now();
        loop {
            if let Some(received) = self.book.lock().unwrap().take() {
                return received;
            }
            assert!(begin.elapsed() < PATIENCE, "a part of a request neither became whole nor broke off");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Book {
    fn take(&mut self) -> Option<Vec<Received>> {
        (self.busy == 0).then(|| std::mem::take(&mut self.received))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Reader {
    stream: TcpStream,
    ahead: Vec<u8>,
    busy: Busy,
}

/// Counts the connection among the busy ones.
struct Busy {
    book: Arc<Mutex<Book>>,
    is: bool,
}

impl Busy {
    fn set(&mut self, is: bool) {
        if is != self.is {
            let mut book = self.book.lock().unwrap();
            book.busy = if is { book.busy + 1 } else { book.busy - 1 };
            self.is = is;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.set(false);
    }
}

impl Reader {
    async fn serve(mut self) {
        loop {
            let mut request = Received::default();
            let outcome = self.request(&mut request).await;
            let readable = outcome.is_ok();
            match outcome {
                Ok(false) => return,
                Ok(true) => request.flaw = flaw_of(&request).map(Flaw::Malformed),
                Err(flaw) => {
                    request.body.append(&mut self.ahead);
                    request.flaw = Some(flaw);
                }
            }
            let path = request.path();
            let told = if request.flaw.is_none() { format!("X-Path: {path}\r\n") } else { String::new() };
            let upgrade = request.head.iter().any(|line| line.to_ascii_lowercase().starts_with(b"upgrade:"));
            let switches = readable && path == SWITCH && upgrade;
            if switches {
                let _ = self.stream.write_all(SWITCHED.as_bytes()).await;
                let _ = self.stream.read_to_end(&mut self.ahead).await;
                request.body.append(&mut self.ahead);
            }
            self.busy.book.lock().unwrap().received.push(request);
            self.busy.set(!self.ahead.is_empty());
            if switches || !readable {
                return;
            }
            let answer = format!("HTTP/1.1 200 OK\r\n{told}Content-Length: 0\r\n\r\n");
            if self.stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Reads a request; `false` where the connection ended instead.
    async fn request(&mut self, request: &mut Received) -> Result<bool, Flaw> {
        if self.ahead.is_empty() && self.more().await.is_err() {
            return Ok(false);
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            request.head.push(line);
        }
        let length = only(&request.head, "content-length")?;
        let coding = only(&request.head, "transfer-encoding")?;
        match (length, coding) {
            (None, None) => {}
            (Some(length), None) => {
                let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
                let length: usize =
                    length.parse().ok().filter(|_| digits).ok_or_else(|| malformed(format!("length {length}")))?;
                while self.ahead.len() < length {
                    self.more().await?;
                }
                request.body = self.ahead.drain(..length).collect();
            }
            (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => self.chunks(request).await?,
            both => return Err(malformed(format!("length and coding: {both:?}"))),
        }
        Ok(true)
    }

    async fn chunks(&mut self, request: &mut Received) -> Result<(), Flaw> {
        loop {
            let line = self.line().await?;
            let digits = !line.is_empty() && line.iter().all(u8::is_ascii_hexdigit);
            let size = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line, 16).ok());
            let size = size.filter(|_| digits).ok_or_else(|| malformed(format!("size '{}'", line.escape_ascii())))?;
            if size == 0 {
                break;
            }
            while self.ahead.len() < size {
                self.more().await?;
            }
            request.body.extend(self.ahead.drain(..size));
            if !self.line().await?.is_empty() {
                return Err(malformed("a chunk longer than told".to_owned()));
            }
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(());
            }
            request.trailers.push(line);
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>, Flaw> {
        let end = loop {
            match self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                Some(end) => break end,
                None => self.more().await?,
            }
        };
        Ok(self.ahead.drain(..end + 2).take(end).collect())
    }

    async fn more(&mut self) -> Result<(), Flaw> {
        match self.stream.read_buf(&mut self.ahead).await {
            Ok(read) if read > 0 => {
                self.busy.set(true);
                Ok(())
            }
            _ => Err(Flaw::BrokenOff),
        }
    }
}

fn malformed(what: String) -> Flaw {
    Flaw::Malformed(what)
}

/// What is malformed in the lines of a request, though its end is plain.
fn flaw_of(request: &Received) -> Option<String> {
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    let bad_line = |line: &&Vec<u8>| {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        line.iter().any(is_control) || !line.contains(&b':') || name.is_empty() || !name.iter().all(is_token)
    };
    let start = request.head.first()?;
    let words: Vec<_> = start.split(|&byte| byte == b' ').collect();
    let good_start = words.len() == 3
        && words[2].starts_with(b"HTTP/1.")
        && !words[1].is_empty()
        && !start.iter().any(|byte| is_control(byte) || *byte == b'\t');
    let flawed =
        if good_start { request.head.iter().skip(1).chain(&request.trailers).find(bad_line) } else { Some(start) };
    flawed.map(|line| line.escape_ascii().to_string())
}

/// The value of a field that may be there once.
fn only(head: &[Vec<u8>], name: &str) -> Result<Option<String>, Flaw> {
    let mut values = head.iter().skip(1).filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim_matches([' ', '\t']).to_owned())
    });
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(malformed(format!("{name} twice"))),
    }
}
