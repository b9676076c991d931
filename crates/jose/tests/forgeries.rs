//! Tokens that others forged: the test kit's issuer signs with code of its own, and knows how to go wrong.
#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside of them")]

use std::time::SystemTime;

use gwanmun_jose::{Algorithm, Expect, JwkSet};
use gwanmun_testkit::{Issuer, TokenKey};
use serde_json::json;

#[tokio::test]
async fn every_forgery_is_refused_and_what_is_good_is_not() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256] {
        let issuer = Issuer::with_keys([TokenKey::new(algorithm.as_str(), "k1")]).await;
        let keys = JwkSet::parse(issuer.jwks().to_string().as_bytes(), &[algorithm]).unwrap();
        let expect = Expect { issuers: vec![issuer.url()], audiences: vec!["gateway".to_owned()], ..Expect::default() };
        let verify = |token: &str| expect.verify(token.as_bytes(), 8192, &keys, SystemTime::now());
        let good = verify(&issuer.token(json!({"roles": ["ops"]}))).unwrap();
        assert_eq!((good.subject.as_str(), &good.claims["roles"]), ("u1", &json!(["ops"])));
        let forgeries = issuer.forgeries();
        assert!(forgeries.len() > 50, "{}", forgeries.len());
        for (what, token) in forgeries {
            assert!(verify(&token).is_err(), "{algorithm}: {what} is believed");
        }
    }
}
