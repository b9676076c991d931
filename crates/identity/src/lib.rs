//! Credentials become principals: tokens of issuers, API keys, Passports of a gateway in front. Nothing here knows of
//! requests: a credential comes as its text, and goes out as a [`Principal`](gwanmun_core::Principal) or a [`Refusal`].

mod api_keys;
mod authorization;
mod certificates;
mod down;
mod endpoint;
mod form;
mod halves;
mod issuer;
mod known;
mod lanes;
mod metadata;
mod oauth;
mod oidc;
mod passport_check;
mod passport_issuers;
mod pointer;
mod principal_map;
mod refusal;
mod seal;
mod sources;
mod token;
mod token_answer;

pub use api_keys::{ApiKey, ApiKeys, KeyHash, NoHash};
pub use authorization::{Authorization, Malformed};
pub use certificates::{
    CertificateHeader, Certificates, CertificatesSettings, NoRule, Proof, RevocationCheck, SAN_CLAIM, SanKind, SanRule,
    Shown, Trusted, Unusable,
};
pub use endpoint::{Endpoint, NoEndpoint};
pub use issuer::{FetchKeys, FetchSettings, Issuer, IssuerSettings, Keys, KeysAt, Look, Published};
pub use oauth::{ClientCredentials, Endpoints, NoCryptography, OAuth, OAuthSettings, OmittedScope, Target};
pub use oidc::{Begun, Ended, LoggedIn, LoginAnswer, Oidc, OidcPaths, OidcSettings, SessionSettings, Visit};
pub use passport_check::{PassportCheck, Passports};
pub use passport_issuers::{PassportIssuers, PassportLook, unknown_gateway, verified};
pub use pointer::{NoPointer, Pointer};
pub use principal_map::PrincipalMap;
pub use refusal::Refusal;
pub use sources::Identity;
pub use token::Token;
