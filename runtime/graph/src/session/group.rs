//! Element-wise nodes that are computed together: what one of them gives is read by others of them alone. They may
//! follow a product, whose result they alone read.

use std::collections::BTreeMap;

use crate::op::elementwise::Elementwise;
use crate::{DType, Fact, Graph, Node, Op, Tensor, ValueId};

/// The most nodes of a group.
const NODES: usize = 32;

/// Places of nodes that are computed together: two at least.
#[derive(Debug, PartialEq)]
pub(super) struct Places {
    /// Of the product that the others follow.
    pub product: Option<usize>,
    /// Of the element-wise nodes, in order.
    pub nodes: Vec<usize>,
}

impl Places {
    /// The first of all.
    pub(super) fn first(&self) -> usize {
        self.product.map_or(self.nodes[0], |product| product.min(self.nodes[0]))
    }
}

/// The groups of a graph.
pub(super) fn groups(graph: &Graph) -> Vec<Places> {
    let uses = graph.uses();
    let mut makers = vec![None; graph.values.len()];
    for (place, node) in graph.nodes.iter().enumerate() {
        if let Some(result) = shaped(graph, node).or_else(|| product(graph, node)) {
            makers[result.index()] = Some(place);
        }
    }
    let mut taken = vec![false; graph.nodes.len()];
    let mut groups = Vec::new();
    for last in (0..graph.nodes.len()).rev() {
        if taken[last] || shaped(graph, &graph.nodes[last]).is_none() {
            continue;
        }
        let (mut group, mut followed) = (vec![last], None);
        // Nodes whose results the group reads, with how often it does.
        let mut before: BTreeMap<usize, usize> = BTreeMap::new();
        read(&graph.nodes[last], &makers, &mut before);
        // From the last to the first: whoever reads a node's result was looked at before it.
        while let Some((place, reads)) = before.pop_last().filter(|_| group.len() < NODES) {
            let result = graph.nodes[place].outputs[0];
            let joins = result.is_some_and(|id| uses[id.index()] == reads) && alike(graph, place, last);
            if taken[place] || !joins {
                continue;
            }
            if graph.nodes[place].op.leads() {
                // The last of several: the others' results are operands.
                followed = followed.or(Some(place));
            } else {
                group.push(place);
                read(&graph.nodes[place], &makers, &mut before);
            }
        }
        if group.len() > 1 || followed.is_some() {
            group.reverse();
            group.iter().chain(&followed).for_each(|&place| taken[place] = true);
            groups.push(Places { product: followed, nodes: group });
        }
    }
    groups
}

/// Counts whose results a node reads.
fn read(node: &Node, makers: &[Option<usize>], reads: &mut BTreeMap<usize, usize>) {
    for maker in node.inputs.iter().flatten().filter_map(|id| makers[id.index()]) {
        *reads.entry(maker).or_default() += 1;
    }
}

/// The result of a node that is a sequence of operations on floats of 32 bits, and of which the rank is known.
fn shaped(graph: &Graph, node: &Node) -> Option<ValueId> {
    let (Op::Elementwise(operation), &[Some(result)]) = (&node.op, &node.outputs[..]) else { return None };
    let operands: Vec<ValueId> = node.inputs.iter().copied().collect::<Option<_>>()?;
    let is_float = |id: &ValueId| graph.value(*id).fact.as_ref().is_some_and(|fact| fact.dtype == DType::F32);
    fact(graph, result)?.shape.as_ref()?;
    let constants: Vec<Option<&Tensor>> = operands.iter().map(|id| graph.constants.get(id)).collect();
    let fits = is_float(&result) && operands.iter().all(is_float);
    (fits && Elementwise::steps(operation, &constants).is_some()).then_some(result)
}

/// The result of a product of floats of 32 bits.
fn product(graph: &Graph, node: &Node) -> Option<ValueId> {
    let &[Some(result)] = &node.outputs[..] else { return None };
    let known = fact(graph, result).is_some_and(|fact| fact.dtype == DType::F32 && fact.shape.is_some());
    (node.op.leads() && known).then_some(result)
}

fn fact(graph: &Graph, id: ValueId) -> Option<&Fact> {
    graph.value(id).fact.as_ref()
}

/// Whether two nodes have results of the same shape, as far as it is known: whoever computes them looks again.
fn alike(graph: &Graph, one: usize, other: usize) -> bool {
    let shape = |place: usize| fact(graph, graph.nodes[place].outputs[0]?)?.shape.as_ref();
    shape(one).is_some() && shape(one) == shape(other)
}

/// What the nodes of a group, and the product that they follow, read of others, each once.
pub(super) fn operands(nodes: &[&Node]) -> Vec<ValueId> {
    let mut operands = Vec::new();
    for id in nodes.iter().flat_map(|node| node.inputs.iter().flatten()) {
        let is_made = nodes.iter().any(|node| node.outputs[0] == Some(*id));
        if !is_made && !operands.contains(id) {
            operands.push(*id);
        }
    }
    operands
}

#[cfg(test)]
mod tests;
