//! Certificates of the demo: an authority that is made at the start, trusted by nobody else and forgotten at the end, and what
//! it signs (X.509 version 3, RFC 5280; P-256). As much of DER as that takes, so that no release carries a library for it.

use std::io;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gwanmun_jose::sha256;
use jiff::Timestamp;

/// How long they are good: longer than anybody looks at a demo.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Clocks of browsers and of this machine are the same one.
const BEFORE: Duration = Duration::from_secs(60);

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_KEY: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const TRUE: [u8; 3] = [0x01, 0x01, 0xff];

/// Signs certificates.
pub(super) struct Authority {
    name: &'static str,
    key: EcdsaKeyPair,
    pem: String,
}

/// A certificate and its key, PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Whom a certificate is for.
pub(super) enum Holder<'a> {
    /// A server of these DNS names, and of 127.0.0.1.
    Server(&'a [&'a str]),
    /// A client with this URI.
    Client(&'a str),
}

impl Authority {
    /// A new one that calls itself `name`.
    pub(super) fn new(name: &'static str, now: SystemTime) -> io::Result<Self> {
        let key = new_key()?;
        let extensions = [
            extension(BASIC_CONSTRAINTS, Weight::Critical, &sequence(&TRUE)),
            // keyCertSign and cRLSign
            extension(KEY_USAGE, Weight::Critical, &value(BIT_STRING, &[1, 0x06])),
            extension(SUBJECT_KEY, Weight::Plain, &value(OCTET_STRING, &key_id(&key))),
        ];
        let pem = certificate((name, &key), (name, &key), &extensions.concat(), now)?;
        Ok(Self { name, key, pem })
    }

    /// Its own certificate, PEM.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `holder`, who is called `name`.
    pub(super) fn issue(&self, name: &str, holder: &Holder<'_>, now: SystemTime) -> io::Result<Identity> {
        let key = new_key()?;
        let (usage, names) = match holder {
            Holder::Server(hosts) => {
                let hosts: Vec<Vec<u8>> = hosts.iter().map(|host| value(0x82, host.as_bytes())).collect();
                (SERVER_AUTH, [hosts.concat(), value(0x87, &[127, 0, 0, 1])].concat())
            }
            Holder::Client(uri) => (CLIENT_AUTH, value(0x86, uri.as_bytes())),
        };
        let extensions = [
            // digitalSignature
            extension(KEY_USAGE, Weight::Critical, &value(BIT_STRING, &[7, 0x80])),
            extension(EXTENDED_USAGE, Weight::Plain, &sequence(&value(OID, usage))),
            extension(ALTERNATIVE_NAME, Weight::Plain, &sequence(&names)),
            extension(AUTHORITY_KEY, Weight::Plain, &sequence(&value(0x80, &key_id(&self.key)))),
        ];
        let certificate = certificate((name, &key), (self.name, &self.key), &extensions.concat(), now)?;
        let document = key.to_pkcs8v1().map_err(|_| io::Error::other("a key cannot be written"))?;
        Ok(Identity { certificate, key: pem("PRIVATE KEY", document.as_ref()) })
    }
}

/// A key for signatures, PEM (PKCS#8).
pub(super) fn key_pem() -> io::Result<String> {
    let document = new_key()?.to_pkcs8v1().map_err(|_| io::Error::other("a key cannot be written"))?;
    Ok(pem("PRIVATE KEY", document.as_ref()))
}

fn new_key() -> io::Result<EcdsaKeyPair> {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| io::Error::other("there is no randomness"))
}

