//! A login between its beginning and its answer. What has to be known then is sealed and kept by the browser, so that a
//! flood of beginnings fills nothing here and the answer is good in that browser only.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use gwanmun_core::{Clock, Reason, Secret};
use gwanmun_jose::base64url;
use http::uri::PathAndQuery;

use super::{LOGIN, LoginAnswer, Visit};
use crate::refusal::Refusal;
use crate::seal::{Name, Seal};
use crate::token::sha256;
use crate::token_answer::error_word;

/// The longest origin, bytes: a scheme, a host of 253, a port.
const LONGEST_ORIGIN: usize = 300;

/// The longest path and query that a browser is sent back to, bytes. Thirty tabs that begin at once, none knowing of the
/// others, still send less in cookies than the door takes.
const LONGEST_RETURN: usize = 512;

/// The longest that browsers keep for us, and the longest `state` that is looked at, bytes.
const LONGEST_KEPT: usize = 3 * 1024;
const LONGEST_STATE: usize = 64;

/// The longest code, bytes.
const LONGEST_CODE: usize = 4 * 1024;

/// How far the clock of the replica where a login began may be ahead.
const AHEAD: Duration = Duration::from_secs(60);

/// What stands between the parts of what is sealed: it is in none of them.
const BETWEEN: char = '\n';

/// Seals and opens logins.
pub(super) struct Logins {
    seal: Seal,
    clock: Arc<dyn Clock>,
}

/// A login that begins.
pub(super) struct Beginning {
    pub(super) state: String,
    pub(super) nonce: String,
    /// `code_challenge` (S256, RFC 7636 section 4.2).
    pub(super) challenge: String,
    pub(super) kept: Secret<String>,
}

/// A login that is answered.
pub(super) struct Login {
    pub(super) nonce: String,
    /// `code_verifier`.
    pub(super) verifier: Secret<String>,
    pub(super) return_to: String,
}

impl Logins {
    pub(super) fn new(seal: Seal, clock: Arc<dyn Clock>) -> Self {
        Self { seal, clock }
    }

    pub(super) fn begin(&self, visit: Visit<'_>) -> Result<Beginning, Refusal> {
        if visit.origin.is_empty() || visit.origin.len() > LONGEST_ORIGIN || !is_visible(visit.origin) {
            return Err(Refusal::invalid(Reason::LoginUnknown, "no login begins at an origin that is none"));
        }
        let [state, nonce, verifier] = [random()?, random()?, random()?];
        let challenge = base64url::encode(&sha256(verifier.as_bytes()));
        let begun = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let parts = [&*begun, &nonce, &verifier, visit.origin, safe(visit.return_to)];
        let sealed = self.seal.close(&self.name(&state), parts.join(&BETWEEN.to_string()).as_bytes());
        let kept = Secret::new(base64url::encode(&sealed.ok_or_else(no_cryptography)?));
        Ok(Beginning { state, nonce, challenge, kept })
    }

    /// The login that the browser has `kept`.
    pub(super) fn resume(&self, origin: &str, state: &str, kept: &str) -> Result<Login, Refusal> {
        let unknown = |detail| Refusal::invalid(Reason::LoginUnknown, detail);
        if kept.is_empty() {
            return Err(unknown("the browser keeps nothing of this login"));
        }
        let login = self.open(state, kept).ok_or_else(|| unknown("what the browser keeps belongs to another login"))?;
        let mut parts = login.split(BETWEEN);
        let mut next = || parts.next().ok_or_else(|| unknown("what the browser keeps is incomplete"));
        let [begun, nonce, verifier, began_at, return_to] = [next()?, next()?, next()?, next()?, next()?];
        if began_at != origin {
            return Err(unknown("the login began at another origin"));
        }
        let begun = begun.parse().ok().and_then(|begun| UNIX_EPOCH.checked_add(Duration::from_secs(begun)));
        if !begun.is_some_and(|begun| is_alive(begun, self.clock.wall())) {
            let detail = format!("the login was not answered within {} seconds", LOGIN.as_secs());
            return Err(Refusal::invalid(Reason::LoginExpired, detail));
        }
        Ok(Login {
            nonce: nonce.to_owned(),
            verifier: Secret::new(verifier.to_owned()),
            return_to: return_to.to_owned(),
        })
    }

    fn open(&self, state: &str, kept: &str) -> Option<String> {
        if state.len() > LONGEST_STATE || kept.len() > LONGEST_KEPT {
            return None;
        }
        String::from_utf8(self.seal.open(&self.name(state), &base64url::decode(kept.as_bytes())?)?).ok()
    }

    fn name(&self, state: &str) -> Name {
        self.seal.name(&["login", state])
    }
}

/// The code, unless the provider said no.
pub(super) fn code<'a>(answer: &LoginAnswer<'a>) -> Result<&'a str, Refusal> {
    let refused = |detail: String| Refusal::invalid(Reason::LoginRefused, detail);
    match (answer.code, answer.error) {
        (Some(code), None) if (1..=LONGEST_CODE).contains(&code.len()) => Ok(code),
        (Some(code), None) => Err(refused(format!("the code has {} bytes, wanted 1 to {LONGEST_CODE}", code.len()))),
        (None, Some(error)) => {
            let error = error_word(error).unwrap_or("an error that is none");
            Err(refused(format!("the provider answered with {error}")))
        }
        (Some(_), Some(_)) => Err(refused("the answer has both a code and an error".to_owned())),
        (None, None) => Err(refused("the answer has neither a code nor an error".to_owned())),
    }
}

