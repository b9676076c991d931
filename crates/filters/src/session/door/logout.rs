//! Where users end their session, and that at the provider with it (OpenID Connect RP-Initiated Logout 1.0).

use gwanmun_audit::Event;
use gwanmun_core::Code;
use gwanmun_proxy::{Exchange, Response};
use http::StatusCode;

use super::{Failed, SessionDoor};
use crate::session::browser::{Made, made};
use crate::session::page::{self, Page};
use crate::session::{Entrance, no_origin, origin};

impl SessionDoor {
    pub(super) async fn log_out(&self, entrance: &Entrance, exchange: &mut Exchange) -> Result<Response, Failed> {
        let Some(origin) = origin(exchange) else { return Err(entrance.fault(&no_origin(), Code::Forbidden).into()) };
        let here = format!("{origin}{}", entrance.oidc.settings().paths.logout);
        if made(exchange, &origin) == Made::Elsewhere {
            let page = Page::new(StatusCode::OK, "Do you want to log out?").says("Another site sent you here.");
            return Ok(page.sends(&here, &[], "Log out").leads(&origin, "Stay").response());
        }
        let after = format!("{origin}{}", entrance.after_logout);
        // Of two sessions nobody can tell which is meant: both are forgotten here.
        let session = entrance.session(exchange).unwrap_or_default().map(str::to_owned);
        let ended = match &session {
            Some(session) => entrance.oidc.log_out(session, &origin).await,
            None => Ok(None),
        };
        let ended = match ended {
            Ok(ended) => ended,
            Err(refusal) => {
                let fault = entrance.fault(&refusal, Code::Forbidden);
                self.audited.note(exchange, Event::Logout, None, None, Some(&fault));
                // The cookie stays, so that the session can still be ended.
                return Err(Failed { fault, again: here });
            }
        };
        let mut next = after;
        if let Some(ended) = ended {
            if let Some(page) = entrance.oidc.logout_page(&ended, &origin, &entrance.after_logout).await {
                next = page;
            }
            exchange.principal = Some(ended.principal);
            self.audited.conclude(exchange, Event::Logout, None, Ok(()))?;
        }
        entrance.cookies.clear_all(exchange);
        Ok(page::redirect(StatusCode::SEE_OTHER, &next)?)
    }
}
