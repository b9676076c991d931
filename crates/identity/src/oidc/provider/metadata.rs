//! What the provider says of itself (OpenID Connect Discovery 1.0 section 3), as far as it is of use here; and its keys,
//! which are where its metadata say.

use std::pin::Pin;
use std::sync::Arc;

use gwanmun_client::{CallError, Client};

use crate::endpoint::Endpoint;
use crate::issuer::FetchKeys;
use crate::metadata::{Discovered, Document, fetch_json};

/// What is known of the provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Where users log in.
    pub(super) authorization: Endpoint,
    /// Where codes are redeemed.
    pub(super) token: Endpoint,
    /// Where its keys are.
    pub(super) keys: Endpoint,
    /// Where it tells more about users.
    pub(super) userinfo: Option<Endpoint>,
    /// Where users log out.
    pub(super) end_session: Option<Endpoint>,
    /// Whether its answers say who they are from (RFC 9207).
    pub(super) names_itself: bool,
    /// How the gateway proves who it is.
    pub(super) proof: Proof,
}

/// How the gateway proves who it is (OpenID Connect Core 1.0 section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Form,
}

/// The provider's keys, where its metadata say that they are.
pub(super) struct ProviderKeys {
    pub(super) metadata: Arc<Discovered<Metadata>>,
    pub(super) client: Client,
}

impl Metadata {
    pub(super) fn read(document: &Document) -> Result<Self, String> {
        Ok(Self {
            authorization: document.wanted("authorization_endpoint")?,
            token: document.wanted("token_endpoint")?,
            keys: document.wanted("jwks_uri")?,
            userinfo: document.endpoint("userinfo_endpoint")?,
            end_session: document.endpoint("end_session_endpoint")?,
            names_itself: document.says("authorization_response_iss_parameter_supported"),
            proof: Proof::of(document.list("token_endpoint_auth_methods_supported").as_deref())?,
        })
    }
}

impl Proof {
    /// Where nothing is said it is Basic.
    fn of(methods: Option<&[&str]>) -> Result<Self, String> {
        let Some(methods) = methods else { return Ok(Self::Basic) };
        if methods.contains(&"client_secret_basic") {
            Ok(Self::Basic)
        } else if methods.contains(&"client_secret_post") {
            Ok(Self::Form)
        } else {
            Err("token_endpoint_auth_methods_supported has neither client_secret_basic nor client_secret_post"
                .to_owned())
        }
    }
}

impl FetchKeys for ProviderKeys {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, CallError>> + Send>> {
        let (metadata, client) = (Arc::clone(&self.metadata), self.client.clone());
        Box::pin(async move {
            let metadata = metadata.get().await.map_err(|down| CallError::Unreachable(down.why))?;
            fetch_json(&client, &metadata.value.keys).await.map(Vec::from)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(changes: Value) -> Result<Metadata, String> {
        let mut document = json!({
            "issuer": "https://idp", "authorization_endpoint": "https://idp/auth", "token_endpoint": "https://idp/token",
            "jwks_uri": "https://idp/jwks",
        });
        document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Metadata::read(&Document::read(document.to_string().as_bytes(), "https://idp").unwrap())
    }

    #[test]
    fn what_is_optional_may_be_missing() {
        let least = read(json!({})).unwrap();
        assert_eq!((least.userinfo, least.end_session, least.names_itself), (None, None, false));
        assert_eq!(least.proof, Proof::Basic);
        let more = json!({
            "userinfo_endpoint": "https://idp/me", "end_session_endpoint": "https://idp/end",
            "authorization_response_iss_parameter_supported": true,
        });
        let more = read(more).unwrap();
        assert_eq!(more.userinfo.unwrap().uri(), "https://idp/me");
        assert!(more.end_session.unwrap().uri() == "https://idp/end" && more.names_itself);
        assert!(!read(json!({"authorization_response_iss_parameter_supported": "true"})).unwrap().names_itself);
    }

    #[test]
    fn what_is_wanted_must_be_there_and_safe() {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            assert!(read(json!({(name): null})).unwrap_err().contains(name));
        }
        for name in
            ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"]
        {
            for url in
                [json!("http://idp/x"), json!("javascript:alert(1)"), json!("//evil/x"), json!(["https://idp/x"])]
            {
                assert!(read(json!({(name): url})).unwrap_err().contains(name), "{name}: {url}");
            }
        }
    }

    #[test]
    fn the_secret_goes_by_basic_where_it_can() {
        let proof = |methods| read(json!({"token_endpoint_auth_methods_supported": methods})).map(|all| all.proof);
        assert_eq!(proof(json!(["client_secret_post", "client_secret_basic"])), Ok(Proof::Basic));
        assert_eq!(proof(json!(["private_key_jwt", "client_secret_post"])), Ok(Proof::Form));
        for methods in [json!([]), json!(["private_key_jwt"])] {
            assert!(proof(methods).unwrap_err().contains("client_secret_basic"));
        }
    }
}
