//! The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt), which a balancer sends before
//! anything else to say whom it connects. Bytes in, a verdict out: no sockets here. It is strict, since whoever gets a
//! header past it chooses its own address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, its CRLF included (section 2.1).
const LONGEST_LINE: usize = 107;
/// The longest header of version 2 that is read. Its length field allows 64 KiB; addresses take 216 bytes at most, and
/// what balancers add (a name, an identifier, a client certificate) fits in the rest.
const LONGEST_BLOCK: usize = 4096;

const LINE_BEGIN: &[u8] = b"PROXY ";
const SHORTEST_LINE: usize = b"PROXY UNKNOWN\r\n".len();
const SHORTEST_IPV4_LINE: usize = b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".len();
const SHORTEST_IPV6_LINE: usize = b"PROXY TCP6 :: :: 0 0\r\n".len();

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
const CHECKSUM: u8 = 0x03;

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole header, which takes up so many of them. What follows is the client's.
    Complete(Header, usize),
    /// The beginning of one, of which at least so many bytes are missing.
    Incomplete(usize),
    /// Nothing of the kind.
    Malformed(&'static str),
}

/// Whom the sender speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// Itself: a health check, say. The socket's own addresses count.
    Local,
    /// Somebody without an address that it can tell.
    Unknown,
    /// A client that connected from `source` to `destination`.
    Client {
        /// Where the client is; an IPv4 address mapped into IPv6 is IPv4.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
}

/// Looks at the first bytes of a connection. However they are cut, the verdict is the same.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    if bytes.first() == SIGNATURE.first() { block(bytes) } else { line(bytes) }
}

