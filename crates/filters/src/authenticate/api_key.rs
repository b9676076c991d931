//! `api-key`: long random texts of partners. The file has their hashes only.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_config::Spanned;
use gwanmun_core::{Clock, Level, Principal};
use gwanmun_identity::{ApiKey, ApiKeys, KeyHash};
use gwanmun_proxy::{Invalid, Parts};
use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::credential::{Carrier, Credential, Look};
use super::presented::Presented;
use crate::file_reference::path_of;
use crate::list_file::ListFile;

const HOW_TO_HASH: &str = "a key's hash is what `printf %s KEY | sha256sum` says; write sha256: before it";

/// Where API keys come and who has them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApiKeySpec {
    /// The header that carries the key.
    #[serde(default = "x_api_key")]
    header: Spanned<String>,
    /// `file:PATH` of a list of `{id, hash, roles, scopes, claims, expires}`.
    keys: Spanned<String>,
}

fn x_api_key() -> Spanned<String> {
    "X-Api-Key".to_owned().into()
}

/// One key in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KeySpec {
    id: Spanned<String>,
    hash: Spanned<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    claims: BTreeMap<String, Value>,
    #[serde(default)]
    expires: Option<Spanned<String>>,
}

struct ApiKeyEntry {
    keys: Arc<ApiKeys>,
    header: HeaderName,
    carriers: [Carrier; 1],
    clock: Arc<dyn Clock>,
}

impl ApiKeySpec {
    /// Reads the file.
    pub(super) fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Credential>, Invalid> {
        let header = self.header()?;
        let file = ListFile::read(&self.keys, parts.reader).map_err(|invalid| match invalid.hint() {
            Some(_) => invalid,
            None => invalid.with_hint(HOW_TO_HASH),
        })?;
        let keys = keys_of(&file)?;
        // One file, one set of keys: whom the door knows by it, a route with the same file knows too.
        let path = path_of(&self.keys).map(|path| parts.reader.resolve(&path));
        let content = gwanmun_jose::sha256(format!("{:?}", file.entries).as_bytes());
        let specification = format!("{path:?} {content:?}");
        let keys = parts.lasting.shared(specification, || ApiKeys::new(keys));
        let carriers = [Carrier::Header(header.clone())];
        Ok(Box::new(ApiKeyEntry { keys, header, carriers, clock: Arc::clone(parts.clock) }))
    }

    fn header(&self) -> Result<HeaderName, Invalid> {
        let invalid = |message| Invalid::within(self.header.span, message);
        let name = HeaderName::from_bytes(self.header.as_bytes())
            .map_err(|_| invalid(format!("found '{}', wanted the name of a header", self.header.value)))?;
        if name == AUTHORIZATION || name == COOKIE {
            return Err(invalid(format!("'{name}' carries other things: an API key has a header of its own")));
        }
        Ok(name)
    }
}

impl Credential for ApiKeyEntry {
    fn name(&self) -> &str {
        "api-key"
    }

    fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }

    fn look<'a>(&'a self, presented: &Presented<'_>) -> Look<'a> {
        match presented.only(&self.header) {
            Ok(None) => Look::NotOurs,
            Ok(Some(key)) => Look::Decided(self.keys.principal(key.as_bytes(), self.clock.wall())),
            Err(refusal) => Look::Decided(Err(refusal)),
        }
    }

    /// Two files may have keys for one name: it has to be one of these.
    fn made(&self, principal: &Arc<Principal>) -> bool {
        principal.credential == self.name() && self.keys.vouch_for(principal)
    }
}

fn keys_of(file: &ListFile<KeySpec>) -> Result<Vec<ApiKey>, Invalid> {
    let mut places: HashMap<KeyHash, usize> = HashMap::new();
    let mut keys = Vec::with_capacity(file.entries.len());
    for spec in &file.entries {
        let hash: KeyHash = spec.hash.parse().map_err(|why| {
            // What stands there may be the key itself: it is not shown.
            file.refuse(spec.hash.span, &format!("this is no hash, {why}")).with_hint(HOW_TO_HASH)
        })?;
        if spec.id.is_empty() || spec.id.contains(char::is_control) {
            return Err(file.refuse(spec.id.span, "wanted a name without control characters"));
        }
        if let Some(first) = places.insert(hash, keys.len()) {
            let first = file.entries.get(first).map_or("", |first| first.id.as_str());
            return Err(file.refuse(spec.hash.span, &format!("'{}' and '{first}' have the same key", spec.id.value)));
        }
        let principal = Principal {
            roles: spec.roles.clone(),
            scopes: spec.scopes.clone(),
            claims: spec.claims.clone().into_iter().collect(),
            expires: spec.expires.as_ref().map(|text| moment(text, file)).transpose()?,
            ..Principal::new(&*spec.id.value, "api-key", Level::Highest)
        };
        keys.push(ApiKey { hash, principal: Arc::new(principal) });
    }
    Ok(keys)
}

fn moment(text: &Spanned<String>, file: &ListFile<KeySpec>) -> Result<SystemTime, Invalid> {
    let moment: Result<Timestamp, _> = text.parse();
    moment.map(SystemTime::from).map_err(|_| {
        file.refuse(text.span, &format!("found '{}', wanted a time like 2027-01-31T00:00:00Z", text.value))
    })
}
