//! What operators decide about the cleaning of requests: how paths are read, and which headers are left alone.

use gwanmun_config::Spanned;
use schemars::JsonSchema;
use serde::Deserialize;

/// What becomes of the parts of a path that services read in different ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PathsSpec {
    /// A slash written as `%2F`.
    pub encoded_slash: EncodedSlash,
    /// A backslash, or `%5C`.
    pub backslash: Backslash,
    /// Parameters of a segment, from a `;` on.
    pub parameters: PathParameters,
    /// Slashes with nothing between them.
    pub duplicate_slashes: DuplicateSlashes,
    /// Control characters written as escapes (`%01` to `%1F`, `%7F`); NUL is always refused.
    pub control_characters: ControlCharacters,
}

/// What becomes of `%2F`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EncodedSlash {
    /// It stays an escape, and so a part of its segment.
    #[default]
    Keep,
    /// The request is refused.
    Refuse,
    /// It becomes a slash, before anything else is done with the path.
    Decode,
}

/// What becomes of a backslash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backslash {
    /// It is written as `%5C`, and so a part of its segment.
    #[default]
    Escape,
    /// The request is refused.
    Refuse,
    /// It becomes a slash, before anything else is done with the path.
    Slash,
}

/// What becomes of the parameters of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PathParameters {
    /// They stay, as a part of the segment.
    #[default]
    Keep,
    /// The request is refused.
    Refuse,
    /// They are cut off.
    Strip,
}

/// What becomes of `//`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DuplicateSlashes {
    /// They become one.
    #[default]
    Merge,
    /// The request is refused.
    Refuse,
    /// They stay, but at the beginning, where they would look like a host.
    Keep,
}

/// What becomes of escaped control characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ControlCharacters {
    /// The request is refused.
    #[default]
    Refuse,
    /// They stay escapes.
    Keep,
}

/// Which headers of requests are left as they come.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HeadersSpec {
    /// Headers that the door would otherwise remove, correct or refuse.
    pub keep: Vec<Spanned<String>>,
}
