use gwanmun_config::Severity;
use gwanmun_core::{Clock, SystemClock};
use gwanmun_identity::Identity;
use gwanmun_proxy::{Lasting, Plan};

use super::*;
use crate::Registry;
use crate::fixture::compiled;

const WHO: &str = "issuer: 'https://idp.example', client-id: gw, client-secret: hunter2";

/// What `providers` (what stands under `identity.oidc`) make, and the mistakes in them.
fn built(providers: &str, store: &str, lasting: &Lasting) -> (Option<Plan>, Vec<(Severity, String)>) {
    let text = format!("{store}\nidentity: {{oidc: {{{providers}}}}}\n");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    compiled(&text, Registry::standard().catalog(), &clock, lasting)
}

fn mistakes(providers: &str) -> Vec<String> {
    let (_, said) = built(providers, "", &Lasting::new(Network::Offline));
    said.into_iter().filter(|(severity, _)| *severity == Severity::Error).map(|(_, message)| message).collect()
}

fn settings(members: &str) -> OidcSettings {
    let providers = format!("staff: {{{WHO}{members}}}");
    let (plan, said) = built(&providers, "store: 'redis://127.0.0.1:1'", &Lasting::new(Network::Offline));
    assert_eq!(said, [], "{members}");
    plan.unwrap().sections.of::<Identity>().unwrap().oidc["staff"].settings().clone()
}

#[test]
fn what_is_not_written_is_as_usual() {
    let settings = settings("");
    assert_eq!(settings.scopes, ["openid", "profile", "email"]);
    assert_eq!(settings.algorithms, ALGORITHMS);
    assert_eq!(settings.metadata[0].to_string(), "https://idp.example/.well-known/openid-configuration");
    assert_eq!((settings.paths.callback.as_str(), settings.paths.logout.as_str()), ("/callback", "/logout"));
    assert_eq!(settings.paths.backchannel, "/backchannel-logout");
    let session = settings.session;
    let seconds = [session.lifetime, session.idle, session.refresh_ahead, session.grace].map(|time| time.as_secs());
    assert_eq!((seconds, session.cache), ([28800, 1800, 60, 300], Duration::from_millis(500)));
    assert_eq!(settings.principal.roles.to_string(), "/groups or /roles");
}

#[test]
fn what_is_written_counts() {
    let settings = settings(
        ", scopes: [groups, openid], algorithms: ES256, userinfo: true, timeout: 1s, leeway: 0, \
         principal: {subject: /email, roles: /r}, session: {lifetime: 10m, cache: 1s}, cookie: tools, \
         paths: {callback: /.gw/in}, after-logout: '/bye?x=1', on-store-error: local",
    );
    assert_eq!((settings.scopes.join(" "), settings.algorithms), ("openid groups".to_owned(), vec![Algorithm::Es256]));
    assert_eq!((settings.principal.roles.as_str(), settings.paths.callback.as_str()), ("/r", "/.gw/in"));
    let session = settings.session;
    assert_eq!([session.idle, session.refresh_ahead].map(|time| time.as_secs()), [600, 60]);
}

