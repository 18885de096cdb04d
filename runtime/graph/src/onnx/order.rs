//! In which order nodes can be computed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::proto::{GraphProto, NodeProto};

/// An order in which each node follows those whose results it needs, as indices; the file's own order if that is one,
/// as it should be.
///
/// # Errors
/// With the index of a node that needs its own result.
pub(crate) fn order(nodes: &[NodeProto]) -> Result<Vec<usize>, usize> {
    let mut makers = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            makers.entry(name.as_str()).or_insert(index);
        }
    }
    let needs: Vec<HashSet<usize>> =
        nodes.iter().map(|node| operands(node).iter().filter_map(|name| makers.get(name).copied()).collect()).collect();
    let mut users = vec![Vec::new(); nodes.len()];
    for (index, needs) in needs.iter().enumerate() {
        needs.iter().for_each(|&needed| users[needed].push(index));
    }
    let mut waiting: Vec<usize> = needs.iter().map(HashSet::len).collect();
    let mut ready: BinaryHeap<_> = (0..nodes.len()).filter(|&index| waiting[index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &user in &users[index] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    match (0..nodes.len()).find(|&index| waiting[index] != 0) {
        None => Ok(order),
        Some(stuck) => Err(in_cycle(stuck, &needs, &waiting)),
    }
}

/// Follows what is stuck to what it waits for, until a node comes again.
fn in_cycle(stuck: usize, needs: &[HashSet<usize>], waiting: &[usize]) -> usize {
    let mut seen = HashSet::new();
    let mut node = stuck;
    while seen.insert(node) {
        let next = needs[node].iter().filter(|&&needed| waiting[needed] != 0).min();
        node = *next.expect("a node that waits waits for one that waits");
    }
    node
}

/// All names that a node's computation needs: its inputs, and what its bodies take from around them.
fn operands(node: &NodeProto) -> HashSet<&str> {
    let mut names: HashSet<_> = node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
        names.extend(free(body));
    }
    names
}

/// Names that a body uses and does not define.
fn free(body: &GraphProto) -> HashSet<&str> {
    let mut names: HashSet<_> = body.node.iter().flat_map(operands).collect();
    names.extend(body.output.iter().map(|value| value.name.as_str()));
    for name in body.input.iter().map(|value| &value.name).chain(body.initializer.iter().map(|tensor| &tensor.name)) {
        names.remove(name.as_str());
    }
    for name in body.node.iter().flat_map(|node| &node.output) {
        names.remove(name.as_str());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{AttributeProto, ValueInfoProto};

    fn node(inputs: &[&str], outputs: &[&str]) -> NodeProto {
        let texts = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        NodeProto { input: texts(inputs), output: texts(outputs), ..NodeProto::default() }
    }

    fn with_body(mut node: NodeProto, body: Vec<NodeProto>, output: &str) -> NodeProto {
        let output = vec![ValueInfoProto { name: output.into(), ..ValueInfoProto::default() }];
        let graph = GraphProto { node: body, output, ..GraphProto::default() };
        node.attribute.push(AttributeProto { g: Some(Box::new(graph)), ..AttributeProto::default() });
        node
    }

    #[test]
    fn a_sorted_file_keeps_its_order_and_another_is_sorted() {
        let sorted = [node(&["x"], &["a"]), node(&["x"], &["b"]), node(&["b", "a"], &["c"])];
        assert_eq!(order(&sorted), Ok(vec![0, 1, 2]));
        let reversed = [node(&["b"], &["c"]), node(&["a"], &["b"]), node(&["x", ""], &["a"])];
        assert_eq!(order(&reversed), Ok(vec![2, 1, 0]));
    }

    #[test]
    fn a_body_needs_what_it_takes_from_around_it() {
        let inner = with_body(node(&[], &["i"]), vec![node(&["late"], &["deep"])], "deep");
        let outer = with_body(node(&["x"], &["y"]), vec![inner], "i");
        assert_eq!(order(&[outer, node(&["x"], &["late"])]), Ok(vec![1, 0]));
        let own = with_body(node(&["x"], &["y"]), vec![node(&["x"], &["late"])], "late");
        assert_eq!(order(&[own, node(&["x"], &["late"])]), Ok(vec![0, 1]), "what a body defines is its own");
    }

    #[test]
    fn a_cycle_is_found_at_a_node_of_it() {
        assert_eq!(order(&[node(&["y"], &["y"])]), Err(0));
        let behind = [node(&["b"], &["end"]), node(&["x"], &["start"]), node(&["c"], &["b"]), node(&["b"], &["c"])];
        assert_eq!(order(&behind), Err(2));
        let through_body = [with_body(node(&[], &["y"]), vec![node(&["z"], &["i"])], "i"), node(&["y"], &["z"])];
        assert_eq!(order(&through_body), Err(0));
    }
}
