//! One form: the bytes a client sends and what must come of them. The tables of forms are in `forms/`.

/// Ends the head of every request that is made here.
const HOST: &str = "Host: a.test";

/// Well-formed, and sent right behind every form that ends by itself: wherever somebody reads the form's end elsewhere, this
/// request gets lost, changes or turns up where it should not.
pub(crate) const SECOND: &str = "GET /second HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// The path of what tries to be taken for a request of its own. It never may.
pub(crate) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What a client may send, under the name that the documents and a failing test call it by.
pub(crate) struct Form {
    /// Its name.
    pub(crate) name: &'static str,
    /// What is special about it, in Markdown.
    pub(crate) shown: &'static str,
    /// What the client sends.
    pub(crate) bytes: Vec<u8>,
    /// Whether [`SECOND`] follows, or the client says that it has no more to say.
    pub(crate) then: Then,
    /// The requests that the upstream must see, and no others.
    pub(crate) seen: Vec<Seen>,
    /// How it ends for the client, after the answers to these.
    pub(crate) end: End,
    /// Why it is so, where that is not plain.
    pub(crate) note: &'static str,
}

/// What the client does after the form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Then {
    /// Sends [`SECOND`] right behind it.
    Second,
    /// Sends [`SECOND`] when it has been answered.
    SecondInTurn,
    /// Ends its side of the connection.
    Finish,
    /// Ends its side of the connection when it has been answered.
    FinishInTurn,
}

/// How a form ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The connection goes on: the second request is answered.
    Kept,
    /// The connection closes, and the second request goes nowhere.
    Closed,
    /// A problem with this status, and the connection closes. Nothing of it has reached the upstream.
    Refused(u16),
    /// The same for what is wrong within a body: a part of it may have reached the upstream, as a request that broke off.
    Cut(u16),
    /// The client has gone, so that nobody can be told: it closes, with or without a 400.
    Gone,
    /// The upstream says `101`, and gets these bytes then.
    Switched(&'static str),
}

/// A request as the upstream must see it, apart from what the gateway adds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    /// The request line.
    pub(crate) line: String,
    /// The fields, names in lower case. Framing, `host` and what the gateway adds are not among them, unless asked for here.
    pub(crate) fields: Vec<Vec<u8>>,
    /// The body without its coding.
    pub(crate) body: Vec<u8>,
    /// The fields after the body.
    pub(crate) trailers: Vec<Vec<u8>>,
}

/// A form of these bytes, which are a request line with the rest of the head and a body.
pub(crate) fn raw(name: &'static str, shown: &'static str, bytes: impl AsRef<[u8]>) -> Form {
    let bytes = bytes.as_ref().to_vec();
    Form { name, shown, bytes, then: Then::Second, seen: Vec::new(), end: End::Refused(400), note: "" }
}

/// A form of this request line.
pub(crate) fn line(name: &'static str, shown: &'static str, line: impl AsRef<[u8]>) -> Form {
    raw(name, shown, [line.as_ref(), b"\r\n", HOST.as_bytes(), b"\r\n\r\n"].concat())
}

/// A GET with these field lines, each with its own end, before the end of the head.
pub(crate) fn get(name: &'static str, shown: &'static str, fields: impl AsRef<[u8]>) -> Form {
    asking("GET", name, shown, fields, "")
}

