//! A browser as far as logins need one: cookies, redirects and fetch metadata as browsers have them, and no page is ever
//! drawn. Its tabs share it: whoever follows one redirect after the other is a tab.

mod address;
mod jar;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use address::Address;
use jar::{Jar, Reach};

use crate::certificates::Authority;
use crate::connection::Connection;
use crate::form::encoded;
use crate::message::Message;

/// As many redirects as browsers follow.
const REDIRECTS: usize = 20;

/// A browser with a jar of cookies. Clones share the jar, as tabs do, and each finds hosts by itself.
#[derive(Clone)]
pub struct Browser {
    jar: Arc<Mutex<Jar>>,
    /// Where hosts are. An address of this machine is where it says.
    hosts: BTreeMap<String, SocketAddr>,
    authority: Option<Arc<Authority>>,
}

/// What a browser got, and from where.
#[derive(Debug, Clone)]
pub struct Page {
    /// The address it came from.
    pub url: String,
    /// The whole answer.
    pub answer: Message,
    /// The addresses that led here, the first first.
    pub trail: Vec<String>,
}

impl Browser {
    /// One that trusts nobody.
    #[expect(clippy::new_without_default, reason = "every one is another")]
    pub fn new() -> Self {
        Self { jar: Arc::default(), hosts: BTreeMap::new(), authority: None }
    }

    /// One that trusts an authority.
    pub fn trusting(authority: &Arc<Authority>) -> Self {
        Self { authority: Some(Arc::clone(authority)), ..Self::new() }
    }

    /// Finds a host at an address from now on, whatever port its URLs name.
    pub fn find(&mut self, host: &str, address: SocketAddr) {
        self.hosts.insert(host.to_owned(), address);
    }

    /// What is typed into the address bar; redirects are not followed.
    pub async fn visit(&self, url: &str) -> Page {
        self.go(url, Ask::navigation("GET", Reach::Hand)).await
    }

    /// Follows a redirect or a link of that page; redirects after that are not followed.
    ///
    /// # Panics
    /// When the page is no redirect.
    pub async fn follow(&self, page: &Page) -> Page {
        let location = page.location().unwrap_or_else(|| panic!("no redirect: {page:?}"));
        let site = |url: &str| Address::read(url).is_some_and(|address| address.is_same_site(&page.url));
        let reach = if page.trail.iter().all(|url| site(url)) && site(&location) { Reach::Site } else { Reach::Link };
        let mut next = self.go(&location, Ask::navigation("GET", reach)).await;
        next.trail = page.trail.iter().chain([&page.url]).cloned().collect();
        next
    }

    /// What is typed into the address bar, and every redirect after that.
    ///
    /// # Panics
    /// When there are more redirects than browsers follow.
    pub async fn open(&self, url: &str) -> Page {
        let mut page = self.visit(url).await;
        while page.location().is_some() {
            assert!(page.trail.len() < REDIRECTS, "a loop of redirects: {:?}", page.trail);
            page = self.follow(&page).await;
        }
        page
    }

    /// Sends a form of a page of the same origin; redirects are not followed.
    pub async fn submit(&self, url: &str, fields: &[(&str, &str)]) -> Page {
        self.submit_from(url, fields, Reach::Site).await
    }

    /// Sends a form of a page of another site; redirects are not followed.
    pub async fn submit_from_elsewhere(&self, url: &str, fields: &[(&str, &str)]) -> Page {
        self.submit_from(url, fields, Reach::Foreign).await
    }

    /// What a script of the same origin asks for: `GET`, `HEAD`, `POST`.
    pub async fn fetch(&self, method: &str, url: &str) -> Page {
        self.go(url, Ask::fetch(method, Reach::Site)).await
    }

    /// A HEAD as navigations are, which link checkers send.
    pub async fn head(&self, url: &str) -> Page {
        self.go(url, Ask::navigation("HEAD", Reach::Hand)).await
    }

    /// What is typed into the address bar, with more fields (lines that end in CRLF); redirects are not followed.
    pub async fn visit_with(&self, url: &str, fields: &str) -> Page {
        self.go(url, Ask { fields: fields.to_owned(), ..Ask::navigation("GET", Reach::Hand) }).await
    }

    /// The cookies that a URL would be sent, by name.
    pub fn cookies(&self, url: &str) -> BTreeMap<String, String> {
        let address = Address::wanted(url);
        self.jar().sent_to(&address, &Ask::navigation("GET", Reach::Site)).into_iter().collect()
    }

