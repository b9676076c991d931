//! Users' certificates: of an authority whose key nobody has, none is believed, however it is shown; and a proxy's word is
//! taken from the last element of its header, as it stands there.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use gwanmun_core::{Clock, Level, ManualClock};
use gwanmun_identity::{Certificates, CertificatesSettings, Proof, RevocationCheck, Shown, Trusted};

use crate::pieces::Choices;

const NOW: u64 = 1_800_000_000;
const USERS: &str = "spiffe://corp/user/";

static PEOPLE: LazyLock<Certificates> = LazyLock::new(|| {
    let mut trusted = Trusted::default();
    let authority = include_bytes!("../../../examples/partners-ca.pem");
    trusted.add_authorities(authority).expect("the example is an authority's");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(NOW)));
    let settings = CertificatesSettings {
        name: "people".to_owned(),
        trusted,
        revocation: RevocationCheck::WhereKnown,
        user_from: vec![
            format!("uri:{USERS}{{user}}").parse().expect("it is a rule"),
            "dns:{user}.people.corp".parse().expect("it is a rule"),
        ],
        proof: Proof::CertificateOrWord,
        header: None,
    };
    Certificates::new(settings, clock)
});

/// The input's first byte chooses how the rest is shown.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    match choices.one_of(3) {
        0 => {
            let pieces = choices.pieces();
            let certificates: Vec<_> = pieces.iter().map(|piece| (*piece).into()).collect();
            let hash = gwanmun_jose::sha256(input);
            let shown = Shown::Handshake { certificates: &certificates, hash: &hash };
            assert!(PEOPLE.principal(&shown).is_err(), "nobody has the authority's key");
        }
        1 => {
            let pieces = choices.pieces();
            let Some((certificate, chain)) = pieces.split_first() else { return };
            let shown = Shown::ClientCert { certificate, chain };
            assert!(PEOPLE.principal(&shown).is_err(), "nobody has the authority's key");
        }
        _ => word(choices.rest()),
    }
}

fn word(field: &[u8]) {
    let Ok(principal) = PEOPLE.principal(&Shown::Forwarded(&[field])) else { return };
    assert_eq!(principal.level, Level::High, "a word is no certificate");
    assert!(!principal.subject.is_empty() && principal.subject.bytes().all(|byte| byte.is_ascii_graphic()));
    if field.iter().any(|byte| b"\"\\".contains(byte)) {
        return;
    }
    let last = field.split(|byte| *byte == b',').next_back().unwrap_or_default();
    let last = String::from_utf8_lossy(last).to_ascii_lowercase();
    let subject = principal.subject.to_ascii_lowercase();
    let is_there =
        last.contains(&format!("uri={USERS}{subject}")) || last.contains(&format!("dns={subject}.people.corp"));
    assert!(is_there, "{subject} does not stand in the last element, {last}");
}
