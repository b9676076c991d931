//! What all of OTLP's requests have in common: who tells, in which name, and attributes.

use crate::export::protobuf::Writer;
use crate::pipeline::Resource;
use crate::span::Attribute;

/// Writes the field `field` of an `opentelemetry.proto.resource.v1.Resource`.
pub(crate) fn write_resource(writer: &mut Writer, field: u32, resource: &Resource) {
    let about_us = [
        ("telemetry.sdk.name", "gwanmun"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    writer.message(field, |writer| {
        for (name, value) in resource.attributes() {
            text(writer, 1, name, value);
        }
        for (name, value) in about_us {
            text(writer, 1, name, value);
        }
    });
}

/// Writes the field `field` of an `InstrumentationScope`.
pub(crate) fn write_scope(writer: &mut Writer, field: u32) {
    writer.message(field, |writer| {
        writer.bytes(1, b"gwanmun");
        writer.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    });
}

/// Writes the field `field` of a `KeyValue`.
pub(crate) fn attribute(writer: &mut Writer, field: u32, name: &str, value: &Attribute) {
    writer.message(field, |writer| {
        writer.bytes(1, name.as_bytes());
        writer.message(2, |writer| match value {
            Attribute::Text(text) => writer.present_bytes(1, text.as_bytes()),
            Attribute::Flag(flag) => writer.repeated_number(2, u64::from(*flag)),
            // Two's complement, as `int64` is written.
            Attribute::Whole(number) => writer.repeated_number(3, u64::from_ne_bytes(number.to_ne_bytes())),
            Attribute::Number(number) => writer.double(4, *number),
        });
    });
}

fn text(writer: &mut Writer, field: u32, name: &str, value: &str) {
    writer.message(field, |writer| {
        writer.bytes(1, name.as_bytes());
        writer.message(2, |writer| writer.present_bytes(1, value.as_bytes()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(attribute: Attribute) -> Vec<u8> {
        let mut writer = Writer::default();
        super::attribute(&mut writer, 1, "k", &attribute);
        writer.finish().split_off(5)
    }

    #[test]
    fn attributes_are_written_with_their_type() {
        assert_eq!(value(Attribute::Text("v".into())), *b"\x12\x03\x0a\x01v");
        assert_eq!(value(Attribute::Text("".into())), *b"\x12\x02\x0a\x00");
        assert_eq!(value(Attribute::Flag(false)), *b"\x12\x02\x10\x00");
        assert_eq!(value(Attribute::Whole(-1)), *b"\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        assert_eq!(value(Attribute::Number(1.0)), *b"\x12\x09\x21\0\0\0\0\0\0\xf0\x3f");
    }
}
