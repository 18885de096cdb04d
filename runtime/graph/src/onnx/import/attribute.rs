//! Attributes of nodes.

use std::collections::BTreeMap;

use super::Importer;
use crate::graph::ValueId;
use crate::onnx::Attribute;
use crate::onnx::proto::{AttributeKind, AttributeProto};
use crate::{DType, ModelError, OpError, Tensor};

impl Importer<'_> {
    /// A node's attributes, by name; bodies are imported, which are given the node's operands or parts of them. `at`
    /// makes an error of the node.
    pub(super) fn attributes(
        &mut self,
        protos: Vec<AttributeProto>,
        operands: &[Option<ValueId>],
        at: &dyn Fn(OpError) -> ModelError,
    ) -> Result<BTreeMap<String, Attribute>, ModelError> {
        let graph = &self.scope().body.graph;
        let dtype = |id: &Option<ValueId>| Some(graph.value((*id)?).fact.as_ref()?.dtype);
        let given: Vec<_> = operands.iter().map(dtype).collect();
        let mut attributes = BTreeMap::new();
        for proto in protos {
            self.limits.name(&proto.name)?;
            let name = proto.name.clone();
            let value = self.attribute(proto, &given, at)?;
            if attributes.insert(name.clone(), value).is_some() {
                return Err(at(OpError::new(format!("attribute {name} is there twice"))));
            }
        }
        Ok(attributes)
    }

    fn attribute(
        &mut self,
        proto: AttributeProto,
        given: &[Option<DType>],
        at: &dyn Fn(OpError) -> ModelError,
    ) -> Result<Attribute, ModelError> {
        let name = &proto.name;
        let lacking = || at(OpError::new(format!("attribute {name} has no value")));
        let text = |bytes: bytes::Bytes| {
            let text = String::from_utf8(bytes.into());
            let text = text.map_err(|_| at(OpError::new(format!("attribute {name} is no UTF-8"))))?;
            self.limits.name(&text)?;
            Ok(text)
        };
        if !proto.ref_attr_name.is_empty() {
            return Err(at(OpError::new(format!("attribute {name} refers to a function's, and this is none"))));
        }
        match AttributeKind::try_from(proto.kind) {
            Ok(AttributeKind::Int) => Ok(Attribute::Int(proto.i)),
            Ok(AttributeKind::Float) => Ok(Attribute::Float(proto.f)),
            Ok(AttributeKind::String) => text(proto.s).map(Attribute::Text),
            Ok(AttributeKind::Ints) => Ok(Attribute::Ints(proto.ints)),
            Ok(AttributeKind::Floats) => Ok(Attribute::Floats(proto.floats)),
            Ok(AttributeKind::Strings) => {
                proto.strings.into_iter().map(text).collect::<Result<_, _>>().map(Attribute::Texts)
            }
            Ok(AttributeKind::Tensor) => {
                let tensor = self.tensors.read(proto.t.as_deref().ok_or_else(lacking)?);
                tensor.map(Attribute::Tensor).map_err(at)
            }
            Ok(AttributeKind::Graph) => {
                let body = self.graph(*proto.g.ok_or_else(lacking)?, given)?;
                Ok(Attribute::Graph(Box::new(body)))
            }
            Ok(AttributeKind::Undefined) | Err(_) => Err(at(OpError::new(format!("attribute {name} has no type")))),
            Ok(kind) => Err(at(OpError::unsupported(format!("attribute {name} of type {kind:?}")))),
        }
    }
}

/// The one value that a `Constant` has, in whichever attribute.
pub(super) fn constant(mut attributes: BTreeMap<String, Attribute>) -> Result<Tensor, OpError> {
    let (name, value) = attributes.pop_first().ok_or_else(|| OpError::new("a constant without a value"))?;
    if !attributes.is_empty() {
        return Err(OpError::new("a constant with more than one value"));
    }
    match (name.as_str(), value) {
        ("value", Attribute::Tensor(tensor)) => Ok(tensor),
        ("value_float", Attribute::Float(value)) => Ok(Tensor::scalar(value)),
        ("value_floats", Attribute::Floats(values)) => Ok(Tensor::new(&[values.len()], &values)),
        ("value_int", Attribute::Int(value)) => Ok(Tensor::scalar(value)),
        ("value_ints", Attribute::Ints(values)) => Ok(Tensor::new(&[values.len()], &values)),
        ("value_string" | "value_strings", _) => Err(OpError::unsupported("a constant of text")),
        (name, _) => Err(OpError::new(format!("a constant whose value is attribute {name}"))),
    }
}
