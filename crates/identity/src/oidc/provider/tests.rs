use std::time::{Instant, UNIX_EPOCH};

use gwanmun_core::{ManualClock, Tallies};
use gwanmun_jose::Algorithm;
use gwanmun_testkit::{Answer, Issuer, TokenKey, patiently};
use serde_json::json;

use super::*;
use crate::Endpoints;
use crate::oidc::{OidcPaths, SessionSettings};
use crate::principal_map::PrincipalMap;

mod forgeries;
mod logout;
mod refresh;
mod userinfo;

const SECOND: Duration = Duration::from_secs(1);
const NONCE: &str = "n-0S6_WzA2Mj";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT: &str = "https://tool.example/callback";

struct World {
    issuer: Issuer,
    clock: Arc<ManualClock>,
    outbound: Outbound,
}

impl World {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::at(SystemTime::now()));
        let outbound = Outbound::new(Arc::clone(&clock) as _, Tallies::default());
        let world = Self { issuer: Issuer::start().await, clock, outbound };
        world.metadata(json!({}));
        world.tokens(json!({}), json!({}));
        world
    }

    /// Publishes metadata with these members in place of the usual ones.
    fn metadata(&self, changes: Value) {
        let url = self.issuer.url();
        let usual = json!({
            "issuer": url, "jwks_uri": self.issuer.endpoint("jwks"), "token_endpoint": self.issuer.endpoint("token"),
            "authorization_endpoint": format!("{url}/auth"), "end_session_endpoint": format!("{url}/end"),
            "userinfo_endpoint": format!("{}me", self.issuer.endpoint("user")),
        });
        self.issuer.answer("discovery", Answer::json(overlaid(usual, changes)));
    }

    fn id_token(&self, changes: Value) -> String {
        self.issuer.token(joined(json!({"aud": "gw", "nonce": NONCE}), changes))
    }

    /// What the token endpoint answers from now on, with changes of the answer and of its ID token.
    fn tokens(&self, changes: Value, claims: Value) {
        let usual = json!({
            "access_token": "access", "token_type": "Bearer", "expires_in": 300, "refresh_token": "refresh",
            "id_token": self.id_token(claims),
        });
        self.issuer.answer("token", Answer::json(overlaid(usual, changes)));
    }

    fn provider(&self) -> Provider {
        self.provider_with(|_| {})
    }

    fn provider_with(&self, change: impl FnOnce(&mut OidcSettings)) -> Provider {
        let mut settings = OidcSettings {
            name: "staff".to_owned(),
            issuer: self.issuer.url(),
            metadata: Endpoints::metadata_of(&self.issuer.url()).unwrap(),
            client_id: "gw".to_owned(),
            client_secret: Secret::new("gw-secret".to_owned()),
            scopes: vec!["openid".to_owned(), "profile".to_owned()],
            algorithms: vec![Algorithm::Es256],
            leeway: 30 * SECOND,
            principal: PrincipalMap::default(),
            userinfo: false,
            logout_without_exp: false,
            mark: "gwanmun".to_owned(),
            timeout: 2 * SECOND,
            paths: OidcPaths {
                callback: "/callback".to_owned(),
                logout: "/logout".to_owned(),
                backchannel: "/backchannel-logout".to_owned(),
            },
            session: SessionSettings {
                lifetime: 3600 * SECOND,
                idle: 1800 * SECOND,
                refresh_ahead: 60 * SECOND,
                grace: 60 * SECOND,
                cache: SECOND,
            },
        };
        change(&mut settings);
        Provider::new(&settings, "session:staff", Tls::default(), &self.outbound)
    }

    fn seconds(&self) -> u64 {
        self.clock.wall().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    /// The form of the last call of the token endpoint.
    fn form(&self) -> String {
        String::from_utf8(self.issuer.requests("token").pop().unwrap().body.to_vec()).unwrap()
    }
}

/// `usual` with the members of `changes`; null takes one away.
fn overlaid(mut usual: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("{changes}") };
    for (name, value) in changes {
        match value {
            Value::Null => drop(usual.as_object_mut().unwrap().remove(&name)),
            value => usual[name] = value,
        }
    }
    usual
}

/// `usual` and `changes`, null as well: the issuer takes that away.
fn joined(mut usual: Value, changes: Value) -> Value {
    usual.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    usual
}

