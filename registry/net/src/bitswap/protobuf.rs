//! The part of protobuf's wire format that bitswap uses: varints and length-delimited fields, read
//! without copying.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// What is wrong with some bytes.
pub(crate) type Flaw = &'static str;

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Varint(u64),
    Bytes(Bytes),
    /// Four or eight bytes: no field of bitswap has them, so they are only skipped.
    Fixed,
}

impl Value {
    pub(crate) fn varint(self) -> Result<u64, Flaw> {
        match self {
            Self::Varint(value) => Ok(value),
            Self::Bytes(_) | Self::Fixed => Err("a number's field has another wire type"),
        }
    }

    pub(crate) fn bytes(self) -> Result<Bytes, Flaw> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed => Err("a field of bytes has another wire type"),
        }
    }
}

/// Takes the next field off the front; none at the end.
pub(crate) fn next_field(bytes: &mut Bytes) -> Result<Option<(u64, Value)>, Flaw> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let key = varint(bytes)?;
    let value = match key & 7 {
        0 => Value::Varint(varint(bytes)?),
        1 => fixed(bytes, 8)?,
        2 => {
            let length = varint(bytes)?;
            if length > bytes.len() as u64 {
                return Err("a field is longer than its message");
            }
            Value::Bytes(bytes.split_to(length as usize))
        }
        5 => fixed(bytes, 4)?,
        _ => return Err("a field has an unknown wire type"),
    };
    Ok(Some((key >> 3, value)))
}

fn fixed(bytes: &mut Bytes, length: usize) -> Result<Value, Flaw> {
    if bytes.len() < length {
        return Err("a field is longer than its message");
    }
    bytes.advance(length);
    Ok(Value::Fixed)
}

/// Takes a varint off the front. Protobuf allows longer forms than needed, up to ten bytes.
pub(crate) fn varint(bytes: &mut Bytes) -> Result<u64, Flaw> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            bytes.advance(index + 1);
            return Ok(value);
        }
    }
    Err("a varint does not end")
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut BytesMut, value: u64) {
    let mut buffer = unsigned_varint::encode::u64_buffer();
    out.put_slice(unsigned_varint::encode::u64(value, &mut buffer));
}

/// Appends a number's field, left out if it is zero, as proto3 says.
pub(crate) fn put_number(out: &mut BytesMut, field: u64, value: u64) {
    if value != 0 {
        put_varint(out, field << 3);
        put_varint(out, value);
    }
}

/// Appends the head of a field of bytes; the bytes are to follow.
pub(crate) fn put_head(out: &mut BytesMut, field: u64, length: usize) {
    put_varint(out, field << 3 | 2);
    put_varint(out, length as u64);
}

/// Appends a field of bytes.
pub(crate) fn put_bytes(out: &mut BytesMut, field: u64, bytes: &[u8]) {
    put_head(out, field, bytes.len());
    out.put_slice(bytes);
}
