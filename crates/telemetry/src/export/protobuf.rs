//! As much of Protocol Buffers' wire format as OTLP's messages need: a writer, and a reader that takes any bytes.
//! Fields with their default value are not written (proto3).

/// A varint.
const VARINT: u64 = 0;
/// Eight bytes.
const EIGHT: u64 = 1;
/// A length and so many bytes.
const SIZED: u64 = 2;
/// Four bytes.
const FOUR: u64 = 5;

/// Writes a message field by field.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

/// The value of a field that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A varint, or a number of four or eight bytes.
    Number(u64),
    /// A text, bytes, a message.
    Sized(&'a [u8]),
}

impl Writer {
    /// The message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// An unsigned number, or an enum.
    pub(crate) fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.repeated_number(field, value);
        }
    }

    /// A truth value.
    pub(crate) fn flag(&mut self, field: u32, value: bool) {
        self.number(field, u64::from(value));
    }

    /// A `fixed64`.
    pub(crate) fn fixed64(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.repeated_fixed64(field, value);
        }
    }

    /// A `fixed32`.
    pub(crate) fn fixed32(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.key(field, FOUR);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// A `string` or `bytes`.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.present_bytes(field, value);
        }
    }

    /// A number also where it is zero: one of a `oneof`, or optional.
    pub(crate) fn repeated_number(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    /// A `fixed64` also where it is zero: one of a `oneof`, or optional.
    pub(crate) fn repeated_fixed64(&mut self, field: u32, value: u64) {
        self.key(field, EIGHT);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A `double` also where it is zero: one of a `oneof`, or optional.
    pub(crate) fn double(&mut self, field: u32, value: f64) {
        self.repeated_fixed64(field, value.to_bits());
    }

    /// A `string` or `bytes` also where it is empty: one of a `oneof`.
    pub(crate) fn present_bytes(&mut self, field: u32, value: &[u8]) {
        self.key(field, SIZED);
        self.varint(length(value.len()));
        self.0.extend_from_slice(value);
    }

    /// Several `fixed64` of one field, packed.
    pub(crate) fn packed_fixed64(&mut self, field: u32, values: impl IntoIterator<Item = u64>) {
        let begin = self.0.len();
        values.into_iter().for_each(|value| self.0.extend_from_slice(&value.to_le_bytes()));
        self.wrap(field, begin);
    }

    /// A message, also where it is empty.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let begin = self.0.len();
        write(self);
        self.wrap(field, begin);
    }

    /// Makes what stands behind `begin` a field of its own.
    fn wrap(&mut self, field: u32, begin: usize) {
        let end = self.0.len();
        self.key(field, SIZED);
        self.varint(length(end.saturating_sub(begin)));
        let head = self.0.len().saturating_sub(end);
        if let Some(all) = self.0.get_mut(begin..) {
            all.rotate_right(head);
        }
    }

    fn key(&mut self, field: u32, kind: u64) {
        self.varint(u64::from(field) << 3 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.0.push(low & 0x7f);
            }
            self.0.push(low | 0x80);
        }
    }
}

/// The fields of a message in their order, or nothing where the bytes are no message.
pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (key, rest) = varint(bytes)?;
        let (value, rest) = match key & 7 {
            VARINT => {
                let (number, rest) = varint(rest)?;
                (Value::Number(number), rest)
            }
            EIGHT => {
                let (number, rest) = rest.split_first_chunk()?;
                (Value::Number(u64::from_le_bytes(*number)), rest)
            }
            FOUR => {
                let (number, rest) = rest.split_first_chunk()?;
                (Value::Number(u64::from(u32::from_le_bytes(*number))), rest)
            }
            SIZED => {
                let (size, rest) = varint(rest)?;
                let (value, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
                (Value::Sized(value), rest)
            }
            _ => return None,
        };
        if key >> 3 == 0 {
            return None;
        }
        fields.push((key >> 3, value));
        bytes = rest;
    }
    Some(fields)
}

/// The last value of a field of numbers; zero where there is none.
pub(crate) fn number(fields: &[(u64, Value<'_>)], field: u64) -> u64 {
    let number = |(known, value): &(u64, Value<'_>)| match value {
        Value::Number(number) if *known == field => Some(*number),
        _ => None,
    };
    fields.iter().rev().find_map(number).unwrap_or_default()
}

/// The last value of a field of texts, bytes or messages; empty where there is none.
pub(crate) fn sized<'a>(fields: &[(u64, Value<'a>)], field: u64) -> &'a [u8] {
    let sized = |(known, value): &(u64, Value<'a>)| match value {
        Value::Sized(bytes) if *known == field => Some(*bytes),
        _ => None,
    };
    fields.iter().rev().find_map(sized).unwrap_or_default()
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(7 * place).ok()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.finish()
    }

    #[test]
    fn the_examples_of_the_encoding_guide_are_written() {
        assert_eq!(written(|writer| writer.number(1, 150)), [0x08, 0x96, 0x01]);
        assert_eq!(written(|writer| writer.bytes(2, b"testing")), *b"\x12\x07testing");
        assert_eq!(written(|writer| writer.message(3, |inner| inner.number(1, 150))), [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }

    #[test]
    fn what_is_default_is_left_out_where_it_may_be() {
        let defaults = written(|writer| {
            writer.number(1, 0);
            writer.flag(2, false);
            writer.fixed64(3, 0);
            writer.fixed32(4, 0);
            writer.bytes(5, b"");
        });
        assert!(defaults.is_empty());
        assert_eq!(written(|writer| writer.message(1, |_| {})), [0x0a, 0x00]);
        assert_eq!(written(|writer| writer.present_bytes(1, b"")), [0x0a, 0x00]);
        assert_eq!(written(|writer| writer.double(1, 0.0)), [0x09, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_message_is_not_read() {
        for bytes in [
            &b"\x0a\x05ab"[..],
            b"\x08",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0b",
            b"\x00\x00",
            b"<html>",
        ] {
            assert_eq!(fields(bytes), None, "{bytes:?}");
        }
        assert_eq!(fields(b""), Some(vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = fields(&bytes);
        }

        #[test]
        fn what_is_written_is_read(
            numbers in proptest::collection::vec((1_u32..1 << 29, any::<u64>()), 0..8),
            text in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = written(|writer| {
                writer.message(7, |inner| {
                    inner.packed_fixed64(1, numbers.iter().map(|(_, value)| *value));
                    inner.message(2, |inner| inner.present_bytes(3, &text));
                });
                numbers.iter().for_each(|(field, value)| writer.repeated_number(*field, *value));
                writer.fixed32(9, 0xdead_beef);
            });
            let outer = fields(&bytes).unwrap();
            let mut wanted: Vec<_> = numbers.iter().map(|(field, value)| (u64::from(*field), Value::Number(*value))).collect();
            wanted.push((9, Value::Number(0xdead_beef)));
            prop_assert_eq!(&outer[1..], &wanted[..]);
            let Value::Sized(inner) = outer[0].1 else { panic!() };
            let inner = fields(inner).unwrap();
            let packed: Vec<u8> = numbers.iter().flat_map(|(_, value)| value.to_le_bytes()).collect();
            prop_assert_eq!(sized(&inner, 1), &packed[..]);
            prop_assert_eq!(sized(&fields(sized(&inner, 2)).unwrap(), 3), &text[..]);
        }
    }
}
