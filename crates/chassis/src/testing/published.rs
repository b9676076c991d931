//! A key set at a URL of this machine, as a gateway publishes it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long somebody may take to ask.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers everything with one document, until it is dropped.
#[derive(Debug)]
pub(super) struct Published {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    document: Mutex<String>,
    asked: AtomicUsize,
    has_ended: AtomicBool,
}

impl Published {
    pub(super) fn new(document: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            document: Mutex::new(document),
            asked: AtomicUsize::new(0),
            has_ended: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if theirs.has_ended.load(Ordering::Acquire) {
                    return;
                }
                // Who asks and goes away is asked nothing.
                let _ = stream.and_then(|stream| theirs.answer(stream));
            }
        });
        Self { address, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    pub(super) fn publish(&self, document: String) {
        *self.shared.document.lock().unwrap_or_else(PoisonError::into_inner) = document;
    }

    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Acquire)
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let (mut head, mut piece) = (Vec::<u8>::new(), [0; 1024]);
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut piece)? {
                0 => return Ok(()),
                read => head.extend(piece.iter().take(read)),
            }
        }
        self.asked.fetch_add(1, Ordering::AcqRel);
        let document = self.document.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let length = document.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}"
        )
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        // Wakes the thread, which then ends.
        drop(TcpStream::connect(self.address));
    }
}