pub(super) fn replayed() -> Refusal {
    Refusal::invalid(Reason::LoginReplayed, "this login has been answered before")
}

/// 256 bits that nobody guesses, in 43 characters.
fn random() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| no_cryptography())?;
    Ok(base64url::encode(&bytes))
}

fn no_cryptography() -> Refusal {
    Refusal::Unavailable {
        reason: Reason::ProviderUnavailable,
        detail: "there are no random numbers for a login".into(),
        retry_after: Duration::from_secs(1),
    }
}

/// Path and query that lead nowhere but into the origin that they are joined to: as they are, without the query where
/// they are too long, or `/`.
fn safe(return_to: &str) -> &str {
    let path = return_to.split_once('?').map_or(return_to, |(path, _)| path);
    // Some browsers read a backslash as a slash, and what follows two slashes as a host.
    let is_safe = |text: &str| {
        text.len() <= LONGEST_RETURN
            && text.starts_with('/')
            && !text.starts_with("//")
            && is_visible(text)
            && !text.contains(['\\', '#'])
            && PathAndQuery::try_from(text).is_ok()
    };
    [return_to, path].into_iter().find(|text| is_safe(text)).unwrap_or("/")
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_alive(begun: SystemTime, now: SystemTime) -> bool {
    match now.duration_since(begun) {
        Ok(age) => age <= LOGIN,
        Err(ahead) => ahead.duration() <= AHEAD,
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_core::ManualClock;
    use proptest::prelude::*;

    use super::*;

    const ORIGIN: &str = "https://tool.example";

    struct World {
        logins: Logins,
        clock: Arc<ManualClock>,
    }

    fn world_of(client: &str) -> World {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let seal = Seal::new("gwanmun login", "https://idp", client, "secret").unwrap();
        World { logins: Logins::new(seal, Arc::clone(&clock) as _), clock }
    }

    fn world() -> World {
        world_of("gw")
    }

    impl World {
        fn begin(&self, return_to: &str) -> Beginning {
            self.logins.begin(Visit { origin: ORIGIN, return_to }).unwrap()
        }

        fn resume(&self, origin: &str, state: &str, kept: &str) -> Result<String, Reason> {
            self.logins.resume(origin, state, kept).map(|login| login.return_to).map_err(|refusal| refusal.reason())
        }
    }

    #[test]
    fn what_a_login_begins_with_is_known_when_it_is_answered() {
        let world = world();
        let begun = world.begin("/a?b=c");
        let login = world.logins.resume(ORIGIN, &begun.state, begun.kept.expose()).unwrap();
        assert_eq!((&login.nonce, &*login.return_to), (&begun.nonce, "/a?b=c"));
        assert_eq!(begun.challenge, base64url::encode(&sha256(login.verifier.expose().as_bytes())));
        assert_eq!([&begun.state, &begun.nonce, login.verifier.expose()].map(|text| text.len()), [43; 3]);
        assert!(!begun.kept.expose().contains(&begun.nonce) && !begun.kept.expose().contains(&begun.state));
    }

    #[test]
    fn two_logins_have_nothing_in_common() {
        let world = world();
        let (one, two) = (world.begin("/"), world.begin("/"));
        assert!(one.state != two.state && one.nonce != two.nonce && one.challenge != two.challenge);
        assert_eq!(world.resume(ORIGIN, &one.state, two.kept.expose()), Err(Reason::LoginUnknown));
        assert_eq!(world.resume(ORIGIN, &two.state, two.kept.expose()), Ok("/".to_owned()));
    }

    #[test]
    fn an_answer_is_good_where_the_login_began_and_for_its_client() {
        let world = world();
        let begun = world.begin("/a");
        for origin in ["https://other.example", "http://tool.example", "https://tool.example:8443", ""] {
            assert_eq!(world.resume(origin, &begun.state, begun.kept.expose()), Err(Reason::LoginUnknown), "{origin}");
        }
        let other = world_of("other").resume(ORIGIN, &begun.state, begun.kept.expose());
        assert_eq!(other, Err(Reason::LoginUnknown));
        for kept in ["", "a", "AAAA", &begun.kept.expose()[1..], &"A".repeat(LONGEST_KEPT + 4)] {
            assert_eq!(world.resume(ORIGIN, &begun.state, kept), Err(Reason::LoginUnknown), "{kept:.20}");
        }
        assert_eq!(world.resume(ORIGIN, "", begun.kept.expose()), Err(Reason::LoginUnknown));
    }

    #[test]
    fn a_login_ends_after_ten_minutes() {
        let world = world();
        let begun = world.begin("/a");
        world.clock.advance(LOGIN);
        assert!(world.resume(ORIGIN, &begun.state, begun.kept.expose()).is_ok());
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.resume(ORIGIN, &begun.state, begun.kept.expose()), Err(Reason::LoginExpired));
    }

    #[test]
    fn a_login_from_the_future_is_none() {
        let (now, later) = (world(), world());
        later.clock.advance(AHEAD);
        let begun = later.begin("/");
        assert!(now.resume(ORIGIN, &begun.state, begun.kept.expose()).is_ok());
        later.clock.advance(Duration::from_secs(1));
        let begun = later.begin("/");
        assert_eq!(now.resume(ORIGIN, &begun.state, begun.kept.expose()), Err(Reason::LoginExpired));
    }

    #[test]
    fn the_way_back_never_leads_elsewhere() {
        let long = format!("/{}", "a".repeat(LONGEST_RETURN - 1));
        for (wanted, found) in [
            ("/a/b?c=d&e", "/a/b?c=d&e"),
            ("/?next=https://evil.example", "/?next=https://evil.example"),
            (&format!("/a?{long}"), "/a"),
            (&long, &*long),
            (&format!("{long}a"), "/"),
            ("/a?b=\n", "/a"),
            ("", "/"),
            ("a", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("\\\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("@evil.example", "/"),
            (".evil.example", "/"),
            ("/a\r\nSet-Cookie: x=y", "/"),
            ("/a b", "/"),
            ("/é", "/"),
            ("*", "/"),
        ] {
            assert_eq!(safe(wanted), found, "{wanted:.60}");
        }
    }

    #[test]
    fn a_login_begins_at_an_origin_only() {
        for origin in ["", "https://a\nb", "https://é.example", &"a".repeat(LONGEST_ORIGIN + 1)] {
            let refusal = world().logins.begin(Visit { origin, return_to: "/" }).err().unwrap();
            assert_eq!(refusal.reason(), Reason::LoginUnknown);
        }
    }

    #[test]
    fn there_is_a_code_or_an_error_and_not_both() {
        let answer = |code, error| LoginAnswer { code, error, ..LoginAnswer::default() };
        assert_eq!(code(&answer(Some("c"), None)), Ok("c"));
        let long = "c".repeat(LONGEST_CODE + 1);
        for (given, error, detail) in [
            (None, Some("access_denied"), "access_denied"),
            (None, Some("x\n\u{1b}[31m"), "an error that is none"),
            (None, Some(&*"x".repeat(65)), "an error that is none"),
            (None, Some(""), "an error that is none"),
            (Some("c"), Some("access_denied"), "both"),
            (None, None, "neither"),
            (Some(""), None, "0 bytes"),
            (Some(&*long), None, "4097 bytes"),
        ] {
            let refusal = code(&answer(given, error)).unwrap_err();
            assert_eq!(refusal.reason(), Reason::LoginRefused);
            assert!(refusal.detail().contains(detail) && refusal.detail().len() < 100, "{refusal}");
        }
    }

    proptest! {
        #[test]
        fn wherever_a_visit_wants_to_go_back_to_it_stays_in_its_origin(return_to in "[/\\\\?#@:.%a\\n\\t é-]{0,12}", more in "\\PC{0,1200}") {
            let world = world();
            for return_to in [return_to.clone(), format!("/{return_to}"), format!("{return_to}{more}"), more] {
                let begun = world.begin(&return_to);
                prop_assert!(begun.kept.expose().len() <= LONGEST_KEPT);
                let back = world.resume(ORIGIN, &begun.state, begun.kept.expose()).unwrap();
                prop_assert!(back == "/" || return_to.starts_with(&back));
                prop_assert!(back.len() <= LONGEST_RETURN && back.starts_with('/') && !back.starts_with("//"));
                prop_assert!(!back.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace()));
                let url: http::Uri = format!("{ORIGIN}{back}").parse().unwrap();
                prop_assert_eq!(url.authority().unwrap().as_str(), "tool.example");
            }
        }

        #[test]
        fn what_is_not_a_login_of_ours_is_refused(origin in "\\PC{0,20}", state in "\\PC{0,50}", kept in "[A-Za-z0-9_-]{0,400}|\\PC{0,50}", at in 0usize..2000) {
            let world = world();
            let begun = world.begin("/a");
            for (state, kept) in [(&*state, &*kept), (&begun.state, &*kept), (&*state, begun.kept.expose())] {
                prop_assert_eq!(world.resume(&origin, state, kept), Err(Reason::LoginUnknown));
            }
            let mut changed = begun.kept.expose().clone().into_bytes();
            let at = at % changed.len();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            prop_assert_eq!(world.resume(ORIGIN, &begun.state, &changed), Err(Reason::LoginUnknown));
        }

        #[test]
        fn an_answer_is_read_without_a_panic_and_told_without_control_characters(found in prop::option::of("\\PC{0,80}|.{0,80}"), error in prop::option::of("\\PC{0,80}|.{0,80}")) {
            if let Err(refusal) = code(&LoginAnswer { code: found.as_deref(), error: error.as_deref(), ..LoginAnswer::default() }) {
                prop_assert!(!refusal.detail().contains(char::is_control));
            }
        }
    }
}
