//! Images stay channels last between the operators that compute on them so.
//!
//! What such an operator gives exists channels last, as the *twin* of the value that the graph speaks of. The value
//! itself is made of its twin, by a Transpose, where somebody asks for it, and nowhere if nobody does. Operators that
//! treat all elements alike, or all axes, work on twins if their operands have them. Elements only move: no bit changes.

mod operators; // what becomes of each operator

use std::collections::{BTreeMap, BTreeSet};

use poai_numerics::Kernels;

use crate::graph::ValueId;
use crate::op::movement::permutation::Transpose;
use crate::{Cpu, Fact, Graph, ModelError, Node, Op};

/// Rewrites a graph so.
pub(super) fn keep_channels_last(graph: &mut Graph) -> Result<(), ModelError> {
    let cpu = Cpu::new(Kernels::Scalar, 1)
        .map_err(|error| ModelError::Malformed(format!("no constants can be turned: {error}")))?;
    let nodes = std::mem::take(&mut graph.nodes);
    let mut rewriting = Rewriting {
        graph,
        cpu,
        nodes: Vec::with_capacity(nodes.len()),
        twins: BTreeMap::new(),
        unmade: BTreeSet::new(),
    };
    for node in nodes {
        match rewriting.turned(&node) {
            Some(turned) => rewriting.nodes.push(turned),
            None => rewriting.keep(node),
        }
    }
    for id in rewriting.graph.outputs.clone() {
        rewriting.make(id);
    }
    rewriting.graph.nodes = rewriting.nodes;
    Ok(())
}

/// The axes of a value in the order of its twin's.
fn to_twin(rank: usize) -> Vec<usize> {
    [0].into_iter().chain(2..rank).chain([1]).collect()
}

/// The place of each of a value's axes in its twin.
fn from_twin(rank: usize) -> Vec<usize> {
    [0, rank - 1].into_iter().chain(1..rank - 1).collect()
}

struct Rewriting<'a> {
    /// All but its nodes.
    graph: &'a mut Graph,
    cpu: Cpu,
    nodes: Vec<Node>,
    twins: BTreeMap<ValueId, ValueId>,
    /// Values of which only the twin was computed so far.
    unmade: BTreeSet<ValueId>,
}

impl Rewriting<'_> {
    fn rank(&self, id: ValueId) -> Option<usize> {
        self.graph.value(id).fact.as_ref()?.rank()
    }

    /// A node as it was, on values as they were.
    fn keep(&mut self, node: Node) {
        for id in node.inputs.iter().flatten() {
            self.make(*id);
        }
        self.nodes.push(node);
    }

    /// Computes a value of its twin, if that was not done before.
    fn make(&mut self, id: ValueId) {
        if self.unmade.remove(&id) {
            let twin = self.twins[&id];
            let rank = self.rank(twin).expect("a twin has a rank");
            self.transpose(twin, id, from_twin(rank));
        }
    }

    fn transpose(&mut self, from: ValueId, to: ValueId, order: Vec<usize>) {
        let name = format!("{}/turned", self.graph.value(to).name);
        let order = Some(order.into_iter().map(|axis| axis as i64).collect());
        let op = Op::from(Transpose { order });
        self.nodes.push(Node { name, op, inputs: vec![Some(from)], outputs: vec![Some(to)] });
    }

    /// A value's twin, computed of the value if there is none yet.
    fn twin(&mut self, id: ValueId) -> Option<ValueId> {
        if let Some(&twin) = self.twins.get(&id) {
            return Some(twin);
        }
        let rank = self.rank(id).filter(|rank| *rank >= 3)?;
        let twin = self.add_twin(id)?;
        self.transpose(id, twin, to_twin(rank));
        Some(twin)
    }

    /// A new value that is to be the twin of `id`.
    fn add_twin(&mut self, id: ValueId) -> Option<ValueId> {
        let value = self.graph.value(id);
        let (name, fact) = (format!("{}/twin", value.name), value.fact.clone()?);
        let shape = fact.shape?;
        let turned: Vec<_> = to_twin(shape.len()).into_iter().map(|axis| shape[axis].clone()).collect();
        let twin = self.graph.add_value(name, Some(Fact::new(fact.dtype, turned)));
        self.twins.insert(id, twin);
        Some(twin)
    }

    /// The twin of a result, which is computed first.
    fn add_result(&mut self, id: ValueId) -> ValueId {
        self.unmade.insert(id);
        self.add_twin(id).expect("a result of known rank can have a twin")
    }

    fn known_twin(&self, id: ValueId) -> Option<ValueId> {
        self.twins.get(&id).copied()
    }
}