#[test]
fn mistakes_are_told_and_no_secret_with_them() {
    for (members, wanted) in [
        ("scopes: [a b]", "one scope without spaces"),
        ("algorithms: []", "no algorithms"),
        ("algorithms: [HS256]", "its key would be the client secret"),
        ("algorithms: [es256]", "did you mean 'ES256'"),
        ("principal: {roles: groups}", "did you mean '/groups'"),
        ("timeout: 0", "nobody could log in"),
        ("ca: 'file:none.pem'", "cannot read"),
        ("session: {lifetime: 0}", "at least 1s"),
        ("session: {idle: 9h}", "to the lifetime, 8h"),
        ("session: {idle: 0}", "from 1s"),
        ("session: {lifetime: 1m, refresh-ahead: 1m}", "less than the lifetime"),
        ("session: {cache: 2s}", "at most 1s"),
        ("session: {forever: true}", "forever"),
        ("cookie: ''", "the name of a cookie"),
        ("cookie: 'a b'", "the name of a cookie"),
        ("cookie: 'a;b'", "the name of a cookie"),
        ("cookie: 'a=b'", "the name of a cookie"),
        ("cookie: __Host-a", "without a prefix"),
        ("cookie: __secure-a", "without a prefix"),
        ("paths: {callback: callback}", "a path like /callback"),
        ("paths: {callback: /}", "a path like /callback"),
        ("paths: {callback: /a/}", "a path like /callback"),
        ("paths: {callback: //a}", "a path like /callback"),
        ("paths: {callback: /a/../b}", "a path like /callback"),
        ("paths: {callback: /%61}", "a path like /callback"),
        ("paths: {callback: '/a?b'}", "a path like /callback"),
        ("paths: {callback: /logout}", "'/logout' stands here twice"),
        ("after-logout: 'https://evil.example'", "a path like /goodbye"),
        ("after-logout: //evil.example", "a path like /goodbye"),
        ("after-logout: '/\\evil.example'", "a path like /goodbye"),
        ("after-logout: \"/a\\r\\nx: 1\"", "a path like /goodbye"),
        ("on-store-error: maybe", "maybe"),
        ("secret: x", "secret"),
    ] {
        let said = mistakes(&format!("staff: {{{WHO}, {members}}}"));
        assert!(said.iter().any(|message| message.contains(wanted)), "{members}: {said:?}");
        assert!(!said.iter().any(|message| message.contains("hunter2")), "{said:?}");
    }
    let long = format!("staff: {{{WHO}, cookie: {}}}", "a".repeat(65));
    assert!(mistakes(&long)[0].contains("at most 64 bytes"));
    for (members, wanted) in [
        ("client-id: gw, client-secret: hunter2", "issuer"),
        ("issuer: idp, client-id: gw, client-secret: hunter2", "nothing can be discovered at 'idp'"),
        ("issuer: 'http://idp.example', client-id: gw, client-secret: hunter2", "https"),
        ("issuer: 'https://idp.example?x=1', client-id: gw, client-secret: hunter2", "without a query"),
        (
            "issuer: 'https://a/.well-known/openid-configuration', client-id: gw, client-secret: hunter2",
            "wanted the issuer",
        ),
        ("issuer: 'https://a', client-id: '', client-secret: hunter2", "client id"),
        ("issuer: 'https://a', client-id: gw, client-secret: ''", "is empty"),
        ("issuer: 'https://a', client-id: gw, client-secret: \"hunter2\\n\"", "control characters"),
    ] {
        let said = mistakes(&format!("staff: {{{members}}}"));
        assert!(said.iter().any(|message| message.contains(wanted)), "{members}: {said:?}");
        assert!(!said.iter().any(|message| message.contains("hunter2")), "{said:?}");
    }
}

#[test]
fn providers_share_neither_paths_nor_cookies() {
    let other = "paths: {callback: /a, logout: /b, backchannel: /c}";
    assert_eq!(mistakes(&format!("staff: {{{WHO}}}, guests: {{{WHO}, cookie: g, {other}}}")), [""; 0]);
    for (members, wanted) in [
        (format!("cookie: gwanmun, {other}"), "cannot be told apart"),
        (format!("cookie: gwanmun-login-x, {other}"), "cannot be told apart"),
        (format!("cookie: gwanmun-streak, {other}"), "cannot be told apart"),
        (format!("cookie: gwanmun-login, {other}"), "cannot be told apart"),
        (
            "cookie: g, paths: {callback: /a, logout: /logout, backchannel: /c}".to_owned(),
            "'/logout' stands here twice",
        ),
    ] {
        let said = mistakes(&format!("staff: {{{WHO}}}, guests: {{{WHO}, {members}}}"));
        assert!(said.len() == 1 && said[0].contains(wanted), "{members}: {said:?}");
    }
}

#[test]
fn that_sessions_are_for_one_replica_only_is_told_where_that_is_so() {
    let warnings = |store: &str| {
        let (_, said) = built(&format!("staff: {{{WHO}}}"), store, &Lasting::new(Network::Offline));
        said.into_iter().map(|(_, message)| message).collect::<Vec<_>>()
    };
    assert!(warnings("")[0].contains("for a single replica"));
    assert_eq!(warnings("store: 'redis://127.0.0.1:1'"), [""; 0]);
}

#[test]
fn a_provider_lasts_over_reloads_where_it_is_written_the_same() {
    let lasting = Lasting::new(Network::Offline);
    let provider = |members: &str| {
        let (plan, _) = built(&format!("staff: {{{WHO}{members}}}"), "", &lasting);
        Arc::clone(&plan.unwrap().sections.of::<Identity>().unwrap().oidc["staff"])
    };
    let first = provider("");
    assert!(Arc::ptr_eq(&first, &provider(", after-logout: /bye")));
    assert!(!Arc::ptr_eq(&first, &provider(", userinfo: true")));
    assert!(!format!("{first:?}").contains("hunter2"));
}

#[test]
fn sessions_need_a_provider_of_their_name() {
    let text = format!(
        "identity: {{oidc: {{staff: {{{WHO}}}}}}}\nroutes: [{{id: a, filters: [{{authenticate: {{any: [{{session: stuff}}]}}}}, {{respond: {{body: x}}}}]}}]\n"
    );
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lasting = Lasting::new(Network::Offline);
    let (_, said) = compiled(&text, Registry::standard().catalog(), &clock, &lasting);
    assert!(said.iter().any(|(_, message)| message.contains("did you mean 'staff'")), "{said:?}");
}
