//! Servers that take connections and give nothing back for them: what was to be sent is let go of all the same.

use super::*;

/// More than the sockets between two sides hold.
const MUCH: usize = 32 << 20;

/// A body, and whether somebody has it still.
fn body() -> (Bytes, Arc<()>) {
    struct Held(Vec<u8>, #[expect(dead_code, reason = "counted")] Arc<()>);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let held = Arc::new(());
    (Bytes::from_owner(Held(vec![0; MUCH], Arc::clone(&held))), held)
}

async fn let_go(held: &Arc<()>) {
    while Arc::strong_count(held) > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads the head of a request and nothing more; answers, or does not.
async fn read_no_body(server: &Server, answer: Option<&str>) -> TcpStream {
    let mut stream = server.accept().await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(answer.unwrap_or_default().as_bytes()).await.unwrap();
    stream
}

/// Speaks HTTP/2, never has room for a body, and answers, or does not.
async fn have_no_room(server: &Server, answers: bool) {
    const SETTINGS: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    const ACKNOWLEDGED: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
    let mut open = Vec::new();
    loop {
        let mut stream = server.accept().await;
        open.push(tokio::spawn(async move {
            stream.write_all(SETTINGS).await.unwrap();
            stream.write_all(ACKNOWLEDGED).await.unwrap();
            stream.read_exact(&mut [0; 24]).await.unwrap();
            let mut head = [0; 9];
            while stream.read_exact(&mut head).await.is_ok() {
                let [_, high, low, kind, _, id @ ..] = head;
                let mut payload = vec![0; usize::from(high) << 8 | usize::from(low)];
                stream.read_exact(&mut payload).await.unwrap();
                if kind == 1 && answers {
                    // `:status: 200`, and nothing behind it.
                    stream.write_all(&[&[0, 0, 1, 1, 5][..], &id, &[0x88]].concat()).await.unwrap();
                }
            }
        }));
    }
}

#[test]
fn a_body_that_nobody_reads_is_let_go_of() {
    for (answer, wanted) in [(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), Ok(())), (None, Err("timeout"))] {
        let client = client(brief());
        alone(async {
            let server = Server::start().await;
            let (body, held) = body();
            let request = Request::post(&server.url).body(body).unwrap();
            let (outcome, _stream) = tokio::join!(client.call(request, None), read_no_body(&server, answer));
            assert_eq!(outcome.map(drop).map_err(|error| error.name()), wanted);
            let_go(&held).await;
        });
    }
}

#[test]
fn a_body_that_there_is_no_room_for_is_let_go_of() {
    for (answers, wanted) in [(true, Ok(())), (false, Err("timeout"))] {
        let client = client(Settings { protocol: Protocol::Http2, ..brief() });
        alone(async {
            let server = Server::start().await;
            let (body, held) = body();
            let calls = async {
                for _ in 0..3 {
                    let request = Request::post(&server.url).body(body.clone()).unwrap();
                    let outcome = client.call(request, None).await;
                    assert_eq!(outcome.map(drop).map_err(|error| error.name()), wanted);
                }
                drop(body);
                let_go(&held).await;
            };
            tokio::select! {
                () = calls => {}
                () = have_no_room(&server, answers) => unreachable!(),
            }
        });
    }
}
