//! A head: a line that signs all lines before it, by the hash of the last. It says how many they are, names the key that
//! signs, and promises after how many lines the next head stands at the latest.

use std::io;
use std::time::SystemTime;

use crate::chain::{Chain, Hash};
use crate::key::Signer;
use crate::line::{Line, Value};
use gwanmun_core::Stamp;

/// The event of a head.
pub(crate) const EVENT: &str = "head";
const BEFORE_SIGNATURE: &[u8] = b",\"signature\":\"";

/// Why a head stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The log was opened.
    Start,
    /// `sign-every` lines have come.
    Count,
    /// The file ends, the next goes on.
    Rotate,
    /// The file begins, the one before ended with `rotate`.
    Open,
    /// The log was closed.
    Stop,
}

impl Why {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Count => "count",
            Self::Rotate => "rotate",
            Self::Open => "open",
            Self::Stop => "stop",
        }
    }
}

/// A head as it was read: well-formed, not yet checked.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) reason: &'a [u8],
    pub(crate) every: u64,
    pub(crate) count: u64,
    pub(crate) hash: Hash,
    pub(crate) alg: &'a [u8],
    pub(crate) kid: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) signature: &'a [u8],
    /// The bytes that are signed: the line up to its member `signature`.
    pub(crate) signed: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads the members of `line`, which are exactly those of a head; `bytes` is the whole line.
    pub(crate) fn read(line: &Line<'a>, bytes: &'a [u8]) -> Option<Self> {
        let mut members = line.members();
        let mut next = |wanted| members.next().and_then(|(name, value)| (name == wanted).then_some(value));
        let text = |value| if let Value::Text(text) = value { Some(text) } else { None };
        let number = |value| if let Value::Number(number) = value { Some(number) } else { None };
        let object = |value| if let Value::Object(object) = value { Some(object) } else { None };
        let head = Self {
            reason: text(next("reason")?)?,
            every: number(next("every")?)?,
            count: number(next("count")?)?,
            hash: Hash::read(text(next("hash")?)?)?,
            alg: text(next("alg")?)?,
            kid: text(next("kid")?)?,
            key: object(next("key")?)?,
            signature: text(next("signature")?)?,
            signed: &[],
        };
        let unsigned = BEFORE_SIGNATURE.len() + head.signature.len() + "\"}".len();
        let signed = bytes.get(..bytes.len().checked_sub(unsigned)?)?;
        next("").is_none().then_some(Self { signed, ..head })
    }
}

/// Appends a head as the next line of `chain`. Fails if the key does not sign; nothing is appended then.
pub(crate) fn push_head(
    out: &mut Vec<u8>,
    chain: &mut Chain,
    stamp: &mut Stamp,
    now: SystemTime,
    signer: &Signer,
    why: Why,
    every: u64,
) -> io::Result<()> {
    let mut line = Vec::with_capacity(640);
    chain.push_begin(&mut line, stamp, now);
    let (reason, count, hash) = (why.as_str(), chain.seq, chain.hash);
    let (alg, kid, key) = (signer.alg(), signer.kid(), signer.public());
    line.extend_from_slice(
        format!(
            r#""event":"{EVENT}","reason":"{reason}","every":{every},"count":{count},"hash":"{hash}","alg":"{alg}","kid":"{kid}","key":{key}"#
        )
        .as_bytes(),
    );
    let signature = signer.sign(&line).ok_or_else(|| io::Error::other("the key of the audit log does not sign"))?;
    line.extend_from_slice(BEFORE_SIGNATURE);
    line.extend_from_slice(signature.as_bytes());
    line.extend_from_slice(b"\"}");
    *chain = chain.after(&line);
    out.append(&mut line);
    out.push(b'\n');
    Ok(())
}
