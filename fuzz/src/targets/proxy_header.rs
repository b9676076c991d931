//! The PROXY protocol: however a header is cut the verdict is the same, no byte beyond it is taken, and whoever is asked
//! to read so many more bytes does not read into what the client says.

use gwanmun_proxy::fuzzing::{ProxyHeader, proxy_header};

/// The longest header of any kind.
const LONGEST: usize = 4096;

pub(crate) fn run(input: &[u8]) {
    let whole = proxy_header(input);
    let mut length = 0;
    // Read the way a socket would be: never more than is asked for.
    let verdict = loop {
        match proxy_header(&input[..length]) {
            ProxyHeader::Part(missing) => {
                assert!(missing > 0, "nothing is missing, and yet it is not whole");
                assert!(length + missing <= LONGEST, "{} bytes are wanted", length + missing);
                if length + missing > input.len() {
                    break ProxyHeader::Part(missing);
                }
                length += missing;
            }
            verdict => break verdict,
        }
    };
    match (whole, verdict) {
        (ProxyHeader::Whole { length: taken, .. }, _) => {
            assert_eq!(verdict, whole, "cutting matters");
            assert_eq!(taken, length, "more was read than the header has");
            for shorter in 0..taken {
                let part = proxy_header(&input[..shorter]);
                assert!(matches!(part, ProxyHeader::Part(_)), "{shorter} of {taken} bytes are {part:?}");
            }
        }
        (ProxyHeader::Malformed, ProxyHeader::Whole { .. }) | (ProxyHeader::Part(_), ProxyHeader::Whole { .. }) => {
            panic!("a part is whole, and all of it is not");
        }
        _ => {}
    }
    if let ProxyHeader::Whole { client: Some((source, destination)), .. } = whole {
        for address in [source.ip(), destination.ip()] {
            assert_eq!(address, address.to_canonical(), "an IPv4 address in disguise");
        }
    }
}
