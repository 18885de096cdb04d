//! Values, nodes, graphs: the one form that every model file becomes.

use std::collections::BTreeMap;

use crate::{Fact, Op, Tensor};

/// A value of one graph: an index into [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub(crate) u32);

impl ValueId {
    /// Its place in [`Graph::values`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is known of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Its name in the file, or one that a rewrite gave it.
    pub name: String,
    /// Its type and shape; none before inference has seen it.
    pub fact: Option<Fact>,
}

/// One operator at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name in the file, or its operator and first result: what errors call it.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Its operands in the operator's order; none where an optional one is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Its results in the operator's order; none where nobody asks for one.
    pub outputs: Vec<Option<ValueId>>,
}

/// A model, or the body of a branch or loop. Nodes stand in an order in which each follows those that it depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// All values.
    pub values: Vec<Value>,
    /// What the caller gives, in the file's order; not the constants.
    pub inputs: Vec<ValueId>,
    /// What the caller gets.
    pub outputs: Vec<ValueId>,
    /// Weights, and other values that are always the same.
    pub constants: BTreeMap<ValueId, Tensor>,
    /// Of a body: values of this graph that are values of the graph around it, each with the place of that value among
    /// the operands *behind the operator's own* (they are the last inputs of the node that has the body).
    pub captured: Vec<ValueId>,
    /// The operators.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// A value's name, type and shape.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// Adds a value.
    pub fn add_value(&mut self, name: impl Into<String>, fact: Option<Fact>) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).expect("a graph's values are limited"));
        self.values.push(Value { name: name.into(), fact });
        id
    }

    /// How often each value is read, the caller's reading included.
    pub(crate) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values.len()];
        for id in self.nodes.iter().flat_map(|node| node.inputs.iter().flatten()).chain(&self.outputs) {
            uses[id.index()] += 1;
        }
        uses
    }

    /// Lets go of a constant's elements; its type and shape stay known.
    pub(crate) fn drop_constant(&mut self, id: ValueId) {
        self.constants.remove(&id);
        if let Some(fact) = &mut self.values[id.index()].fact {
            fact.value = None;
        }
    }

    /// Adds a value that is always the same.
    pub fn add_constant(&mut self, name: impl Into<String>, tensor: Tensor) -> ValueId {
        let id = self.add_value(name, Some(Fact::of(&tensor)));
        self.constants.insert(id, tensor);
        id
    }
}
