//! The filter at the door that sessions come with: it takes the gateway's own cookies out of every request and keeps others
//! from setting them, and it serves the paths where providers send browsers and logouts.

mod backchannel;
mod callback;
mod logout;

use std::sync::Arc;

use gwanmun_core::Fault;
use gwanmun_proxy::{Body, Exchange, Filter, Response, Step, Verdict};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};

use super::{Entrance, cookies, is_navigation, page};
use crate::audited::Audited;

/// Serves every provider's paths, on whatever host.
pub(crate) struct SessionDoor {
    entrances: Vec<Arc<Entrance>>,
    audited: Audited,
}

/// A path of the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Callback,
    Logout,
    Backchannel,
}

impl SessionDoor {
    pub(crate) fn new(entrances: Vec<Arc<Entrance>>, audited: Audited) -> Self {
        Self { entrances, audited }
    }

    /// What stands at `path`.
    fn place(&self, path: &str) -> Option<(&Entrance, Place)> {
        self.entrances.iter().find_map(|entrance| {
            let paths = &entrance.oidc.settings().paths;
            let places = [
                (&paths.callback, Place::Callback),
                (&paths.logout, Place::Logout),
                (&paths.backchannel, Place::Backchannel),
            ];
            places.into_iter().find(|(known, _)| *known == path).map(|(_, place)| (&**entrance, place))
        })
    }

    async fn serve(&self, entrance: &Entrance, place: Place, exchange: &mut Exchange) -> Result<Response, Fault> {
        let method = &exchange.request.method;
        let (is_right, allowed) = match place {
            Place::Callback => (*method == Method::GET, "GET"),
            Place::Logout => (*method == Method::GET || *method == Method::POST, "GET, POST"),
            Place::Backchannel => (*method == Method::POST, "POST"),
        };
        if !is_right {
            return Ok(not_allowed(allowed));
        }
        // Whoever navigates to a path of the provider's own side is told nothing there.
        let is_navigation = is_navigation(&exchange.request) && place != Place::Backchannel;
        let outcome = match place {
            Place::Callback => self.callback(entrance, exchange).await,
            Place::Logout => self.log_out(entrance, exchange).await,
            Place::Backchannel => self.log_out_by(entrance, exchange).await,
        };
        match outcome {
            Err(Failed { fault, again }) if is_navigation => Ok(entrance.page(exchange, &fault, &again)),
            Err(Failed { fault, .. }) => Err(fault),
            Ok(response) => Ok(response),
        }
    }
}

/// Why there is no answer, and where a person may try again.
struct Failed {
    fault: Fault,
    again: String,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, again: "/".to_owned() }
    }
}

impl Filter for SessionDoor {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        cookies::take(&self.entrances, exchange);
        let Some((entrance, place)) = self.place(exchange.request.path()) else { return Ok(Step::Next) };
        Ok(Step::Wait(Box::pin(async move {
            let mut response = self.serve(entrance, place, exchange).await?;
            cookies::settle(&self.entrances, exchange, &mut response);
            Ok(Some(response))
        })))
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        cookies::settle(&self.entrances, exchange, response);
        Ok(Step::Next)
    }
}

fn not_allowed(allowed: &'static str) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    page::stays_private(response.headers_mut());
    response
}