fn login() -> Login {
    Login { nonce: NONCE.to_owned(), verifier: Secret::new(VERIFIER.to_owned()), return_to: "/".to_owned() }
}

async fn redeem(provider: &Provider) -> Result<Granted, Refusal> {
    patiently("a code", provider.redeem("code", &login(), REDIRECT)).await
}

async fn reason(provider: &Provider) -> Reason {
    redeem(provider).await.err().unwrap().reason()
}

fn beginning() -> Beginning {
    Beginning {
        state: "a state&more".to_owned(),
        nonce: NONCE.to_owned(),
        challenge: "E9Melhoa".to_owned(),
        kept: Secret::new(String::new()),
    }
}

#[tokio::test]
async fn the_login_page_is_the_providers_own_with_all_that_it_has_to_be_asked() {
    let world = World::start().await;
    let url = world.issuer.url();
    let asked = format!(
        "response_type=code&client_id=gw&redirect_uri=https%3A%2F%2Ftool.example%2Fcallback&scope=openid+profile\
         &state=a+state%26more&nonce={NONCE}&code_challenge=E9Melhoa&code_challenge_method=S256"
    );
    let page = world.provider().login_page(&beginning(), REDIRECT).await.unwrap();
    assert_eq!(page, format!("{url}/auth?{asked}"));
    world.metadata(json!({"authorization_endpoint": format!("{url}/auth?tenant=a%20b")}));
    let page = world.provider().login_page(&beginning(), REDIRECT).await.unwrap();
    assert_eq!(page, format!("{url}/auth?tenant=a%20b&{asked}"));
}

#[tokio::test]
async fn metadata_are_fetched_once_and_only_the_issuers_own_are_believed() {
    let world = World::start().await;
    let provider = world.provider();
    let held = world.issuer.hold("discovery");
    let (one, two) = (beginning(), beginning());
    let pages = async { tokio::join!(provider.login_page(&one, REDIRECT), provider.login_page(&two, REDIRECT)) };
    let release = async {
        world.issuer.called("discovery", 1).await;
        held.release();
    };
    let ((one, two), ()) = tokio::join!(pages, release);
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(world.issuer.calls("discovery"), 1);
    for changes in [
        json!({"issuer": "https://evil.example"}),
        json!({"issuer": null}),
        json!({"issuer": format!("{}/", world.issuer.url())}),
        json!({"authorization_endpoint": "http://evil.example/auth"}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"jwks_uri": null}),
        json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
        json!({"padding": "x".repeat(300_000)}),
    ] {
        world.metadata(changes.clone());
        let refusal = world.provider().login_page(&beginning(), REDIRECT).await.unwrap_err();
        assert_eq!(refusal.reason(), Reason::ProviderMalformed, "{:.60}: {refusal}", changes.to_string());
        assert!(matches!(refusal, Refusal::Unavailable { .. }), "{refusal}");
    }
}

#[tokio::test]
async fn metadata_may_be_where_oauth_servers_have_them() {
    let world = World::start().await;
    world.issuer.answer_once("discovery", Answer::status(404));
    assert!(world.provider().login_page(&beginning(), REDIRECT).await.is_ok());
    assert_eq!(world.issuer.calls("discovery"), 2);
}

#[tokio::test]
async fn an_answer_to_a_login_must_come_from_the_provider() {
    let world = World::start().await;
    let url = world.issuer.url();
    let outcome = async |provider: &Provider, issuer: Option<&str>| {
        let answer = LoginAnswer { issuer, error: Some("access_denied"), ..LoginAnswer::default() };
        provider.check_sender(&answer).await.map_err(|refusal| refusal.reason())
    };
    let provider = world.provider();
    assert_eq!(outcome(&provider, Some(&url)).await, Ok(()));
    assert_eq!(outcome(&provider, None).await, Ok(()));
    world.metadata(json!({"authorization_response_iss_parameter_supported": true}));
    let strict = world.provider();
    assert_eq!(outcome(&strict, Some(&url)).await, Ok(()));
    assert_eq!(outcome(&strict, None).await, Err(Reason::WrongIssuer));
    for provider in [provider, strict] {
        for issuer in ["https://evil.example", "", &format!("{url}/"), &url.to_uppercase()] {
            assert_eq!(outcome(&provider, Some(issuer)).await, Err(Reason::WrongIssuer), "{issuer}");
        }
    }
}

