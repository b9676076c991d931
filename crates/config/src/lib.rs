//! Configuration text from several files and the environment becomes one checked value with spans.
//!
//! The flow: [`load`] parses each file into [`Node`]s ([`Sources`] keep the texts), merges them, lays the environment on
//! top and interpolates; [`decode`] turns nodes into typed values. Every step writes into one [`Diagnostics`], so that a
//! single run shows every mistake of every file.
//!
//! ```
//! use gwanmun_config::{Environment, MergeRules, Style, decode, load_texts};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Gateway {
//!     workers: u16,
//! }
//!
//! let files = [("gw.yaml".to_owned(), "wrokers: two\n".to_owned())];
//! let mut loaded = load_texts(&files, &Environment::default(), &MergeRules::default());
//! let _: Option<Gateway> = decode(&loaded.document, &mut loaded.diagnostics);
//! let shown = loaded.diagnostics.render(&loaded.sources, Style::Plain);
//! assert!(shown.contains("unknown key 'wrokers'"));
//! assert!(shown.contains("gw.yaml:1:1"));
//! assert!(shown.contains("did you mean 'workers'?"));
//! assert!(shown.contains("expected a whole number from 0 to 65535, found 'two'"));
//! ```

mod arguments;
mod byte_size;
mod decode;
mod diagnostic;
mod environment;
mod files;
mod hidden;
mod interpolate;
mod layers;
mod load;
mod masked;
mod merge;
mod node;
mod one_or_many;
mod piece;
mod render;
mod source;
mod spanned;
mod suggest;
mod timespan;
#[cfg(feature = "watch")]
mod watch;
mod yaml;

pub use byte_size::ByteSize;
pub use decode::{decode, decode_strictly};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use environment::Environment;
pub use files::{Content, Files};
pub use layers::{Layer, Layers};
pub use load::{Loaded, load, load_list, load_texts};
pub use masked::{Masked, is_secret, without_user};
pub use merge::MergeRules;
pub use node::{Entry, Node, Resolved, Scalar, Value};
pub use one_or_many::OneOrMany;
pub use piece::Piece;
pub use render::Style;
pub use source::{SourceId, Sources, Span};
pub use spanned::Spanned;
pub use suggest::did_you_mean;
pub use timespan::Timespan;
#[cfg(feature = "watch")]
pub use watch::Watch;
