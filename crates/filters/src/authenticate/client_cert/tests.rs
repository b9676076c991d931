use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use gwanmun_core::{Level, ManualClock};
use gwanmun_identity::{CertificatesSettings, Proof, RevocationCheck, Trusted};
use gwanmun_proxy::{ClientChain, Connection, Exchange, Filter, Scheme};
use gwanmun_testkit::{Authority, Identity as Certified};
use http::Method;

use super::*;
use crate::authenticate::AuthenticateSpec;
use crate::fixture::{Fixture, exchange_with, pass};

const ANN: &str = "uri:spiffe://corp/user/ann";
const URI: &str = "URI=spiffe://corp/user/bob";

fn filter(
    authority: &Authority,
    header: Option<CertificateHeader>,
    arguments: &str,
) -> Result<Box<dyn Filter>, String> {
    let mut trusted = Trusted::default();
    trusted.add_authorities(authority.pem().as_bytes()).unwrap();
    let settings = CertificatesSettings {
        name: "people".to_owned(),
        trusted,
        revocation: RevocationCheck::WhereKnown,
        user_from: vec!["uri:spiffe://corp/user/{user}".parse().unwrap()],
        proof: Proof::CertificateOrWord,
        header,
    };
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_767_323_045)));
    let people = Certificates::new(settings, Arc::clone(&clock) as _);
    let all = BTreeMap::from([("people".to_owned(), Arc::new(people))]);
    let fixture = Fixture::new().with_clock(clock).with_section(Identity::default().with_certificates(all));
    fixture.filter::<AuthenticateSpec>(arguments)
}

/// A request over TLS, by somebody who shows `certificate`, or by a trusted proxy.
struct Sent<'s> {
    certificate: Option<&'s Certified>,
    is_trusted: bool,
    fields: &'s [(&'s str, &'s str)],
}

impl Sent<'_> {
    fn exchange(&self) -> Exchange {
        let mut exchange = exchange_with(Method::GET, "/", self.fields);
        let peer = "192.0.2.1:40000".parse().unwrap();
        let connection = Connection::new(Some(peer), Arc::from("main"), 0, Scheme::Https, 443);
        let chain = self.certificate.and_then(|certificate| ClientChain::new(certificate.der()));
        exchange.connection = Rc::new(connection.with_client_chain(chain));
        exchange.trusted = self.is_trusted;
        exchange
    }

    fn meets(&self, filter: &dyn Filter) -> Result<(String, Level), Reason> {
        let mut exchange = self.exchange();
        match pass(filter, &mut exchange) {
            Ok(()) => {
                let left: Vec<_> =
                    exchange.request.headers.keys().filter(|name| name.as_str().contains("cert")).collect();
                assert_eq!(left, Vec::<&HeaderName>::new());
                Ok((exchange.principal.unwrap().subject.clone(), exchange.level))
            }
            Err(fault) => {
                let says = (fault.code().status().as_u16(), fault.challenge().unwrap());
                assert_eq!(says, (401, r#"Certificate realm="gwanmun""#));
                Err(fault.reason().unwrap())
            }
        }
    }
}

fn own(certificate: &Certified) -> Sent<'_> {
    Sent { certificate: Some(certificate), is_trusted: false, fields: &[] }
}

#[test]
fn the_certificate_of_the_connection_says_who_calls() {
    let authority = Authority::new();
    let people = filter(&authority, None, "{any: [{client-cert: people}]}").unwrap();
    let (ann, stranger) = (authority.draft(&[ANN]).issue(), Authority::new().draft(&[ANN]).issue());
    assert_eq!(own(&ann).meets(&*people), Ok(("ann".to_owned(), Level::Highest)));
    assert_eq!(own(&stranger).meets(&*people), Err(Reason::ClientCertificateUntrusted));
    let nobody = Sent { certificate: None, is_trusted: false, fields: &[] };
    assert_eq!(nobody.meets(&*people), Err(Reason::NoCredential));
}

