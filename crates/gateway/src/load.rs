//! Files and environment -> Spec -> Plan, with everything that is wrong told in one go. Every command begins here.

use std::path::PathBuf;

use gwanmun_config::{
    Diagnostic, Diagnostics, Environment, Files, Loaded, MergeRules, Node, Sources, Value, decode, load,
};
use gwanmun_filters::Registry;
use gwanmun_proxy::{Catalog, Context, GatewaySpec, Lasting, Network, Plan, compile};
use gwanmun_telemetry::health::Configured;

use crate::advice::advise;
use crate::management::COMPONENTS;
use crate::terminal::{complain, stderr_style};
use crate::testing::{Case, Known, cases};

/// Lists that grow from file to file, and what their elements are known by.
const MERGE: MergeRules =
    MergeRules { append: &[("routes", Some("id")), ("listeners", Some("name")), ("tests", None)] };

/// A configuration that has been read; good if there is a plan.
pub(crate) struct Configuration {
    pub(crate) document: Node,
    pub(crate) sources: Sources,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) spec: GatewaySpec,
    pub(crate) tests: Vec<Case>,
    pub(crate) plan: Option<Plan>,
    pub(crate) health: Configured,
    /// What it was read from.
    pub(crate) files: Files,
}

/// Reads `files` and the environment, to look at them: nobody is spoken to.
pub(crate) fn from_files(registry: &Registry, files: &[PathBuf]) -> Configuration {
    to_run(registry, files, &Lasting::new(Network::Offline), |_| {})
}

/// Reads `files` and the environment, to run what they say; `lasting` is what earlier ones have left. `prepare` is called
/// before anything is opened.
pub(crate) fn to_run(
    registry: &Registry,
    files: &[PathBuf],
    lasting: &Lasting,
    prepare: impl FnOnce(&GatewaySpec),
) -> Configuration {
    compiled(registry, load(files, &Environment::from_process(), &MERGE), lasting, prepare)
}

/// Reads a text that is not in a file.
#[cfg(test)]
pub(crate) fn from_text(registry: &Registry, name: &str, text: &str) -> Configuration {
    let texts = [(name.to_owned(), text.to_owned())];
    let loaded = gwanmun_config::load_texts(&texts, &Environment::from_pairs::<String, String>([]), &MERGE);
    compiled(registry, loaded, &Lasting::new(Network::Offline), |_| {})
}

impl Configuration {
    /// Adds warnings about what is good, but hardly meant.
    pub(crate) fn advise(&mut self) {
        if let Some(plan) = &self.plan {
            advise(&self.spec, &self.document, plan, &mut self.diagnostics);
            self.diagnostics.sort();
        }
    }

    /// Shows every mistake and warning on stderr.
    pub(crate) fn complain(&self) {
        if !self.diagnostics.is_empty() {
            complain(self.diagnostics.render(&self.sources, stderr_style()).trim_end());
        }
    }
}

/// A configuration of Spring Cloud Gateway is no mistake of spelling: it is told where its words are translated.
fn set_aside_spring(document: &mut Node, diagnostics: &mut Diagnostics) {
    let Value::Map(entries) = &mut document.value else { return };
    entries.retain(|entry| {
        let is_spring = entry.key == "spring";
        if is_spring {
            diagnostics.push(
                Diagnostic::error("found a configuration of Spring, whose words differ here", entry.key_span)
                    .with_hint("docs/recipes/from-spring-cloud-gateway.md shows how each part is written"),
            );
        }
        !is_spring
    });
}

fn compiled(
    registry: &Registry,
    loaded: Loaded,
    lasting: &Lasting,
    prepare: impl FnOnce(&GatewaySpec),
) -> Configuration {
    let Loaded { mut document, sources, mut diagnostics, mut files } = loaded;
    set_aside_spring(&mut document, &mut diagnostics);
    let mut context = Context::new(registry.catalog(), &sources, lasting);
    context.sections = context.catalog.set_aside(&mut document);
    let decoded: Option<GatewaySpec> = decode(&document, &mut diagnostics);
    // What could not be decoded was left out: the rest is still checked.
    let spec = decoded.unwrap_or_default();
    prepare(&spec);
    let plan = compile(&spec, &context, &mut diagnostics);
    let Context { sections, reader, .. } = context;
    Catalog::put_back(&mut document, sections);
    files.extend(reader.into_files());
    let health = spec.health.configured(&COMPONENTS, &mut diagnostics);
    let known = Known::of(&document, diagnostics.is_incomplete());
    let tests = cases(&spec.tests, &known, &mut diagnostics);
    let plan = plan.filter(|_| !diagnostics.has_errors());
    diagnostics.sort();
    Configuration { document, sources, diagnostics, spec, tests, plan, health, files }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const ROUTES: &str = r#"
routes:
  - {id: a, predicates: [{path: "/a/{x}"}], filters: [{set-request-header: {name: X-A, value: "1"}}], upstream: "http://127.0.0.1:1"}
  - {id: b, predicates: [{path: "/b/{x}"}], filters: [{set-request-header: {name: X-A, value: "1"}}], upstream: "http://127.0.0.1:1"}
  - {id: c, predicates: [{path: "/c/{x}"}], filters: [{set-request-header: {name: X-A, value: "2"}}], upstream: "http://127.0.0.1:1"}
  - {id: d, predicates: [{path: "/d/{y}"}], filters: [{set-request-header: {name: X-A, value: "1"}}], upstream: "http://127.0.0.1:1"}
"#;

    #[test]
    fn routes_with_the_same_filters_share_them_and_others_do_not() {
        let plan = from_text(&Registry::standard(), "gw.yaml", ROUTES).plan.unwrap();
        let [a, b, c, d] = plan.routes.as_slice() else { panic!("{} routes", plan.routes.len()) };
        assert!(Arc::ptr_eq(&a.filters, &b.filters));
        assert!(!Arc::ptr_eq(&a.filters, &c.filters));
        // Which variables there are may decide whether arguments are good.
        assert!(!Arc::ptr_eq(&a.filters, &d.filters));
    }

    #[test]
    fn filters_that_name_files_are_shared_only_by_routes_of_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let file = |id: &str| {
            let folder = folder.path().join(id);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("keys.yaml"), format!("- {{id: {id}, hash: 'sha256:{hash}'}}\n")).unwrap();
            let filter = "authenticate: {any: [{api-key: {keys: 'file:keys.yaml'}}]}";
            let route = |name: &str| format!("  - {{id: {id}{name}, filters: [{filter}, respond]}}\n");
            std::fs::write(folder.join("gw.yaml"), format!("routes:\n{}{}", route("1"), route("2"))).unwrap();
            folder.join("gw.yaml")
        };
        let plan = from_files(&Registry::standard(), &[file("a"), file("b")]).plan.unwrap();
        let [a1, a2, b1, _] = plan.routes.as_slice() else { panic!("{} routes", plan.routes.len()) };
        assert!(Arc::ptr_eq(&a1.filters, &a2.filters));
        assert!(!Arc::ptr_eq(&a1.filters, &b1.filters));
    }
}
