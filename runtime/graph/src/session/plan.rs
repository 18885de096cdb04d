//! Nodes in order, each with its kernel and the values that die with it. Nodes that are computed in a group are counted
//! one by one, each in its place: fuel, memory and where they end do not depend on groups.

use std::collections::BTreeMap;

use super::body::Bodies;
use super::group;
use super::needs::Needs;
use crate::budget::Account;
use crate::{Cost, Device, Fact, Graph, Group, Kernel, ModelError, Node, Op, OpError, RunError, Tensor, ValueId};

/// A graph, ready to be computed on one device.
pub(super) struct Plan {
    graph: Graph,
    steps: Vec<Step>,
    /// What is known of constants, by [`ValueId::index`].
    constants: Vec<Option<Fact>>,
}

struct Step {
    work: Work,
    /// Values that nobody needs after this node, and so are not counted any more.
    last_uses: Vec<ValueId>,
    /// Values that nobody computes with after this node: later than counted where a group is yet to read them.
    released: Vec<ValueId>,
}

enum Work {
    Kernel(Box<dyn Kernel>),
    Bodies(Box<Bodies>),
    /// It is only counted: the last node of its group computes it.
    Later,
    Group {
        kernel: Box<dyn Kernel>,
        operands: Vec<ValueId>,
    },
}

impl Plan {
    pub(super) fn new(mut graph: Graph, device: &dyn Device) -> Result<Self, ModelError> {
        let last_uses = last_uses(&graph);
        // Until where each value is computed with.
        let mut ends: BTreeMap<ValueId, usize> = BTreeMap::new();
        for (place, ids) in last_uses.iter().enumerate() {
            ends.extend(ids.iter().map(|&id| (id, place)));
        }
        let mut constants = vec![None; graph.values.len()];
        for (id, tensor) in &graph.constants {
            constants[id.index()] = Some(Fact::of(tensor));
        }
        let mut groups: BTreeMap<_, _> =
            group::groups(&graph).into_iter().map(|group| (group.first(), group)).collect();
        let mut works: Vec<Option<Work>> = graph.nodes.iter().map(|_| None).collect();
        let mut needs = Needs::of(&graph);
        for place in 0..graph.nodes.len() {
            let group = groups.remove(&place).and_then(|group| Together::new(&graph, device, &group));
            let mut reads = group.map_or_else(Vec::new, |group| group.plan(&graph, &mut works, &mut ends));
            if works[place].is_none() {
                let (work, own) = alone(&graph.nodes[place], &graph, device)?;
                works[place] = Some(work);
                reads.extend(own);
            }
            for id in needs.made_ready(reads) {
                // Its type and shape stay known.
                graph.drop_constant(id);
                if let Some(fact) = &mut constants[id.index()] {
                    fact.value = None;
                }
            }
        }
        let mut released = vec![Vec::new(); graph.nodes.len()];
        ends.into_iter().for_each(|(id, place)| released[place].push(id));
        let steps = works.into_iter().zip(last_uses).zip(released).map(|((work, last_uses), released)| Step {
            work: work.expect("each node has its work"),
            last_uses,
            released,
        });
        Ok(Self { steps: steps.collect(), graph, constants })
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Computes the outputs from the inputs, and behind them the captured values. The bytes of the outputs stay held
    /// in `account`, for whoever gets them.
    pub(super) fn run(
        &self,
        device: &dyn Device,
        inputs: Vec<Tensor>,
        account: &mut Account<'_>,
    ) -> Result<Vec<Tensor>, RunError> {
        let mut values = Values::new(&self.constants);
        for (id, tensor) in self.graph.inputs.iter().chain(&self.graph.captured).zip(&inputs) {
            values.facts[id.index()] = Some(Fact::of(tensor));
        }
        drop(inputs);
        for (node, step) in self.graph.nodes.iter().zip(&self.steps) {
            let results = match &step.work {
                Work::Kernel(kernel) => values.run_kernel(node, &**kernel, &node.inputs, account)?,
                Work::Bodies(bodies) => values.run_bodies(node, bodies, device, account)?,
                Work::Later => {
                    values.count(node, account)?;
                    step.last_uses.iter().for_each(|id| values.count_no_more(*id, account));
                    continue;
                }
                Work::Group { kernel, operands } => {
                    let operands: Vec<_> = operands.iter().copied().map(Some).collect();
                    values.run_kernel(node, &**kernel, &operands, account)?
                }
            };
            values.keep(node, results, device, account)?;
            step.last_uses.iter().for_each(|id| values.count_no_more(*id, account));
            step.released.iter().for_each(|id| values.forget(*id, device, account));
        }
        let outputs = self.graph.outputs.iter().map(|id| values.taken(*id)).collect::<Result<Vec<_>, _>>()?;
        account.give_back(values.held_bytes.iter().sum());
        for tensor in &outputs {
            account.hold("outputs", bytes(tensor))?;
        }
        Ok(outputs)
    }
}

/// What a kernel reads, and whether it needs it again if it is a constant.
type Reads = Vec<(ValueId, bool)>;

/// The work of a node by itself.
fn alone(node: &Node, graph: &Graph, device: &dyn Device) -> Result<(Work, Reads), ModelError> {
    if let Op::Control(control) = &node.op {
        return Ok((Work::Bodies(Box::new(Bodies::new(control, device)?)), Vec::new()));
    }
    let operands: Vec<_> = node.inputs.iter().map(|id| id.and_then(|id| graph.constants.get(&id))).collect();
    let kernel = device.prepare(node, &operands);
    let kernel = kernel.map_err(|reason| ModelError::at(&node.name, node.op.operation().name(), reason))?;
    let reads = node.inputs.iter().enumerate();
    let reads = reads.filter_map(|(operand, id)| Some(((*id)?, kernel.needs_constant(operand)))).collect();
    Ok((Work::Kernel(kernel), reads))
}

/// Nodes that a device computes as one.
struct Together {
    kernel: Box<dyn Kernel>,
    /// What they read of others: the kernel's inputs.
    operands: Vec<ValueId>,
    /// Where they stand, the last at the end.
    places: Vec<usize>,
}

impl Together {
    /// None if the device computes them one by one. Without the product that they follow, they may still be a group.
    fn new(graph: &Graph, device: &dyn Device, places: &group::Places) -> Option<Self> {
        let nodes = || places.nodes.iter().map(|&place| &graph.nodes[place]);
        let group = |nodes: Vec<&'_ Node>| {
            let operands = group::operands(&nodes);
            let constants = operands.iter().map(|id| graph.constants.get(id)).collect();
            (operands, constants)
        };
        if let Some(place) = places.product {
            let product = &graph.nodes[place];
            let (operands, constants) = group(std::iter::once(product).chain(nodes()).collect());
            let group = Group { nodes: nodes().collect(), operands: operands.clone(), constants };
            if let Some(kernel) = device.prepare_following(product, &group) {
                let places = std::iter::once(place).chain(places.nodes.iter().copied()).collect();
                return Some(Self { kernel, operands, places });
            }
        }
        if places.nodes.len() < 2 {
            return None;
        }
        let (operands, constants) = group(nodes().collect());
        let kernel =
            device.prepare_group(&Group { nodes: nodes().collect(), operands: operands.clone(), constants })?;
        Some(Self { kernel, operands, places: places.nodes.clone() })
    }

