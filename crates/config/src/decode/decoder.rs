//! Serde's deserializer over a node.

use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, Unexpected, Visitor};

use super::Sieve;
use super::access::{EnumValue, Items, MapItems, Place};
use super::mistake::Mistake;
use crate::node::{Node, Resolved, Scalar, Value};
use crate::one_or_many::ONE_OR_MANY;
use crate::piece::{PIECE, hand_over};
use crate::spanned::SPANNED;

/// Decodes one node.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'n> {
    pub(super) node: &'n Node,
    pub(super) sieve: &'n Sieve,
}

impl<'n> Decoder<'n> {
    pub(super) fn new(node: &'n Node, sieve: &'n Sieve) -> Self {
        Self { node, sieve }
    }

    fn scalar(&self) -> Option<&'n Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    fn unfit<'de, V: Visitor<'de>>(visitor: &V) -> Mistake {
        Mistake::invalid_type(Unexpected::Other("something else"), visitor)
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.scalar().map(|scalar| crate::node::resolve_plain(scalar.text())) {
            Some(Resolved::Integer(integer)) => visit_integer(integer, visitor),
            _ => Err(Self::unfit(&visitor)),
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.scalar().map(|scalar| crate::node::resolve_plain(scalar.text())) {
            // Large numbers lose digits, as numbers with a fraction do.
            Some(Resolved::Integer(integer)) => visitor.visit_f64(integer as f64),
            Some(Resolved::Float(float)) => visitor.visit_f64(float),
            _ => Err(Self::unfit(&visitor)),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V, fixed: bool) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::List(items) => visitor.visit_seq(Items::new(self, items, fixed)),
            Value::Null if !fixed => visitor.visit_seq(Items::new(self, &[], fixed)),
            _ => Err(Self::unfit(&visitor)),
        }
    }
}

fn visit_integer<'de, V: Visitor<'de>>(integer: i128, visitor: V) -> Result<V::Value, Mistake> {
    if let Ok(unsigned) = u64::try_from(integer) {
        visitor.visit_u64(unsigned)
    } else if let Ok(signed) = i64::try_from(integer) {
        visitor.visit_i64(signed)
    } else {
        Err(Decoder::unfit(&visitor))
    }
}

macro_rules! forward {
    ($($method:ident => $to:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            self.$to(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Mistake;

    forward! {
        deserialize_i8 => integer, deserialize_i16 => integer, deserialize_i32 => integer, deserialize_i64 => integer,
        deserialize_i128 => integer, deserialize_u8 => integer, deserialize_u16 => integer, deserialize_u32 => integer,
        deserialize_u64 => integer, deserialize_u128 => integer, deserialize_f32 => float, deserialize_f64 => float,
        deserialize_char => deserialize_str, deserialize_string => deserialize_str,
        deserialize_identifier => deserialize_str, deserialize_bytes => deserialize_any,
        deserialize_byte_buf => deserialize_any,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::List(_) => self.list(visitor, false),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => visitor.visit_unit(),
                Resolved::Bool(value) => visitor.visit_bool(value),
                Resolved::Integer(value) => visit_integer(value, visitor),
                Resolved::Float(value) => visitor.visit_f64(value),
                Resolved::Text(text) => visitor.visit_str(text),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.scalar().map(|scalar| crate::node::resolve_plain(scalar.text())) {
            Some(Resolved::Bool(value)) => visitor.visit_bool(value),
            _ => Err(Self::unfit(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.scalar() {
            Some(scalar) => visitor.visit_str(scalar.text()),
            None => Err(Self::unfit(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.node.value == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.node.value == Value::Null { visitor.visit_unit() } else { Err(Self::unfit(&visitor)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        match name {
            SPANNED => visitor.visit_seq(Place::new(self)),
            PIECE => {
                hand_over(self.node.clone());
                visitor.visit_unit()
            }
            ONE_OR_MANY => match &self.node.value {
                Value::List(_) => self.list(visitor, false),
                Value::Null => Err(Self::unfit(&visitor)),
                _ => visitor.visit_newtype_struct(self),
            },
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.list(visitor, false)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.list(visitor, true)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.list(visitor, true)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Map(entries) => visitor.visit_map(MapItems::new(self, entries, None)),
            Value::Null => visitor.visit_map(MapItems::new(self, &[], None)),
            _ => Err(Self::unfit(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Map(entries) => {
                let known = self.sieve.is_strict.then_some(keys);
                visitor.visit_map(MapItems::new(self, entries, known))
            }
            Value::Null => self.deserialize_map(visitor),
            _ => Err(Mistake::no_map(keys)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Scalar(scalar) => {
                visitor.visit_enum(StrDeserializer::new(variant(scalar.text(), variants).as_ref()))
            }
            Value::Map(entries) => match entries.as_slice() {
                [only] if self.sieve.shows(&only.node) => visitor.visit_enum(EnumValue::new(self, only, variants)),
                _ => Err(Self::unfit(&visitor)),
            },
            _ => Err(Self::unfit(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_unit()
    }
}

impl<'de> IntoDeserializer<'de, Mistake> for Decoder<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The variant that is meant: as written, or `RETAIN_LAST` for `retain-last`.
pub(super) fn variant<'t>(text: &'t str, variants: &'static [&'static str]) -> std::borrow::Cow<'t, str> {
    if variants.contains(&text) {
        return text.into();
    }
    let folded = text.to_ascii_lowercase().replace('_', "-");
    if variants.contains(&folded.as_str()) { folded.into() } else { text.into() }
}
