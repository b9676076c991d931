//! Pages for people: what happened in plain words, and what they can do. No script, nothing from elsewhere, everything that
//! is not our own text escaped; no page leads on by itself.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_jose::sha256;
use gwanmun_proxy::{Body, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, StatusCode};

use super::form::escaped;

const STYLE: &str = "body{margin:0;background:#f4f5f7;color:#1b1f24;font:16px/1.5 system-ui,sans-serif}\
main{max-width:34rem;margin:12vh auto;padding:2rem;background:#fff;border:1px solid #d8dce2;border-radius:8px}\
h1{margin:0 0 1rem;font-size:1.4rem}\
a.do,button{display:inline-block;margin:.25rem .5rem .25rem 0;padding:.5rem 1rem;border:1px solid #1f5fbf;\
border-radius:6px;background:#1f5fbf;color:#fff;font:inherit;text-decoration:none;cursor:pointer}\
small{color:#5b6470}\
@media(prefers-color-scheme:dark){body{background:#15181c;color:#e6e9ed}main{background:#1e2227;border-color:#333a42}\
small{color:#9aa4b0}}";

/// The style is ours to the letter; forms may lead to other sites, for some tools answer with a redirect there.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(sha256(STYLE.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'");
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// A page under construction.
pub(super) struct Page {
    status: StatusCode,
    html: String,
    referrers: &'static str,
}

impl Page {
    /// A page with this title, which is our own text.
    pub(super) fn new(status: StatusCode, title: &'static str) -> Self {
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main>\n\
             <h1>{title}</h1>\n"
        );
        Self { status, html, referrers: "no-referrer" }
    }

    /// A paragraph.
    pub(super) fn says(mut self, text: &str) -> Self {
        let _ = writeln!(self.html, "<p>{}</p>", escaped(text));
        self
    }

    /// A link that looks like a button.
    pub(super) fn leads(mut self, url: &str, text: &'static str) -> Self {
        let _ = writeln!(self.html, "<a class=\"do\" href=\"{}\">{text}</a>", escaped(url));
        self
    }

    /// The same in a new tab.
    pub(super) fn leads_beside(mut self, url: &str, text: &'static str) -> Self {
        let url = escaped(url);
        let _ = writeln!(self.html, "<a class=\"do\" target=\"_blank\" rel=\"noopener\" href=\"{url}\">{text}</a>");
        self
    }

    /// A button that sends `fields` by POST.
    pub(super) fn sends(mut self, url: &str, fields: &[(String, String)], text: &'static str) -> Self {
        // With no-referrer browsers send forms from the origin `null`, which many tools refuse.
        self.referrers = "same-origin";
        let _ = writeln!(self.html, "<form method=\"post\" action=\"{}\" accept-charset=\"utf-8\">", escaped(url));
        for (name, value) in fields {
            let (name, value) = (escaped(name), escaped(value));
            let _ = writeln!(self.html, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        }
        let _ = writeln!(self.html, "<button>{text}</button></form>");
        self
    }

    /// What an operator finds the request by.
    pub(super) fn traced(mut self, trace_id: &str) -> Self {
        let _ = writeln!(self.html, "<p><small>Trace {}</small></p>", escaped(trace_id));
        self
    }

    /// The answer.
    pub(super) fn response(mut self) -> Response {
        self.html.push_str("</main></body></html>\n");
        let mut response = Response::new(Body::from(self.html));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        stays_private(headers);
        headers.insert(REFERRER_POLICY, HeaderValue::from_static(self.referrers));
        response
    }
}

/// Nobody keeps the answer, and nobody is told where its reader came from.
pub(super) fn stays_private(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// To another URL: `status` is 302 or 303.
pub(super) fn redirect(status: StatusCode, url: &str) -> Result<Response, Fault> {
    let location = HeaderValue::try_from(url)
        .map_err(|_| Fault::new(Code::Internal, "the URL to go to is none that a header can carry"))?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::LOCATION, location);
    stays_private(response.headers_mut());
    Ok(response)
}

/// The page that says why somebody is not let in, with a link to try again.
pub(super) fn of_fault(fault: &Fault, trace_id: &str, again: &str) -> Response {
    let (title, text) = words(fault);
    let page = Page::new(fault.code().status(), title).says(text).leads(again, "Try again").traced(trace_id);
    with_hints(page.response(), fault)
}

