//! Graphs by hand: for other file formats, and for tests.

use crate::graph::{Graph, Node, ValueId};
use crate::{Fact, ModelError, Op, Tensor};

/// Builds a graph node by node; each result's type and shape is inferred at once.
#[derive(Debug, Default)]
pub struct Builder {
    graph: Graph,
}

impl Builder {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// A value that the caller gives.
    pub fn input(&mut self, name: &str, fact: Fact) -> ValueId {
        let id = self.graph.add_value(name, Some(fact));
        self.graph.inputs.push(id);
        id
    }

    /// A value that is always the same.
    pub fn constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        self.graph.add_constant(name, tensor)
    }

    /// An operator with one result.
    ///
    /// # Errors
    /// If no such operands make sense.
    pub fn node(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, ModelError> {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        Ok(self.node_of(name, op, &inputs, 1)?[0])
    }

    /// An operator with any operands and results.
    ///
    /// # Errors
    /// If no such operands make sense.
    pub fn node_of(
        &mut self,
        name: &str,
        op: impl Into<Op>,
        inputs: &[Option<ValueId>],
        results: usize,
    ) -> Result<Vec<ValueId>, ModelError> {
        let op = op.into();
        let facts: Vec<_> = inputs.iter().map(|id| id.and_then(|id| self.graph.value(id).fact.as_ref())).collect();
        let inferred = op.operation().infer(&facts);
        let inferred = inferred.map_err(|reason| ModelError::at(name, op.operation().name(), reason))?;
        let outputs: Vec<_> = (0..results)
            .map(|i| {
                let result = if i == 0 { name.to_owned() } else { format!("{name}/{i}") };
                self.graph.add_value(result, inferred.get(i).cloned())
            })
            .collect();
        self.graph.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.iter().copied().map(Some).collect(),
        });
        Ok(outputs)
    }

    /// The graph, which gives these values under these names.
    pub fn finish(mut self, outputs: &[(&str, ValueId)]) -> Graph {
        for &(name, id) in outputs {
            self.graph.values[id.index()].name = name.to_owned();
            self.graph.outputs.push(id);
        }
        self.graph
    }
}
