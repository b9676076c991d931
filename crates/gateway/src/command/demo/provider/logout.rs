//! The end of a session: everybody who has had tokens of it is told, by way of the back channel, before the browser goes on
//! (OpenID Connect RP-Initiated Logout 1.0, Back-Channel Logout 1.0).

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_jose::Compact;
use gwanmun_proxy::{Body, Response};
use http::header::{CONTENT_TYPE, HOST, SET_COOKIE};
use http::{HeaderValue, Request};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{COOKIE_NAME, Client, Provider, Session, page, with_query};
use crate::command::demo::wire::{Form, encoded, redirect};

/// How long the browser waits for those who are told.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a logout token is good.
const LIFE: Duration = Duration::from_secs(60);

/// The longest ID token that is read, bytes.
const LONGEST: usize = 8 * 1024;

impl Provider {
    /// Ends the browser's session, or that of the ID token which the client shows.
    pub(super) async fn end_session(&self, request: &Request<Bytes>, asked: &Form) -> Response {
        let cookie =
            self.session_of(request).map(|(cookie, _)| cookie).or_else(|| self.hinted(asked.value("id_token_hint")));
        let ended = cookie.and_then(|cookie| self.0.state.borrow_mut().sessions.take(&cookie));
        if let Some(session) = &ended {
            let told = session.clients.iter().filter_map(|id| self.client(id)).map(|client| self.tell(client, session));
            for one in told.collect::<Vec<_>>() {
                let _ = tokio::time::timeout(PATIENCE, one).await;
            }
        }
        let to = asked.value("post_logout_redirect_uri");
        let is_known = |client: &Rc<Client>| {
            client
                .origins
                .iter()
                .any(|origin| to.strip_prefix(origin.as_str()).is_some_and(|path| path.starts_with('/')))
        };
        let mut response = if self.0.clients.borrow().iter().any(is_known) {
            match asked.value("state") {
                "" => redirect(to),
                state => redirect(&with_query(to, &format!("state={}", encoded(state)))),
            }
        } else {
            page::logged_out()
        };
        let forget = format!("{COOKIE_NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        if let Ok(forget) = HeaderValue::try_from(forget) {
            response.headers_mut().insert(SET_COOKIE, forget);
        }
        response
    }

    /// The session that an ID token of ours names, be it as old as it may.
    fn hinted(&self, id_token: &str) -> Option<String> {
        let token = Compact::parse(id_token.as_bytes(), LONGEST).ok()?;
        let claims: Value = serde_json::from_slice(token.verify(self.0.key.verifying_key()).ok()?).ok()?;
        let sid = claims.get("sid")?.as_str()?;
        self.0.state.borrow().sessions.name_of(|session| session.id == sid)
    }

    /// Tells one client that the session is over.
    async fn tell(&self, client: Rc<Client>, session: &Session) -> io::Result<()> {
        let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
        let claims = json!({"aud": client.id, "sub": session.user.id, "sid": session.id, "events": event});
        let token = self.signed("logout+jwt", claims, LIFE).ok_or_else(|| io::Error::other("there is no token"))?;
        let (address, host) = &client.backchannel;
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        let request = Request::post("/backchannel-logout")
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("logout_token={token}")))
            .map_err(io::Error::other)?;
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        if !answer.status().is_success() {
            tracing::warn!(
                event = "demo-logout-refused",
                status = answer.status().as_u16(),
                "a gateway does not take a logout"
            );
        }
        Ok(())
    }
}