/// A POST with these field lines and this body.
pub(crate) fn post(name: &'static str, shown: &'static str, fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Form {
    asking("POST", name, shown, fields, body)
}

/// A request with this method.
pub(crate) fn asking(
    method: &str,
    name: &'static str,
    shown: &'static str,
    fields: impl AsRef<[u8]>,
    body: impl AsRef<[u8]>,
) -> Form {
    let start = format!("{method} /form HTTP/1.1\r\n{HOST}\r\n");
    raw(name, shown, [start.as_bytes(), fields.as_ref(), b"\r\n", body.as_ref()].concat())
}

/// A chunked POST with this for a body.
pub(crate) fn chunked(name: &'static str, shown: &'static str, body: impl AsRef<[u8]>) -> Form {
    post(name, shown, "Transfer-Encoding: chunked\r\n", body)
}

impl Form {
    /// It is refused with this status; with 400, if nothing is said.
    pub(crate) fn refused(mut self, status: u16) -> Self {
        self.end = End::Refused(status);
        self
    }

    /// Its body is at fault.
    pub(crate) fn cut(mut self) -> Self {
        self.end = End::Cut(400);
        self
    }

    /// It ends in this way, after what has passed.
    pub(crate) fn ends(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// The upstream sees a GET without fields or body; the connection goes on.
    pub(crate) fn passes(self) -> Self {
        self.passes_with(&[])
    }

    /// The upstream sees a GET with these fields.
    pub(crate) fn passes_with(self, fields: &[&str]) -> Self {
        self.passes_as("GET /form HTTP/1.1", fields, "")
    }

    /// The upstream sees a POST with this body.
    pub(crate) fn passes_body(self, body: impl AsRef<[u8]>) -> Self {
        self.passes_as("POST /form HTTP/1.1", &[], body)
    }

    /// The upstream sees this, after what was said before.
    pub(crate) fn passes_as(self, line: &str, fields: &[&str], body: impl AsRef<[u8]>) -> Self {
        let fields: Vec<_> = fields.iter().map(|field| field.as_bytes()).collect();
        self.passes_bytes(line, &fields, body)
    }

    /// The same for fields that are no UTF-8.
    pub(crate) fn passes_bytes(mut self, line: &str, fields: &[&[u8]], body: impl AsRef<[u8]>) -> Self {
        let fields = fields.iter().map(|field| field.to_vec()).collect();
        let body = body.as_ref().to_vec();
        self.seen.push(Seen { line: line.to_owned(), fields, body, trailers: Vec::new() });
        self.end = End::Kept;
        self
    }

    /// What has been seen last had these fields behind its body.
    pub(crate) fn with_trailers(mut self, trailers: &[&str]) -> Self {
        let seen = self.seen.last_mut().expect("a request that passes");
        seen.trailers = trailers.iter().map(|trailer| trailer.as_bytes().to_vec()).collect();
        self
    }

    /// The client ends its side instead of sending the second request.
    pub(crate) fn finishing(mut self) -> Self {
        self.then = Then::Finish;
        self
    }

    /// The client ends its side when it has been answered.
    pub(crate) fn finishing_in_turn(mut self) -> Self {
        self.then = Then::FinishInTurn;
        self
    }

    /// The second request waits for the answer to the first.
    pub(crate) fn in_turn(mut self) -> Self {
        self.then = Then::SecondInTurn;
        self
    }

    /// Why it is so.
    pub(crate) fn because(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    /// What the client sends before it looks for an answer.
    pub(crate) fn sent(&self) -> Vec<u8> {
        match self.then {
            Then::Second => [&self.bytes, SECOND.as_bytes()].concat(),
            Then::SecondInTurn | Then::Finish | Then::FinishInTurn => self.bytes.clone(),
        }
    }

    /// Whether a second request follows.
    pub(crate) fn has_second(&self) -> bool {
        matches!(self.then, Then::Second | Then::SecondInTurn)
    }

    /// What becomes of it, in the words of [`crate::outcome`].
    pub(crate) fn outcome(&self) -> String {
        match (self.seen.is_empty(), self.end) {
            (_, End::Kept) => "passed".to_owned(),
            (true, End::Refused(status)) => format!("refused, {status}"),
            (false, End::Refused(status)) => format!("passed, rest refused, {status}"),
            (_, End::Closed) => "passed, closed".to_owned(),
            (_, End::Cut(status)) => format!("cut, {status}"),
            (_, End::Gone) => "cut".to_owned(),
            (_, End::Switched(_)) => "passed".to_owned(),
        }
    }
}
