//! Chunked bodies (RFC 9112 section 7.1): where a chunk ends must be beyond doubt, for every reader.

use crate::form::{End, Form, SMUGGLED, chunked};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = good();
    forms.extend(sizes());
    forms.extend(extensions());
    forms.extend(data());
    forms
}

fn good() -> Vec<Form> {
    let smuggling = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    vec![
        chunked("chunks", "three chunks", "2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\n\r\n").passes_body("hello"),
        chunked("chunks-none", "the last chunk only", "0\r\n\r\n").passes_body(""),
        chunked("chunk-size-in-lower-case", "the size `a`", "a\r\n0123456789\r\n0\r\n\r\n").passes_body("0123456789"),
        chunked("chunk-size-in-upper-case", "the size `A`", "A\r\n0123456789\r\n0\r\n\r\n").passes_body("0123456789"),
        chunked("chunk-size-with-zeros", "the size `0005`", "0005\r\nhello\r\n0\r\n\r\n").passes_body("hello"),
        chunked("chunk-last-with-zeros", "the last chunk's size is `000`", "5\r\nhello\r\n000\r\n\r\n")
            .passes_body("hello"),
        chunked("chunk-with-line-ends", "CRLF within the data", "7\r\na\r\n\r\nb\n\r\n0\r\n\r\n")
            .passes_body("a\r\n\r\nb\n"),
        chunked("chunk-like-a-request", "a chunk that is a request", smuggling).passes_body(SMUGGLED),
        chunked("chunk-like-an-end", "a chunk that is the end of a chunked body", "5\r\n0\r\n\r\n\r\n0\r\n\r\n")
            .passes_body("0\r\n\r\n"),
        chunked("extension-name", "`5;a`", "5;a\r\nhello\r\n0\r\n\r\n").passes_body("hello"),
        chunked("extension-value", "`5;a=b`", "5;a=b\r\nhello\r\n0\r\n\r\n").passes_body("hello"),
        chunked("extension-quoted", "`5;a=\"b;c\"`", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n").passes_body("hello"),
        chunked("extension-quoted-pair", "`5;a=\"b\\\"c\"`", "5;a=\"b\\\"c\"\r\nhello\r\n0\r\n\r\n")
            .passes_body("hello"),
        chunked("extensions-several", "`5;a;b=c`", "5;a;b=c\r\nhello\r\n0\r\n\r\n").passes_body("hello"),
        chunked("extension-in-spaces", "`5 ; a = b`", "5 ; a = b\r\nhello\r\n0\r\n\r\n").passes_body("hello"),
        chunked("extension-of-the-last-chunk", "`0;a=b`", "5\r\nhello\r\n0;a=b\r\n\r\n").passes_body("hello"),
        chunked("chunks-broken-off", "the client leaves in the middle of a chunk", "5\r\nhe")
            .finishing()
            .ends(End::Gone),
        chunked("chunks-without-an-end", "the client leaves before the last chunk", "5\r\nhello\r\n")
            .finishing()
            .ends(End::Gone),
        chunked("chunks-with-half-an-end", "the client leaves before the last line end", "5\r\nhello\r\n0\r\n")
            .finishing()
            .ends(End::Gone),
    ]
}

fn sizes() -> Vec<Form> {
    vec![
        size("chunk-size-missing", "an empty line for the size", ""),
        size("chunk-size-plus", "`+5`", "+5"),
        size("chunk-size-minus", "`-5`", "-5"),
        size("chunk-size-prefixed", "`0x5`", "0x5"),
        size("chunk-size-underscore", "`0_5`", "0_5"),
        size("chunk-size-letter", "`g`", "g"),
        size("chunk-size-with-letter", "`5g`", "5g"),
        size("chunk-size-fraction", "`5.0`", "5.0"),
        size("chunk-size-comma", "`5,0`", "5,0"),
        size("chunk-size-h", "`5h`", "5h"),
        size("chunk-size-full-width", "`５`, a full-width digit", "５"),
        size("chunk-size-space-before", "a space and `5`", " 5"),
        size("chunk-size-space-behind", "`5` and a space", "5 "),
        size("chunk-size-tab-behind", "`5` and a tab", "5\t"),
        size("chunk-size-two-words", "`5 5`", "5 5"),
        size("chunk-size-nul", "`5` and a NUL", "5\0"),
        size("chunk-size-quoted", "`\"5\"`", "\"5\""),
        size("chunk-size-of-2-64-and-5", "2⁶⁴+5, which wraps to 5", "10000000000000005"),
        size("chunk-size-of-seventeen-digits", "seventeen digits `F`", "FFFFFFFFFFFFFFFFF"),
        size("chunk-size-of-forty-digits", "a size of 40 digits", "1000000000000000000000000000000000000005"),
        size("chunk-size-with-many-zeros", "`5` behind a thousand zeros", &("0".repeat(1000) + "5"))
            .because("legal; nobody needs it, and it never ends"),
        chunked("chunk-size-ended-by-lf", "the size ends with a bare LF", "5\nhello\r\n0\r\n\r\n").cut(),
        chunked("chunk-size-ended-by-cr", "the size ends with a bare CR", "5\rhello\r\n0\r\n\r\n").cut(),
        chunked("chunk-size-ended-by-crcrlf", "the size ends with CR CR LF", "5\r\r\nhello\r\n0\r\n\r\n").cut(),
        chunked("chunk-size-behind-crlf", "an empty line before the first chunk", "\r\n5\r\nhello\r\n0\r\n\r\n").cut(),
        chunked("chunk-last-minus-zero", "the last chunk's size is `-0`", "5\r\nhello\r\n-0\r\n\r\n").cut(),
        chunked("chunk-last-prefixed", "the last chunk's size is `0x0`", "5\r\nhello\r\n0x0\r\n\r\n").cut(),
        chunked("chunk-last-ended-by-lf", "`0`, a bare LF, CR LF", "5\r\nhello\r\n0\n\r\n").cut(),
        chunked("chunk-last-ended-by-two-lf", "`0` and two bare LF", "5\r\nhello\r\n0\n\n").cut(),
        chunked("chunk-last-then-bare-lf", "`0`, CR LF, a bare LF", "5\r\nhello\r\n0\r\n\n").cut(),
        chunked("chunk-last-then-bare-cr", "`0`, CR LF, a bare CR", "5\r\nhello\r\n0\r\n\r").cut(),
        chunked("chunk-last-without-line-end", "`0` and CR LF, then the next request", "5\r\nhello\r\n0\r\n").cut(),
        chunked("chunk-first-line-is-a-request", "no chunk, but the next request", "").cut(),
    ]
}

fn extensions() -> Vec<Form> {
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(20_000));
    // What ends where for whoever takes a bare LF for the end of a line, or skips to CR LF.
    let term_ext = format!("2;\nxx\r\n{:x}\r\n0\r\n\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len() + 5);
    let ext_term = format!("2;\rxx\r\n{:x}\r\n0\r\n\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len() + 5);
    vec![
        chunked("extension-ended-by-lf", "`5;a` and a bare LF", "5;a\nhello\r\n0\r\n\r\n").cut(),
        chunked("extension-with-lf", "TERM.EXT: a bare LF in an extension, and a request behind it", term_ext).cut(),
        chunked("extension-with-cr", "EXT.TERM: a bare CR in an extension, and a request behind it", ext_term).cut(),
        size("extension-with-cr-and-name", "`5;a`, a bare CR, `b`", "5;a\rb"),
        size("extension-with-nul", "`5;a`, a NUL, `b`", "5;a\0b"),
        size("extension-with-control", "`5;a`, an escape, `b`", "5;a\x1bb"),
        size("extension-with-del", "`5;a`, a DEL, `b`", "5;a\x7fb"),
        size("extension-quote-open", "`5;a=\"b`: a quote that does not end", "5;a=\"b"),
        size("extension-quote-with-lf", "a bare LF within quotes", "5;a=\"\nb\""),
        size("extension-quote-with-crlf", "CR LF within quotes", "5;a=\"\r\nb\""),
        size("extension-without-semicolon", "`5 a=b`", "5 a=b"),
        size("extension-without-name", "`5;=b`", "5;=b"),
        size("extension-empty", "`5;`", "5;"),
        size("extension-without-value", "`5;a=`", "5;a="),
        size("extension-space-behind", "`5;a` and a space", "5;a "),
        size("extension-two-words", "`5;a b`", "5;a b"),
        chunked("extension-long", "an extension of 20,000 bytes", long).cut(),
        chunked("extensions-many", "1,000 chunks of one byte with 200 bytes of extension each", {
            format!("1;{}\r\nx\r\n", "a".repeat(200)).repeat(1000) + "0\r\n\r\n"
        })
        .cut()
        .because("legal; such bodies only waste the reader's time"),
    ]
}

fn data() -> Vec<Form> {
    let spill = format!("5\r\nhelloXX{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    vec![
        chunked("chunk-longer-than-told", "a chunk of 4 with 5 bytes", "4\r\nhello\r\n0\r\n\r\n").cut(),
        chunked("chunk-shorter-than-told", "a chunk of 6 with 5 bytes", "6\r\nhello\r\n0\r\n\r\n").cut(),
        chunked("chunk-without-line-end", "no line end behind the data", "5\r\nhello0\r\n\r\n").cut(),
        chunked("chunk-ended-by-lf", "a bare LF behind the data", "5\r\nhello\n0\r\n\r\n").cut(),
        chunked("chunk-ended-by-cr", "a bare CR behind the data", "5\r\nhello\r0\r\n\r\n").cut(),
        chunked("chunk-ended-by-lfcr", "LF CR behind the data", "5\r\nhello\n\r0\r\n\r\n").cut(),
        chunked("chunk-ended-by-two-letters", "SPILL: two letters instead of the line end", spill).cut(),
        chunked("chunk-ended-twice", "an empty line behind a chunk", "5\r\nhello\r\n\r\n0\r\n\r\n").cut(),
        chunked("chunks-all-by-lf", "all lines end with a bare LF", "5\nhello\n0\n\n").cut(),
        chunked("chunked-body-is-not-chunked", "`hello` alone", "hello").cut(),
    ]
}

/// A chunk of five bytes whose size is written like this.
fn size(name: &'static str, shown: &'static str, size: &str) -> Form {
    chunked(name, shown, format!("{size}\r\nhello\r\n0\r\n\r\n")).cut()
}
