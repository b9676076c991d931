//! Protocol Buffers as they stand on the wire.

/// The fields of a message; one that cannot be read is a failed test.
pub(super) fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes);
                Field::Bytes(take(&mut bytes, usize::try_from(length).unwrap()).to_vec())
            }
            5 => Field::Number(u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap()).into()),
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

/// All byte strings of field `number`.
pub(super) fn all(message: &[u8], number: u64) -> Vec<Vec<u8>> {
    let bytes = |(known, field)| match field {
        Field::Bytes(bytes) if known == number => Some(bytes),
        _ => None,
    };
    fields(message).into_iter().filter_map(bytes).collect()
}

/// The byte string of field `number`, or an empty one.
pub(super) fn bytes(message: &[u8], number: u64) -> Vec<u8> {
    all(message, number).pop().unwrap_or_default()
}

/// The text of field `number`.
pub(super) fn text(message: &[u8], number: u64) -> String {
    String::from_utf8(bytes(message, number)).unwrap()
}

/// The number of field `number`, or zero.
pub(super) fn number(message: &[u8], number: u64) -> u64 {
    let mut numbers = fields(message).into_iter().filter_map(|(known, field)| match field {
        Field::Number(value) if known == number => Some(value),
        _ => None,
    });
    numbers.next_back().unwrap_or_default()
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a varint without an end");
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}
