use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gwanmun_core::ManualClock;
use gwanmun_testkit::{Authority, Identity};
use serde_json::json;

use super::*;

const RULES: [&str; 3] = ["uri:spiffe://corp/user/{user}", "dns:{user}.people.corp", "email:{user}@corp"];
const ANN: &str = "uri:spiffe://corp/user/ann";
/// The year 2026.
const NOW: Duration = Duration::from_secs(1_767_323_045);

struct World {
    clock: Arc<ManualClock>,
    people: Certificates,
}

fn trusting(cas: &[String], lists: &[String]) -> Trusted {
    let mut trusted = Trusted::default();
    for ca in cas {
        trusted.add_authorities(ca.as_bytes()).unwrap();
    }
    for list in lists {
        trusted.add_revocation_lists(list.as_bytes()).unwrap();
    }
    trusted
}

fn world(trusted: Trusted, change: impl FnOnce(&mut CertificatesSettings)) -> World {
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH + NOW));
    let mut settings = CertificatesSettings {
        name: "people".to_owned(),
        trusted,
        revocation: RevocationCheck::WhereKnown,
        user_from: RULES.map(|rule| rule.parse().unwrap()).to_vec(),
        proof: Proof::CertificateOrWord,
        header: None,
    };
    change(&mut settings);
    World { people: Certificates::new(settings, Arc::clone(&clock) as _), clock }
}

fn people_of(authority: &Authority) -> World {
    world(trusting(&[authority.pem()], &[]), |_| {})
}

impl World {
    /// Who has these certificates, shown in a handshake.
    fn shown(&self, certificates: &[&[u8]]) -> Result<Arc<Principal>, Refusal> {
        let certificates: Vec<_> =
            certificates.iter().map(|one| rustls_pki_types::CertificateDer::from(*one)).collect();
        let hash = sha256(&certificates.iter().flat_map(|one| one.as_ref().iter().copied()).collect::<Vec<_>>());
        self.people.principal(&Shown::Handshake { certificates: &certificates, hash: &hash })
    }

    fn who(&self, identity: &Identity) -> Result<String, Reason> {
        self.shown(&identity.der()).map(|principal| principal.subject.clone()).map_err(|refusal| refusal.reason())
    }

    fn forwarded(&self, values: &[&str]) -> Result<Arc<Principal>, Refusal> {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        self.people.principal(&Shown::Forwarded(&values))
    }

