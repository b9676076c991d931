//! The provider's pages, which say that it is none.

use gwanmun_proxy::Response;
use http::StatusCode;

use crate::command::demo::page::page;
use crate::command::demo::wire::{Form, escaped};

const BADGE: &str = "OpenID provider stub";

/// Asks for a name. What the client asked for goes along in the form.
pub(super) fn login(asked: &Form) -> Response {
    let hidden: String = asked
        .pairs()
        .filter(|(name, _)| *name != "name")
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value)))
        .collect();
    let body = format!(
        "<div class=\"card narrow\"><h2>Who are you?</h2>\n\
         <p class=\"stub\">This is a stub: any name, no password. It is a part of <code>gwanmun demo</code> and nothing else; \
         a real OpenID provider stands here in your house.</p>\n\
         <form method=\"post\" action=\"/login\">{hidden}\n\
         <div class=\"people\"><button name=\"name\" value=\"Ann\">Ann<small>staff, ops</small></button>\
         <button name=\"name\" value=\"Bob\">Bob<small>staff</small></button></div></form>\n\
         <form method=\"post\" action=\"/login\">{hidden}\n\
         <div class=\"other\"><input type=\"text\" name=\"name\" placeholder=\"Any other name: a guest\" aria-label=\"Name\" \
         maxlength=\"40\" required autocomplete=\"off\"><button>Log in</button></div></form></div>\n"
    );
    page(StatusCode::OK, "Log in (stub)", BADGE, &body)
}

/// The client asks for what it may not have.
pub(super) fn refused(why: &str) -> Response {
    let body = format!("<div class=\"card narrow\"><h2>This login cannot begin</h2><p>{}</p></div>\n", escaped(why));
    page(StatusCode::BAD_REQUEST, "This login cannot begin", BADGE, &body)
}

/// Somebody is logged out who did not come from a tool.
pub(super) fn logged_out() -> Response {
    let body = "<div class=\"card narrow\"><h2>You are logged out</h2><p>Here, and at every tool that knew you from here.</p></div>\n";
    page(StatusCode::OK, "You are logged out", BADGE, body)
}

/// Somebody who looks what is at this port.
pub(super) fn nothing_here() -> Response {
    let body = "<div class=\"card narrow\"><h2>A stub of an OpenID provider</h2><p>There is nothing to do here: the tools of the demo send \
                people who are not logged in.</p></div>\n";
    page(StatusCode::OK, "OpenID provider stub", BADGE, body)
}
