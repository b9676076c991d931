//! What the provider's endpoints answer as usual (OpenID Connect Core 1.0, RFC 6749, RFC 7636, RFC 9207, RP-Initiated
//! Logout 1.0).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::Manners;
use super::tell;
use super::tokens::Forgery;
use crate::base64url;
use crate::claims::{now, unique};
use crate::endpoints::Answer;
use crate::form::{self, Form, encoded};
use crate::jws::Jws;
use crate::message::Message;
use crate::token_key::{TokenKey, overlaid};

pub(super) const CLIENT: &str = "gw";
const SECRET: &str = "gw-secret";
/// The cookie of the provider's own session.
const COOKIE: &str = "provider";

/// What the provider knows.
pub(super) struct Protocol {
    /// Its own identifier.
    pub(super) url: String,
    pub(super) key: TokenKey,
    pub(super) manners: Manners,
    pub(super) forgery: Forgery,
    /// Who logs in next.
    pub(super) keyboard: String,
    pub(super) users: BTreeMap<String, Value>,
    pub(super) logins: usize,
    pub(super) replays: usize,
    /// Where the client is.
    origins: Vec<String>,
    /// Its own sessions, one per browser.
    sessions: Vec<Login>,
    /// What was granted; codes and refresh tokens are good for one of these.
    grants: Vec<Grant>,
    codes: BTreeMap<String, Code>,
    /// Refresh tokens and the numbers of their grants.
    refresh: BTreeMap<String, usize>,
    /// Codes and refresh tokens that have been used.
    used: BTreeMap<String, usize>,
    /// Access tokens, with the numbers of their grants and when they end.
    access: Vec<(String, usize, u64)>,
}

#[derive(Clone)]
struct Login {
    cookie: String,
    sid: String,
    user: String,
    since: u64,
}

struct Grant {
    login: Login,
    nonce: String,
    is_revoked: bool,
}

struct Code {
    grant: usize,
    challenge: String,
    redirect_uri: String,
}

impl Protocol {
    pub(super) fn new(origins: Vec<String>) -> Self {
        let user = |name: &str, groups: &[&str]| {
            let email = format!("{name}@corp.test");
            (name.to_owned(), json!({"name": name, "email": email, "groups": groups}))
        };
        Self {
            url: String::new(),
            key: TokenKey::new("ES256", "k1"),
            manners: Manners {
                access: Some(Duration::from_secs(300)),
                id_token: Duration::from_secs(300),
                refresh_tokens: true,
                refreshed_id_token: true,
                sid: true,
                promises_iss: true,
                iss: None,
                end_session: true,
                refusal: None,
                told: Vec::new(),
            },
            forgery: Forgery::default(),
            keyboard: "ann".to_owned(),
            users: BTreeMap::from([user("ann", &["staff", "admin"]), user("bob", &["staff"])]),
            logins: 0,
            replays: 0,
            origins,
            sessions: Vec::new(),
            grants: Vec::new(),
            codes: BTreeMap::new(),
            refresh: BTreeMap::new(),
            used: BTreeMap::new(),
            access: Vec::new(),
        }
    }

