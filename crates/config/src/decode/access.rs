//! Walking lists, maps and enum values: each child's mistake gets its place here, and the name of what to leave out.

use std::iter::{Enumerate, Skip};
use std::slice;

use serde::de::value::{StrDeserializer, U32Deserializer, UsizeDeserializer};
use serde::de::{
    DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::decoder::{Decoder, variant};
use super::mistake::Mistake;
use crate::node::{Entry, Node};

/// The elements of a list.
pub(super) struct Items<'n> {
    list: Decoder<'n>,
    rest: Skip<Enumerate<slice::Iter<'n, Node>>>,
    /// In a tuple every element has its type by position, so only the whole can be left out.
    fixed: bool,
}

impl<'n> Items<'n> {
    pub(super) fn new(list: Decoder<'n>, items: &'n [Node], fixed: bool) -> Self {
        let begin = if fixed { 0 } else { list.sieve.begin(list.node) };
        Self { list, rest: items.iter().enumerate().skip(begin), fixed }
    }
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Mistake;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let sieve = self.list.sieve;
        let Some((index, item)) = self.rest.find(|(_, item)| sieve.shows(item)) else { return Ok(None) };
        seed.deserialize(Decoder::new(item, sieve)).map(Some).map_err(|mistake| {
            let placed = mistake.at(item);
            if self.fixed { placed.through(self.list.node) } else { placed.within(self.list.node, index, item, None) }
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The entries of a map.
pub(super) struct MapItems<'n> {
    map: Decoder<'n>,
    rest: Skip<Enumerate<slice::Iter<'n, Entry>>>,
    current: Option<(usize, &'n Entry)>,
    /// All the keys there may be, where others are mistakes.
    known: Option<&'static [&'static str]>,
}

impl<'n> MapItems<'n> {
    pub(super) fn new(map: Decoder<'n>, entries: &'n [Entry], known: Option<&'static [&'static str]>) -> Self {
        let begin = map.sieve.begin(map.node);
        Self { map, rest: entries.iter().enumerate().skip(begin), current: None, known }
    }
}

impl<'de> MapAccess<'de> for MapItems<'_> {
    type Error = Mistake;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let sieve = self.map.sieve;
        self.current = self.rest.find(|(_, entry)| sieve.shows(&entry.node));
        let Some((index, entry)) = self.current else { return Ok(None) };
        let key = sieve.key(entry);
        let read = match self.known {
            Some(known) if !known.contains(&key) => Err(Mistake::unknown_field(key, known)),
            _ => seed.deserialize(Key(key)).map(Some),
        };
        read.map_err(|mistake| {
            let placed = mistake.at_key(&entry.key, entry.key_span, &entry.node);
            placed.within(self.map.node, index, &entry.node, Some(key))
        })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mistake> {
        let Some((index, entry)) = self.current.take() else {
            return Err(Mistake::custom("a value was asked for before its key"));
        };
        let sieve = self.map.sieve;
        seed.deserialize(Decoder::new(&entry.node, sieve)).map_err(|mistake| {
            mistake.at(&entry.node).within(self.map.node, index, &entry.node, Some(sieve.key(entry)))
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A key: text, or a number for maps by status.
struct Key<'n>(&'n str);

impl<'n> Key<'n> {
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => Err(Mistake::invalid_type(Unexpected::Str(self.0), &visitor)),
        }
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            self.number(visitor)
        })*
    };
}

impl<'de> serde::Deserializer<'de> for Key<'_> {
    type Error = Mistake;

    numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_enum(StrDeserializer::new(&variant(self.0, variants)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// `{variant: content}`.
pub(super) struct EnumValue<'n> {
    whole: Decoder<'n>,
    entry: &'n Entry,
    variants: &'static [&'static str],
}

impl<'n> EnumValue<'n> {
    pub(super) fn new(whole: Decoder<'n>, entry: &'n Entry, variants: &'static [&'static str]) -> Self {
        Self { whole, entry, variants }
    }

    fn content(&self) -> Decoder<'n> {
        Decoder::new(&self.entry.node, self.whole.sieve)
    }

    fn place(&self, mistake: Mistake) -> Mistake {
        mistake.at(&self.entry.node).within(self.whole.node, 0, &self.entry.node, Some(&self.entry.key))
    }
}

impl<'de> EnumAccess<'de> for EnumValue<'_> {
    type Error = Mistake;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Mistake> {
        let name = variant(&self.entry.key, self.variants);
        match seed.deserialize(StrDeserializer::<Mistake>::new(&name)) {
            Ok(value) => Ok((value, self)),
            Err(mistake) => Err(mistake.at_key(&self.entry.key, self.entry.key_span, self.whole.node)),
        }
    }
}

impl<'de> VariantAccess<'de> for EnumValue<'_> {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        serde::Deserialize::deserialize(self.content()).map_err(|mistake| self.place(mistake))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Mistake> {
        seed.deserialize(self.content()).map_err(|mistake| self.place(mistake))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Mistake> {
        use serde::Deserializer as _;
        self.content().deserialize_tuple(length, visitor).map_err(|mistake| self.place(mistake))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Mistake> {
        use serde::Deserializer as _;
        self.content().deserialize_struct("", fields, visitor).map_err(|mistake| self.place(mistake))
    }
}

/// The four parts of a [`crate::Spanned`]: source, start, end, value.
pub(super) struct Place<'n> {
    decoder: Decoder<'n>,
    given: u8,
}

impl<'n> Place<'n> {
    pub(super) fn new(decoder: Decoder<'n>) -> Self {
        Self { decoder, given: 0 }
    }
}

impl<'de> SeqAccess<'de> for Place<'_> {
    type Error = Mistake;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let span = self.decoder.node.span;
        self.given += 1;
        match self.given {
            1 => seed.deserialize::<U32Deserializer<Mistake>>(span.source.raw().into_deserializer()).map(Some),
            2 => seed.deserialize::<UsizeDeserializer<Mistake>>(span.start.into_deserializer()).map(Some),
            3 => seed.deserialize::<UsizeDeserializer<Mistake>>(span.end.into_deserializer()).map(Some),
            4 => seed.deserialize(self.decoder).map(Some),
            _ => Ok(None),
        }
    }
}