/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.9 56324 443`, a line for people.
fn line(bytes: &[u8]) -> Parsed {
    let known = bytes.len().min(LINE_BEGIN.len());
    if bytes.get(..known) != LINE_BEGIN.get(..known) {
        return Parsed::Malformed("it does not begin with a PROXY header");
    }
    let Some(end) = bytes.iter().take(LONGEST_LINE).position(|&byte| byte == b'\n') else {
        if bytes.len() >= LONGEST_LINE {
            return Parsed::Malformed("the line has more than 107 bytes");
        }
        return Parsed::Incomplete(missing_of_line(bytes));
    };
    let Some(text) = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r")) else {
        return Parsed::Malformed("the line does not end with CR LF");
    };
    let header = std::str::from_utf8(text).ok().and_then(header_of_line);
    header.map_or(Parsed::Malformed("the line is malformed"), |header| Parsed::Complete(header, end + 1))
}

/// How many bytes are missing at least until the line may end.
fn missing_of_line(bytes: &[u8]) -> usize {
    let shortest = match bytes.get(..LINE_BEGIN.len() + 4) {
        Some(b"PROXY TCP4") => SHORTEST_IPV4_LINE,
        Some(b"PROXY TCP6") => SHORTEST_IPV6_LINE,
        _ => SHORTEST_LINE,
    };
    let end = if bytes.last() == Some(&b'\r') { 1 } else { 2 };
    shortest.saturating_sub(bytes.len()).max(end)
}

fn header_of_line(text: &str) -> Option<Header> {
    let mut words = text.strip_prefix("PROXY ")?.split(' ');
    let is_ipv4 = match words.next()? {
        // Whatever follows says nothing; still no byte that could end a line elsewhere.
        "UNKNOWN" => return (!text.bytes().any(|byte| byte.is_ascii_control())).then_some(Header::Unknown),
        "TCP4" => true,
        "TCP6" => false,
        _ => return None,
    };
    let mut address = || {
        let word = words.next()?;
        if is_ipv4 { word.parse().ok().map(IpAddr::V4) } else { word.parse().ok().map(IpAddr::V6) }
    };
    let (source, destination) = (address()?, address()?);
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then(|| client((source, source_port), (destination, destination_port)))
}

/// A port as it is written: no sign, no zero in front.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn client((source, source_port): (IpAddr, u16), (destination, destination_port): (IpAddr, u16)) -> Header {
    Header::Client {
        source: SocketAddr::new(source.to_canonical(), source_port),
        destination: SocketAddr::new(destination.to_canonical(), destination_port),
    }
}

/// Version 2: the signature, four bytes about what follows, addresses, and pieces of type, length and value.
fn block(bytes: &[u8]) -> Parsed {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes.get(..known) != SIGNATURE.get(..known) {
        return Parsed::Malformed("it does not begin with a PROXY header");
    }
    let command = match bytes.get(12) {
        None => return Parsed::Incomplete(FIXED - bytes.len()),
        Some(0x20) => Command::Local,
        Some(0x21) => Command::Proxy,
        Some(_) => return Parsed::Malformed("the version or the command is unknown"),
    };
    let Some(&[family, high, low]) = bytes.get(13..FIXED) else { return Parsed::Incomplete(FIXED - bytes.len()) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let total = FIXED + length;
    if total > LONGEST_BLOCK {
        return Parsed::Malformed("the header has more than 4096 bytes");
    }
    let Some(whole) = bytes.get(..total) else { return Parsed::Incomplete(total - bytes.len()) };
    // Who speaks for itself may say what it likes about addresses (section 2.2).
    let header = match command {
        Command::Local => Ok(Header::Local),
        Command::Proxy => header_of_block(whole, family),
    };
    match header {
        Ok(header) => Parsed::Complete(header, total),
        Err(why) => Parsed::Malformed(why),
    }
}

enum Command {
    Local,
    Proxy,
}

fn header_of_block(whole: &[u8], family: u8) -> Result<Header, &'static str> {
    const SHORT: &str = "the addresses are cut off";
    let rest = whole.get(FIXED..).unwrap_or_default();
    let (header, addresses) = match family {
        // What follows has no meaning that anybody could check.
        0x00 => return Ok(Header::Unknown),
        0x11 => {
            let (addresses, ports) = (rest.first_chunk::<8>().ok_or(SHORT)?, rest.get(8..12).ok_or(SHORT)?);
            let [a, b, c, d, e, f, g, h] = *addresses;
            let (source, destination) = (Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h));
            (between(source.into(), destination.into(), ports).ok_or(SHORT)?, 12)
        }
        0x21 => {
            let source = rest.first_chunk::<16>().ok_or(SHORT)?;
            let destination = rest.get(16..).and_then(<[u8]>::first_chunk::<16>).ok_or(SHORT)?;
            let (source, destination) = (Ipv6Addr::from(*source), Ipv6Addr::from(*destination));
            (between(source.into(), destination.into(), rest.get(32..36).ok_or(SHORT)?).ok_or(SHORT)?, 36)
        }
        // Two paths of unix sockets on the sender's machine.
        0x31 => (Header::Unknown, 216),
        _ => return Err("the family is unknown, or not of streams"),
    };
    check_pieces(whole, FIXED + addresses)?;
    Ok(header)
}

fn between(source: IpAddr, destination: IpAddr, ports: &[u8]) -> Option<Header> {
    let &[a, b, c, d] = ports else { return None };
    Some(client((source, u16::from_be_bytes([a, b])), (destination, u16::from_be_bytes([c, d]))))
}

/// Whether pieces of type, length and value fill the header exactly, and its checksum is right where there is one
/// (section 2.2.4). What they say is not ours to use.
fn check_pieces(whole: &[u8], begin: usize) -> Result<(), &'static str> {
    const CUT: &str = "what follows the addresses is cut off";
    let mut at = begin;
    let mut checksum = None;
    let mut rest = whole.get(begin..).ok_or("the addresses are cut off")?;
    while let Some((kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<2>().ok_or(CUT)?;
        let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(CUT)?;
        if *kind == CHECKSUM {
            let value = <[u8; 4]>::try_from(value).map_err(|_| "the checksum has not four bytes")?;
            if checksum.replace((at + 3, u32::from_be_bytes(value))).is_some() {
                return Err("there are two checksums");
            }
        }
        at += 3 + value.len();
        rest = after;
    }
    match checksum {
        Some((at, told)) if crc32c(whole, at) != told => Err("the checksum is wrong"),
        _ => Ok(()),
    }
}

/// CRC32c (RFC 4960 appendix B) of `bytes`, with the four at `hole` taken as zero. Bit by bit: it is rare and short.
fn crc32c(bytes: &[u8], hole: usize) -> u32 {
    let mut crc = u32::MAX;
    for (at, byte) in bytes.iter().enumerate() {
        crc ^= if (hole..hole + 4).contains(&at) { 0 } else { u32::from(*byte) };
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(source: &str, destination: &str) -> Header {
        Header::Client { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 9, 0xDC, 0x04, 0x01, 0xBB];

    fn ipv6() -> Vec<u8> {
        let (source, destination): (Ipv6Addr, Ipv6Addr) = ("2001:db8::1".parse().unwrap(), "::9".parse().unwrap());
        [&source.octets()[..], &destination.octets(), &[0xDC, 0x04, 0x01, 0xBB]].concat()
    }

    /// `header` with a piece that holds the right checksum of the whole.
    fn with_checksum(family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut whole = v2(0x21, family, &[addresses, &[0x04, 0, 2, 9, 9, CHECKSUM, 0, 4, 0, 0, 0, 0]].concat());
        let at = whole.len() - 4;
        let crc = crc32c(&whole, at).to_be_bytes();
        whole[at..].copy_from_slice(&crc);
        whole
    }

    fn good() -> Vec<(Vec<u8>, Header)> {
        let ipv4 = of("192.0.2.1:56324", "198.51.100.9:443");
        vec![
            (b"PROXY TCP4 192.0.2.1 198.51.100.9 56324 443\r\n".to_vec(), ipv4),
            (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".to_vec(), of("0.0.0.0:0", "0.0.0.0:0")),
            (b"PROXY TCP6 2001:db8::1 ::9 56324 443\r\n".to_vec(), of("[2001:db8::1]:56324", "[::9]:443")),
            (b"PROXY TCP6 :: :: 0 0\r\n".to_vec(), of("[::]:0", "[::]:0")),
            (b"PROXY TCP6 ::ffff:10.0.0.1 ::9 1 2\r\n".to_vec(), of("10.0.0.1:1", "[::9]:2")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Header::Unknown),
            (
                b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
                    .to_vec(),
                Header::Unknown,
            ),
            (v2(0x20, 0x00, b""), Header::Local),
            (v2(0x20, 0xEE, b"whatever"), Header::Local),
            (v2(0x21, 0x00, b"whatever"), Header::Unknown),
            (v2(0x21, 0x11, &IPV4), ipv4),
            (v2(0x21, 0x21, &ipv6()), of("[2001:db8::1]:56324", "[::9]:443")),
            (v2(0x21, 0x31, &[0; 216]), Header::Unknown),
            (v2(0x21, 0x11, &[&IPV4[..], &[0x04, 0, 0, 0xEA, 0, 2, 1, 2]].concat()), ipv4),
            (v2(0x21, 0x11, &[&IPV4[..], &[0x04, 0x0F, 0xE1], &[0; LONGEST_BLOCK - 31]].concat()), ipv4),
            (with_checksum(0x11, &IPV4), ipv4),
            (with_checksum(0x21, &ipv6()), of("[2001:db8::1]:56324", "[::9]:443")),
        ]
    }

    #[test]
    fn a_header_says_who_the_client_is_and_where_it_ends() {
        for (bytes, header) in good() {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(parse(&bytes), Parsed::Complete(header, bytes.len()), "{shown:?}");
            let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&followed), Parsed::Complete(header, bytes.len()), "{shown:?}");
        }
    }

    #[test]
    fn a_header_is_incomplete_to_its_last_byte_and_never_asks_for_more_than_is_missing() {
        for (bytes, _) in good() {
            for cut in 0..bytes.len() {
                let Parsed::Incomplete(missing) = parse(&bytes[..cut]) else { panic!("{cut} of {bytes:?}") };
                assert!((1..=bytes.len() - cut).contains(&missing), "{missing} at {cut} of {bytes:?}");
            }
        }
    }

    #[test]
    fn a_line_is_taken_literally() {
        let lines = [
            "GET / HTTP/1.1\r\n",
            "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\n2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1  2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2\t1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
            "PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 ::1 2.2.2.2 1 2\r\n",
            "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n",
            "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY UNKNOWN\rX\r\n",
            "PROXY \r\nTCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        ];
        for text in lines {
            assert!(matches!(parse(text.as_bytes()), Parsed::Malformed(_)), "{text:?}");
        }
        let long = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
        assert!(matches!(parse(long(107).as_bytes()), Parsed::Complete(Header::Unknown, 107)));
        assert!(matches!(parse(long(108).as_bytes()), Parsed::Malformed(_)));
        assert!(matches!(parse(&long(110).as_bytes()[..107]), Parsed::Malformed(_)));
    }

    #[test]
    fn a_block_is_taken_literally() {
        let blocks = [
            ("version 1", v2(0x11, 0x11, &IPV4)),
            ("version 3", v2(0x31, 0x11, &IPV4)),
            ("a command nobody knows", v2(0x22, 0x11, &IPV4)),
            ("datagrams", v2(0x21, 0x12, &IPV4)),
            ("a family nobody knows", v2(0x21, 0x41, &IPV4)),
            ("no addresses", v2(0x21, 0x11, b"")),
            ("half of an address", v2(0x21, 0x11, &IPV4[..11])),
            ("an IPv4 address as IPv6", v2(0x21, 0x21, &IPV4)),
            ("half of a unix address", v2(0x21, 0x31, &[0; 215])),
            ("a type without a length", v2(0x21, 0x11, &[&IPV4[..], &[4]].concat())),
            ("half of a length", v2(0x21, 0x11, &[&IPV4[..], &[4, 0]].concat())),
            ("a value that is cut off", v2(0x21, 0x11, &[&IPV4[..], &[4, 0, 2, 1]].concat())),
            ("a short checksum", v2(0x21, 0x11, &[&IPV4[..], &[3, 0, 3, 1, 1, 1]].concat())),
            ("a wrong checksum", v2(0x21, 0x11, &[&IPV4[..], &[3, 0, 4, 1, 1, 1, 1]].concat())),
            ("too long", v2(0x21, 0x11, &[0; LONGEST_BLOCK])),
        ];
        for (what, bytes) in blocks {
            assert!(matches!(parse(&bytes), Parsed::Malformed(_)), "{what}");
        }
        let twice = with_checksum(0x11, &[&IPV4[..], &[3, 0, 4, 0, 0, 0, 0]].concat());
        assert_eq!(parse(&twice), Parsed::Malformed("there are two checksums"));
        assert!(matches!(parse(b"\r\n\r\n\0\r\nQUIX"), Parsed::Malformed(_)), "another signature");
    }

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32c(b"123456789", 9), 0xE306_9283);
    }

    /// Whole headers, headers with a byte changed, and noise.
    fn beginnings() -> impl Strategy<Value = Vec<u8>> {
        let whole = prop::sample::select(good().into_iter().map(|(bytes, _)| bytes).collect::<Vec<_>>());
        let spoilt = (whole.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
        let noise = prop::collection::vec(any::<u8>(), 0..64);
        let begun = (prop::sample::select(vec![LINE_BEGIN, SIGNATURE]), noise.clone())
            .prop_map(|(begin, noise)| [begin, &noise].concat());
        prop_oneof![whole, spoilt, noise, begun]
    }

    proptest! {
        #[test]
        fn cutting_changes_no_verdict(bytes in beginnings()) {
            let verdict = parse(&bytes);
            for cut in 0..bytes.len() {
                match parse(&bytes[..cut]) {
                    Parsed::Incomplete(missing) => {
                        prop_assert!(missing >= 1);
                        if let Parsed::Complete(_, length) = verdict {
                            prop_assert!(cut + missing <= length);
                        }
                    }
                    complete @ Parsed::Complete(..) => prop_assert_eq!(complete, verdict),
                    Parsed::Malformed(_) => prop_assert!(matches!(verdict, Parsed::Malformed(_))),
                }
            }
        }
    }
}
