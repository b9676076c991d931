//! The service behind: reads strictly, keeps what it got byte for byte, and answers. What breaks off is kept too.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gwanmun_testkit::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// The path whose answer is `101`.
pub(crate) const SWITCH: &str = "/switch";

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
    /// What it is instead, where it is not a whole and unambiguous request.
    pub(crate) broken: Option<String>,
}

impl Received {
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
            .field("broken", &self.broken)
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
            match outcome {
                Ok(false) => return,
                Ok(true) => {}
                Err(why) => {
                    request.body.append(&mut self.ahead);
                    request.broken = Some(why);
                }
            }
            let (whole, path) = (request.broken.is_none(), request.path());
            if whole && path == SWITCH {
                let _ = self
                    .stream
                    .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
                    .await;
                let _ = self.stream.read_to_end(&mut self.ahead).await;
                request.body.append(&mut self.ahead);
            }
            self.busy.book.lock().unwrap().received.push(request);
            self.busy.set(!self.ahead.is_empty());
            if !whole {
                return;
            }
            let answer = format!("HTTP/1.1 200 OK\r\nX-Path: {path}\r\nContent-Length: 0\r\n\r\n");
            if path == SWITCH || self.stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Reads a request; `false` where the connection ended instead.
    async fn request(&mut self, request: &mut Received) -> Result<bool, String> {
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
                let length: usize = length.parse().map_err(|_| format!("Content-Length: {length}"))?;
                while self.ahead.len() < length {
                    self.more().await?;
                }
                request.body = self.ahead.drain(..length).collect();
            }
            (None, Some(coding)) if coding == "chunked" => self.chunks(request).await?,
            both => return Err(format!("length and coding: {both:?}")),
        }
        Ok(true)
    }

    async fn chunks(&mut self, request: &mut Received) -> Result<(), String> {
        loop {
            let line = String::from_utf8_lossy(&self.line().await?).into_owned();
            let size = usize::from_str_radix(&line, 16).map_err(|_| format!("a chunk with the size '{line}'"))?;
            if size == 0 {
                break;
            }
            while self.ahead.len() < size {
                self.more().await?;
            }
            request.body.extend(self.ahead.drain(..size));
            if !self.line().await?.is_empty() {
                return Err("a chunk longer than told".to_owned());
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

    async fn line(&mut self) -> Result<Vec<u8>, String> {
        let end = loop {
            match self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                Some(end) => break end,
                None => self.more().await?,
            }
        };
        let line: Vec<u8> = self.ahead.drain(..end + 2).take(end).collect();
        match line.iter().any(|byte| b"\r\n\0".contains(byte)) {
            true => Err(format!("the line '{}'", line.escape_ascii())),
            false => Ok(line),
        }
    }

    async fn more(&mut self) -> Result<(), String> {
        match self.stream.read_buf(&mut self.ahead).await {
            Ok(read) if read > 0 => {
                self.busy.set(true);
                Ok(())
            }
            _ => Err("it broke off".to_owned()),
        }
    }
}

/// The value of a field that may be there once.
fn only(head: &[Vec<u8>], name: &str) -> Result<Option<String>, String> {
    let mut values = head.iter().skip(1).filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim_matches([' ', '\t']).to_owned())
    });
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(format!("{name} twice")),
    }
}