/// A certificate for the key and name of `subject`, signed by `issuer`, PEM.
fn certificate(
    subject: (&str, &EcdsaKeyPair),
    issuer: (&str, &EcdsaKeyPair),
    extensions: &[u8],
    now: SystemTime,
) -> io::Result<String> {
    let random = SystemRandom::new();
    let mut serial = [0_u8; 16];
    random.fill(&mut serial).map_err(|_| io::Error::other("there is no randomness"))?;
    // Positive, and without a leading zero.
    serial[0] = serial[0] & 0x3f | 0x40;
    let algorithm = sequence(&value(OID, ECDSA_WITH_SHA256));
    let point = [&[0], subject.1.public_key().as_ref()].concat();
    let public_key =
        [sequence(&[value(OID, EC_PUBLIC_KEY), value(OID, PRIME256V1)].concat()), value(BIT_STRING, &point)];
    let to_be_signed = sequence(
        &[
            value(0xa0, &value(INTEGER, &[2])),
            value(INTEGER, &serial),
            algorithm.clone(),
            named(issuer.0),
            sequence(&[time(now - BEFORE)?, time(now + LIFE)?].concat()),
            named(subject.0),
            sequence(&public_key.concat()),
            value(0xa3, &sequence(extensions)),
        ]
        .concat(),
    );
    let signature =
        issuer.1.sign(&random, &to_be_signed).map_err(|_| io::Error::other("a certificate cannot be signed"))?;
    let signature = value(BIT_STRING, &[&[0], signature.as_ref()].concat());
    Ok(pem("CERTIFICATE", &sequence(&[to_be_signed, algorithm, signature].concat())))
}

/// Whether who does not know an extension has to refuse the certificate.
enum Weight {
    Critical,
    Plain,
}

fn extension(id: &[u8], weight: Weight, content: &[u8]) -> Vec<u8> {
    let critical: &[u8] = match weight {
        Weight::Critical => &TRUE,
        Weight::Plain => &[],
    };
    sequence(&[&value(OID, id), critical, &value(OCTET_STRING, content)].concat())
}

fn named(name: &str) -> Vec<u8> {
    let attribute = sequence(&[value(OID, COMMON_NAME), value(UTF8_STRING, name.as_bytes())].concat());
    sequence(&value(SET, &attribute))
}

/// In the form that ends with the year 2049.
fn time(moment: SystemTime) -> io::Result<Vec<u8>> {
    let moment = Timestamp::try_from(moment).map_err(io::Error::other)?;
    Ok(value(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()))
}

fn key_id(key: &EcdsaKeyPair) -> Vec<u8> {
    sha256(key.public_key().as_ref()).into_iter().take(20).collect()
}

fn sequence(content: &[u8]) -> Vec<u8> {
    value(SEQUENCE, content)
}

/// Tag, length, content.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..=127) => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        // Nothing here comes near 65,535 bytes.
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

fn pem(label: &str, document: &[u8]) -> String {
    let text = STANDARD.encode(document);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn openssl_reads_and_verifies_what_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("an authority", SystemTime::now()).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", authority.pem());
        for (name, holder, purpose, wanted) in [
            (
                "server",
                Holder::Server(&["localhost", "a.localhost"]),
                "sslserver",
                "DNS:localhost, DNS:a.localhost, IP Address:127.0.0.1",
            ),
            ("client", Holder::Client("spiffe://demo/user/ann"), "sslclient", "URI:spiffe://demo/user/ann"),
        ] {
            let identity = authority.issue(name, &holder, SystemTime::now()).unwrap();
            write("leaf.pem", &identity.certificate);
            write("leaf.key", &identity.key);
            let openssl = |arguments: &[&str]| {
                let output = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stdout).unwrap()
            };
            let verified = openssl(&["verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.pem", "leaf.pem"]);
            assert_eq!(verified, "leaf.pem: OK\n");
            let shown = openssl(&["x509", "-in", "leaf.pem", "-noout", "-text"]);
            assert!(shown.contains(wanted) && shown.contains("CN = an authority"), "{shown}");
            let [of_key, of_certificate] = [
                openssl(&["pkey", "-in", "leaf.key", "-pubout"]),
                openssl(&["x509", "-in", "leaf.pem", "-noout", "-pubkey"]),
            ];
            assert_eq!(of_key, of_certificate);
        }
    }

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        assert_eq!(value(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(value(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(value(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
