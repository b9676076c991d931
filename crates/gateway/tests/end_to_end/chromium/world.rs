//! Tools behind a gateway, and a real provider that people of them log in at.

use gwanmun_testkit::{Authority, Gateway, Glewlwyd, OidcProvider, Redis, Tab, Tool, WebClient};

use crate::setup;

/// What the gateway is called.
pub(super) const HOSTS: [&str; 2] = ["tool-a.localhost", "tool-b.localhost"];

/// The provider, of one make or another.
pub(super) enum Provider {
    Npm(OidcProvider),
    Debian(Glewlwyd),
}

/// Two tools, a store, a provider; gateways are started in front of them.
pub(super) struct World {
    pub(super) authority: Authority,
    pub(super) provider: Provider,
    pub(super) redis: Redis,
    tools: [Tool; 2],
}

impl Provider {
    pub(super) async fn register(&self, client: &WebClient) {
        match self {
            Self::Npm(provider) => provider.register(client).await,
            Self::Debian(provider) => provider.register(client).await,
        }
    }

    pub(super) async fn issue_access_tokens_of(&self, seconds: u64) {
        match self {
            Self::Npm(provider) => provider.issue_access_tokens_of(seconds).await,
            Self::Debian(provider) => provider.issue_access_tokens_of(seconds).await,
        }
    }

    /// From the login page to wherever it leads.
    pub(super) async fn log_in(&self, tab: Tab<'_>, name: &str) {
        let password = format!("{name}-password");
        match self {
            Self::Npm(_) => {
                tab.fill("input[name=login]", name).await;
                tab.fill("input[name=password]", &password).await;
                tab.click("button").await;
            }
            Self::Debian(_) => {
                tab.fill("#username", name).await;
                tab.fill("#password", &password).await;
                tab.click("#loginbut").await;
                tab.click(".btn-success").await;
            }
        }
    }

    /// What is left to do for who has logged in before: Debian's asks whether to go on.
    pub(super) async fn pass(&self, tab: Tab<'_>) {
        if let Self::Debian(_) = self {
            tab.click(".btn-success").await;
        }
    }

    /// On its logout page, says yes.
    pub(super) async fn log_out(&self, tab: Tab<'_>) {
        match self {
            Self::Npm(_) => tab.click("button[name=logout]").await,
            Self::Debian(_) => tab.click(".btn-danger >> nth=0").await,
        }
    }

    /// Its own logout page; `then` is somewhere that people may go after that.
    pub(super) fn logout_page(&self, then: &str) -> String {
        match self {
            Self::Npm(provider) => provider.logout_page(),
            Self::Debian(provider) => provider.logout_page(then),
        }
    }

    /// What is there to be seen for who has to log in.
    pub(super) fn asks_in(&self) -> &'static str {
        match self {
            Self::Npm(_) => "input[name=login]",
            Self::Debian(_) => "#username",
        }
    }

    /// What is there to be seen for who has logged out: Debian's goes back to the tool only for who has sent it a `state`.
    pub(super) fn lets_go_at(&self) -> &'static str {
        match self {
            Self::Npm(_) => self.asks_in(),
            Self::Debian(_) => "text=You are disconnected",
        }
    }

    /// How many times it was asked to refresh tokens, after so many logins.
    pub(super) fn refreshes(&self, logins: usize) -> usize {
        match self {
            Self::Npm(provider) => provider.granted("refresh_token") + provider.refused("refresh_token"),
            Self::Debian(provider) => provider.peoples_tokens() - logins,
        }
    }

    /// All that it has said.
    pub(super) fn log(&self) -> String {
        match self {
            Self::Npm(provider) => provider.log(),
            Self::Debian(provider) => provider.log(),
        }
    }

    fn issuer(&self) -> String {
        match self {
            Self::Npm(provider) => provider.url().to_owned(),
            Self::Debian(provider) => provider.url(),
        }
    }
}

impl World {
    pub(super) async fn with_npm() -> Self {
        let authority = Authority::new();
        let provider = OidcProvider::trusting(&authority).await;
        Self::with(authority, Provider::Npm(provider)).await
    }

    pub(super) async fn with_debian() -> Self {
        Self::with(Authority::new(), Provider::Debian(Glewlwyd::start().await)).await
    }

    async fn with(authority: Authority, provider: Provider) -> Self {
        let tools = [Tool::start("A").await, Tool::start("B").await];
        Self { authority, provider, redis: Redis::start().await, tools }
    }

    /// A gateway for colleagues that serves the tools over https at [`HOSTS`]; `session` is what is said of sessions. A provider that
    /// believes none of its certificates comes to the listener `inside`.
    pub(super) async fn gateway(&self, session: &str) -> Gateway {
        let names = [&HOSTS[..], &["127.0.0.1"]].concat();
        let identity = self.authority.issue(&names);
        let listener = "{name: web, address: 127.0.0.1:0, tls: {certificates: [{certificate: web.pem, key: web.key}]}}";
        let inside = "{name: inside, address: 127.0.0.1:0}";
        let configuration =
            format!("role: internal\nlisteners: [{listener}, {inside}]\n{}", self.configuration(session));
        setup().with_file("web.pem", identity.pem()).with_file("web.key", identity.key()).start(&configuration).await
    }

    /// What the provider is told of gateways: where people may come from, and who is told when they leave it.
    pub(super) fn client(&self, gateways: &[&Gateway]) -> WebClient {
        let all: Vec<String> = gateways.iter().flat_map(|gateway| origins(gateway, "https")).collect();
        let told = match &self.provider {
            Provider::Npm(_) => format!("https://127.0.0.1:{}", gateways[0].web().port()),
            Provider::Debian(_) => format!("http://{}", gateways[0].address("inside")),
        };
        WebClient::of(&all).told_at(&told)
    }

    /// One without a role, over http, which browsers take for safe below `localhost`.
    pub(super) async fn plain_gateway(&self, session: &str) -> Gateway {
        setup().start(&self.configuration(session)).await
    }

    fn configuration(&self, session: &str) -> String {
        let routes: String = HOSTS
            .iter()
            .zip(&self.tools)
            .map(|(host, tool)| {
                format!(
                    "  - {{id: {host}, predicates: [host: {host}], filters: [authenticate: {{any: [{{session: staff}}]}}, \
                     user-headers: {{X-WEBAUTH-USER: /subject, X-WEBAUTH-EMAIL: /claims/email, X-WEBAUTH-GROUPS: /roles}}], \
                     upstream: '{}'}}\n",
                    tool.url()
                )
            })
            .collect();
        let without_exp = matches!(self.provider, Provider::Debian(_));
        format!(
            "workers: 2\nstore: {{url: 'redis://{}', timeout: 200ms}}\n\
             identity:\n  oidc:\n    staff:\n      issuer: '{}'\n      client-id: gateway\n      \
             client-secret: gateway-secret\n      scopes: [openid, profile, email, groups]\n      \
             logout-without-exp: {without_exp}\n      session: {{{session}}}\n\
             routes:\n{routes}",
            self.redis.place(),
            self.provider.issuer(),
        )
    }
}

/// `https://tool-a.localhost:PORT` and the other.
pub(super) fn origins(gateway: &Gateway, scheme: &str) -> [String; 2] {
    HOSTS.map(|host| format!("{scheme}://{host}:{}", gateway.web().port()))
}
