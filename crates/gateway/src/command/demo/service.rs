//! A small service of the demo: it answers with what it was sent, so that one sees what the gateway did. As a page for
//! browsers, as JSON for everybody else.

mod page;
mod seen;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use gwanmun_proxy::Response;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use super::passports::Passports;
use super::wire::{Port, answer};
use seen::Seen;

/// What a service is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// What it is called.
    pub(super) name: &'static str,
    /// In front of whom it stands, in a few words.
    pub(super) behind: &'static str,
}

/// A link on a service's pages.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) text: &'static str,
    pub(super) url: String,
}

/// A service that runs.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    links: Rc<RefCell<Vec<Link>>>,
}

impl Service {
    /// Starts one on a free port of this machine, which verifies Passports with `passports`.
    pub(super) async fn start(about: About, passports: Passports) -> io::Result<Self> {
        let port = Port::free().await?;
        let (address, links) = (port.address(), Rc::<RefCell<Vec<Link>>>::default());
        let shown = Rc::clone(&links);
        port.serve(move |request| {
            let seen = Seen::of(&request, about.name, &passports);
            let response = if is_for_a_person(request.headers()) {
                page::show(about, &seen, &shown.borrow())
            } else {
                tell(&seen)
            };
            async move { response }
        });
        Ok(Self { address, links })
    }

    /// What its pages lead to.
    pub(super) fn lead_to(&self, links: Vec<Link>) {
        *self.links.borrow_mut() = links;
    }
}

fn is_for_a_person(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/html"))
}

fn tell(seen: &Seen) -> Response {
    let mut response = answer("application/json", format!("{:#}\n", seen.json()));
    response.headers_mut().insert(http::header::VARY, HeaderValue::from_static("Accept"));
    response
}