    /// Gives the work to the last of its nodes. All that they read is there until then.
    fn plan(self, graph: &Graph, works: &mut [Option<Work>], ends: &mut BTreeMap<ValueId, usize>) -> Reads {
        let Self { kernel, operands, places } = self;
        let last = *places.last().expect("a group has nodes");
        let reads = places.iter().flat_map(|&place| graph.nodes[place].inputs.iter().flatten());
        let reads: Reads = reads
            .map(|id| {
                let operand = operands.iter().position(|operand| operand == id);
                (*id, operand.is_none_or(|operand| kernel.needs_constant(operand)))
            })
            .collect();
        for (id, _) in &reads {
            if let Some(end) = ends.get_mut(id) {
                *end = last.max(*end);
            }
        }
        places.iter().for_each(|&place| works[place] = Some(Work::Later));
        works[last] = Some(Work::Group { kernel, operands });
        reads
    }
}

/// Of each node, the values that it is the last to use, or that nobody uses: not the graph's outputs.
fn last_uses(graph: &Graph) -> Vec<Vec<ValueId>> {
    let mut done = vec![false; graph.values.len()];
    for id in graph.outputs.iter().chain(graph.constants.keys()) {
        done[id.index()] = true;
    }
    let mut last_uses: Vec<_> = graph
        .nodes
        .iter()
        .rev()
        .map(|node| {
            let ids = node.inputs.iter().chain(&node.outputs).flatten();
            ids.copied().filter(|id| !std::mem::replace(&mut done[id.index()], true)).collect()
        })
        .collect();
    last_uses.reverse();
    last_uses
}

fn bytes(tensor: &Tensor) -> u64 {
    tensor.size_bytes() as u64
}

/// The values of one computation.
struct Values<'a> {
    constants: &'a [Option<Fact>],
    /// What is there, by [`ValueId::index`]: every fact has its value, but for those that are computed later.
    facts: Vec<Option<Fact>>,
    /// Bytes that each counts for; 0 if somebody else counts it (the computation's inputs).
    held_bytes: Vec<u64>,
}

impl<'a> Values<'a> {
    fn new(constants: &'a [Option<Fact>]) -> Self {
        Self { constants, facts: vec![None; constants.len()], held_bytes: vec![0; constants.len()] }
    }

    fn operands(&self, node: &Node, ids: &[Option<ValueId>]) -> Result<Vec<Option<&Fact>>, RunError> {
        let find = |id: &Option<ValueId>| {
            let Some(id) = id else { return Ok(None) };
            let fact = self.facts[id.index()].as_ref().or(self.constants[id.index()].as_ref());
            fact.map(Some).ok_or_else(|| wrong(node, "an operand was not computed: the graph is not in order"))
        };
        ids.iter().map(find).collect()
    }

