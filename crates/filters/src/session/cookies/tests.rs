use http::Method;
use proptest::prelude::*;

use super::*;
use crate::fixture::{exchange_with, over_tls, response, values};
use crate::session::tests::entrance;

const SESSION_VALUE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn taken(cookies: &[&str]) -> Exchange {
    let fields: Vec<_> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
    let mut exchange = over_tls(exchange_with(Method::GET, "/", &fields));
    take(&[entrance("staff", "gwanmun")], &mut exchange);
    exchange
}

fn sent(exchange: &Exchange) -> Vec<(&str, &str)> {
    exchange.own_cookies.sent.iter().map(|cookie| (&*cookie.name, &*cookie.value)).collect()
}

fn answer(exchange: &Exchange) -> Vec<&str> {
    exchange.own_cookies.answer.iter().map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn our_cookies_are_taken_out_and_others_stay_byte_for_byte() {
    let ours = format!("__Host-gwanmun={SESSION_VALUE}");
    for (cookies, left) in [
        (vec![format!("{ours}")], vec![]),
        (vec![format!("a=1; {ours}; b=\"x y\"")], vec!["a=1; b=\"x y\""]),
        (vec![format!("{ours};a=1;  b=2;")], vec!["a=1;  b=2;"]),
        (vec![format!("a=1;{ours}")], vec!["a=1"]),
        (vec!["a=1".to_owned(), ours.clone(), "b=2".to_owned()], vec!["a=1", "b=2"]),
        (vec!["a=1;b=2 ; c".to_owned()], vec!["a=1;b=2 ; c"]),
        (
            vec![format!("gwanmun={SESSION_VALUE}; gwanmun-login-x=1; __Host-gwanmun-streak=1-1; gwanmuns=1")],
            vec!["gwanmuns=1"],
        ),
    ] {
        let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
        assert_eq!(values(&taken(&cookies).request.headers, "cookie"), left, "{cookies:?}");
    }
}

#[test]
fn only_what_is_for_the_channel_is_believed() {
    let exchange = taken(&[&format!("gwanmun={SESSION_VALUE}")]);
    assert_eq!((sent(&exchange), answer(&exchange)), (vec![], vec![]), "without prefix over https");
    let exchange = taken(&[&format!("__Host-gwanmun={SESSION_VALUE}")]);
    assert_eq!(sent(&exchange), [("__Host-gwanmun", SESSION_VALUE)]);
    for name in ["gwanmun", "__Host-gwanmun"] {
        let mut exchange = exchange_with(Method::GET, "/", &[("cookie", &format!("{name}={SESSION_VALUE}"))]);
        take(&[entrance("staff", "gwanmun")], &mut exchange);
        assert_eq!(sent(&exchange), [], "{name} over http from elsewhere");
        assert!(!exchange.request.headers.contains_key("cookie"));
    }
}

#[test]
fn what_nobody_could_have_from_us_is_cleared() {
    let long = "A".repeat(LONGEST_LOGIN + 1);
    for cookie in [
        "__Host-gwanmun-login-abc=AAAA".to_owned(),
        "__Host-gwanmun-login-abcdefghi=AAAA".to_owned(),
        "__Host-gwanmun-login-abcdef!h=AAAA".to_owned(),
        "__Host-gwanmun-login-abcdefgh=".to_owned(),
        "__Host-gwanmun-login-abcdefgh=a b".to_owned(),
        format!("__Host-gwanmun-login-abcdefgh={long}"),
        "__Host-gwanmun-streak=x".to_owned(),
        "__Host-gwanmun-streak".to_owned(),
    ] {
        let exchange = taken(&[&cookie]);
        assert_eq!(sent(&exchange), [], "{cookie}");
        let name = cookie.split('=').next().unwrap();
        let wanted = format!("{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(answer(&exchange), [wanted], "{cookie}");
    }
}

#[test]
fn a_session_that_is_none_is_refused_and_cleared() {
    for value in ["", "x", &"A".repeat(42), &"A".repeat(44), &format!("\"{SESSION_VALUE}\""), &"=".repeat(43)] {
        let exchange = taken(&[&format!("__Host-gwanmun={value}")]);
        assert_eq!(sent(&exchange), [("__Host-gwanmun", "")], "{value}");
        assert_eq!(answer(&exchange).len(), 1, "{value}");
    }
    let twice = format!("__Host-gwanmun={SESSION_VALUE}; a=1; __Host-gwanmun={SESSION_VALUE}");
    let exchange = taken(&[&twice]);
    assert!(entrance("staff", "gwanmun").session(&exchange).is_err());
    assert_eq!(answer(&exchange).len(), 1);
}

#[test]
fn a_browser_has_four_logins_and_the_oldest_goes() {
    let logins: Vec<String> = (0..6).map(|n| format!("__Host-gwanmun-login-aaaaaaa{n}=AAAA")).collect();
    let mut exchange = taken(&[&logins.join("; ")]);
    let names = CookieNames::new("gwanmun");
    names.set_login(&mut exchange, "bbbbbbbbbbbb", &Secret::new("kept".to_owned()));
    let set = answer(&exchange);
    assert_eq!(set.len(), 4, "{set:?}");
    for (n, cookie) in set.iter().take(3).enumerate() {
        assert!(cookie.starts_with(&format!("__Host-gwanmun-login-aaaaaaa{n}=; Max-Age=0; ")), "{cookie}");
    }
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax";
    assert_eq!(set[3], format!("__Host-gwanmun-login-bbbbbbbb=kept; Max-Age=600; {attributes}"));
}

#[test]
fn a_login_is_found_by_the_beginning_of_its_state() {
    let exchange = taken(&["__Host-gwanmun-login-abcdefgh=one; __Host-gwanmun-login-abcdefgi=two"]);
    let names = CookieNames::new("gwanmun");
    assert_eq!(names.login(&exchange, "abcdefghXYZ"), Some("one"));
    assert_eq!(names.login(&exchange, "abcdefgi"), Some("two"));
    for state in ["", "abcdefg", "abcdefgj", "abcdefgh=", "abcdefgh\n", "\u{e9}abcdefgh"] {
        assert_eq!(names.login(&exchange, state), None, "{state:?}");
    }
    let exchange = taken(&["__Host-gwanmun-login-abcdefgh=one; __Host-gwanmun-login-abcdefgh=two"]);
    assert_eq!(names.login(&exchange, "abcdefgh"), None, "two that cannot be told apart");
}

#[test]
fn nobody_else_sets_our_cookies() {
    let entrances = [entrance("staff", "gwanmun")];
    let mut exchange = over_tls(exchange_with(Method::GET, "/", &[]));
    exchange.own_cookies.answer.push(HeaderValue::from_static("__Host-gwanmun=ours"));
    let mut response = response(&[
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "__Host-gwanmun=evil; Path=/; Secure"),
        ("set-cookie", "gwanmun=evil"),
        ("set-cookie", " gwanmun =evil"),
        ("set-cookie", "=gwanmun=evil"),
        ("set-cookie", " = =gwanmun=evil"),
        ("set-cookie", "gwanmun-login-abcdefgh=evil"),
        ("set-cookie", "__Host-gwanmun-streak=; Max-Age=0"),
        ("set-cookie", "gwanmun"),
        ("set-cookie", "b=gwanmun=2"),
    ]);
    settle(&entrances, &mut exchange, &mut response);
    assert_eq!(values(response.headers(), "set-cookie"), ["a=1; Path=/", "b=gwanmun=2", "__Host-gwanmun=ours"]);
    assert!(exchange.own_cookies.answer.is_empty());
    assert_eq!(values(response.headers(), "cache-control"), ["no-store"], "no cache gives ours to others");
}

#[test]
fn logging_out_clears_all_that_the_browser_has() {
    let mut exchange = taken(&[&format!("__Host-gwanmun={SESSION_VALUE}; __Host-gwanmun-login-abcdefgh=x; a=1")]);
    CookieNames::new("gwanmun").clear_all(&mut exchange);
    let cleared = answer(&exchange);
    assert_eq!(cleared.len(), 2, "{cleared:?}");
    assert!(cleared.iter().all(|cookie| cookie.contains("=; Max-Age=0; ")), "{cleared:?}");
}

proptest! {
    #[test]
    fn nothing_of_ours_is_left_and_nothing_else_is_lost(pairs in proptest::collection::vec(
        prop_oneof![
            "[a-z]{1,4}=[!-:<-~]{0,6}",
            Just("__Host-gwanmun=x".to_owned()),
            Just("gwanmun=y".to_owned()),
            Just("gwanmun-login-z".to_owned()),
            Just(String::new()),
        ],
        1..8,
    )) {
        let joined = pairs.join("; ");
        let exchange = taken(&[&joined]);
        let left = values(&exchange.request.headers, "cookie").join("; ");
        prop_assert!(!left.contains("gwanmun"), "{}", left);
        let others = |text: &str| -> Vec<String> {
            let pairs = text.split(';').map(str::trim).filter(|pair| !pair.is_empty() && !pair.contains("gwanmun"));
            pairs.map(str::to_owned).collect()
        };
        prop_assert_eq!(others(&left), others(&joined));
    }
}
