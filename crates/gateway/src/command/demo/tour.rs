//! What the demo prints: where everything is, and what to try.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// Where everything is.
pub(super) struct Tour<'a> {
    pub(super) plain: SocketAddr,
    pub(super) public: SocketAddr,
    pub(super) secure: SocketAddr,
    pub(super) internal: SocketAddr,
    pub(super) issuer: &'a str,
    pub(super) api_key: &'a str,
    pub(super) folder: &'a Path,
}

impl Tour<'_> {
    /// The URL of an internal tool.
    pub(super) fn tool(&self, name: &str) -> String {
        format!("http://{name}.localhost:{}/", self.internal.port())
    }
}

impl fmt::Display for Tour<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plain, public, secure, issuer, api_key, .. } = self;
        let (folder, shop, secure) = (self.folder.display(), public.port(), secure.port());
        let (a, b) = (self.tool("tool-a"), self.tool("tool-b"));
        write!(
            f,
            "Four gateways are running. Every service behind shows what it sees: as a page in a browser, as JSON for curl.\n\
             \n\
             internal: colleagues log in once, with any name and no password, and reach both tools\n\
             \x20 {a}     for everybody: begin here, in a browser\n\
             \x20 {b}     for the group ops: Ann may, Bob may not\n\
             \n\
             secure: partners with a certificate\n\
             \x20 curl --cacert {folder}/ca.pem --cert {folder}/ann.pem --key {folder}/ann.key https://localhost:{secure}/reports/7\n\
             \x20 curl --cacert {folder}/ca.pem --cert {folder}/bob.pem --key {folder}/bob.key https://localhost:{secure}/reports/7    # 403\n\
             \n\
             public: partners' programs and everybody's browsers\n\
             \x20 curl -H 'X-Api-Key: {api_key}' http://{public}/api/orders/7\n\
             \x20 curl -H \"Authorization: Bearer $(curl -s {issuer}/partner-token)\" http://{public}/api/orders/7\n\
             \x20 curl -i http://{public}/api/orders/7     # 401\n\
             \x20 http://shop.localhost:{shop}/     a page for customers, in a browser\n\
             \n\
             plain: routes and filters, without a role\n\
             \x20 curl -i http://{plain}/orders/7            # a header made of the path\n\
             \x20 curl -i http://{plain}/kitchen/menu        # prefix stripped, response header added\n\
             \x20 curl -i http://{plain}/hello/you           # answered by the gateway itself\n\
             \x20 curl -i -X DELETE http://{plain}/orders/7  # no route takes it: 404\n\
             \n\
             Configurations, certificates and audit logs are in {folder} as long as this runs:\n\
             \x20 gwanmun routes {folder}/internal.yaml\n\
             \x20 gwanmun audit verify {folder}/internal-audit.jsonl\n\
             \n\
             Each request leaves a line of the access log below. Ctrl-C stops.\n"
        )
    }
}