#[test]
fn what_others_than_trusted_proxies_write_is_nothing() {
    let authority = Authority::new();
    let ann = authority.draft(&[ANN]).issue();
    for header in [None, Some(CertificateHeader::ClientCert), Some(CertificateHeader::XForwardedClientCert)] {
        let people = filter(&authority, header, "{any: [{client-cert: people}]}").unwrap();
        // They come so far only where the operator keeps them.
        for fields in [&[("x-forwarded-client-cert", URI)], &[("client-cert", ":MAA=:")]] {
            let forged = Sent { certificate: None, is_trusted: false, fields };
            assert_eq!(forged.meets(&*people), Err(Reason::NoCredential));
            let forged = Sent { certificate: Some(&ann), is_trusted: false, fields };
            assert_eq!(forged.meets(&*people).unwrap().0, "ann");
        }
    }
}

#[test]
fn a_trusted_proxy_writes_one_header() {
    let authority = Authority::new();
    let people = |header| filter(&authority, header, "{any: [{client-cert: people}]}").unwrap();
    let gateway = authority.draft(&["uri:spiffe://corp/user/gateway"]).issue();
    let (forwarded, other) = (("x-forwarded-client-cert", URI), ("client-cert", ":MAA=:"));
    for (header, certificate, fields, wanted) in [
        (None, None, vec![forwarded], Ok("bob")),
        (None, Some(&gateway), vec![], Ok("gateway")),
        (None, None, vec![other], Err(Reason::ClientCertificateMalformed)),
        (None, None, vec![("x-forwarded-client-cert", "")], Err(Reason::NoCredential)),
        (None, None, vec![("client-cert-chain", ":MAA=:")], Err(Reason::ClientCertificateMalformed)),
        (None, None, vec![forwarded, other], Err(Reason::TwoCredentials)),
        (None, Some(&gateway), vec![forwarded], Err(Reason::TwoCredentials)),
        (None, Some(&gateway), vec![other], Err(Reason::TwoCredentials)),
        (Some(CertificateHeader::XForwardedClientCert), None, vec![forwarded, other], Ok("bob")),
        (Some(CertificateHeader::XForwardedClientCert), Some(&gateway), vec![forwarded], Ok("bob")),
        (Some(CertificateHeader::XForwardedClientCert), Some(&gateway), vec![], Err(Reason::NoCredential)),
        (Some(CertificateHeader::XForwardedClientCert), None, vec![other], Err(Reason::NoCredential)),
        (Some(CertificateHeader::ClientCert), None, vec![forwarded], Err(Reason::NoCredential)),
        (Some(CertificateHeader::ClientCert), None, vec![forwarded, other], Err(Reason::ClientCertificateMalformed)),
        (Some(CertificateHeader::ClientCert), None, vec![other, other], Err(Reason::TwoCredentials)),
    ] {
        let sent = Sent { certificate, is_trusted: true, fields: &fields };
        let found = sent.meets(&*people(header));
        assert_eq!(found.as_ref().map(|(user, _)| &**user).map_err(|why| *why), wanted, "{header:?} {fields:?}");
    }
    let sent = Sent { certificate: None, is_trusted: true, fields: &[forwarded] };
    assert_eq!(sent.meets(&*people(None)), Ok(("bob".to_owned(), Level::High)));
}

#[test]
fn without_a_certificate_the_next_entry_is_asked_and_with_a_bad_one_nobody() {
    let authority = Authority::new();
    let people = filter(&authority, None, "{any: [{client-cert: people}], anonymous: true}").unwrap();
    let mut nobody = Sent { certificate: None, is_trusted: false, fields: &[] }.exchange();
    pass(&*people, &mut nobody).unwrap();
    assert!(nobody.principal.is_none());
    let expired = authority.draft(&[ANN]).expired().issue();
    assert_eq!(own(&expired).meets(&*people), Err(Reason::ClientCertificateExpired));
}

#[test]
fn who_is_meant_must_be_known_and_can_be_meant_once() {
    let refused = |arguments: &str| filter(&Authority::new(), None, arguments).err().unwrap();
    assert!(refused("{any: [{client-cert: poeple}]}").contains("did you mean 'people'?"));
    assert!(refused("{any: [{client-cert: people}, {client-cert: people}]}").contains("would never be asked"));
}
