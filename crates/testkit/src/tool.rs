//! A tool for people, as companies have many: pages, a form, and no idea of who may see them.

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use crate::body::Reply;
use crate::chromium::Tab;
use crate::message::Message;
use crate::upstream::{Speaks, Upstream};

/// A running tool; dropped, it ends. Whatever it is asked, it answers with one page: who `X-WEBAUTH-USER` says that it is,
/// a form that is sent to `/notes?from=form`, and what it has received.
pub struct Tool(Upstream);

impl Tool {
    /// The tool `name`.
    pub async fn start(name: &'static str) -> Self {
        let answer = move |request: Request<Incoming>| async move {
            let page = match Message::received(request).await {
                Some(received) => page(name, &received),
                None => String::new(),
            };
            let mut answer = Response::new(Reply::from(page));
            answer.headers_mut().insert("content-type", HeaderValue::from_static("text/html; charset=utf-8"));
            answer
        };
        Self(Upstream::answering(Speaks::Http1, answer).await)
    }

    /// Where it listens, as an upstream is written.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// What the page in a tab says it was made from: `method`, `target`, `fields` and `body`.
    pub async fn received(tab: Tab<'_>) -> Value {
        tab.sees("#received").await;
        let text = tab.evaluate("document.querySelector('#received').textContent").await;
        serde_json::from_str(text.as_str().unwrap()).unwrap()
    }
}

fn page(name: &str, received: &Message) -> String {
    let mut fields = Map::new();
    for field in received.headers.keys() {
        fields.insert(field.to_string(), received.header(field.as_str()).into());
    }
    let user = received.header("x-webauth-user").unwrap_or_else(|| "nobody".to_owned());
    let received = json!({
        "method": received.method(), "target": received.target(), "fields": fields, "body": received.text(),
    });
    format!(
        "<!doctype html><title>Tool {name}</title><style>pre{{white-space:pre-wrap;overflow-wrap:anywhere}}</style><h1>Tool {name}</h1><p>You are <b id=user>{user}</b>. \
         <a href=/logout>Log out</a></p>\
         <form method=post action='/notes?from=form'><input name=title><input type=hidden name=kind value='a &amp; b'>\
         <p><textarea name=text></textarea></p><p><button>Save</button></p></form><pre id=received>{}</pre>",
        received.to_string().replace('&', "&amp;").replace('<', "&lt;")
    )
}
