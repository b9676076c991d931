//! The codec at the door: any cutting of the bytes gives the same requests, an independent strict reader finds the same,
//! and a lenient one reads their heads the same way.

use gwanmun_proxy::fuzzing::{Ending, Message, read_requests};

use crate::pieces::{Choices, cut};
use crate::reader;

/// More than the codec's bounds in this target allow is never held.
const MOST_HELD: usize = 1024;

/// The input's first bytes choose how the rest is cut.
pub(crate) fn run(input: &[u8]) {
    let pieces = Choices::of(input).pieces();
    let stream = pieces.concat();
    let whole = read_requests(&[&stream]);
    let bytewise = read_requests(&cut(&stream, &vec![1; stream.len()]));
    let pieced = read_requests(&pieces);
    assert_eq!(pieced.messages, whole.messages, "cutting matters");
    assert_eq!(bytewise.messages, whole.messages, "cutting into bytes matters");
    // What is too long may be refused before it is all there, but nothing is refused in one cutting and good in another.
    for one in [&whole, &bytewise, &pieced] {
        let good = one.ending == Ending::Clean;
        let refused = [&whole, &bytewise, &pieced].iter().any(|other| matches!(other.ending, Ending::Refused(_)));
        assert!(!(good && refused), "cutting decides what is refused");
    }
    assert!(bytewise.held <= MOST_HELD, "{} bytes are held", bytewise.held);

    let mut at = 0;
    for request in &whole.messages {
        let reference = reader::requests(&stream[at..]);
        let Some(original) = reference.messages.first() else {
            panic!("accepted, though it is {:?}: {request:?}", reference.end);
        };
        same(request, original, &whole.ending);
        let (method, _) = request.start.split_once(' ').expect("a method and a target");
        assert_eq!(method, original.method());
        assert_eq!(request.is_1_1, original.start[2] == "HTTP/1.1");
        leniently(&stream[at..], request);
        at += original.end;
    }
}

/// Whether the codec and the reader found the same message.
pub(crate) fn same(found: &Message, original: &reader::Message, ending: &Ending) {
    assert_eq!(found.headers.len(), original.fields.len(), "not the same fields");
    for (name, value) in &found.headers {
        assert!(original.all(name.as_str()).any(|other| other == value.as_bytes()), "{name} differs");
    }
    if found.is_whole {
        assert!(original.whole && !original.until_close && found.body == original.body, "not the same body");
    } else {
        // The codec may refuse what the reader lets pass: a trailer that would change the framing.
        assert!(original.body.starts_with(&found.body), "not the same body");
        let open = !original.whole || original.until_close;
        assert!(open || matches!(ending, Ending::Refused(_)), "not the same end");
    }
    assert!(found.trailers.len() <= original.trailers.len(), "a trailer of its own");
}

/// httparse takes more than the codec does; what both take is the same to both.
fn leniently(stream: &[u8], request: &Message) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    let outcome = parsed.parse(stream);
    assert!(outcome.is_ok_and(|status| status.is_complete()), "a lenient reader does not take it: {outcome:?}");
    let (method, _) = request.start.split_once(' ').expect("a method and a target");
    assert_eq!(parsed.method, Some(method));
    assert_eq!(parsed.headers.len(), request.headers.len());
}