    /// Takes a cookie as if the host of that URL had set it: `name=value; Path=/`. False where browsers refuse it.
    pub fn plant(&self, url: &str, set_cookie: &str) -> bool {
        self.jar().take(&Address::wanted(url), set_cookie)
    }

    /// Forgets a cookie of a host.
    pub fn forget(&self, url: &str, name: &str) {
        self.jar().forget(&Address::wanted(url), name);
    }

    async fn submit_from(&self, url: &str, fields: &[(&str, &str)], reach: Reach) -> Page {
        let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let form = pairs.collect::<Vec<_>>().join("&");
        self.go(url, Ask { form: Some(form), ..Ask::navigation("POST", reach) }).await
    }

    async fn go(&self, url: &str, ask: Ask) -> Page {
        let address = Address::wanted(url);
        let mut fields = ask.fields.clone();
        if address.is_trustworthy() {
            let site = match ask.reach {
                Reach::Hand => "none",
                Reach::Site => "same-origin",
                Reach::Link | Reach::Foreign => "cross-site",
            };
            let (mode, dest) = if ask.is_navigation { ("navigate", "document") } else { ("cors", "empty") };
            fields += &format!("Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: {mode}\r\nSec-Fetch-Dest: {dest}\r\n");
        }
        let accept = if ask.is_navigation { "text/html,application/xhtml+xml,*/*;q=0.8" } else { "*/*" };
        fields += &format!("Accept: {accept}\r\nUser-Agent: Mozilla/5.0 (testkit)\r\n");
        if ask.method == "POST" {
            let origin = if ask.reach == Reach::Foreign { "https://evil.test".to_owned() } else { address.origin() };
            fields += &format!("Origin: {origin}\r\n");
        }
        let cookies = self.jar().sent_to(&address, &ask);
        if !cookies.is_empty() {
            let pairs = cookies.iter().map(|(name, value)| format!("{name}={value}"));
            fields += &format!("Cookie: {}\r\n", pairs.collect::<Vec<_>>().join("; "));
        }
        if let Some(form) = &ask.form {
            let length = form.len();
            fields += &format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n");
        }
        let form = ask.form.as_deref().unwrap_or_default();
        let mut connection = self.connect(&address).await;
        connection
            .send(format!(
                "{} {} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n{form}",
                ask.method,
                address.target,
                address.authority()
            ))
            .await;
        let answer = connection.answer_to(ask.method.as_str()).await;
        for set_cookie in answer.headers.get_all("set-cookie") {
            self.jar().take(&address, &String::from_utf8_lossy(set_cookie.as_bytes()));
        }
        Page { url: url.to_owned(), answer, trail: Vec::new() }
    }

    async fn connect(&self, address: &Address) -> Connection {
        let known = self.hosts.get(&address.host).copied();
        let place = known.or_else(|| format!("{}:{}", address.host, address.port()).parse().ok());
        let place = place.unwrap_or_else(|| panic!("nobody knows where {} is", address.host));
        if !address.is_https() {
            return Connection::tcp(place).await;
        }
        let authority = self.authority.as_ref().expect("a browser that trusts somebody");
        Connection::tls(place, &address.host, authority, &["http/1.1"]).await.expect("TLS with a name that fits")
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap()
    }
}

impl Page {
    /// The status.
    pub fn status(&self) -> u16 {
        self.answer.status()
    }

    /// Where it redirects to, as browsers read it.
    pub fn location(&self) -> Option<String> {
        let is_redirect = matches!(self.status(), 301 | 302 | 303 | 307 | 308);
        let location = if is_redirect { self.answer.header("location") } else { None };
        location.map(|location| Address::wanted(&self.url).join(&location))
    }

    /// A parameter of the address that it redirects to, as it is written there.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let location = self.location()?;
        let (_, query) = location.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    }
}

/// What is asked for, and how.
struct Ask {
    method: String,
    is_navigation: bool,
    reach: Reach,
    form: Option<String>,
    fields: String,
}

impl Ask {
    fn navigation(method: &str, reach: Reach) -> Self {
        Self { method: method.to_owned(), is_navigation: true, reach, form: None, fields: String::new() }
    }

    fn fetch(method: &str, reach: Reach) -> Self {
        Self { is_navigation: false, ..Self::navigation(method, reach) }
    }
}
