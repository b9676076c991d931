//! What is answered to people who are not logged in: the way to the provider's login page, or a page that keeps what they
//! have filled in.

use gwanmun_core::{Code, Fault, Reason};
use gwanmun_identity::Visit;
use gwanmun_proxy::{Exchange, Response};
use http::{Method, StatusCode};

use super::browser::{Made, made};
use super::page::{self, Page};
use super::{Entrance, form, origin};

/// The largest form that is kept, bytes.
const LARGEST_FORM: usize = 64 << 10;
/// The most fields of one.
const MOST_FIELDS: usize = 2000;

impl Entrance {
    /// The answer to somebody who goes to a page and is not let in because of `fault`.
    ///
    /// # Errors
    /// The body of the request breaks off.
    pub(crate) async fn receive(&self, exchange: &mut Exchange, fault: Fault) -> Result<Response, Fault> {
        let Some(origin) = origin(exchange) else { return Err(fault) };
        let target = exchange.original.as_str().to_owned();
        let is_read = exchange.request.method == Method::GET || exchange.request.method == Method::HEAD;
        if fault.code() != Code::Unauthenticated {
            if is_read {
                return Ok(self.page(exchange, &fault, &format!("{origin}{target}")));
            }
            exchange.failed(&fault);
            return Ok(page::of_lost_fault(&fault, &exchange.record.trace.trace_id_hex()));
        }
        // Where Basic would do as well, browsers would ask for a password instead of showing the page.
        let fault = fault.with_challenge(self.challenge());
        if self.cookies.session(exchange).is_none() {
            exchange.failed(&fault);
            let page = Page::new(StatusCode::UNAUTHORIZED, "Please use https")
                .says("You can be logged in only where nobody on the way can read along.");
            return Ok(page::with_hints(page.traced(&exchange.record.trace.trace_id_hex()).response(), &fault));
        }
        if is_read {
            return Ok(match self.begin(exchange, &origin, &target).await {
                Ok(response) => response,
                Err(fault) => self.page(exchange, &fault, &format!("{origin}{target}")),
            });
        }
        let page = self.keep(exchange, &origin, &target).await?;
        exchange.failed(&fault);
        Ok(page::with_hints(page.traced(&exchange.record.trace.trace_id_hex()).response(), &fault))
    }

    /// Sends the browser to log in, and back to `return_to` then.
    pub(super) async fn begin(
        &self,
        exchange: &mut Exchange,
        origin: &str,
        return_to: &str,
    ) -> Result<Response, Fault> {
        if self.cookies.session(exchange).is_none() {
            let detail = "over http nobody is logged in, but on this machine";
            let fault = Fault::new(Code::Unauthenticated, detail).because(Reason::NoCredential);
            return Err(fault.with_challenge(self.challenge()));
        }
        if self.is_rehearsed {
            return page::redirect(StatusCode::FOUND, &self.oidc.settings().issuer);
        }
        let begun = self.oidc.begin(Visit { origin, return_to }).await;
        let begun = begun.map_err(|refusal| self.fault(&refusal, Code::Unauthenticated))?;
        self.cookies.set_login(exchange, &begun.state, &begun.kept);
        page::redirect(StatusCode::FOUND, &begun.location)
    }

    /// A page about a fault, with a link to `again`.
    pub(super) fn page(&self, exchange: &mut Exchange, fault: &Fault, again: &str) -> Response {
        exchange.failed(fault);
        page::of_fault(fault, &exchange.record.trace.trace_id_hex(), again)
    }

    /// The page that keeps a form. Only one that was filled in here: another site's would be sent with the user's session
    /// by one careless click.
    async fn keep(&self, exchange: &mut Exchange, origin: &str, target: &str) -> Result<Page, Fault> {
        let login = format!("{origin}{}", self.oidc.settings().paths.callback);
        let is_here = made(exchange, origin) == Made::Here;
        let fields = match is_here && exchange.request.method == Method::POST && form::is_form(&exchange.request) {
            true => kept(std::mem::take(&mut exchange.request.body).within(LARGEST_FORM).await?.as_deref()),
            false => None,
        };
        let page = Page::new(StatusCode::UNAUTHORIZED, "You are not logged in any more");
        Ok(match fields {
            Some(fields) => page
                .says("Your session has ended before what you sent could be accepted. Nothing is lost: it is kept on this \
                     page.")
                .says("First log in again in a new tab, then come back to this one and send it once more.")
                .leads_beside(&login, "1. Log in")
                .sends(&format!("{origin}{target}"), &fields, "2. Send again"),
            None if is_here => page
                .says("Your session has ended before what you sent could be accepted.")
                .says("Log in again in a new tab. Then go back in this one with your browser's Back button: what you have \
                     filled in should still be there.")
                .leads_beside(&login, "Log in"),
            None => page.says("Another site sent something here in your name. It was not accepted.").leads_beside(&login, "Log in"),
        })
    }
}

/// The fields of a form, if a page can send exactly them again.
fn kept(form: Option<&[u8]>) -> Option<Vec<(String, String)>> {
    let fields = form::pairs(form?)?;
    let is_sent_again = |(name, value): &(String, String)| {
        // A field without a name is not sent by browsers, this one is filled in by them, and NUL cannot stand in HTML.
        !name.is_empty() && !name.eq_ignore_ascii_case("_charset_") && !name.contains('\0') && !value.contains('\0')
    };
    (fields.len() <= MOST_FIELDS && fields.iter().all(is_sent_again)).then_some(fields)
}
