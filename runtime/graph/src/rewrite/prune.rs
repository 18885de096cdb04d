//! What nobody asks for is not computed.

use crate::Graph;

/// Drops nodes none of whose results are used, and constants that no node uses.
pub(super) fn prune(graph: &mut Graph) {
    let mut used = vec![false; graph.values.len()];
    for id in &graph.outputs {
        used[id.index()] = true;
    }
    let mut kept = vec![false; graph.nodes.len()];
    for (node, kept) in graph.nodes.iter().zip(&mut kept).rev() {
        *kept = node.outputs.iter().flatten().any(|id| used[id.index()]);
        if *kept {
            for id in node.inputs.iter().flatten() {
                used[id.index()] = true;
            }
        }
    }
    let mut kept = kept.into_iter();
    graph.nodes.retain(|_| kept.next().expect("one for each node"));
    graph.constants.retain(|id, _| used[id.index()]);
}
