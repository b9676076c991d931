//! `store`: where state is that replicas share. It lasts over reloads where it is written the same.

use std::fmt;
use std::sync::Arc;

use gwanmun_client::Outbound;
use gwanmun_config::{Span, Spanned, Timespan};
use gwanmun_core::{Clock, Secret, Tallies};
use gwanmun_jose::sha256;
use gwanmun_proxy::{Ground, Lasting, Network, SectionSpec};
use gwanmun_store::{Address, Bounds, Credentials, Settings, Store, TlsError, TlsSettings};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::file_reference::path_of;
use crate::outbound::outbound;
use crate::secret_text::SecretText;

/// Where state is that replicas share: `memory` (this process alone, the default) or the address of a Redis.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StoreSpec(Spanned<Form>);

/// The store of a configuration, for whoever opens a space of it.
#[derive(Clone)]
pub struct SharedStore {
    _opened: Arc<Opened>,
    store: Store,
    specification: String,
    /// Whether replicas share it when the gateway runs; where a configuration is only looked at, nothing is shared.
    is_written_shared: bool,
}

/// What lasts over reloads; the thread for calls, on which its connections live, lasts with it.
struct Opened {
    store: Result<Store, TlsError>,
    _outbound: Option<Outbound>,
}

/// An address alone, or with what else is to be said.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
enum Form {
    /// `memory`, `redis://HOST:6379/0`, `redis-sentinel://HOST,HOST/SERVICE`, `redis-cluster://HOST,HOST`; over TLS
    /// `rediss://`, `rediss-sentinel://`, `rediss-cluster://`.
    Address(String),
    /// The same with more.
    Full(Box<FullSpec>),
}

/// A store and how it is spoken to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FullSpec {
    /// The address.
    url: Spanned<SecretText>,
    /// `file:PATH` of the authorities (PEM) that are trusted, in place of the platform's.
    #[serde(default)]
    ca: Option<Spanned<String>>,
    /// `file:PATH` of our certificate (PEM), where Redis asks for one.
    #[serde(default)]
    certificate: Option<Spanned<String>>,
    /// `file:PATH` of its key (PEM).
    #[serde(default)]
    key: Option<Spanned<String>>,
    /// What sentinels know us by, where they ask.
    #[serde(default)]
    sentinel: Option<SentinelSpec>,
    /// The longest that an operation takes (500ms).
    #[serde(default)]
    timeout: Option<Spanned<Timespan>>,
}

/// What sentinels know us by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SentinelSpec {
    /// The user; `default` where there is none.
    #[serde(default)]
    user: Option<String>,
    /// The password.
    password: SecretText,
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FormVisitor)
    }
}

struct FormVisitor;

