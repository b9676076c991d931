//! A reader of HTTP/1 messages that knows nothing of the gateway's: slow, simple, and as strict as RFC 9112 where two
//! readers could differ. What the gateway accepts and what it writes are held against it.

/// What a stream of messages was.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The messages whose heads are complete and regular, in order; only the last may be without its end.
    pub(crate) messages: Vec<Message>,
    /// How it ended.
    pub(crate) end: End,
}

/// How a stream of messages ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Behind a message, or before the first.
    #[default]
    Clean,
    /// Within a message.
    Cut,
    /// At something that is no message.
    Broken(&'static str),
}

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    /// The start line's three parts.
    pub(crate) start: [String; 3],
    /// The fields, names in lower case.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// The body without its framing, as far as it came.
    pub(crate) body: Vec<u8>,
    /// The fields behind a chunked body.
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// Whether all of it came.
    pub(crate) whole: bool,
    /// What is framed by the connection's end.
    pub(crate) until_close: bool,
    /// Where it ends in the stream.
    pub(crate) end: usize,
}

impl Message {
    /// The values of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_slice())
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> &str {
        &self.start[0]
    }

    /// The target of a request.
    pub(crate) fn target(&self) -> &str {
        &self.start[1]
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.start[1].parse().unwrap_or(0)
    }
}

/// Reads requests. An empty line before one is passed over (RFC 9112 section 2.2).
pub(crate) fn requests(stream: &[u8]) -> Reading {
    read(stream, |_| Kind::Request)
}

/// Reads answers; `method` knows which request each final answer belongs to.
pub(crate) fn answers(stream: &[u8], method: impl Fn(usize) -> Option<String>) -> Reading {
    read(stream, |place| Kind::Answer { to_head: method(place).as_deref() == Some("HEAD") })
}

#[derive(Clone, Copy)]
enum Kind {
    Request,
    Answer { to_head: bool },
}

fn read(stream: &[u8], kind: impl Fn(usize) -> Kind) -> Reading {
    let mut reading = Reading::default();
    let (mut at, mut finals) = (0, 0);
    loop {
        let kind = kind(finals);
        if matches!(kind, Kind::Request) && stream[at..].starts_with(b"\r\n") {
            at += 2;
        }
        if at == stream.len() {
            return reading;
        }
        match message(stream, at, kind) {
            Ok((message, end)) => {
                let informational = matches!(kind, Kind::Answer { .. }) && message.status() < 200;
                // What follows a 101 is no HTTP.
                let tunnel = informational && message.status() == 101;
                at = message.end;
                finals += usize::from(!informational);
                reading.messages.push(message);
                if end != End::Clean || tunnel {
                    reading.end = end;
                    return reading;
                }
            }
            Err(end) => {
                reading.end = end;
                return reading;
            }
        }
    }
}

fn message(stream: &[u8], at: usize, kind: Kind) -> Result<(Message, End), End> {
    let (start, at) = line(stream, at)?;
    let start = start_line(start, kind)?;
    let (fields, at) = fields(stream, at)?;
    let mut message =
        Message { start, fields, body: Vec::new(), trailers: Vec::new(), whole: true, until_close: false, end: at };
    let framing = framing(&message, kind)?;
    let outcome = match framing {
        Framing::None => Ok(at),
        Framing::Length(length) => {
            let here = stream.len() - at;
            let taken = here.min(usize::try_from(length).unwrap_or(usize::MAX));
            message.body.extend_from_slice(&stream[at..at + taken]);
            if u64::try_from(taken).unwrap() == length { Ok(at + taken) } else { Err(End::Cut) }
        }
        Framing::Chunked => chunks(stream, at, &mut message),
        Framing::UntilClose => {
            message.body.extend_from_slice(&stream[at..]);
            message.until_close = true;
            Ok(stream.len())
        }
    };
    match outcome {
        Ok(end) => {
            message.end = end;
            Ok((message, End::Clean))
        }
        Err(end) => {
            message.whole = false;
            message.end = stream.len();
            Ok((message, end))
        }
    }
}

/// A line and where the next begins.
fn line(stream: &[u8], at: usize) -> Result<(&[u8], usize), End> {
    let rest = &stream[at..];
    for (place, byte) in rest.iter().enumerate() {
        match byte {
            b'\n' => return Err(End::Broken("a line feed without a carriage return")),
            b'\r' => {
                return match rest.get(place + 1) {
                    Some(b'\n') => Ok((&rest[..place], at + place + 2)),
                    Some(_) => Err(End::Broken("a carriage return without a line feed")),
                    None => Err(End::Cut),
                };
            }
            0 => return Err(End::Broken("a NUL")),
            _ => {}
        }
    }
    Err(End::Cut)
}

