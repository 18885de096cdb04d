//! What a model is, before anybody computes it.

use std::collections::BTreeMap;

use crate::{Fact, Graph};

/// What a model takes, gives and needs, and what of it is not built.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// What the caller gives, in the file's order.
    pub inputs: Vec<Declared>,
    /// What the caller gets, in the file's order.
    pub outputs: Vec<Declared>,
    /// How many nodes each operator has, those in bodies included; its name as the file has it.
    pub operators: BTreeMap<String, usize>,
    /// Values that are always the same: weights, and other constants, those of bodies included.
    pub constants: usize,
    /// Bytes of their elements.
    pub constant_bytes: u64,
    /// Nodes that could not be computed, in the file's order. A model is computable if there are none.
    pub unsupported: Vec<Unsupported>,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its type, and its shape as far as it is known; none if it follows from a node that is unsupported.
    pub fact: Option<Fact>,
}

/// A node that asks for something that is not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The node's name.
    pub node: String,
    /// Its operator, with its domain if that is not ONNX's own.
    pub op: String,
    /// What exactly.
    pub reason: String,
}

impl Inspection {
    /// What a graph is, its operators by their own names.
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut operators = BTreeMap::new();
        for node in &graph.nodes {
            *operators.entry(node.op.operation().name().to_owned()).or_default() += 1;
        }
        let declared = |id: &_| {
            let value = graph.value(*id);
            Declared { name: value.name.clone(), fact: value.fact.clone() }
        };
        Self {
            inputs: graph.inputs.iter().map(declared).collect(),
            outputs: graph.outputs.iter().map(declared).collect(),
            operators,
            constants: graph.constants.len(),
            constant_bytes: graph.constants.values().map(|tensor| tensor.bytes().len() as u64).sum(),
            unsupported: Vec::new(),
        }
    }
}