impl<'de> Visitor<'de> for FormVisitor {
    type Value = Form;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory, an address, or a map with url")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Form, E> {
        Ok(Form::Address(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Form, A::Error> {
        FullSpec::deserialize(MapAccessDeserializer::new(map)).map(|full| Form::Full(Box::new(full)))
    }
}

impl SectionSpec for StoreSpec {
    const KEY: &'static str = "store";

    type Section = SharedStore;

    fn build(self, ground: &mut Ground<'_>) -> Option<SharedStore> {
        let Self(Spanned { value: form, span, .. }) = self;
        let (settings, written) = match form {
            Form::Address(text) => (Settings::at(address(&text, span, ground)?), text),
            Form::Full(full) => full.settings(ground)?,
        };
        if settings.address == Address::Memory || ground.lasting.network() == Network::Offline {
            // What would be wrong with certificates is told where nothing is opened, too.
            let is_written_shared = settings.address != Address::Memory;
            let store = in_memory(ground.lasting, ground.clock)?;
            return Some(SharedStore { is_written_shared, ..store });
        }
        open(settings, &written, span, ground)
    }

    fn absent(ground: &mut Ground<'_>) -> Option<SharedStore> {
        in_memory(ground.lasting, ground.clock)
    }
}

impl FullSpec {
    /// What is to be opened, and all that it was made of.
    fn settings(&self, ground: &mut Ground<'_>) -> Option<(Settings, String)> {
        let url = self.url.value.0.expose();
        let address = address(url, self.url.span, ground);
        let authorities = read(self.ca.as_ref(), ground);
        let (certificate, key) = (read(self.certificate.as_ref(), ground), read(self.key.as_ref(), ground));
        let identity = match (certificate?, key?) {
            (Some(certificate), Some(key)) => Some((certificate, Secret::new(key))),
            (None, None) => None,
            (Some(_), None) => {
                ground.refuse(self.url.span, "found 'certificate' without 'key', wanted both");
                return None;
            }
            (None, Some(_)) => {
                ground.refuse(self.url.span, "found 'key' without 'certificate', wanted both");
                return None;
            }
        };
        let mut settings =
            Settings { tls: TlsSettings { authorities: authorities?, identity }, ..Settings::at(address?) };
        if let Some(sentinel) = &self.sentinel {
            settings.sentinel =
                Credentials { user: sentinel.user.clone(), password: Some(sentinel.password.0.clone()) };
        }
        if let Some(timeout) = &self.timeout {
            if timeout.0.is_zero() {
                ground.refuse(timeout.span, "found 0, wanted more: no operation could be done");
                return None;
            }
            settings.limit = timeout.0;
        }
        let sentinel = self.sentinel.as_ref().map(|sentinel| (&sentinel.user, sentinel.password.0.expose()));
        let key = settings.tls.identity.as_ref().map(|(_, key)| key.expose());
        let written = format!("{url} {sentinel:?} {:?} {key:?} {:?}", settings.tls, settings.limit);
        Some((settings, written))
    }
}

/// No message shows the address: a password may stand in it.
fn address(text: &str, span: Span, ground: &mut Ground<'_>) -> Option<Address> {
    match Address::parse(text) {
        Ok(address) => Some(address),
        Err(why) => {
            ground.refuse_with_hint(span, why.to_string(), "store: memory, or store: redis://HOST:6379/0");
            None
        }
    }
}

/// The file that is named, if one is; `None` after a mistake.
fn read(file: Option<&Spanned<String>>, ground: &mut Ground<'_>) -> Option<Option<Vec<u8>>> {
    let Some(file) = file else { return Some(None) };
    let Some(path) = path_of(file) else {
        ground.refuse(file.span, format!("found '{}', wanted file:PATH", file.value));
        return None;
    };
    match ground.reader.read(&path) {
        Ok(pem) => Some(Some(pem)),
        Err(why) => {
            ground.refuse(file.span, format!("cannot read '{}': {why}", path.display()));
            None
        }
    }
}

fn in_memory(lasting: &Lasting, clock: &Arc<dyn Clock>) -> Option<SharedStore> {
    let (tallies, clock) = (lasting.of(Tallies::default), Arc::clone(clock));
    let specification = "memory".to_owned();
    let opened = lasting.shared(specification.clone(), || Opened {
        store: Ok(Store::memory(Bounds::default(), clock, &tallies)),
        _outbound: None,
    });
    SharedStore::of(opened, specification).ok()
}

/// The store that is open already, if it is written the same.
fn open(settings: Settings, written: &str, span: Span, ground: &mut Ground<'_>) -> Option<SharedStore> {
    let outbound = outbound(ground.lasting, ground.clock);
    let runtime = outbound.handle().map_err(|why| ground.refuse(span, why.to_string())).ok()?;
    // The specification is kept for as long as the store is: a hash of it, since there may be passwords in it.
    let specification = format!("{} {:02x?}", settings.address, sha256(written.as_bytes()));
    let (tallies, clock) = (outbound.tallies().clone(), Arc::clone(ground.clock));
    let opened = ground.lasting.shared(specification.clone(), || Opened {
        store: Store::open(settings, &runtime, clock, &tallies),
        _outbound: Some(outbound),
    });
    SharedStore::of(opened, specification).map_err(|why| ground.refuse(span, why.to_string())).ok()
}

impl SharedStore {
    fn of(opened: Arc<Opened>, specification: String) -> Result<Self, TlsError> {
        let store = opened.store.clone()?;
        let is_written_shared = store.is_shared();
        Ok(Self { _opened: opened, store, specification, is_written_shared })
    }

    /// Whether replicas share it when the gateway runs.
    pub fn is_written_shared(&self) -> bool {
        self.is_written_shared
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The same for the same store, without its passwords: a part of the specification of what stands on it.
    pub fn specification(&self) -> &str {
        &self.specification
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_config::{Environment, MergeRules, decode, load_texts};
    use gwanmun_proxy::{Catalog, Context, GatewaySpec, compile};

    use super::*;

    fn built(text: &str, lasting: &Lasting) -> (Option<Arc<SharedStore>>, Vec<String>) {
        let environment = Environment::from_pairs([("", ""); 0]);
        let texts = [("gw.yaml".to_owned(), text.to_owned())];
        let loaded = load_texts(&texts, &environment, &MergeRules { append: &[] });
        let (mut document, mut diagnostics) = (loaded.document, loaded.diagnostics);
        let mut catalog = Catalog::default();
        catalog.add_section::<StoreSpec>();
        let mut context = Context::new(&catalog, &loaded.sources, lasting);
        context.sections = catalog.set_aside(&mut document);
        let spec: GatewaySpec = decode(&document, &mut diagnostics).unwrap();
        let plan = compile(&spec, &context, &mut diagnostics);
        let said = diagnostics.iter().map(|found| found.message.clone()).collect();
        (plan.map(|plan| plan.sections.of::<SharedStore>().unwrap()), said)
    }

    #[test]
    fn memory_and_addresses_in_both_forms_are_read() {
        let lasting = Lasting::new(Network::Online);
        for (text, is_shared) in [
            ("", false),
            ("store: memory", false),
            ("store: {url: memory}", false),
            ("store: 'redis://127.0.0.1:1/0'", true),
            ("store: {url: 'redis://:hunter2@127.0.0.1:1', timeout: 100ms}", true),
            ("store: {url: 'redis-sentinel://127.0.0.1:1/main', sentinel: {user: s, password: hunter2}}", true),
        ] {
            let (store, said) = built(text, &lasting);
            assert_eq!(said, [""; 0], "{text}");
            let store = store.unwrap();
            assert_eq!(store.store().is_shared(), is_shared, "{text}");
            assert!(!store.specification().contains("hunter2"), "{}", store.specification());
        }
    }

    #[test]
    fn where_a_configuration_is_only_looked_at_nobody_is_connected_to() {
        let (store, said) = built("store: 'redis://127.0.0.1:1/0'", &Lasting::new(Network::Offline));
        let store = store.unwrap();
        assert!(!store.store().is_shared() && store.is_written_shared() && said.is_empty());
    }

    #[test]
    fn mistakes_are_told_and_no_password_with_them() {
        for (text, wanted) in [
            ("store: redis", "no address of a store"),
            ("store: 'postgres://u:hunter2@a'", "scheme"),
            ("store: {}", "url"),
            ("store: [memory]", "memory, an address, or a map with url"),
            ("store: {url: memory, uri: x}", "uri"),
            ("store: {url: 'redis://:hunter2@a', ca: ca.pem}", "wanted file:PATH"),
            ("store: {url: 'redis://:hunter2@a', ca: 'file:none.pem'}", "cannot read 'none.pem'"),
            ("store: {url: 'redis://:hunter2@a', timeout: 0}", "found 0"),
            ("store: {url: 'redis://:hunter2@a:x'}", "port"),
        ] {
            let (_, said) = built(text, &Lasting::new(Network::Offline));
            assert!(said.iter().any(|message| message.contains(wanted)), "{text}: {said:?}");
            assert!(!said.iter().any(|message| message.contains("hunter2")), "{said:?}");
        }
    }

    #[test]
    fn a_store_lasts_over_reloads_where_it_is_written_the_same() {
        let lasting = Lasting::new(Network::Online);
        let text = "store: {url: 'redis://:a@127.0.0.1:1'}";
        let (first, second) = (built(text, &lasting).0.unwrap(), built(text, &lasting).0.unwrap());
        assert!(Arc::ptr_eq(&first._opened, &second._opened));
        let other = built("store: {url: 'redis://:b@127.0.0.1:1'}", &lasting).0.unwrap();
        assert!(!Arc::ptr_eq(&first._opened, &other._opened));
        assert_ne!(first.specification(), other.specification());
    }
}
