//! Where the provider sends browsers back to: the answer to a login becomes a session. Without an answer a login begins
//! here, for people whose form waits in another tab.

use gwanmun_audit::Event;
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_identity::LoginAnswer;
use gwanmun_proxy::{Exchange, Response};
use http::StatusCode;

use super::{Failed, SessionDoor};
use crate::session::page::{self, Page};
use crate::session::streak::Streak;
use crate::session::{Entrance, form, no_origin, origin};

/// The query of the page that a login from here comes back to.
const DONE: &str = "done";

/// Beyond this no answer of a provider goes.
const LONGEST_QUERY: usize = 8 << 10;

impl SessionDoor {
    pub(super) async fn callback(&self, entrance: &Entrance, exchange: &mut Exchange) -> Result<Response, Failed> {
        let Some(origin) = origin(exchange) else { return Err(entrance.fault(&no_origin(), Code::Forbidden).into()) };
        let callback = &entrance.oidc.settings().paths.callback;
        let again = format!("{origin}{callback}");
        let query = exchange.request.query().unwrap_or_default().to_owned();
        if query == DONE {
            let page = Page::new(StatusCode::OK, "You are logged in")
                .says("You can close this tab and go back to the one that you came from.");
            return Ok(page.leads(&origin, "To the start page").response());
        }
        let failed = |fault| Failed { fault, again: again.clone() };
        let Some(pairs) = form::pairs(query.as_bytes()).filter(|_| query.len() <= LONGEST_QUERY) else {
            return Err(failed(self.denied(exchange, unreadable())));
        };
        let only = |name| form::only(&pairs, name);
        let (Ok(state), Ok(code), Ok(error), Ok(issuer)) = (only("state"), only("code"), only("error"), only("iss"))
        else {
            return Err(failed(self.denied(exchange, unreadable())));
        };
        let Some(state) = state else {
            if code.is_some() || error.is_some() || issuer.is_some() {
                let detail = "the answer to a login has no state";
                let fault = Fault::new(Code::Forbidden, detail).because(Reason::LoginUnknown);
                return Err(failed(self.denied(exchange, fault)));
            }
            if !crate::session::is_navigation(&exchange.request) {
                let detail = "a login begins where a person goes to a page";
                let fault = Fault::new(Code::Unauthenticated, detail).because(Reason::NoCredential);
                return Err(failed(fault.with_challenge(entrance.challenge())));
            }
            if is_logged_in(entrance, exchange, &origin).await {
                return Ok(page::redirect(StatusCode::SEE_OTHER, &format!("{again}?{DONE}"))?);
            }
            return entrance.begin(exchange, &origin, &format!("{callback}?{DONE}")).await.map_err(failed);
        };
        let answer = LoginAnswer { state, code, error, issuer };
        match self.finish(entrance, exchange, &origin, &answer).await {
            Ok(response) => Ok(response),
            // The Back button, or a second tab that was answered twice: whoever is logged in has no use for a failure.
            Err(fault)
                if matches!(fault.reason(), Some(Reason::LoginUnknown | Reason::LoginReplayed))
                    && is_logged_in(entrance, exchange, &origin).await =>
            {
                exchange.failed(&fault);
                Ok(page::redirect(StatusCode::SEE_OTHER, &format!("{origin}/"))?)
            }
            Err(fault) => Err(failed(fault)),
        }
    }

    async fn finish(
        &self,
        entrance: &Entrance,
        exchange: &mut Exchange,
        origin: &str,
        answer: &LoginAnswer<'_>,
    ) -> Result<Response, Fault> {
        let now = entrance.clock.wall();
        let streak = entrance.cookies.streak(exchange);
        let is_loop = match streak.filter(|streak| streak.is_loop(now)) {
            Some(streak) => streak.is_loop_in_any_case(now) || !is_logged_in(entrance, exchange, origin).await,
            None => false,
        };
        if is_loop {
            let fault = Fault::new(Code::Forbidden, "this browser has logged in again and again within ten seconds");
            return Err(self.denied(exchange, fault.because(Reason::LoginLoop)));
        }
        let Some(kept) = entrance.cookies.login(exchange, answer.state).map(str::to_owned) else {
            let fault = Fault::new(Code::Forbidden, "the browser has kept no login with this state");
            return Err(self.denied(exchange, fault.because(Reason::LoginUnknown)));
        };
        let outcome = entrance.oidc.finish(origin, answer, &kept).await;
        let logged_in = match outcome {
            Ok(logged_in) => logged_in,
            Err(refusal) => {
                let fault = entrance.fault(&refusal, Code::Forbidden);
                if fault.code() == Code::Forbidden {
                    // What can be tried again, once somebody is back, is kept.
                    entrance.cookies.clear_login(exchange, answer.state);
                }
                return Err(self.denied(exchange, fault));
            }
        };
        let location = page::redirect(StatusCode::SEE_OTHER, &format!("{origin}{}", logged_in.return_to))?;
        exchange.principal = Some(logged_in.principal);
        self.audited.conclude(exchange, Event::Login, None, Ok(()))?;
        entrance.cookies.set_session(exchange, &logged_in.session);
        entrance.cookies.clear_login(exchange, answer.state);
        entrance.cookies.set_streak(exchange, Streak::and_one(streak, now));
        Ok(location)
    }

    /// The same fault, recorded.
    fn denied(&self, exchange: &mut Exchange, fault: Fault) -> Fault {
        self.audited.note(exchange, Event::Login, None, None, Some(&fault));
        fault
    }
}

async fn is_logged_in(entrance: &Entrance, exchange: &Exchange, origin: &str) -> bool {
    match entrance.session(exchange) {
        Ok(Some(session)) => entrance.oidc.find(session, origin).await.is_ok(),
        _ => false,
    }
}

fn unreadable() -> Fault {
    Fault::new(Code::MalformedRequest, "the answer to a login cannot be read, or has a parameter twice")
}