#[tokio::test]
async fn a_code_becomes_tokens_and_a_user() {
    let world = World::start().await;
    world.tokens(json!({}), json!({"sid": "s1", "roles": ["admin"], "email": "ann@corp.example", "azp": "gw"}));
    let granted = redeem(&world.provider()).await.unwrap();
    let Granted { tokens, who } = granted;
    assert_eq!((tokens.access.expose().as_str(), tokens.refresh.unwrap().expose().as_str()), ("access", "refresh"));
    assert_eq!(tokens.access_until, Some(world.clock.wall() + 300 * SECOND));
    assert!(tokens.id_token.is_some());
    assert_eq!((&*who.subject, who.sid.as_deref()), ("u1", Some("s1")));
    assert!(who.issued <= world.clock.wall() + 2 * SECOND);
    let Principal { subject, credential, level, roles, expires, token, claims, .. } = who.principal;
    assert_eq!((&*subject, &*credential, level), ("u1", "session:staff", Level::High));
    assert_eq!((roles, expires, token), (vec!["admin".to_owned()], None, None));
    assert_eq!(claims["email"], "ann@corp.example");
    let request = world.issuer.requests("token").pop().unwrap();
    assert_eq!(request.header("authorization").as_deref(), Some("Basic Z3c6Z3ctc2VjcmV0"));
    assert_eq!(
        world.form(),
        format!(
            "grant_type=authorization_code&code=code&redirect_uri=https%3A%2F%2Ftool.example%2Fcallback&code_verifier={VERIFIER}"
        )
    );
}

#[tokio::test]
async fn the_secret_goes_into_the_form_where_the_provider_takes_it_there_only() {
    let world = World::start().await;
    world.metadata(json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}));
    redeem(&world.provider()).await.unwrap();
    assert_eq!(world.issuer.requests("token")[0].header("authorization"), None);
    assert!(world.form().ends_with("&client_id=gw&client_secret=gw-secret"), "{}", world.form());
}

#[tokio::test]
async fn an_answer_to_a_code_is_a_yes_or_a_no_or_the_providers_failure() {
    let world = World::start().await;
    let usual = |changes| {
        let usual = json!({"access_token": "a", "token_type": "Bearer", "id_token": world.id_token(json!({}))});
        Answer::json(overlaid(usual, changes))
    };
    for (answer, wanted) in [
        (Answer::error(400, "invalid_grant"), Reason::CodeRefused),
        (Answer::error(400, "invalid_request"), Reason::CodeRefused),
        (Answer::error(401, "invalid_client"), Reason::GatewayRefused),
        (Answer::error(400, "unauthorized_client"), Reason::GatewayRefused),
        (Answer::error(400, "invalid_scope"), Reason::ProviderMalformed),
        (Answer::error(400, "x\ny"), Reason::ProviderMalformed),
        (Answer::garbage(), Reason::ProviderMalformed),
        (Answer::oversized(70_000), Reason::ProviderMalformed),
        (Answer::oversized(300_000), Reason::ProviderMalformed),
        (Answer::truncated(), Reason::ProviderMalformed),
        (Answer::redirect(&world.issuer.endpoint("jwks")), Reason::ProviderMalformed),
        (Answer::status(500), Reason::ProviderMalformed),
        (Answer::reset(), Reason::ProviderUnavailable),
        (usual(json!({"id_token": null})), Reason::ProviderMalformed),
        (usual(json!({"id_token": ""})), Reason::ProviderMalformed),
        (usual(json!({"id_token": ["a"]})), Reason::ProviderMalformed),
        (usual(json!({"id_token": "x".repeat(13_000)})), Reason::ProviderMalformed),
        (usual(json!({"access_token": null})), Reason::ProviderMalformed),
        (usual(json!({"access_token": "a b"})), Reason::ProviderMalformed),
        (usual(json!({"access_token": "x".repeat(17_000)})), Reason::ProviderMalformed),
        (usual(json!({"token_type": "DPoP"})), Reason::ProviderMalformed),
        (usual(json!({"token_type": null})), Reason::ProviderMalformed),
        (usual(json!({"expires_in": 0})), Reason::ProviderMalformed),
        (usual(json!({"expires_in": -1})), Reason::ProviderMalformed),
        (usual(json!({"refresh_token": 7})), Reason::ProviderMalformed),
        (usual(json!({"refresh_token": "a\nb"})), Reason::ProviderMalformed),
        (usual(json!({"refresh_token": "x".repeat(9_000)})), Reason::ProviderMalformed),
    ] {
        let said = format!("{answer:.200?}");
        world.issuer.answer("token", answer);
        let refusal = redeem(&world.provider()).await.err().unwrap();
        assert_eq!(refusal.reason(), wanted, "{said}: {refusal}");
        assert!(!refusal.detail().contains(char::is_control), "{refusal}");
        assert_eq!(matches!(refusal, Refusal::Invalid { .. }), wanted == Reason::CodeRefused, "{refusal}");
    }
    world.issuer.answer("token", usual(json!({"expires_in": 1e300})));
    let tokens = redeem(&world.provider()).await.err();
    assert_eq!(tokens.map(|refusal| refusal.reason()), Some(Reason::ProviderMalformed));
    world.issuer.answer("token", usual(json!({"expires_in": 1e12, "refresh_token": null, "scope": "openid"})));
    let tokens = redeem(&world.provider()).await.unwrap().tokens;
    assert!(tokens.refresh.is_none() && tokens.access_until.is_some());
    world.issuer.answer("token", usual(json!({})));
    assert_eq!(redeem(&world.provider()).await.unwrap().tokens.access_until, None);
}

