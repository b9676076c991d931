//! The body of a request, read from the connection as it is asked for: bounded in size and in pauses, counted, and rid of
//! trailers that only the gateway may set.

use std::borrow::Cow;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use gwanmun_core::{Code, Fault, Reason};
use http_body::{Frame, SizeHint};

use super::line::{Line, SharedLine};
use crate::body::{Inspection, Pace};
use crate::h1::Malformed;
use crate::h1::body::Event;

/// What is still to come of a request.
pub(super) struct ClientBody {
    line: Weak<RefCell<Line>>,
    number: u64,
    inspection: Inspection,
    pace: Pace,
}

impl ClientBody {
    /// The body of the request that `line` has just begun. Whoever keeps it for longer does not keep the connection.
    pub(super) fn of(line: &SharedLine, inspection: Inspection, pace: Pace) -> Self {
        let number = line.borrow().number;
        Self { line: Rc::downgrade(line), number, inspection, pace }
    }

    /// The connection, while the request is under way.
    fn line(&self) -> Option<SharedLine> {
        self.line.upgrade().filter(|line| line.borrow().number == self.number)
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let Some(line) = this.line() else {
            return Poll::Ready(Some(Err(Fault::new(Code::MalformedRequest, "the request is over"))));
        };
        let line = &mut *line.borrow_mut();
        loop {
            let event = line.rest.next(&mut line.inbound.bytes);
            line.notice_end_of_body(cx);
            let frame = match event {
                Ok(Event::Data(data)) => Frame::data(data),
                Ok(Event::Trailers(trailers)) => Frame::trailers(trailers),
                Ok(Event::End) => return Poll::Ready(None),
                Err(Malformed(why)) => return Poll::Ready(Some(Err(Fault::new(Code::MalformedRequest, why)))),
                Ok(Event::NeedMore) => {
                    let outcome = match line.poll_go_ahead(cx) {
                        Poll::Ready(Ok(())) => line.poll_fill(cx),
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                        Poll::Pending => Poll::Pending,
                    };
                    let why: Cow<'static, str> = match outcome {
                        Poll::Ready(Ok(0)) => "the body ended before its end".into(),
                        Poll::Ready(Ok(_)) => continue,
                        Poll::Ready(Err(error)) => format!("the body broke off: {error}").into(),
                        Poll::Pending => {
                            return this.pace.poll_late(cx, this.inspection.received()).map(|late| Some(Err(late)));
                        }
                    };
                    let fault = Fault::new(Code::MalformedRequest, why).because(Reason::RequestTruncated);
                    return Poll::Ready(Some(Err(fault)));
                }
            };
            this.pace.moved();
            return Poll::Ready(Some(this.inspection.inspect(frame)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.line().is_some_and(|line| line.borrow().rest.is_done())
    }

    fn size_hint(&self) -> SizeHint {
        match self.line().and_then(|line| line.borrow().rest.exact_length()) {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use http_body::Body as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::h1::body::Body as Rest;
    use crate::listen::stream::{Carrier, ServerIo};

    const PATIENCE: Duration = Duration::from_secs(9);

    async fn line_with_body() -> (SharedLine, ClientBody, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let line = Line::new(ServerIo::new(Carrier::Tcp(listener.accept().await.unwrap().0), PATIENCE));
        line.borrow_mut().rest = Rest::Length(9);
        let inspection = Inspection::new(None, &Rc::default(), &std::sync::Arc::default());
        let body = ClientBody::of(&line, inspection, Pace::new(PATIENCE, None));
        (line, body, client)
    }

    async fn next(body: &mut ClientBody) -> Result<Bytes, Code> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.unwrap();
        frame.map(|frame| frame.into_data().unwrap()).map_err(|fault| fault.code())
    }

    #[tokio::test]
    async fn a_body_that_is_kept_for_too_long_reads_nothing_and_keeps_no_connection() {
        let (line, mut body, mut client) = line_with_body().await;
        client.write_all(b"abc").await.unwrap();
        assert_eq!(next(&mut body).await.unwrap(), "abc");
        client.write_all(b"def").await.unwrap();
        line.borrow_mut().end_request();
        assert_eq!(next(&mut body).await, Err(Code::MalformedRequest));
        assert!(!body.is_end_stream());
        drop(line);
        let end = tokio::time::timeout(PATIENCE, client.read_u8()).await.unwrap();
        assert!(end.is_err(), "the connection is closed");
        drop(body);
    }

    #[tokio::test]
    async fn no_interim_answer_comes_within_the_final_one() {
        let (line, mut body, mut client) = line_with_body().await;
        line.borrow_mut().owe_continue();
        assert_eq!(line.borrow_mut().begin_answer(), b"");
        client.write_all(b"abc").await.unwrap();
        assert_eq!(next(&mut body).await.unwrap(), "abc");
        drop(line);
        drop(body);
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said).await;
        assert_eq!(said, b"");
    }

    #[tokio::test]
    async fn who_answers_hears_of_the_end_of_a_body_that_another_task_reads() {
        let (line, mut body, mut client) = line_with_body().await;
        let gone = tokio::task::LocalSet::new();
        gone.run_until(async {
            let watched = Rc::clone(&line);
            let watching = tokio::task::spawn_local(poll_fn(move |cx| watched.borrow_mut().poll_gone(cx)));
            tokio::task::yield_now().await;
            client.write_all(b"123456789").await.unwrap();
            assert_eq!(next(&mut body).await.unwrap(), "123456789");
            drop(client);
            tokio::time::timeout(PATIENCE, watching).await.expect("the client has left").unwrap();
        })
        .await;
    }
}
