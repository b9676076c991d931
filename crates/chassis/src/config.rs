//! The configuration of a service, from the weakest to the strongest: the defaults of the code, `application.yaml`, the files
//! of profiles, the environment, the command line. Every mistake is told at once, with its place.
//!
//! [`read`] gives a [`Reading`], into which the steps after it write their own mistakes; [`Reading::settle`] gives the
//! [`Settings`] if there were none.

mod change;
mod own;
mod pages;
mod places;
mod profiles;
mod record;
mod reload;
mod start;

use serde::de::DeserializeOwned;

use gwanmun_config::{Diagnostics, Files, Layer, Loaded, MergeRules, Node, Sources, decode};

use crate::settings::ServiceSpec;
pub(crate) use record::Record;
pub(crate) use reload::{Reloader, TakeOver};
pub(crate) use start::{Asked, Ended, Start};

/// A service's own section. Whatever serde can read.
pub trait Configuration: DeserializeOwned + Send + Sync + 'static {}

impl<T: DeserializeOwned + Send + Sync + 'static> Configuration for T {}

/// What was read, before anybody has looked at what it means.
pub(crate) struct Reading<C> {
    /// The keys that every service has; defaults where they could not be read.
    pub(crate) spec: ServiceSpec,
    /// The service's own section, if it could be read.
    pub(crate) own: Option<C>,
    /// What is wrong so far.
    pub(crate) diagnostics: Diagnostics,
    /// The texts that mistakes point into.
    pub(crate) sources: Sources,
    /// Files named by what was read, to be watched too.
    pub(crate) files: Files,
    profiles: Vec<String>,
    document: Node,
    layers: Vec<Layer>,
}

/// A configuration without mistakes.
pub(crate) struct Settings<C> {
    /// The keys that every service has.
    pub(crate) spec: ServiceSpec,
    /// The service's own section.
    pub(crate) own: C,
    /// What works, but probably not as meant; to be shown on standard error.
    pub(crate) warnings: String,
    /// As it was written: profiles, files to watch, pages for operators.
    pub(crate) record: Record,
}

/// Reads the configuration of the service called `name`.
///
/// # Errors
/// The name is none that a service can have. Mistakes in the configuration are in the reading.
pub(crate) fn read<C: Configuration>(name: &str, start: &Start) -> Result<Reading<C>, Ended> {
    own::check_name(name).map_err(Ended::could_not_start)?;
    let (layers, profiles) = places::gather(start);
    let shown = layers.layers().to_vec();
    let Loaded { document, sources, diagnostics, files } = layers.finish(start.environment(), &MergeRules::default());
    let record = Record { profiles, files, document, layers: shown, sources };
    Ok(in_order(name, record, diagnostics))
}

/// The values of a document, which was read before.
fn in_order<C: Configuration>(name: &str, record: Record, mut diagnostics: Diagnostics) -> Reading<C> {
    let (common, section) = own::set_aside::<C>(name, &record.document, &mut diagnostics);
    let spec = decode(&common, &mut diagnostics).unwrap_or_default();
    let own = own::decode(name, section, &mut diagnostics);
    let Record { profiles, files, document, layers, sources } = record;
    Reading { spec, own, diagnostics, sources, files, profiles, document, layers }
}

impl<C> Reading<C> {
    /// The active profiles, in order.
    pub(crate) fn profiles(&self) -> &[String] {
        &self.profiles
    }

    /// What was read, if nothing is wrong with it.
    ///
    /// # Errors
    /// All mistakes, as they are shown to people.
    pub(crate) fn settle(mut self) -> Result<Settings<C>, Ended> {
        self.diagnostics.sort();
        let shown = self.diagnostics.render(&self.sources, start::stderr_style());
        match self.own {
            Some(own) if !self.diagnostics.has_errors() => Ok(Settings {
                spec: self.spec,
                own,
                warnings: shown,
                record: Record {
                    profiles: self.profiles,
                    files: self.files,
                    document: self.document,
                    layers: self.layers,
                    sources: self.sources,
                },
            }),
            _ => Err(Ended::with_mistakes(shown)),
        }
    }

    /// All mistakes so far, without colours.
    #[cfg(test)]
    pub(crate) fn shown(&self) -> String {
        self.diagnostics.render(&self.sources, gwanmun_config::Style::Plain)
    }
}

#[cfg(test)]
mod tests;