    pub(super) fn answer(&mut self, endpoint: &str, request: &Message) -> Answer {
        let wanted = if endpoint == "token" { "POST" } else { "GET" };
        if request.method() != wanted {
            return Answer::error(405, "invalid_request");
        }
        let answer = match endpoint {
            "discovery" => Ok(Answer::json(self.discovery())),
            "jwks" => Ok(Answer::json(json!({"keys": [self.key.jwk()]}))),
            "authorize" => self.authorize(request),
            "token" => self.token(request).map(Answer::json),
            "userinfo" => self.userinfo(request).map(Answer::json),
            _ => self.end_session(request),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    pub(super) fn revoke(&mut self) {
        self.grants.iter_mut().for_each(|grant| grant.is_revoked = true);
    }

    /// Ends its own sessions that are meant by `sub` and `sid`.
    pub(super) fn end(&mut self, claims: &Value) {
        let is_meant = |name: &str, value: &str| claims[name].is_null() || claims[name] == value;
        self.sessions.retain(|login| !(is_meant("sub", &login.user) && is_meant("sid", &login.sid)));
    }

    pub(super) fn sids(&self) -> Vec<String> {
        self.sessions.iter().map(|login| login.sid.clone()).collect()
    }

    pub(super) fn access_tokens(&self) -> Vec<String> {
        self.access.iter().map(|(token, ..)| token.clone()).collect()
    }

    fn discovery(&self) -> Value {
        let url = &self.url;
        let metadata = json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "userinfo_endpoint": format!("{url}/userinfo"),
            "jwks_uri": format!("{url}/jwks"),
            "end_session_endpoint": format!("{url}/end-session"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
            "id_token_signing_alg_values_supported": [self.key.algorithm()],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.manners.promises_iss,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": self.manners.sid,
        });
        if self.manners.end_session { metadata } else { overlaid(metadata, json!({"end_session_endpoint": null})) }
    }

    /// Redirects only to where the client is at home, and says everything else on a page of its own.
    fn authorize(&mut self, request: &Message) -> Result<Answer, Answer> {
        let query = query(request)?;
        let redirect_uri = query.field("redirect_uri").unwrap_or_default();
        let is_ours = self.origins.iter().any(|origin| redirect_uri == format!("{origin}/callback"));
        let challenge = query.field("code_challenge").unwrap_or_default();
        let nonce = query.field("nonce").unwrap_or_default();
        let scope = query.field("scope").unwrap_or_default();
        for (what, is_good) in [
            ("redirect_uri", is_ours),
            ("client_id", query.field("client_id") == Some(CLIENT)),
            ("response_type", query.field("response_type") == Some("code")),
            ("code_challenge_method", query.field("code_challenge_method") == Some("S256")),
            ("code_challenge", base64url::decode(challenge).is_some_and(|hash| hash.len() == 32)),
            ("scope", scope.split(' ').any(|scope| scope == "openid")),
            ("nonce", nonce.len() >= 16),
            ("state", query.field("state").is_some_and(|state| state.len() >= 16)),
        ] {
            if !is_good {
                return Err(Answer::error(400, &format!("invalid {what}")));
            }
        }
        let mut back = format!("{redirect_uri}?state={}", encoded(query.field("state").unwrap_or_default()));
        if let Some(iss) = self.manners.iss.clone().unwrap_or_else(|| Some(self.url.clone())) {
            back += &format!("&iss={}", encoded(&iss));
        }
        if let Some((error, description)) = &self.manners.refusal {
            let back = format!("{back}&error={}&error_description={}", encoded(error), encoded(description));
            return Ok(Answer::redirect(&back));
        }
        let known = cookie(request).and_then(|cookie| self.sessions.iter().find(|login| login.cookie == cookie));
        let (login, is_new) = match known {
            Some(login) => (login.clone(), false),
            None => {
                self.logins += 1;
                let user = self.keyboard.clone();
                let login = Login { cookie: unique(), sid: unique(), user, since: now() };
                self.sessions.push(login.clone());
                (login, true)
            }
        };
        let set_cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", login.cookie);
        let code = unique();
        let (challenge, redirect_uri) = (challenge.to_owned(), redirect_uri.to_owned());
        self.codes.insert(code.clone(), Code { grant: self.grants.len(), challenge, redirect_uri });
        self.grants.push(Grant { login, nonce: nonce.to_owned(), is_revoked: false });
        let answer = Answer::redirect(&format!("{back}&code={code}"));
        Ok(if is_new { answer.with_field("set-cookie", &set_cookie) } else { answer })
    }

    fn token(&mut self, request: &Message) -> Result<Value, Answer> {
        let invalid = |what: &str| Answer::error(400, what);
        let form = Form::of(request).ok_or_else(|| invalid("invalid_request"))?;
        let client = request.header("authorization").and_then(|basic| form::credentials(&basic));
        if client.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str())) != Some((CLIENT, SECRET)) {
            return Err(Answer::error(401, "invalid_client").with_field("www-authenticate", "Basic realm=\"provider\""));
        }
        let presented = match form.field("grant_type") {
            Some("authorization_code") => form.field("code"),
            Some("refresh_token") => form.field("refresh_token"),
            _ => return Err(invalid("unsupported_grant_type")),
        };
        let presented = presented.ok_or_else(|| invalid("invalid_request"))?;
        if let Some(grant) = self.used.get(presented) {
            // Somebody has stolen it, and all that was given for it is taken back (RFC 9700, section 2.2.2).
            self.replays += 1;
            self.grants[*grant].is_revoked = true;
            return Err(invalid("invalid_grant"));
        }
        let code = self.codes.remove(presented);
        let number = match &code {
            Some(code) => code.grant,
            None => self.refresh.remove(presented).ok_or_else(|| invalid("invalid_grant"))?,
        };
        self.used.insert(presented.to_owned(), number);
        if self.grants[number].is_revoked {
            return Err(invalid("invalid_grant"));
        }
        let nonce = match code {
            None => None,
            Some(code) => {
                let verifier = form.field("code_verifier").unwrap_or_default();
                let is_proven = base64url::encode(digest(&SHA256, verifier.as_bytes()).as_ref()) == code.challenge;
                if !is_proven || form.field("redirect_uri") != Some(&code.redirect_uri) {
                    return Err(invalid("invalid_grant"));
                }
                Some(self.grants[number].nonce.clone())
            }
        };
        Ok(self.tokens(number, nonce))
    }

    fn tokens(&mut self, number: usize, nonce: Option<String>) -> Value {
        let (access, now) = (unique(), now());
        let login = self.grants[number].login.clone();
        let until = now + self.manners.access.unwrap_or(Duration::from_secs(300)).as_secs();
        self.access.push((access.clone(), number, until));
        let hash = digest(&SHA256, access.as_bytes());
        let user = self.users.get(&login.user).cloned().unwrap_or_else(|| json!({}));
        let claims = overlaid(
            json!({
                "iss": self.url, "sub": login.user, "aud": CLIENT, "iat": now, "auth_time": login.since,
                "exp": now + self.manners.id_token.as_secs(), "at_hash": base64url::encode(&hash.as_ref()[..16]),
                "nonce": nonce, "sid": login.sid,
            }),
            user,
        );
        let claims = if nonce.is_none() { overlaid(claims, json!({"nonce": null})) } else { claims };
        let claims = if self.manners.sid { claims } else { overlaid(claims, json!({"sid": null})) };
        let mut answer = json!({"access_token": access, "token_type": "Bearer"});
        if let Some(lifetime) = self.manners.access {
            answer["expires_in"] = lifetime.as_secs().into();
        }
        if nonce.is_some() || self.manners.refreshed_id_token {
            answer["id_token"] = self.forgery.token(&self.key, json!({}), claims).into();
        }
        if self.manners.refresh_tokens {
            let token = unique();
            self.refresh.insert(token.clone(), number);
            answer["refresh_token"] = token.into();
        }
        answer
    }

    fn userinfo(&self, request: &Message) -> Result<Value, Answer> {
        let token = request.header("authorization");
        let token = token.as_deref().and_then(|field| field.strip_prefix("Bearer "));
        let known = self.access.iter().find(|(access, _, until)| Some(access.as_str()) == token && *until > now());
        let refused = || Answer::error(401, "invalid_token").with_field("www-authenticate", "Bearer");
        let (_, grant, _) = known.ok_or_else(refused)?;
        let user = &self.grants[*grant].login.user;
        Ok(overlaid(json!({"sub": user}), self.users.get(user).cloned().unwrap_or_else(|| json!({}))))
    }

    /// Ends its own session, tells of it, and sends the browser back.
    fn end_session(&mut self, request: &Message) -> Result<Answer, Answer> {
        let query = query(request)?;
        let hint = query.field("id_token_hint").unwrap_or_default();
        let hint = Jws::verified(hint, &json!({"keys": [self.key.jwk()]}));
        let hint = hint.map_err(|reason| Answer::error(400, &reason))?.claims();
        let back = query.field("post_logout_redirect_uri").unwrap_or_default();
        if !self.origins.iter().any(|origin| back.starts_with(&format!("{origin}/"))) {
            return Err(Answer::error(400, "invalid post_logout_redirect_uri"));
        }
        let ended = cookie(request).unwrap_or_default();
        let (ended, rest) = self.sessions.drain(..).partition(|login: &Login| login.cookie == ended);
        self.sessions = rest;
        let ended: Vec<Login> = ended;
        let subjects: BTreeSet<&str> = ended.iter().map(|login| login.user.as_str()).collect();
        if !subjects.is_empty() && !subjects.contains(hint["sub"].as_str().unwrap_or_default()) {
            return Err(Answer::error(400, "the hint is about somebody else"));
        }
        for (gateway, login) in
            self.manners.told.iter().flat_map(|gateway| ended.iter().map(move |login| (*gateway, login)))
        {
            let token = self.logout_token(Forgery::claims(json!({"sub": login.user, "sid": login.sid})));
            tokio::spawn(async move { tell(gateway, &token).await });
        }
        let state = query.field("state").map(|state| format!("?state={}", encoded(state))).unwrap_or_default();
        Ok(Answer::redirect(&format!("{back}{state}"))
            .with_field("set-cookie", &format!("{COOKIE}=; Path=/; Max-Age=0")))
    }
}

fn query(request: &Message) -> Result<Form, Answer> {
    let query = request.target().split_once('?').map_or("", |(_, query)| query);
    Form::read(query.as_bytes()).ok_or_else(|| Answer::error(400, "invalid_request"))
}

fn cookie(request: &Message) -> Option<String> {
    let cookies = request.header("cookie")?;
    cookies.split("; ").find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('=')).map(str::to_owned)
}