#[tokio::test]
async fn a_provider_that_is_slow_or_away_is_not_waited_for_and_taken_again_when_it_is_back() {
    let world = World::start().await;
    let provider = world.provider_with(|settings| settings.timeout = Duration::from_millis(100));
    for endpoint in ["discovery", "token", "jwks"] {
        let held = world.issuer.hold(endpoint);
        let begin = Instant::now();
        let wanted = if endpoint == "jwks" { Reason::KeysUnavailable } else { Reason::ProviderUnavailable };
        assert_eq!(reason(&provider).await, wanted, "{endpoint}");
        assert!(begin.elapsed() < 3 * SECOND);
        held.release();
        world.clock.advance(2 * SECOND);
    }
    let provider = world.provider();
    world.issuer.down().await;
    assert_eq!(reason(&provider).await, Reason::ProviderUnavailable);
    let calls = world.issuer.calls("discovery");
    world.issuer.up().await;
    assert_eq!(reason(&provider).await, Reason::ProviderUnavailable, "it is not asked again at once");
    assert_eq!(world.issuer.calls("discovery"), calls);
    world.clock.advance(2 * SECOND);
    redeem(&provider).await.unwrap();
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found_once() {
    let world = World::start().await;
    let provider = world.provider();
    redeem(&provider).await.unwrap();
    world.issuer.rotate([TokenKey::new("ES256", "k2")]);
    world.tokens(json!({}), json!({}));
    assert_eq!(reason(&provider).await, Reason::UnknownKey, "the keys are young");
    world.clock.advance(31 * SECOND);
    redeem(&provider).await.unwrap();
    assert_eq!(world.issuer.calls("jwks"), 2);
    let stranger = TokenKey::new("ES256", "k3").token(json!({}), &world.issuer.claims(json!({"aud": "gw"})));
    world.tokens(json!({"id_token": stranger}), json!({}));
    for _ in 0..5 {
        assert_eq!(reason(&provider).await, Reason::UnknownKey);
    }
    assert_eq!(world.issuer.calls("jwks"), 2);
}

#[tokio::test]
async fn a_user_of_whom_too_much_is_said_is_refused_and_told_why() {
    let world = World::start().await;
    let groups: Vec<String> = (0..400).map(|group| format!("a-group-with-a-name-{group}")).collect();
    world.tokens(json!({}), json!({"roles": groups[..200], "groups": groups[200..300]}));
    let refusal = redeem(&world.provider()).await.err().unwrap();
    assert_eq!(refusal.reason(), Reason::TokenTooLarge, "{refusal}");
    assert!(refusal.detail().contains("principal.claims"), "{refusal}");
    let provider = world.provider_with(|settings| settings.principal.claims = Some(Vec::new()));
    let Granted { who, .. } = redeem(&provider).await.unwrap();
    assert_eq!((who.principal.roles.len(), who.principal.claims.len()), (200, 0));
}
