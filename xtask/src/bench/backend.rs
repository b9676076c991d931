//! The origin behind every proxy: a fixed answer of 1 KiB, keep-alive, as cheap as it gets without `unsafe`: one blocking
//! thread per connection, one read and one write per request. A path that ends in `/inspect` is answered with the head
//! that arrived, which shows what a proxy did to it. It runs as a child process, so that its core can be chosen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::failure::{Failure, While};

/// The sub-command that serves it; not for people.
pub(crate) const BACKEND_COMMAND: &str = "bench-backend";

/// Bytes in a body.
pub(crate) const BODY_BYTES: usize = 1024;

/// Serves on the address that is the only argument until the process is stopped.
pub(crate) fn serve_backend(arguments: &[&str]) -> Result<(), Failure> {
    let [address] = arguments else { return Err(Failure::usage("the backend takes an address")) };
    let address: SocketAddr = address.parse().while_doing("reading the backend's address")?;
    let listener = TcpListener::bind(address).while_doing(format_args!("binding {address}"))?;
    let answer = answer(&[b'x'; BODY_BYTES]);
    for stream in listener.incoming() {
        let stream = stream.while_doing("accepting")?;
        let answer = answer.clone();
        // Small stacks: there is one for each connection.
        let thread = std::thread::Builder::new().stack_size(64 * 1024);
        thread.spawn(move || serve(stream, &answer)).while_doing("starting a thread")?;
    }
    Ok(())
}

/// Answers every head until the peer goes; requests here have no bodies.
fn serve(mut stream: TcpStream, answer_bytes: &[u8]) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 8192];
    let mut head = Vec::new();
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let read = buffer.get(..count).unwrap_or_default();
        let whole = if head.is_empty() {
            read
        } else {
            head.extend_from_slice(read);
            &head
        };
        if !whole.ends_with(b"\r\n\r\n") {
            if head.is_empty() {
                head.extend_from_slice(read);
            }
            continue;
        }
        let written = if is_inspect(whole) { stream.write_all(&answer(whole)) } else { stream.write_all(answer_bytes) };
        if written.is_err() {
            return;
        }
        head.clear();
    }
}

fn is_inspect(head: &[u8]) -> bool {
    let target = head.split(|byte| *byte == b' ').nth(1);
    target.is_some_and(|target| target.ends_with(b"/inspect"))
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
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
        let server = std::thread::spawn(move || serve(listener.accept().unwrap().0, &answer(b"fixed")));
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
}
