//! Where the provider says whose sessions have ended (OpenID Connect Back-Channel Logout 1.0 section 2.5).

use gwanmun_audit::Event;
use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Body, Exchange, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::{Failed, SessionDoor};
use crate::audited::Actor;
use crate::session::{Entrance, form, page};

/// The longest body that is read, bytes.
const LONGEST: usize = 32 << 10;

impl SessionDoor {
    pub(super) async fn log_out_by(&self, entrance: &Entrance, exchange: &mut Exchange) -> Result<Response, Failed> {
        let token = match logout_token(exchange).await {
            Ok(token) => token,
            Err(fault) => return Ok(self.refused(exchange, fault)?),
        };
        match entrance.oidc.log_out_by(&token).await {
            Ok(subject) => {
                let credential = entrance.oidc.credential();
                let actor = subject.as_deref().map(|subject| Actor { subject, credential });
                self.audited.note(exchange, Event::Logout, actor, None, None);
                Ok(answer(StatusCode::OK, Body::Empty))
            }
            Err(refusal) => {
                let fault = entrance.fault(&refusal, Code::MalformedRequest);
                Ok(self.refused(exchange, fault)?)
            }
        }
    }

    /// 400 in the provider's own words, or 503 where it is worth trying again.
    fn refused(&self, exchange: &mut Exchange, fault: Fault) -> Result<Response, Fault> {
        self.audited.note(exchange, Event::Logout, None, None, Some(&fault));
        if fault.code() != Code::MalformedRequest {
            return Err(fault);
        }
        exchange.failed(&fault);
        let error = r#"{"error":"invalid_request","error_description":"the logout token cannot be accepted"}"#;
        let mut response = answer(StatusCode::BAD_REQUEST, Body::from(error));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

async fn logout_token(exchange: &mut Exchange) -> Result<String, Fault> {
    let malformed = |why: &'static str| Fault::new(Code::MalformedRequest, why);
    if !form::is_form(&exchange.request) {
        return Err(malformed("a logout request is a form (application/x-www-form-urlencoded)"));
    }
    let body = std::mem::take(&mut exchange.request.body).within(LONGEST).await?;
    let body = body.ok_or_else(|| malformed("the logout request is longer than 32 KiB"))?;
    let pairs = form::pairs(&body).ok_or_else(|| malformed("the logout request cannot be read"))?;
    let token = form::only(&pairs, "logout_token").map_err(|_| malformed("logout_token stands there twice"))?;
    token.filter(|token| !token.is_empty()).map(str::to_owned).ok_or_else(|| malformed("there is no logout_token"))
}

fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    page::stays_private(response.headers_mut());
    response
}
