//! How much a file holds, before anything is built of it.
//!
//! Decoding turns two bytes into a message of some hundred, so the number of fields is limited first.

use bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Kinds of messages that hold messages.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
    Function,
    /// One whose fields hold no messages.
    Flat,
}

impl Kind {
    /// The kind of message that a field holds; none if it holds none that is read.
    fn field(self, tag: u32) -> Option<Self> {
        match (self, tag) {
            (Self::Model, 7) | (Self::Attribute, 6) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5) => Some(Self::Tensor),
            (Self::Graph, 11..=13) => Some(Self::Value),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            (Self::Value, 2) => Some(Self::Type),
            (Self::Type, 1) => Some(Self::TensorType),
            (Self::TensorType, 2) => Some(Self::Shape),
            (Self::Shape, 1) | (Self::Tensor, 13) | (Self::Model, 8) | (Self::Function, 9) => Some(Self::Flat),
            _ => None,
        }
    }
}

/// The number of fields of all messages that are read, packed numbers as one. What is malformed is not counted any
/// further: decoding will refuse it.
pub(crate) fn fields(model: &[u8]) -> usize {
    let mut count = 0;
    let mut pending = vec![(Kind::Model, model)];
    while let Some((kind, mut rest)) = pending.pop() {
        while let Some(inner) = next_field(kind, &mut rest) {
            count += 1;
            pending.extend(inner);
        }
    }
    count
}

/// Takes a field off a message: none at its end; within, the message that the field holds if it is one that is read.
fn next_field<'a>(kind: Kind, rest: &mut &'a [u8]) -> Option<Option<(Kind, &'a [u8])>> {
    if rest.is_empty() {
        return None;
    }
    let (tag, wire_type) = decode_key(rest).ok()?;
    if wire_type != WireType::LengthDelimited {
        skip_field(wire_type, tag, rest, DecodeContext::default()).ok()?;
        return Some(None);
    }
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let content = rest.get(..length)?;
    rest.advance(length);
    Some(kind.field(tag).map(|kind| (kind, content)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto};
    use prost::Message;

    #[test]
    fn fields_are_counted_in_all_messages() {
        let leaf = NodeProto { op_type: "Relu".into(), input: vec!["a".into(); 2], ..NodeProto::default() };
        let body = GraphProto { node: vec![leaf.clone()], ..GraphProto::default() };
        let attribute = AttributeProto { g: Some(Box::new(body)), ints: vec![1; 9], ..AttributeProto::default() };
        let branch = NodeProto { attribute: vec![attribute], ..NodeProto::default() };
        let graph = GraphProto { node: vec![leaf, branch], ..GraphProto::default() };
        let model = ModelProto { graph: Some(graph), ir_version: 8, ..ModelProto::default() };
        // The model has 2, its graph 2 nodes of 3 and 1, the attribute 2, the body 1 node of 3.
        assert_eq!(fields(&model.encode_to_vec()), 2 + 2 + 3 + 1 + 2 + 1 + 3);
        assert_eq!(fields(&[0x0a, 0xff]), 0, "a field that is cut off is none");
        assert_eq!(fields(&[0x0a; 12 * 9]), 9, "a tag, a length, and what would be ten bytes");
    }
}
