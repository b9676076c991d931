//! A part of the document kept as it is, to be decoded later by whoever knows its type: a filter's arguments, for
//! instance, whose type the registry knows and the spec does not.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::node::Node;

/// The name by which the decoder knows that the node itself is asked for.
pub(crate) const PIECE: &str = "$gwanmun::Piece";

thread_local! {
    /// A visitor can only be handed serde's own types, so the node travels beside it.
    static HANDED: Cell<Option<Node>> = const { Cell::new(None) };
}

/// An undecoded part of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece(pub Node);

/// Leaves a node for the visitor that is called next on this thread.
pub(crate) fn hand_over(node: Node) {
    HANDED.set(Some(node));
}

impl<'de> Deserialize<'de> for Piece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(PIECE, PieceVisitor)
    }
}

struct PieceVisitor;

impl Visitor<'_> for PieceVisitor {
    type Value = Piece;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of a configuration")
    }

    fn visit_unit<E: Error>(self) -> Result<Piece, E> {
        HANDED.take().map(Piece).ok_or_else(|| E::custom("a piece can only be decoded from a configuration"))
    }
}

impl JsonSchema for Piece {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Piece".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}
