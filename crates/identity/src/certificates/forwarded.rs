//! `X-Forwarded-Client-Cert`, as Envoy writes it and what stands on Envoy (Istio): elements with commas between, one for each
//! proxy; pairs `Key=value` with semicolons between; values in double quotes where they have such bytes, with a backslash
//! before a quote. Only the last element counts: the nearest proxy wrote it, and who wrote those before it nobody can say.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::Malformed;
use super::name::{San, SanKind};

/// What one proxy says of its client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// The SHA-256 of the client's certificate, 64 lower-case hex digits.
    pub(super) hash: Option<String>,
    /// The client's certificate, DER.
    pub(super) certificate: Option<Vec<u8>>,
    /// The client's certificate and what it sent along, DER.
    pub(super) chain: Vec<Vec<u8>>,
    /// The names of the client's certificate, URIs first.
    pub(super) names: Vec<San>,
}

impl Element {
    /// The certificates, the client's own first; none where the proxy has sent only what stands in it.
    pub(super) fn certificates(&self) -> Vec<&[u8]> {
        let own = self.certificate.as_deref();
        // Envoy's chain begins with the client's own.
        let others = self.chain.iter().map(Vec::as_slice).filter(|other| Some(*other) != own);
        own.into_iter().chain(others).collect()
    }
}

/// The last element of the field values, in the order in which they came. All have to be well-formed: a quote that somebody
/// left open would take in what comes behind it.
pub(super) fn nearest(values: &[&[u8]]) -> Result<Element, Malformed> {
    let mut last = None;
    for value in values {
        last = Some(last_element(value)?);
    }
    element(last.ok_or(Malformed)?)
}

/// Key and value, which may have been quoted.
type Pair = (String, String);

/// The pairs of the last element of a field value.
fn last_element(value: &[u8]) -> Result<Vec<Pair>, Malformed> {
    let text = str::from_utf8(value).map_err(|_| Malformed)?;
    if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(Malformed);
    }
    let mut rest = text.trim_matches(' ');
    let mut pairs = Vec::new();
    loop {
        let (pair, behind) = pair(rest)?;
        pairs.push(pair);
        let behind = behind.trim_start_matches(' ');
        let mut chars = behind.chars();
        match chars.next() {
            None => return Ok(pairs),
            Some(';') => {}
            Some(',') => pairs.clear(),
            Some(_) => return Err(Malformed),
        }
        rest = chars.as_str().trim_start_matches(' ');
    }
}

/// The pair that `text` begins with, and what stands behind it.
fn pair(text: &str) -> Result<(Pair, &str), Malformed> {
    let (key, rest) = text.split_once('=').ok_or(Malformed)?;
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Malformed);
    }
    let key = key.to_ascii_lowercase();
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', ';']).unwrap_or(rest.len());
        let (value, behind) = rest.split_at(end);
        let value = value.trim_end_matches(' ');
        return if value.contains(['"', ' ']) { Err(Malformed) } else { Ok(((key, value.to_owned()), behind)) };
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next().ok_or(Malformed)? {
            '"' => return Ok(((key, value), chars.as_str())),
            '\\' => value.push(chars.next().ok_or(Malformed)?),
            other => value.push(other),
        }
    }
}

/// What the pairs say. Keys that are not known say nothing of who the client is.
fn element(pairs: Vec<Pair>) -> Result<Element, Malformed> {
    let mut element = Element::default();
    let (mut uris, mut dns) = (Vec::new(), Vec::new());
    let mut seen: Vec<String> = Vec::new();
    for (key, value) in pairs {
        match &*key {
            "uri" => uris.push(name(SanKind::Uri, &value)?),
            "dns" => dns.push(name(SanKind::Dns, &value)?),
            "hash" => element.hash = digest(&value),
            "cert" => element.certificate = Some(one(certificates(&value)?)?),
            "chain" => element.chain = certificates(&value)?,
            _ => {}
        }
        let is_single = matches!(&*key, "hash" | "cert" | "chain" | "subject");
        if is_single && seen.contains(&key) {
            return Err(Malformed);
        }
        seen.push(key);
    }
    element.names = uris.into_iter().chain(dns).flatten().collect();
    Ok(element)
}

/// Envoy writes `URI=` for a certificate that has none.
fn name(kind: SanKind, value: &str) -> Result<Option<San>, Malformed> {
    if value.is_empty() {
        return Ok(None);
    }
    San::new(kind, value.as_bytes()).map(Some).map_err(|_| Malformed)
}

/// What is no digest tells nothing, and nobody is let in by it.
fn digest(value: &str) -> Option<String> {
    let is_good = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_good.then(|| value.to_ascii_lowercase())
}

fn one(certificates: Vec<Vec<u8>>) -> Result<Vec<u8>, Malformed> {
    let only: Result<[Vec<u8>; 1], _> = certificates.try_into();
    only.map(|[certificate]| certificate).map_err(|_| Malformed)
}

/// The certificates of percent-encoded PEM, at least one.
fn certificates(value: &str) -> Result<Vec<Vec<u8>>, Malformed> {
    let pem = percent_decoded(value)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|_| Malformed)?;
    let is_only_certificates = pem.windows(11).filter(|part| part == b"-----BEGIN ").count() == found.len();
    if found.is_empty() || !is_only_certificates || !pem.starts_with(b"-----BEGIN CERTIFICATE-----") {
        return Err(Malformed);
    }
    Ok(found.into_iter().map(|certificate| certificate.as_ref().to_vec()).collect())
}

fn percent_decoded(text: &str) -> Result<Vec<u8>, Malformed> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(Malformed),
            },
            other => other,
        });
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(value: &str) -> String {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not(value in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = nearest(&[&value]);
        }

        #[test]
        fn what_comes_first_never_changes_the_last(first in "[ -~]{0,60}", uri in "spiffe://corp/[a-z]{1,9}") {
            let last = format!("By=spiffe://corp/gw;URI={uri}");
            let alone = nearest(&[last.as_bytes()]).unwrap();
            let joined = format!("{first},{last}");
            if let Ok(found) = nearest(&[joined.as_bytes()]) {
                prop_assert_eq!(found, alone);
            }
        }

        #[test]
        fn what_is_quoted_stays_where_it_is(subject in "[ -~]{0,60}", uri in "spiffe://corp/[a-z]{1,9}") {
            let value = format!("Subject={};URI={uri}", quoted(&subject));
            prop_assert_eq!(&last_element(value.as_bytes()).unwrap()[0].1, &subject);
            prop_assert_eq!(nearest(&[value.as_bytes()]).unwrap().names, nearest(&[format!("URI={uri}").as_bytes()]).unwrap().names);
        }

        #[test]
        fn percent_encoding_is_undone(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let text: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(percent_decoded(&text), Ok(bytes));
        }
    }

    #[test]
    fn percent_signs_have_two_digits() {
        for text in ["%", "%4", "%4g", "%-1", "%+1", "a%", "%%41"] {
            assert_eq!(percent_decoded(text), Err(Malformed), "{text}");
        }
        assert_eq!(percent_decoded("a+b%2B"), Ok(b"a+b+".to_vec()));
    }
}
