//! The codec towards upstreams: any cutting of the bytes gives the same answers, and they are what an independent strict
//! reader finds.

use gwanmun_proxy::fuzzing::read_answers;
use http::Method;

use crate::pieces::{Choices, cut};
use crate::reader;
use crate::targets::request::same;

/// The input's first byte chooses the method, then how the rest is cut.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    let method = if choices.one_of(4) == 0 { Method::HEAD } else { Method::GET };
    let pieces = choices.pieces();
    let stream = pieces.concat();
    let whole = read_answers(&method, &[&stream]);
    let bytewise = read_answers(&method, &cut(&stream, &vec![1; stream.len()]));
    let pieced = read_answers(&method, &pieces);
    assert_eq!(pieced.messages, whole.messages, "cutting matters");
    assert_eq!(bytewise.messages, whole.messages, "cutting into bytes matters");

    let mut at = 0;
    for answer in &whole.messages {
        // One by one: the reader stops behind a 101, which to the codec is an answer without a body.
        let reference = reader::answers(&stream[at..], |_| Some(method.to_string()));
        let Some(original) = reference.messages.first() else {
            panic!("accepted, though it is {:?}: {answer:?}", reference.end);
        };
        same(answer, original, &whole.ending);
        assert_eq!(answer.start, original.start[1]);
        assert_eq!(answer.is_1_1, original.start[0] == "HTTP/1.1");
        at += original.end;
    }
}
