//! The origin behind every proxy: a fixed answer of 1 KiB, keep-alive, as cheap as it gets without `unsafe`: one blocking
//! thread per connection, one read and one write per request. `/bytes/N` is answered with so many bytes, a body is read
//! and thrown away, and a path that ends in `/inspect` is answered with the head that arrived, which shows what a proxy did
//! to it. `POST /introspect` is answered as an authorization server would. It runs as a child process, so that its core can be
//! chosen.

mod introspection;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

pub(crate) use introspection::OPAQUE_TOKEN;

use crate::failure::{Failure, While};

/// The sub-command that serves it; not for people.
pub(crate) const BACKEND_COMMAND: &str = "bench-backend";

/// Bytes in a body.
pub(crate) const BODY_BYTES: usize = 1024;

/// Sizes of answers to `/bytes/N`; others are answered like everything else.
const SIZES: [usize; 3] = [64 * 1024, 1024 * 1024, 8 * 1024 * 1024];

/// Read at once of a body.
const PIECE: usize = 64 * 1024;

/// The answers that never change.
struct Answers {
    usual: Vec<u8>,
    large: Vec<(String, Vec<u8>)>,
}

impl Answers {
    fn new(usual: &[u8]) -> Self {
        let large = SIZES.iter().map(|size| (format!("/bytes/{size}"), answer(&vec![b'x'; *size]))).collect();
        Self { usual: answer(usual), large }
    }

    fn to(&self, head: &[u8]) -> &[u8] {
        let target = target(head);
        let found = self.large.iter().find(|(path, _)| target.ends_with(path.as_bytes()));
        found.map_or(&self.usual, |(_, answer)| answer)
    }
}

/// Serves on the address that is the only argument until the process is stopped.
pub(crate) fn serve_backend(arguments: &[&str]) -> Result<(), Failure> {
    let [address] = arguments else { return Err(Failure::usage("the backend takes an address")) };
    let address: SocketAddr = address.parse().while_doing("reading the backend's address")?;
    let listener = TcpListener::bind(address).while_doing(format_args!("binding {address}"))?;
    let answers = Arc::new(Answers::new(&[b'x'; BODY_BYTES]));
    for stream in listener.incoming() {
        let stream = stream.while_doing("accepting")?;
        let answers = Arc::clone(&answers);
        // Small stacks: there is one for each connection.
        let thread = std::thread::Builder::new().stack_size(64 * 1024);
        thread.spawn(move || serve(stream, &answers)).while_doing("starting a thread")?;
    }
    Ok(())
}

/// Answers every request until the peer goes. There is no pipelining here.
fn serve(mut stream: TcpStream, answers: &Answers) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 8192];
    let mut begun = Vec::new();
    let mut piece = Vec::new();
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let read = buffer.get(..count).unwrap_or_default();
        let whole = if begun.is_empty() {
            read
        } else {
            begun.extend_from_slice(read);
            &begun
        };
        let Some(end) = head_length(whole) else {
            if begun.is_empty() {
                begun.extend_from_slice(read);
            }
            continue;
        };
        let head = whole.get(..end).unwrap_or_default();
        let missing = body_length(head).saturating_sub(whole.len() - end);
        if is_introspection(head) {
            let Ok(form) = form(&mut stream, whole.get(end..).unwrap_or_default(), missing) else { return };
            let text = introspection::answer_to(&form);
            if stream.write_all(&answer_of("application/json", &text)).is_err() {
                return;
            }
            begun.clear();
            continue;
        }
        if skip(&mut stream, missing, &mut piece).is_err() {
            return;
        }
        let written =
            if is_inspect(head) { stream.write_all(&answer(head)) } else { stream.write_all(answers.to(head)) };
        if written.is_err() {
            return;
        }
        begun.clear();
    }
}

/// Reads so many bytes into `piece`, again and again.
fn skip(stream: &mut TcpStream, mut missing: usize, piece: &mut Vec<u8>) -> std::io::Result<()> {
    if missing > 0 {
        piece.resize(PIECE, 0);
    }
    while missing > 0 {
        let part = piece.get_mut(..missing.min(PIECE)).unwrap_or_default();
        match stream.read(part)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => missing -= count,
        }
    }
    Ok(())
}

/// What has come of a small body, and what is missing of it.
fn form(stream: &mut TcpStream, begun: &[u8], missing: usize) -> std::io::Result<Vec<u8>> {
    let mut form = begun.to_vec();
    let length = begun.len() + missing;
    if length > introspection::MAX_FORM {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    form.resize(length, 0);
    stream.read_exact(form.get_mut(begun.len()..).unwrap_or_default())?;
    Ok(form)
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    if bytes.ends_with(b"\r\n\r\n") {
        return Some(bytes.len());
    }
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// What `Content-Length` says; a chunked body would be taken for the next request, and the run would fail.
fn body_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    // GET, as most requests are, has none.
    if head.starts_with(b"GET ") {
        return 0;
    }
    let mut lines = head.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii())
    });
    value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
}

fn target(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

fn is_inspect(head: &[u8]) -> bool {
    target(head).ends_with(b"/inspect")
}

fn is_introspection(head: &[u8]) -> bool {
    head.starts_with(b"POST /introspect ")
}

fn answer(body: &[u8]) -> Vec<u8> {
    answer_of("text/plain", body)
}

fn answer_of(media_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pieces: &[&str], bytes: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || serve(listener.accept().unwrap().0, &Answers::new(b"fixed")));
        let mut client = TcpStream::connect(address).unwrap();
        for piece in pieces {
            client.write_all(piece.as_bytes()).unwrap();
        }
        let mut answer = vec![0; bytes];
        client.read_exact(&mut answer).unwrap();
        drop(client);
        server.join().unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn a_connection_is_kept_for_the_next_request() {
        let one = "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nfixed";
        assert_eq!(ask(&["GET / HTTP/1.1\r\nA: b\r\n\r\n"], one.len()), one);
    }

    #[test]
    fn an_inspected_head_comes_back_even_when_it_arrived_in_pieces() {
        let head = "GET /a/inspect HTTP/1.1\r\nX-A: b\r\n\r\n";
        let (first, second) = head.split_at(20);
        let echo = String::from_utf8(answer(head.as_bytes())).unwrap();
        assert_eq!(ask(&[first, second], echo.len()), echo);
    }

    #[test]
    fn a_body_is_thrown_away_and_the_next_request_is_answered() {
        let one = "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nfixed";
        let post = "POST / HTTP/1.1\r\ncontent-length: 7\r\n\r\n";
        assert_eq!(ask(&[post, "one", " two"], one.len()), one);
        assert_eq!(ask(&[&format!("{post}one two")], one.len()), one);
    }

    #[test]
    fn an_introspection_is_answered_even_when_its_form_arrived_in_pieces() {
        let form = format!("token={OPAQUE_TOKEN}");
        let head = format!("POST /introspect HTTP/1.1\r\nContent-Length: {}\r\n\r\n", form.len());
        let known =
            String::from_utf8(answer_of("application/json", &introspection::answer_to(form.as_bytes()))).unwrap();
        assert_eq!(ask(&[&head, &form], known.len()), known);
        let (first, second) = form.split_at(9);
        assert_eq!(ask(&[&format!("{head}{first}"), second], known.len()), known);
    }

    #[test]
    fn a_large_answer_is_as_large_as_asked_for() {
        let text = ask(&["GET /a/bytes/65536 HTTP/1.1\r\n\r\n"], 65536);
        assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("Content-Length: 65536"));
    }
}
