//! A node of an ONNX file, as the families of operators read it.

use std::collections::BTreeMap;

use super::Body;
use super::tensor::dtype;
use crate::graph::{Graph, ValueId};
use crate::{DType, Fact, OpError, Tensor};

/// An attribute's value.
#[derive(Clone, Debug)]
pub enum Attribute {
    /// A number.
    Int(i64),
    /// A number with a fraction.
    Float(f32),
    /// UTF-8 text.
    Text(String),
    /// Elements.
    Tensor(Tensor),
    /// A body, imported already.
    Graph(Box<Body>),
    /// Numbers.
    Ints(Vec<i64>),
    /// Numbers with a fraction.
    Floats(Vec<f32>),
    /// Texts.
    Texts(Vec<String>),
}

/// A node on its way into a graph. Reading an attribute takes it; one that is left over at the end is reported as
/// unsupported, so that nothing a file says is ignored.
#[derive(Debug)]
pub struct Source<'a> {
    pub(crate) graph: &'a mut Graph,
    pub(crate) name: String,
    pub(crate) operator: String,
    pub(crate) domain: String,
    pub(crate) opset: i64,
    pub(crate) attributes: BTreeMap<String, Attribute>,
    pub(crate) inputs: Vec<Option<ValueId>>,
    pub(crate) outputs: Vec<Option<ValueId>>,
}

impl Source<'_> {
    /// Its name, for errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// ONNX's name of its operator, if its domain is ONNX's own; `com.microsoft.NAME` and the like otherwise.
    pub fn qualified_operator(&self) -> String {
        if self.domain.is_empty() { self.operator.clone() } else { format!("{}.{}", self.domain, self.operator) }
    }

    /// The version of the operator set of its domain.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// How many operands it has, those left out in the middle included.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// How many results are asked for.
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// Whether an operand is there.
    pub fn has_input(&self, index: usize) -> bool {
        self.inputs.get(index).is_some_and(Option::is_some)
    }

    /// What is known of an operand so far.
    pub fn fact(&self, index: usize) -> Option<&Fact> {
        self.graph.value((*self.inputs.get(index)?)?).fact.as_ref()
    }

    /// The value of an operand that is a constant.
    pub fn constant(&self, index: usize) -> Option<&Tensor> {
        self.graph.constants.get(&(*self.inputs.get(index)?)?)
    }

    /// Makes an operand a constant: what older operator sets say by an attribute, newer ones say by an operand.
    pub fn set_input(&mut self, index: usize, tensor: Tensor) {
        let id = self.graph.add_constant(format!("{}/{index}", self.name), tensor);
        if self.inputs.len() <= index {
            self.inputs.resize(index + 1, None);
        }
        self.inputs[index] = Some(id);
    }

    /// Leaves an operand away.
    pub fn drop_inputs_from(&mut self, index: usize) {
        self.inputs.truncate(index);
    }

    /// Takes an attribute, if it is there.
    pub fn attribute(&mut self, name: &str) -> Option<Attribute> {
        self.attributes.remove(name)
    }

    fn take<T>(
        &mut self,
        name: &str,
        kind: &str,
        read: impl FnOnce(Attribute) -> Option<T>,
    ) -> Result<Option<T>, OpError> {
        let Some(attribute) = self.attributes.remove(name) else { return Ok(None) };
        let wrong = || OpError::new(format!("attribute {name} is no {kind}"));
        read(attribute).ok_or_else(wrong).map(Some)
    }

    /// Takes a whole number.
    pub fn int(&mut self, name: &str) -> Result<Option<i64>, OpError> {
        self.take(name, "integer", |attribute| if let Attribute::Int(value) = attribute { Some(value) } else { None })
    }

    /// Takes 0 or 1, which is 0 if it is not there.
    pub fn flag(&mut self, name: &str) -> Result<bool, OpError> {
        Ok(self.int(name)?.unwrap_or(0) != 0)
    }

    /// Takes a number.
    pub fn float(&mut self, name: &str) -> Result<Option<f32>, OpError> {
        self.take(name, "float", |attribute| if let Attribute::Float(value) = attribute { Some(value) } else { None })
    }

    /// Takes a text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, OpError> {
        self.take(name, "text", |attribute| if let Attribute::Text(value) = attribute { Some(value) } else { None })
    }

    /// Takes whole numbers.
    pub fn ints(&mut self, name: &str) -> Result<Option<Vec<i64>>, OpError> {
        self.take(name, "list of integers", |attribute| match attribute {
            Attribute::Ints(values) => Some(values),
            _ => None,
        })
    }

    /// Takes numbers.
    pub fn floats(&mut self, name: &str) -> Result<Option<Vec<f32>>, OpError> {
        self.take(name, "list of floats", |attribute| match attribute {
            Attribute::Floats(values) => Some(values),
            _ => None,
        })
    }

    /// Takes the number of a type of elements.
    pub fn dtype(&mut self, name: &str) -> Result<Option<DType>, OpError> {
        self.int(name)?.map(dtype).transpose()
    }

    /// Takes the number of a type of elements, where 0 says nothing.
    pub fn dtype_unless_0(&mut self, name: &str) -> Result<Option<DType>, OpError> {
        self.int(name)?.filter(|&code| code != 0).map(dtype).transpose()
    }

    /// Takes texts.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, OpError> {
        self.take(name, "list of texts", |attribute| match attribute {
            Attribute::Texts(values) => Some(values),
            _ => None,
        })
    }

    /// Takes elements.
    pub fn tensor(&mut self, name: &str) -> Result<Option<Tensor>, OpError> {
        self.take(name, "tensor", |attribute| match attribute {
            Attribute::Tensor(tensor) => Some(tensor),
            _ => None,
        })
    }

    /// Takes a body; the values that it captures become operands behind those that the node has, those of an earlier
    /// body included. What a node has for a body's inputs may end early: then what is left out is none.
    pub fn body(&mut self, name: &str) -> Result<Option<Graph>, OpError> {
        let body = self.take(name, "graph", |attribute| match attribute {
            Attribute::Graph(body) => Some(*body),
            _ => None,
        })?;
        Ok(body.map(|body| {
            let own = self.inputs.len().max(body.graph.inputs.len());
            self.inputs.resize(own, None);
            self.inputs.extend(body.captures.into_iter().map(Some));
            body.graph
        }))
    }
}

#[cfg(test)]
impl<'a> Source<'a> {
    /// A node by itself, without operands, for tests of how a family reads its attributes.
    pub(crate) fn alone(
        graph: &'a mut Graph,
        (domain, operator, opset): (&str, &str, i64),
        attributes: &[(&str, Attribute)],
    ) -> Self {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Self {
            graph,
            name: "alone".into(),
            operator: operator.into(),
            domain: domain.into(),
            opset,
            attributes: attributes.collect(),
            inputs: Vec::new(),
            outputs: vec![None],
        }
    }
}
