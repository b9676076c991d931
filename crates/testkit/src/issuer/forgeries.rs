//! Tokens that look like the issuer's and are none, or say what must not be believed: each differs from a good one in one
//! respect.

use serde_json::{Value, json};

use crate::base64url;
use crate::jws::{Jws, with_loose_bits};
use crate::token_key::{TokenKey, overlaid};

/// All of them, with what is wrong. `key` is for an asymmetric algorithm; the token with `claims` would be good.
pub(super) fn all(key: &TokenKey, claims: &Value) -> Vec<(String, String)> {
    let mut forgeries = Vec::new();
    let mut add = |what: &str, token: String| forgeries.push((what.to_owned(), token));
    let good = key.token(json!({}), claims);
    let jws = Jws::read(&good);
    let stranger = TokenKey::new(key.algorithm(), key.kid());

    for none in ["none", "None", "NONE", "nOnE"] {
        add(none, Jws::unsigned(&json!({"alg": none}), claims).compact());
        add(
            &format!("{none} by name and kid"),
            Jws::unsigned(&json!({"alg": none, "kid": key.kid()}), claims).compact(),
        );
    }
    add("none beside a signature", key.token(json!({"alg": "none"}), claims));
    let pem = key.public_pem();
    for (what, secret) in [
        ("HS256 with the public key in PEM", pem.clone()),
        ("HS256 with the public key in PEM without its last newline", pem.trim_end().to_owned()),
        ("HS256 with the public key as JWK", key.jwk().to_string()),
        ("HS256 with no secret", String::new()),
    ] {
        add(what, TokenKey::shared("HS256", key.kid(), secret).token(json!({}), claims));
    }

    add("another key under the same kid", stranger.token(json!({}), claims));
    add("another key without a kid", stranger.token(json!({"kid": null}), claims));
    add("another key in jwk", stranger.token(json!({"jwk": stranger.jwk()}), claims));
    for member in ["jku", "x5u"] {
        let header = json!({(member): "http://127.0.0.1:1/keys", "kid": "elsewhere"});
        add(&format!("another key by {member}"), stranger.token(header, claims));
    }
    add("another key in x5c", stranger.token(json!({"x5c": ["AAAA"]}), claims));
    let empty = TokenKey::shared("HS256", "../../../../dev/null", "");
    add("a kid that is a path", empty.token(json!({}), claims));
    for kid in [json!(1), json!([key.kid()]), json!({})] {
        add(&format!("the kid {kid}"), key.token(json!({"kid": kid}), claims));
    }

    for alg in ["ES512", "HS256", "RSA1_5", "", &key.algorithm().to_lowercase(), &format!("{} ", key.algorithm())] {
        add(&format!("signed by the key, and called '{alg}'"), key.token(json!({"alg": alg}), claims));
    }
    for (ours, other) in [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS512")] {
        if key.algorithm() == ours {
            add(&format!("the key's signature by {other}"), key.also(other, key.kid()).token(json!({}), claims));
        }
    }
    add("no alg", key.token(json!({"alg": null}), claims));
    add("an alg that is a list", key.token(json!({"alg": [key.algorithm()]}), claims));
    add("an unknown crit", key.token(json!({"crit": ["x"], "x": 1}), claims));
    add("an empty crit", key.token(json!({"crit": []}), claims));
    add("b64 false", key.token(json!({"crit": ["b64"], "b64": false}), claims));
    add("b64 false without crit", key.token(json!({"b64": false}), claims));

    let changed = |change: &dyn Fn(&mut Jws)| {
        let mut changed = jws.clone();
        change(&mut changed);
        changed.compact()
    };
    let promoted = overlaid(claims.clone(), json!({"sub": "admin"})).to_string();
    add("other claims under the signature", changed(&|jws| jws.payload = promoted.clone().into()));
    add("another header under the signature", changed(&|jws| jws.header.push(b' ')));
    add("no signature", changed(&|jws| jws.signature.clear()));
    add("a signature of zeros", changed(&|jws| jws.signature.fill(0)));
    add("a signature too short", changed(&|jws| jws.signature.truncate(jws.signature.len() - 1)));
    add("a signature too long", changed(&|jws| jws.signature.push(0)));
    add("one bit of the signature turned", changed(&|jws| jws.signature[0] ^= 1));

    add("two parts", good.rsplit_once('.').unwrap().0.to_owned());
    add("four parts", format!("{good}.AAAA"));
    add("four parts, the last empty", format!("{good}."));
    add("five parts, as an encrypted one", format!("{good}.AAAA.AAAA"));
    add("only dots", "..".to_owned());
    add("loose bits", with_loose_bits(&good));
    add("padding", format!("{good}=="));
    add("padding in the middle", good.replacen('.', "=.", 1));
    add("a letter of the other alphabet", format!("{}+", &good[..good.len() - 1]));
    let [header, payload, signature] = [&jws.header, &jws.payload, &jws.signature].map(|part| base64url::encode(part));
    let flattened = json!({"protected": header, "payload": payload, "signature": signature});
    add("JSON serialization", flattened.to_string());

    let header = String::from_utf8_lossy(&jws.header).into_owned();
    let claims_text = claims.to_string();
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    add("alg twice", key.token_of(twice(&header, r#""alg":"none""#), claims_text.clone()));
    add("sub twice", key.token_of(header.clone(), twice(&claims_text, r#""sub":"admin""#)));
    add("sub twice, once with an escape", key.token_of(header.clone(), twice(&claims_text, r#""\u0073ub":"admin""#)));
    for (what, text) in [
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("a list", format!("[{claims_text}]")),
        ("a text", json!(claims_text).to_string()),
        ("two objects", format!("{claims_text}{claims_text}")),
        ("a byte order mark", format!("\u{feff}{claims_text}")),
        ("very deep nesting", twice(&claims_text, &format!(r#""deep":{}{}"#, "[".repeat(1000), "]".repeat(1000)))),
    ] {
        add(&format!("claims that are {what}"), key.token_of(header.clone(), text));
    }
    add("a header that is a list", key.token_of(format!("[{header}]"), claims_text.clone()));
    let mut broken = twice(&claims_text, r#""x":"?""#).into_bytes();
    broken[6] = 0xff;
    add("claims that are no UTF-8", key.token_of(header, broken));

    for (what, change) in [
        ("expired", json!({"exp": 1})),
        ("no exp", json!({"exp": null})),
        ("exp as text", json!({"exp": "99999999999"})),
        ("a negative exp", json!({"exp": -1})),
        ("exp true", json!({"exp": true})),
        ("not yet good", json!({"nbf": 99_999_999_999_u64})),
        ("nbf as text", json!({"nbf": "0"})),
        ("another issuer", json!({"iss": "https://evil.test"})),
        (
            "another issuer that begins the same",
            json!({"iss": format!("{}/", claims["iss"].as_str().unwrap_or_default())}),
        ),
        ("no issuer", json!({"iss": null})),
        ("a list of issuers", json!({"iss": [claims["iss"]]})),
        ("another audience", json!({"aud": "other"})),
        (
            "an audience that begins the same",
            json!({"aud": format!("{}x", claims["aud"].as_str().unwrap_or_default())}),
        ),
        ("other audiences", json!({"aud": ["other", "others"]})),
        ("no audience", json!({"aud": null})),
        ("an empty list of audiences", json!({"aud": []})),
        ("an audience that is an object", json!({"aud": {"gateway": true}})),
        ("no subject", json!({"sub": null})),
        ("an empty subject", json!({"sub": ""})),
        ("a subject that is a number", json!({"sub": 1})),
    ] {
        add(what, key.token(json!({}), &overlaid(claims.clone(), change)));
    }
    forgeries
}