    fn said(&self, value: &str) -> Result<String, Reason> {
        self.forwarded(&[value]).map(|principal| principal.subject.clone()).map_err(|refusal| refusal.reason())
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn leaf(identity: &Identity) -> Vec<u8> {
    identity.der()[0].to_vec()
}

#[test]
fn a_certificate_becomes_a_principal() {
    let authority = Authority::new();
    let ann = authority.draft(&["email:ann@Corp", "dns:ann.People.corp", ANN]).issue();
    let found = people_of(&authority).shown(&ann.der()).unwrap();
    assert_eq!((&*found.subject, &*found.credential, found.level), ("ann", "client-cert:people", Level::Highest));
    assert_eq!(found.claims["san"], json!([ANN, "dns:ann.people.corp", "email:ann@corp"]));
    assert_eq!(found.claims["fingerprint"], json!(hex(&sha256(ann.der()[0]))));
    assert_eq!(found.claims["serial"].as_str().unwrap().len(), 32);
    let end = UNIX_EPOCH + Duration::from_secs(found.claims["not_after"].as_u64().unwrap());
    assert_eq!(found.expires, Some(end));
}

#[test]
fn what_nobody_vouches_for_is_refused_with_its_reason() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let world = people_of(&authority);
    let draft = || authority.draft(&[ANN]);
    for (what, identity, reason) in [
        ("another authority", stranger.draft(&[ANN]).issue(), Reason::ClientCertificateUntrusted),
        ("expired", draft().expired().issue(), Reason::ClientCertificateExpired),
        ("not yet", draft().since(4000).issue(), Reason::ClientCertificateExpired),
        ("for servers", draft().for_servers().issue(), Reason::ClientCertificateUnfit),
        ("an authority", draft().as_authority().issue(), Reason::ClientCertificateUnfit),
        ("the root", authority.as_client(), Reason::ClientCertificateUnfit),
        ("an intermediate", authority.intermediate().as_client(), Reason::ClientCertificateUnfit),
        ("nobody's name", authority.draft(&["dns:ann.corp"]).issue(), Reason::ClientCertificateUnnamed),
        ("no names", authority.draft(&[]).called("ann").issue(), Reason::ClientCertificateUnnamed),
        ("two users", authority.draft(&[ANN, "uri:spiffe://corp/user/bob"]).issue(), Reason::ClientCertificateUnnamed),
    ] {
        assert_eq!(world.who(&identity), Err(reason), "{what}");
        assert_eq!(world.who(&identity), Err(reason), "{what}, once more");
    }
    assert_eq!(world.who(&draft().for_anything().issue()).as_deref(), Ok("ann"));
    assert_eq!(world.shown(&[]).unwrap_err().reason(), Reason::ClientCertificateMalformed);
    assert_eq!(world.shown(&[b"junk"]).unwrap_err().reason(), Reason::ClientCertificateMalformed);
}

#[test]
fn a_bad_name_refuses_a_certificate_also_where_another_would_do() {
    let authority = Authority::new();
    let world = people_of(&authority);
    for bad in ["uri:spiffe://corp/user/root\0.evil", "dns:root\n.people.corp", "email:root@corp\0", "dns:a b"] {
        let identity = authority.draft(&[ANN, bad]).issue();
        assert_eq!(world.who(&identity), Err(Reason::ClientCertificateMalformed), "{bad:?}");
    }
    let uri = &ANN.as_bytes()[4..];
    for bad in [&[(0x86, uri), (0x82, b"\xffoot")], &[(0x82, b""), (0x86, uri)]] {
        let identity = authority.draft(&[]).with_raw_names(bad).issue();
        assert_eq!(world.who(&identity), Err(Reason::ClientCertificateMalformed), "{bad:?}");
    }
    // An address is no text, and says nothing of a user.
    let identity = authority.draft(&[]).with_raw_names(&[(0x87, &[0; 4]), (0x86, uri)]).issue();
    assert_eq!(world.who(&identity).as_deref(), Ok("ann"));
}

#[test]
fn intermediates_lead_to_an_authority_and_are_no_authority_by_themselves() {
    let authority = Authority::new();
    let (first, second) = (authority.intermediate(), authority.intermediate().intermediate());
    let world = people_of(&authority);
    for identity in [first.draft(&[ANN]).issue(), second.draft(&[ANN]).issue()] {
        assert_eq!(world.who(&identity).as_deref(), Ok("ann"));
        assert_eq!(world.shown(&identity.der()[..1]).unwrap_err().reason(), Reason::ClientCertificateUntrusted);
    }
    // Who has a user's certificate cannot make others.
    let ann = first.draft(&[ANN]).issue();
    let more = [&ann.der()[..], &[&[0x30; 9][..]; 5]].concat();
    assert_eq!(world.shown(&more).unwrap_err().reason(), Reason::ClientCertificateMalformed);
}

#[test]
fn several_authorities_may_stand_in_one_file_or_in_several() {
    let (one, other) = (Authority::new(), Authority::new());
    for cas in [vec![one.pem(), other.pem()], vec![one.pem() + &other.pem()]] {
        let world = world(trusting(&cas, &[]), |_| {});
        for authority in [&one, &other] {
            assert_eq!(world.who(&authority.draft(&[ANN]).issue()).as_deref(), Ok("ann"));
        }
    }
}

#[test]
fn what_a_list_names_is_refused_and_of_what_none_speaks_only_where_one_is_required() {
    let authority = Authority::new();
    let (good, bad) = (authority.draft(&[ANN]).issue(), authority.draft(&["dns:bob.people.corp"]).issue());
    let below = authority.intermediate();
    let unknown = below.draft(&["email:eve@corp"]).issue();
    for (required, next_update, wanted) in [
        (RevocationCheck::WhereKnown, 3000, [Some("ann"), None, Some("eve")]),
        (RevocationCheck::WhereKnown, 2010, [Some("ann"), None, Some("eve")]),
        (RevocationCheck::Required, 3000, [Some("ann"), None, None]),
        (RevocationCheck::Required, 2010, [None, None, None]),
    ] {
        let trusted = trusting(&[authority.pem()], &[authority.revoking(&[&bad], next_update)]);
        let world = world(trusted, |settings| settings.revocation = required);
        let found = [&good, &bad, &unknown].map(|identity| world.who(identity));
        let users = found.each_ref().map(|found| found.as_deref().ok());
        assert_eq!(users, wanted, "{required:?} {next_update}");
        for refused in found.iter().filter_map(|found| found.as_ref().err()) {
            assert_eq!(*refused, Reason::ClientCertificateRevoked);
        }
    }
    let lists = [authority.revoking(&[], 3000), below.revoking(&[&unknown], 3000)];
    let world = world(trusting(&[authority.pem()], &lists), |_| {});
    assert_eq!(world.who(&unknown), Err(Reason::ClientCertificateRevoked));
}

#[test]
fn an_intermediate_that_was_revoked_vouches_for_nobody() {
    let authority = Authority::new();
    let below = authority.intermediate();
    let ann = below.draft(&[ANN]).issue();
    assert_eq!(people_of(&authority).who(&ann).as_deref(), Ok("ann"));
    // Signed by somebody else, a list refuses rather than says nothing.
    let stranger = Authority::new();
    let forged = world(trusting(&[authority.pem()], &[stranger.revoking(&[], 3000)]), |_| {});
    assert_eq!(forged.who(&authority.draft(&[ANN]).issue()), Err(Reason::ClientCertificateRevoked));
}

#[test]
fn an_authority_with_an_old_key_and_a_new_one_has_two_lists() {
    // Both have the same name.
    let (old, new) = (Authority::new(), Authority::new());
    let [ann, eve, bob, mallory] =
        [&old, &old, &new, &new].map(|authority| authority.draft(&["uri:spiffe://corp/user/u"]).issue());
    for lists in [
        [old.revoking(&[&eve], 3000), new.revoking(&[&mallory], 3000)],
        [new.revoking(&[&mallory], 3000), old.revoking(&[&eve], 3000)],
    ] {
        let world = world(trusting(&[old.pem(), new.pem()], &lists), |_| {});
        for (identity, is_good) in [(&ann, true), (&eve, false), (&bob, true), (&mallory, false)] {
            let wanted = if is_good { Ok("u") } else { Err(Reason::ClientCertificateRevoked) };
            assert_eq!(world.who(identity).as_deref().map_err(|why| *why), wanted);
        }
    }
}

#[test]
fn of_two_lists_of_an_authority_each_is_asked() {
    let authority = Authority::new();
    let identity = || authority.draft(&["uri:spiffe://corp/user/u"]).issue();
    let (ann, eve) = (identity(), identity());
    let mut lists = [authority.revoking(&[], 2020), authority.revoking(&[&eve], 3000)];
    for _ in 0..2 {
        let world = world(trusting(&[authority.pem()], &lists), |_| {});
        assert_eq!(world.who(&ann).as_deref(), Ok("u"));
        assert_eq!(world.who(&eve), Err(Reason::ClientCertificateRevoked));
        lists.reverse();
    }
}

#[test]
fn a_certificate_that_is_known_is_refused_when_it_ends() {
    let authority = Authority::new();
    let world = people_of(&authority);
    let ann = authority.draft(&[ANN]).until(2030).issue();
    let found = world.shown(&ann.der()).unwrap();
    assert!(Arc::ptr_eq(&found, &world.shown(&ann.der()).unwrap()), "it was verified once");
    let left = found.expires.unwrap().duration_since(world.clock.wall()).unwrap();
    world.clock.advance(left + Duration::from_secs(1));
    assert_eq!(world.who(&ann), Err(Reason::ClientCertificateExpired));
}

#[test]
fn a_refused_certificate_is_looked_at_again_after_a_while() {
    let authority = Authority::new();
    let world = people_of(&authority);
    let soon = authority.draft(&[ANN]).since(2027).issue();
    assert_eq!(world.who(&soon), Err(Reason::ClientCertificateExpired));
    world.clock.advance(Duration::from_secs(365 * 86_400));
    assert_eq!(world.who(&soon).as_deref(), Ok("ann"));
}

#[test]
fn what_one_believes_the_other_does_not_remember() {
    let (one, other) = (Authority::new(), Authority::new());
    let (ours, theirs) = (people_of(&one), people_of(&other));
    let ann = one.draft(&[ANN]).issue();
    assert!(ours.who(&ann).is_ok());
    assert_eq!(theirs.who(&ann), Err(Reason::ClientCertificateUntrusted));
    // After a reload with a list.
    let reloaded = world(trusting(&[one.pem()], &[one.revoking(&[&ann], 3000)]), |_| {});
    assert_eq!(reloaded.who(&ann), Err(Reason::ClientCertificateRevoked));
    assert!(ours.who(&ann).is_ok());
}

#[test]
fn files_that_would_trust_too_much_or_nothing_are_refused() {
    let authority = Authority::new();
    let leaf_pem = authority.draft(&[ANN]).issue().pem();
    let add = |file: &[u8]| Trusted::default().add_authorities(file).unwrap_err();
    assert_eq!(add(leaf_pem.as_bytes()), Unusable::NoAuthority);
    assert_eq!(add(b""), Unusable::NoCertificate);
    assert_eq!(add(authority.revoking(&[], 3000).as_bytes()), Unusable::NoCertificate);
    assert!(matches!(add(b"\x30junk"), Unusable::Structure(_)));
    assert!(matches!(add(b"-----BEGIN CERTIFICATE-----\nMAA\n"), Unusable::Pem(_)));
    assert!(matches!(add(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), Unusable::Structure(_)));
    let add = |file: &[u8]| Trusted::default().add_revocation_lists(file).unwrap_err();
    assert_eq!(add(authority.pem().as_bytes()), Unusable::NoList);
    assert!(matches!(add(b"\x30junk"), Unusable::Structure(_)));
}

#[test]
fn when_a_file_has_to_be_replaced_is_told() {
    let authority = Authority::new();
    let mut trusted = Trusted::default();
    assert!(trusted.add_authorities(authority.pem().as_bytes()).unwrap() > UNIX_EPOCH + NOW);
    let at = trusted.add_revocation_lists(authority.revoking(&[], 2010).as_bytes()).unwrap();
    assert_eq!(at, Some(UNIX_EPOCH + Duration::from_secs(1_262_304_000)));
}

#[test]
fn a_certificate_in_client_cert_is_verified_like_any_other() {
    let authority = Authority::new();
    let world = people_of(&authority);
    let (ann, below) = (authority.draft(&[ANN]).issue(), authority.intermediate().draft(&[ANN]).issue());
    let field = |der: &[u8]| format!(":{}:", STANDARD.encode(der));
    let who = |certificate: &str, chain: &[&str]| {
        let chain: Vec<&[u8]> = chain.iter().map(|value| value.as_bytes()).collect();
        let shown = Shown::ClientCert { certificate: certificate.as_bytes(), chain: &chain };
        world.people.principal(&shown).map(|found| (found.subject.clone(), found.level)).map_err(|why| why.reason())
    };
    let good = Ok(("ann".to_owned(), Level::Highest));
    assert_eq!(who(&field(ann.der()[0]), &[]), good);
    assert_eq!(who(&field(ann.der()[0]), &[&field(ann.der()[0])]), good);
    let chain = field(below.der()[1]);
    assert_eq!(who(&field(below.der()[0]), &[&chain]), good);
    assert_eq!(who(&field(below.der()[0]), &[]), Err(Reason::ClientCertificateUntrusted));
    assert_eq!(
        who(&field(Authority::new().draft(&[ANN]).issue().der()[0]), &[]),
        Err(Reason::ClientCertificateUntrusted)
    );
    for (certificate, chain) in [("", &chain[..]), (":AAAA:", ""), ("junk", ""), (&field(ann.der()[0]), "junk")] {
        assert_eq!(who(certificate, &[chain]), Err(Reason::ClientCertificateMalformed), "{certificate} {chain}");
    }
}

#[test]
fn a_certificate_in_a_forwarded_element_is_verified_like_any_other() {
    let authority = Authority::new();
    let world = people_of(&authority);
    let (ann, below) = (authority.draft(&[ANN]).issue(), authority.intermediate().draft(&[ANN]).issue());
    let hash = hex(&sha256(&leaf(&ann)));
    let cert = percent(&ann.pem());
    for value in [
        format!("Cert=\"{cert}\""),
        format!("cert={cert}"),
        format!(
            "By=spiffe://corp/gw;Hash={hash};CERT=\"{cert}\";Subject=\"CN=a, O=\\\"b\\\"\";URI=spiffe://corp/user/root"
        ),
        format!("Chain=\"{}\"", percent(&below.pem())),
        format!(
            "Cert=\"{}\";Chain=\"{}\"",
            percent(below.pem().split_inclusive("-----END CERTIFICATE-----\n").next().unwrap()),
            percent(&below.pem())
        ),
    ] {
        let found = world.forwarded(&[&value]).unwrap();
        assert_eq!((&*found.subject, found.level), ("ann", Level::Highest), "{value}");
    }
    let stranger = Authority::new().draft(&[ANN]).issue();
    for (value, reason) in [
        (format!("Cert={}", percent(&stranger.pem())), Reason::ClientCertificateUntrusted),
        (format!("Hash={};Cert={cert}", "0".repeat(64)), Reason::ClientCertificateMalformed),
        ("Cert=\"\"".to_owned(), Reason::ClientCertificateMalformed),
        ("Cert=junk".to_owned(), Reason::ClientCertificateMalformed),
        (format!("Cert={cert};Cert={cert}"), Reason::ClientCertificateMalformed),
        (format!("Cert={}", percent(&(ann.pem() + &ann.pem()))), Reason::ClientCertificateMalformed),
        (format!("Cert={}", percent(&(ann.pem() + &ann.key()))), Reason::ClientCertificateMalformed),
        (format!("Cert={}", percent(&format!("junk\n{}", ann.pem()))), Reason::ClientCertificateMalformed),
    ] {
        assert_eq!(world.said(&value), Err(reason), "{value}");
    }
}

#[test]
fn without_a_certificate_it_is_the_word_of_the_proxy() {
    let hash = "A".repeat(64);
    let value = format!("By=spiffe://corp/gw;Hash={hash};Subject=\"\";URI=spiffe://corp/user/ann;DNS=x.corp");
    let world = people_of(&Authority::new());
    let found = world.forwarded(&[&value]).unwrap();
    assert_eq!((&*found.subject, found.level, found.expires), ("ann", Level::High, None));
    assert_eq!(found.claims["san"], json!([ANN, "dns:x.corp"]));
    assert_eq!(found.claims["fingerprint"], json!("a".repeat(64)));
    let strict = self::world(trusting(&[], &[]), |settings| settings.proof = Proof::Certificate);
    assert_eq!(strict.said(&value), Err(Reason::ClientCertificateUnfit));
}

#[test]
fn of_several_elements_the_last_counts_and_all_have_to_be_whole() {
    let world = people_of(&Authority::new());
    const USER: &str = "URI=spiffe://corp/user/";
    for (values, wanted) in [
        (vec![format!("{USER}root,{USER}ann")], Ok("ann")),
        (vec![format!("{USER}root, {USER}ann")], Ok("ann")),
        (vec![format!("{USER}root"), format!("{USER}ann")], Ok("ann")),
        (vec![format!("{USER}ann"), "By=spiffe://corp/gw".to_owned()], Err(Reason::ClientCertificateUnnamed)),
        (vec![format!("Subject=\"CN=x,{USER}root\";{USER}ann")], Ok("ann")),
        (vec![format!("Subject=\"\\\",{USER}root,\\\"\";{USER}ann")], Ok("ann")),
        (vec![format!("Other=1;{USER}ann")], Ok("ann")),
        // A quote that a client left open takes in the first quote of the proxy, behind which nothing fits.
        (vec![format!("By=x;Subject=\",By=y;Subject=\"CN=root\";{USER}ann")], Err(Reason::ClientCertificateMalformed)),
        (vec![format!("Subject=\"open"), format!("{USER}ann")], Err(Reason::ClientCertificateMalformed)),
        (vec![format!("Subject=\"open\\\",{USER}ann")], Err(Reason::ClientCertificateMalformed)),
        (vec![format!("{USER}ann;{USER}bob")], Err(Reason::ClientCertificateUnnamed)),
    ] {
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let found = world.forwarded(&texts).map(|found| found.subject.clone()).map_err(|why| why.reason());
        assert_eq!(found.as_deref().map_err(|why| *why), wanted, "{values:?}");
    }
}

#[test]
fn what_is_no_list_of_elements_is_malformed() {
    let world = people_of(&Authority::new());
    const USER: &str = "URI=spiffe://corp/user/ann";
    for value in [
        "",
        " ",
        ",",
        ";",
        "URI",
        "=x",
        "URI spiffe",
        "U RI=x",
        "URI=\"x",
        "URI=\"x\"y",
        "URI=x\"y\"",
        "URI=x y",
        "URI=spiffe://corp/user/a\tb",
    ] {
        assert_eq!(world.said(value), Err(Reason::ClientCertificateMalformed), "{value:?}");
    }
    for around in ["{},", ",{}", "{};", ";{}", "{},,{}", "{};;{}", "{}\u{e9}", "{}\u{7f}"] {
        let value = around.replace("{}", USER);
        assert_eq!(world.said(&value), Err(Reason::ClientCertificateMalformed), "{value:?}");
    }
}