/// The same for somebody who has sent something: a link would lead on without it.
pub(super) fn of_lost_fault(fault: &Fault, trace_id: &str) -> Response {
    let (title, text) = words(fault);
    let page = Page::new(fault.code().status(), title).says(text);
    let page =
        page.says("What you sent was not accepted. Your browser's Back button leads to it again.").traced(trace_id);
    with_hints(page.response(), fault)
}

/// What a fault tells in headers.
pub(super) fn with_hints(mut response: Response, fault: &Fault) -> Response {
    if let Some(wait) = fault.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    if let Some(challenge) = fault.challenge().and_then(|challenge| HeaderValue::from_str(challenge).ok()) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A title, and what it means for the reader.
fn words(fault: &Fault) -> (&'static str, &'static str) {
    match (fault.reason(), fault.code()) {
        (Some(Reason::LoginUnknown), _) => (
            "This login is not known here",
            "It was begun in another browser, took place twice, or this browser keeps no cookies.",
        ),
        (Some(Reason::LoginExpired), _) => {
            ("The login took too long", "A login has to be finished within ten minutes.")
        }
        (Some(Reason::LoginReplayed), _) => {
            ("This login has been used already", "Every login is good once. Please log in again.")
        }
        (Some(Reason::LoginRefused), _) => {
            ("You were not logged in", "The login page did not let you in, or you left it before the end.")
        }
        (Some(Reason::LoginLoop), _) => (
            "You are being logged in again and again",
            "Several logins in a few seconds led nowhere. Wait a little before you try again; if it goes on, tell who \
             runs this site.",
        ),
        (Some(Reason::TooManySessions), _) => {
            ("You are logged in too often", "Log out somewhere else first, or wait until older sessions have ended.")
        }
        (_, Code::StoreUnavailable) => (
            "Logins are not possible at the moment",
            "The place where sessions are kept cannot be reached. This is not your fault; please try again soon.",
        ),
        (_, Code::IdentityUnavailable) => (
            "Logins are not possible at the moment",
            "The service that logs you in cannot be reached. This is not your fault; please try again soon.",
        ),
        (_, Code::AuditUnavailable) => (
            "Logins are not possible at the moment",
            "What has to be recorded cannot be. This is not your fault; please try again soon.",
        ),
        (_, Code::MalformedRequest) => ("This address is not complete", "The answer of the login page cannot be read."),
        (_, Code::Unauthenticated) => ("You are not logged in", "Your session has ended. Please log in again."),
        _ => ("You were not logged in", "The answer of the login page cannot be believed. Please log in again."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::values;

    async fn html(response: Response) -> String {
        let bytes = response.into_body().within(1 << 20).await.unwrap().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn nothing_that_others_wrote_is_more_than_text() {
        let evil = "\"><script>alert(1)</script>";
        let fields = [(evil.to_owned(), evil.to_owned())];
        let page = Page::new(StatusCode::OK, "T").says(evil).leads(evil, "a").leads_beside(evil, "b");
        let html = html(page.sends(evil, &fields, "c").traced(evil).response()).await;
        assert!(!html.contains("<script>"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;").count(), 7, "{html}");
    }

    #[tokio::test]
    async fn a_page_loads_and_runs_nothing_and_is_nobody_elses_frame() {
        let fault = Fault::new(Code::StoreUnavailable, "secret detail")
            .because(Reason::StoreLost)
            .with_retry_after(std::time::Duration::from_secs(7));
        let response = of_fault(&fault, "0af7", "https://a/x");
        assert_eq!(response.status(), 503);
        let headers = response.headers();
        for (name, wanted) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("retry-after", "7"),
        ] {
            assert_eq!(values(headers, name), [wanted], "{name}");
        }
        let policy = values(headers, "content-security-policy").join("");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let html = html(response).await;
        assert!(html.contains("sessions are kept cannot be reached") && html.contains("https://a/x"), "{html}");
        assert!(!html.contains("secret detail") && !html.contains("script") && !html.contains("http-equiv"), "{html}");
        let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).unwrap().0;
        assert!(policy.contains(&STANDARD.encode(sha256(style.as_bytes()))), "{policy}");
    }
}
