//! Every predicate, filter and role, one file each, and the registry that gives them to the engine. A new one is a file with
//! its specification, its runtime, its documentation and its tests, and one line here.

pub mod add_request_header;
pub mod add_request_headers_if_not_present;
pub mod add_request_parameter;
pub mod add_response_header;
mod audited;
pub mod authenticate;
mod authorities;
pub mod authorize;
pub mod cors;
pub mod csrf;
pub mod dedupe_response_header;
mod encode;
mod file_reference;
mod header_name;
mod list_file;
pub mod map_request_header;
mod new_path;
mod oauth_server;
mod origin;
pub mod outbound;
pub mod passport;
mod path_template;
pub mod predicate;
pub mod prefix_path;
pub mod preserve_host_header;
mod principal_url;
mod query_string;
pub mod redirect_to;
mod regexp;
pub mod relay_header;
pub mod remove_request_header;
pub mod remove_request_parameter;
pub mod remove_response_header;
pub mod request_rate_limiter;
pub mod respond;
pub mod rewrite_location_response_header;
pub mod rewrite_path;
pub mod rewrite_request_parameter;
pub mod rewrite_response_header;
pub mod role;
pub mod save_session;
mod secret_text;
pub mod section;
pub mod secure_headers;
mod session;
pub mod set_path;
pub mod set_request_header;
pub mod set_request_host_header;
pub mod set_request_uri;
pub mod set_response_header;
pub mod set_status;
mod status;
pub mod strip_prefix;
pub mod token_exchange;
pub mod token_relay;
mod url_template;
pub mod user_headers;

#[cfg(test)]
mod fixture;

use gwanmun_proxy::{Catalog, FilterSpec, PredicateSpec, Role, SectionSpec};

pub use status::StatusSpec;

/// What a configuration may name. An embedder adds to it: `Registry::standard().filter::<MyFilterSpec>()`.
#[derive(Default)]
pub struct Registry {
    catalog: Catalog,
}

impl Registry {
    /// Nothing at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Everything the gateway comes with.
    pub fn standard() -> Self {
        let mut registry = Self::empty()
            .section::<section::audit::AuditSpec>()
            .section::<section::store::StoreSpec>()
            .section::<section::identity::IdentitySpec>()
            .section::<section::passport::PassportSectionSpec>()
            .role::<role::public::Public>()
            .role::<role::secure::Secure>()
            .role::<role::internal::Internal>()
            .filter::<add_request_header::AddRequestHeaderSpec>()
            .filter::<add_request_headers_if_not_present::AddRequestHeadersIfNotPresentSpec>()
            .filter::<add_request_parameter::AddRequestParameterSpec>()
            .filter::<add_response_header::AddResponseHeaderSpec>()
            .filter::<authenticate::AuthenticateSpec>()
            .filter::<authorize::AuthorizeSpec>()
            .filter::<cors::CorsSpec>()
            .filter::<csrf::CsrfSpec>()
            .filter::<dedupe_response_header::DedupeResponseHeaderSpec>()
            .filter::<map_request_header::MapRequestHeaderSpec>()
            .filter::<passport::PassportSpec>()
            .filter::<prefix_path::PrefixPathSpec>()
            .filter::<preserve_host_header::PreserveHostHeaderSpec>()
            .filter::<redirect_to::RedirectToSpec>()
            .filter::<relay_header::RelayHeaderSpec>()
            .filter::<remove_request_header::RemoveRequestHeaderSpec>()
            .filter::<remove_request_parameter::RemoveRequestParameterSpec>()
            .filter::<remove_response_header::RemoveResponseHeaderSpec>()
            .filter::<request_rate_limiter::RequestRateLimiterSpec>()
            .filter::<respond::RespondSpec>()
            .filter::<rewrite_location_response_header::RewriteLocationResponseHeaderSpec>()
            .filter::<rewrite_path::RewritePathSpec>()
            .filter::<rewrite_request_parameter::RewriteRequestParameterSpec>()
            .filter::<rewrite_response_header::RewriteResponseHeaderSpec>()
            .filter::<save_session::SaveSessionSpec>()
            .filter::<secure_headers::SecureHeadersSpec>()
            .filter::<set_path::SetPathSpec>()
            .filter::<set_request_header::SetRequestHeaderSpec>()
            .filter::<set_request_host_header::SetRequestHostHeaderSpec>()
            .filter::<set_request_uri::SetRequestUriSpec>()
            .filter::<set_response_header::SetResponseHeaderSpec>()
            .filter::<set_status::SetStatusSpec>()
            .filter::<strip_prefix::StripPrefixSpec>()
            .filter::<token_exchange::TokenExchangeSpec>()
            .filter::<token_relay::TokenRelaySpec>()
            .filter::<user_headers::UserHeadersSpec>();
        predicate::register(&mut registry.catalog);
        registry
    }

    /// Adds a filter; it replaces one of the same name.
    #[must_use]
    pub fn filter<S: FilterSpec>(mut self) -> Self {
        self.catalog.add_filter::<S>();
        self
    }

    /// Adds a predicate; it replaces one of the same name.
    #[must_use]
    pub fn predicate<S: PredicateSpec>(mut self) -> Self {
        self.catalog.add_predicate::<S>();
        self
    }

    /// Adds a section; it replaces one of the same key. Sections find those that were added before them.
    #[must_use]
    pub fn section<S: SectionSpec>(mut self) -> Self {
        self.catalog.add_section::<S>();
        self
    }

    /// Adds a role; it replaces one of the same name.
    #[must_use]
    pub fn role<R: Role>(mut self) -> Self {
        self.catalog.add_role::<R>();
        self
    }

    /// What the engine looks names up in.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The same, handed over.
    pub fn into_catalog(self) -> Catalog {
        self.catalog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_and_predicate_has_documentation_and_an_example_with_tests() {
        let registry = Registry::standard();
        let mut generator = schemars::SchemaGenerator::default();
        let mut seen = 0;
        let filters = registry.catalog().filters().map(|item| (item.name, item.example, item.schema(&mut generator)));
        let filters: Vec<_> = filters.collect();
        let predicates =
            registry.catalog().predicates().map(|item| (item.name, item.example, item.schema(&mut generator)));
        for (name, example, schema) in filters.into_iter().chain(predicates.collect::<Vec<_>>()) {
            assert!(example.contains(name) && example.contains("\ntests:\n"), "{name} has no example");
            let schema = match schema.get("$ref").and_then(|reference| reference.as_str()) {
                Some(reference) => {
                    let definition = reference.rsplit('/').next().unwrap();
                    generator.definitions()[definition].clone()
                }
                None => schema.to_value(),
            };
            assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no documentation");
            seen += 1;
        }
        assert!(seen > 25, "only {seen} were registered");
    }

    #[test]
    fn the_arguments_of_every_filter_and_predicate_are_documented() {
        let registry = Registry::standard();
        let mut generator = schemars::SchemaGenerator::default();
        registry.catalog().filters().for_each(|item| drop(item.schema(&mut generator)));
        registry.catalog().predicates().for_each(|item| drop(item.schema(&mut generator)));
        for (name, definition) in generator.definitions() {
            let properties = definition.get("properties").and_then(|found| found.as_object());
            for (argument, schema) in properties.into_iter().flatten() {
                assert!(schema.get("description").is_some(), "{argument} of {name} has no documentation");
            }
        }
    }
}
