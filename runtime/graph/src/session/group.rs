//! Element-wise nodes that are computed together: what one of them gives is read by others of them alone.

use std::collections::BTreeMap;

use crate::op::elementwise::Elementwise;
use crate::{DType, Fact, Graph, Node, Op, Tensor, ValueId};

/// The most nodes of a group.
const NODES: usize = 32;

/// The groups of a graph, each the places of its nodes in order: two at least.
pub(super) fn groups(graph: &Graph) -> Vec<Vec<usize>> {
    let uses = graph.uses();
    let mut makers = vec![None; graph.values.len()];
    for (place, node) in graph.nodes.iter().enumerate() {
        if let Some(result) = shaped(graph, node) {
            makers[result.index()] = Some(place);
        }
    }
    let mut taken = vec![false; graph.nodes.len()];
    let mut groups = Vec::new();
    for last in (0..graph.nodes.len()).rev() {
        if taken[last] || shaped(graph, &graph.nodes[last]).is_none() {
            continue;
        }
        let mut group = vec![last];
        // Nodes whose results the group reads, with how often it does.
        let mut before: BTreeMap<usize, usize> = BTreeMap::new();
        let mut next = last;
        loop {
            for id in graph.nodes[next].inputs.iter().flatten() {
                if let Some(maker) = makers[id.index()] {
                    *before.entry(maker).or_default() += 1;
                }
            }
            // From the last to the first: whoever reads a node's result was looked at before it.
            let joins = std::iter::from_fn(|| before.pop_last()).find(|&(place, reads)| {
                let result = graph.nodes[place].outputs[0];
                !taken[place] && result.is_some_and(|id| uses[id.index()] == reads) && alike(graph, place, last)
            });
            let Some((place, _)) = joins.filter(|_| group.len() < NODES) else { break };
            group.push(place);
            next = place;
        }
        if group.len() > 1 {
            group.reverse();
            group.iter().for_each(|&place| taken[place] = true);
            groups.push(group);
        }
    }
    groups
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

fn fact(graph: &Graph, id: ValueId) -> Option<&Fact> {
    graph.value(id).fact.as_ref()
}

/// Whether two nodes have results of the same shape, as far as it is known: whoever computes them looks again.
fn alike(graph: &Graph, one: usize, other: usize) -> bool {
    let shape = |place: usize| fact(graph, graph.nodes[place].outputs[0]?)?.shape.as_ref();
    shape(one).is_some() && shape(one) == shape(other)
}

/// What the nodes of a group read of others, each once.
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