fn start_line(line: &[u8], kind: Kind) -> Result<[String; 3], End> {
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let (Some(one), Some(two)) = (parts.next(), parts.next()) else { return Err(End::Broken("a start line")) };
    let three = parts.next();
    let version = |part: &[u8]| matches!(part, b"HTTP/1.1" | b"HTTP/1.0");
    let good = match kind {
        Kind::Request => {
            is_token(one)
                && !two.is_empty()
                && two.iter().all(|byte| !byte.is_ascii_control())
                && three.is_some_and(version)
        }
        Kind::Answer { .. } => {
            version(one)
                && two.len() == 3
                && two.iter().all(u8::is_ascii_digit)
                && two[0] != b'0'
                && three.is_none_or(|reason| reason.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\t'))
        }
    };
    if !good {
        return Err(End::Broken("a start line"));
    }
    Ok([text(one), text(two), text(three.unwrap_or_default())])
}

type Fields = Vec<(String, Vec<u8>)>;

fn fields(stream: &[u8], mut at: usize) -> Result<(Fields, usize), End> {
    let mut fields = Vec::new();
    loop {
        let (line, next) = line(stream, at)?;
        at = next;
        if line.is_empty() {
            return Ok((fields, at));
        }
        let colon = line.iter().position(|&byte| byte == b':').ok_or(End::Broken("a field without a colon"))?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) {
            return Err(End::Broken("a field name"));
        }
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(End::Broken("a control character in a value"));
        }
        fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii().to_vec()));
    }
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// RFC 9112 section 6.3.
fn framing(message: &Message, kind: Kind) -> Result<Framing, End> {
    if let Kind::Answer { to_head } = kind
        && (to_head || message.status() < 200 || matches!(message.status(), 204 | 304))
    {
        return Ok(Framing::None);
    }
    let codings: Vec<_> = message.all("transfer-encoding").collect();
    let lengths: Vec<_> = message.all("content-length").collect();
    if !codings.is_empty() {
        if !lengths.is_empty() {
            return Err(End::Broken("both a length and a transfer coding"));
        }
        let protocol = if matches!(kind, Kind::Request) { &message.start[2] } else { &message.start[0] };
        if protocol != "HTTP/1.1" {
            return Err(End::Broken("a transfer coding in HTTP/1.0"));
        }
        let [coding] = codings.as_slice() else { return Err(End::Broken("several transfer codings")) };
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(End::Broken("a transfer coding that is not chunked"));
        }
        return Ok(Framing::Chunked);
    }
    let Some(length) = lengths.first() else {
        return Ok(if matches!(kind, Kind::Request) { Framing::None } else { Framing::UntilClose });
    };
    if lengths.iter().any(|other| other != length) {
        return Err(End::Broken("two lengths"));
    }
    if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
        return Err(End::Broken("a length that is no number"));
    }
    let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
    length.map(Framing::Length).ok_or(End::Broken("a length beyond all bounds"))
}

/// RFC 9112 section 7.1.
fn chunks(stream: &[u8], mut at: usize, message: &mut Message) -> Result<usize, End> {
    loop {
        let (size, next) = line(stream, at)?;
        at = next;
        // Blanks may stand before an extension, and only there.
        let digits = match size.iter().position(|&byte| byte == b';') {
            Some(extension) => size[..extension].trim_ascii_end(),
            None => size,
        };
        if size.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(End::Broken("a control character in a chunk extension"));
        }
        if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(End::Broken("a chunk size"));
        }
        let size = u64::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        if size == 0 {
            let (trailers, end) = fields(stream, at)?;
            message.trailers = trailers;
            return Ok(end);
        }
        let here = stream.len() - at;
        let taken = here.min(usize::try_from(size).unwrap_or(usize::MAX));
        message.body.extend_from_slice(&stream[at..at + taken]);
        at += taken;
        if u64::try_from(taken).unwrap() < size {
            return Err(End::Cut);
        }
        match (stream.get(at), stream.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => at += 2,
            (None, _) | (Some(b'\r'), None) => return Err(End::Cut),
            _ => return Err(End::Broken("a chunk longer than its size")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_to_the_first_irregularity() {
        let stream = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: 1\r\n\r\nGET /c HTTP/1.1\nhost: x\r\n\r\n";
        let reading = requests(stream);
        assert_eq!(reading.end, End::Broken("a line feed without a carriage return"));
        let [one, two] = reading.messages.as_slice() else { panic!("{reading:?}") };
        assert_eq!((one.method(), one.target(), one.whole), ("GET", "/a", true));
        assert_eq!((two.body.as_slice(), two.trailers.len(), two.whole), (&b"abc"[..], 1, true));
    }

    #[test]
    fn what_is_ambiguous_is_broken() {
        for field in [
            "content-length: 1\r\ntransfer-encoding: chunked",
            "content-length: 1\r\ncontent-length: 2",
            "content-length: 1, 1",
            "content-length: +1",
            "transfer-encoding: gzip, chunked",
            "transfer-encoding : chunked",
            "x: 1\r\n folded",
        ] {
            let stream = format!("POST / HTTP/1.1\r\n{field}\r\n\r\nabc");
            let reading = requests(stream.as_bytes());
            assert!(reading.messages.is_empty() && matches!(reading.end, End::Broken(_)), "{field}: {reading:?}");
        }
    }

    #[test]
    fn answers_are_framed_by_their_requests() {
        let stream =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\nall";
        let methods = ["HEAD".to_owned(), "GET".to_owned()];
        let reading = answers(stream, |place| methods.get(place).cloned());
        let bodies: Vec<_> = reading.messages.iter().map(|message| message.body.as_slice()).collect();
        assert_eq!(bodies, [&b""[..], b"", b"all"]);
    }
}