    /// Infers what a node gives, and has it paid for. Its results' bytes are held.
    fn inferred(&self, node: &Node, account: &mut Account<'_>) -> Result<(Vec<Fact>, u64), RunError> {
        let facts = self.operands(node, &node.inputs)?;
        let operation = node.op.operation();
        let inferred = operation.infer(&facts).map_err(|reason| RunError::Node { node: node.name.clone(), reason })?;
        let cost: Cost = operation.cost(&facts, &inferred);
        account.spend(&node.name, cost.fuel())?;
        let expected_bytes = inferred.iter().map(Fact::bytes).fold(0, u64::saturating_add);
        account.hold(&node.name, expected_bytes)?;
        Ok((inferred, expected_bytes))
    }

    /// Runs a node's kernel, or that of a group whose last node it is, on these operands.
    fn run_kernel(
        &self,
        node: &Node,
        kernel: &dyn Kernel,
        operands: &[Option<ValueId>],
        account: &mut Account<'_>,
    ) -> Result<Vec<(Tensor, Option<Fact>)>, RunError> {
        let (inferred, expected_bytes) = self.inferred(node, account)?;
        let facts = self.operands(node, operands)?;
        let operands: Vec<_> = facts.iter().map(|fact| fact.and_then(|fact| fact.value.as_ref())).collect();
        let results = kernel.run(&operands).map_err(|error| error.at(node))?;
        account.give_back(expected_bytes);
        if results.len() < node.outputs.len() {
            return Err(wrong(node, "it has fewer results than the model takes from it"));
        }
        let as_inferred = results.iter().zip(&inferred).all(|(result, fact)| {
            result.dtype() == fact.dtype && fact.sizes().is_none_or(|sizes| sizes == result.shape())
        });
        if !as_inferred {
            return Err(wrong(node, "its results differ from what was inferred of them"));
        }
        let facts = inferred.into_iter().map(Some).chain(std::iter::repeat(None));
        Ok(results.into_iter().zip(facts).collect())
    }

    fn run_bodies(
        &self,
        node: &Node,
        bodies: &Bodies,
        device: &dyn Device,
        account: &mut Account<'_>,
    ) -> Result<Vec<(Tensor, Option<Fact>)>, RunError> {
        let facts = self.operands(node, &node.inputs)?;
        let operands: Vec<_> = facts.iter().map(|fact| fact.and_then(|fact| fact.value.as_ref())).collect();
        account.spend(&node.name, Cost::NODE_FUEL)?;
        let results = bodies.run(node, &operands, device, account)?;
        account.give_back(results.iter().map(bytes).sum());
        if results.len() < node.outputs.len() {
            return Err(wrong(node, "its body has fewer results than the model takes from it"));
        }
        Ok(results.into_iter().map(|result| (result, None)).collect())
    }

    /// Keeps results that somebody asks for, and gives the others back.
    fn keep(
        &mut self,
        node: &Node,
        results: Vec<(Tensor, Option<Fact>)>,
        device: &dyn Device,
        account: &mut Account<'_>,
    ) -> Result<(), RunError> {
        for (place, (result, inferred)) in results.into_iter().enumerate() {
            let Some(id) = node.outputs.get(place).copied().flatten() else {
                device.release(result);
                continue;
            };
            account.hold(&node.name, bytes(&result))?;
            self.held_bytes[id.index()] = bytes(&result);
            let complete = inferred.filter(|fact| fact.sizes().is_some());
            self.facts[id.index()] = Some(match complete {
                Some(fact) => Fact { value: Some(result), ..fact },
                None => Fact::of(&result),
            });
        }
        Ok(())
    }

    /// Counts a node of a group, as if its one result were there from now on.
    fn count(&mut self, node: &Node, account: &mut Account<'_>) -> Result<(), RunError> {
        let (inferred, bytes) = self.inferred(node, account)?;
        let (Some(id), Some(fact)) = (node.outputs[0], inferred.into_iter().next()) else {
            return Err(wrong(node, "it has no result"));
        };
        self.held_bytes[id.index()] = bytes;
        self.facts[id.index()] = Some(fact);
        Ok(())
    }

    fn count_no_more(&mut self, id: ValueId, account: &mut Account<'_>) {
        account.give_back(std::mem::take(&mut self.held_bytes[id.index()]));
    }

    fn forget(&mut self, id: ValueId, device: &dyn Device, account: &mut Account<'_>) {
        self.count_no_more(id, account);
        if let Some(tensor) = self.facts[id.index()].take().and_then(|fact| fact.value) {
            device.release(tensor);
        }
    }

    fn taken(&mut self, id: ValueId) -> Result<Tensor, RunError> {
        let fact = self.facts[id.index()].as_ref().or(self.constants[id.index()].as_ref());
        let value = fact.and_then(|fact| fact.value.clone());
        value.ok_or_else(|| RunError::Node {
            node: "outputs".into(),
            reason: OpError::new("an output was not computed"),
        })
    }
}

fn wrong(node: &Node, reason: &str) -> RunError {
    RunError::Node { node: node.name.clone(), reason: OpError::new(reason) }
}
