//! What depends on constants alone is computed once, when a model is loaded: every device has the same bits, so it does
//! not matter which computes it.

use poai_numerics::Kernels;

use crate::{Budget, Cost, Cpu, Device, Fact, Graph, ModelError, Node, Op, Tensor};

/// Fuel that folding may use in all; what would cost more stays in the graph.
const FUEL: u64 = 1 << 30;
/// Bytes that folded values may have beyond those of the model's own constants.
const EXTRA_BYTES: u64 = 16 << 20;
/// A folded value may be so many times as large as what it is computed from (a cast from bytes to f32), or a page.
const GROWTH: u64 = 4;
const PAGE_BYTES: u64 = 4096;

/// Computes nodes of constants, in order, as long as the budget lasts. A node that cannot be computed stays: it may be
/// one that never runs, or whose error is to come when it does. What only such nodes read is let go at once, so that
/// weights are not there twice until all are computed.
pub(super) fn fold(graph: &mut Graph) -> Result<(), ModelError> {
    let constant_bytes: u64 = graph.constants.values().map(|tensor| tensor.bytes().len() as u64).sum();
    let mut budget = Budget { fuel: FUEL, memory_bytes: constant_bytes.saturating_add(EXTRA_BYTES) };
    let cpu = Cpu::new(Kernels::Auto, 1)
        .map_err(|error| ModelError::Malformed(format!("no constants can be computed: {error}")))?;
    let mut uses = graph.uses();
    let mut nodes = std::mem::take(&mut graph.nodes);
    nodes.retain(|node| {
        let Some(results) = folded(graph, node, &cpu, &mut budget) else { return true };
        for id in node.inputs.iter().flatten() {
            uses[id.index()] -= 1;
            if uses[id.index()] == 0 {
                graph.drop_constant(*id);
            }
        }
        for (id, tensor) in node.outputs.iter().zip(results) {
            if let Some(id) = id {
                graph.values[id.index()].fact = Some(Fact::of(&tensor));
                graph.constants.insert(*id, tensor);
            }
        }
        false
    });
    graph.nodes = nodes;
    Ok(())
}

/// The results of a node, if all of its operands are constants and it is worth it.
fn folded(graph: &Graph, node: &Node, cpu: &Cpu, budget: &mut Budget) -> Option<Vec<Tensor>> {
    if matches!(node.op, Op::Control(_)) {
        return None;
    }
    let operands: Vec<Option<&Tensor>> = node
        .inputs
        .iter()
        .map(|id| id.map_or(Some(None), |id| graph.constants.get(&id).map(Some)))
        .collect::<Option<_>>()?;
    let facts: Vec<_> = operands.iter().map(|tensor| tensor.map(Fact::of)).collect();
    let facts: Vec<_> = facts.iter().map(Option::as_ref).collect();
    let operation = node.op.operation();
    let inferred = operation.infer(&facts).ok()?;
    let result_bytes = inferred.iter().map(Fact::bytes).fold(0, u64::saturating_add);
    let operand_bytes: u64 = operands.iter().flatten().map(|tensor| tensor.bytes().len() as u64).sum();
    if result_bytes > operand_bytes.saturating_mul(GROWTH).max(PAGE_BYTES) || result_bytes > budget.memory_bytes {
        return None;
    }
    let cost: Cost = operation.cost(&facts, &inferred);
    budget.fuel = budget.fuel.checked_sub(cost.fuel())?;
    let results = cpu.prepare(node, &operands).ok()?.run(&operands).ok()?;
    if results.len() < node.outputs.len() {
        return None;
    }
    budget.memory_bytes = budget.memory_bytes.saturating_sub(result_bytes);
    Some(results)
}
