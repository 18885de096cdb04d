//! Images stay channels last between the operators that compute on them so.
//!
//! What such an operator gives exists channels last, as the *twin* of the value that the graph speaks of. The value
//! itself is made of its twin, by a Transpose, where somebody asks for it, and nowhere if nobody does. Operators that
//! treat all elements alike, or all axes, work on twins if their operands have them. Elements only move: no bit changes.

use std::collections::{BTreeMap, BTreeSet};

use poai_numerics::Kernels;

use crate::graph::ValueId;
use crate::op::Operation as _;
use crate::op::elementwise::Elementwise;
use crate::op::image::{Convolution, Image};
use crate::op::movement::Movement;
use crate::op::movement::join::Concat;
use crate::op::movement::permutation::Transpose;
use crate::{Cpu, Fact, Graph, ModelError, Node, Op, OpError, Tensor};

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

    /// The node that computes the twin of a node's result, if there is one that is worth it.
    fn turned(&mut self, node: &Node) -> Option<Node> {
        let &[Some(result)] = &node.outputs[..] else { return None };
        let (op, inputs) = match &node.op {
            Op::Image(image) => self.image(image, node)?,
            Op::Elementwise(operation) if is_elementwise(operation) => (node.op.clone(), self.alike(node, result)?),
            Op::Movement(Movement::Identity(_)) => (node.op.clone(), vec![Some(self.known_twin(node.inputs[0]?)?)]),
            Op::Movement(Movement::Concat(concat)) => self.concat(concat, node)?,
            Op::Movement(Movement::Pad(_)) => (node.op.clone(), self.pad(node)?),
            Op::Movement(Movement::Transpose(transpose)) => return self.composed(transpose, node),
            _ => return None,
        };
        let twin = self.add_twin(result)?;
        self.unmade.insert(result);
        Some(Node { name: node.name.clone(), op, inputs, outputs: vec![Some(twin)] })
    }

    fn known_twin(&self, id: ValueId) -> Option<ValueId> {
        self.twins.get(&id).copied()
    }

    /// An operator on images: one that computes channels last is worth turns on its way in.
    fn image(&mut self, image: &Image, node: &Node) -> Option<(Op, Vec<Option<ValueId>>)> {
        let (turned, computes_so) = image.channels_last()?;
        let first = node.inputs[0]?;
        let rank = self.rank(first).filter(|rank| computes_so && (3..=4).contains(rank));
        if self.known_twin(first).is_none() && rank.is_none() {
            return None;
        }
        // What is not known of the result cannot be known of its twin.
        self.rank(node.outputs[0]?)?;
        let mut inputs = node.inputs.clone();
        inputs[0] = Some(self.twin(first)?);
        if let (Image::Convolution(_), Some(&Some(residual))) = (image, inputs.get(Convolution::RESIDUAL)) {
            inputs[Convolution::RESIDUAL] = Some(self.twin(residual)?);
        }
        Some((turned.into(), inputs))
    }

    /// The operands of an element-wise operator, all as twins of the result's rank; none unless one has a twin already.
    fn alike(&mut self, node: &Node, result: ValueId) -> Option<Vec<Option<ValueId>>> {
        let rank = self.rank(result)?;
        let operands: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
        let fits = |&id: &ValueId| {
            let own = self.rank(id);
            own == Some(rank) || self.is_single(id) || (own < Some(rank) && self.graph.constants.contains_key(&id))
        };
        if !operands.iter().any(|id| self.twins.contains_key(id)) || !operands.iter().all(fits) {
            return None;
        }
        node.inputs.iter().map(|id| id.map_or(Some(None), |id| self.operand(id, rank).map(Some))).collect()
    }

    fn operand(&mut self, id: ValueId, rank: usize) -> Option<ValueId> {
        if self.known_twin(id).is_none() && self.is_single(id) {
            return Some(id);
        }
        match self.graph.constants.get(&id) {
            Some(constant) => self.turned_constant(&constant.clone(), rank).ok(),
            None => self.twin(id),
        }
    }

    /// One element, whatever the axes.
    fn is_single(&self, id: ValueId) -> bool {
        let sizes = self.graph.value(id).fact.as_ref().and_then(Fact::sizes);
        sizes.is_some_and(|sizes| sizes.iter().all(|&size| size == 1))
    }

    /// A constant of up to `rank` axes that meets twins.
    fn turned_constant(&mut self, constant: &Tensor, rank: usize) -> Result<ValueId, OpError> {
        let missing = rank - constant.shape().len();
        let shape: Vec<usize> = std::iter::repeat_n(1, missing).chain(constant.shape().iter().copied()).collect();
        let order = Some(to_twin(rank).into_iter().map(|axis| axis as i64).collect());
        let turned = Transpose { order }.run(&self.cpu, &[Some(&constant.reshaped(&shape)?)])?.remove(0);
        Ok(self.graph.add_constant("constant/turned", turned))
    }

    /// Most of the operands have twins.
    fn concat(&mut self, concat: &Concat, node: &Node) -> Option<(Op, Vec<Option<ValueId>>)> {
        let operands: Vec<ValueId> = node.inputs.iter().copied().collect::<Option<_>>()?;
        let rank = self.rank(*operands.first()?)?;
        let twins = operands.iter().filter(|id| self.twins.contains_key(id)).count();
        if 2 * twins < operands.len() || twins == 0 || operands.iter().any(|&id| self.rank(id) != Some(rank)) {
            return None;
        }
        let axis = usize::try_from(if concat.axis < 0 { concat.axis + rank as i64 } else { concat.axis }).ok()?;
        let axis = *from_twin(rank).get(axis)? as i64;
        let inputs = operands.into_iter().map(|id| self.twin(id).map(Some)).collect::<Option<_>>()?;
        Some((Concat { axis }.into(), inputs))
    }

    /// Padding that is said for all axes by a constant.
    fn pad(&mut self, node: &Node) -> Option<Vec<Option<ValueId>>> {
        let (data, pads) = (node.inputs[0]?, node.inputs.get(1).copied().flatten()?);
        let (twin, rank) = (self.known_twin(data)?, self.rank(data)?);
        if node.inputs.get(3).is_some_and(Option::is_some) {
            return None;
        }
        let pads = self.graph.constants.get(&pads)?.get::<i64>().filter(|pads| pads.len() == 2 * rank)?;
        let order = to_twin(rank);
        let turned: Vec<i64> =
            order.iter().map(|&axis| pads[axis]).chain(order.iter().map(|&axis| pads[rank + axis])).collect();
        let pads = self.graph.add_constant(format!("{}/turned", node.name), Tensor::new(&[2 * rank], &turned));
        let constant = node.inputs.get(2).copied().flatten();
        Some(vec![Some(twin), Some(pads), constant])
    }

    /// A Transpose of a value, as one of its twin.
    fn composed(&mut self, transpose: &Transpose, node: &Node) -> Option<Node> {
        let data = node.inputs[0]?;
        let (twin, rank) = (self.known_twin(data)?, self.rank(data)?);
        let places = from_twin(rank);
        let order = transpose.axes(rank).ok()?.into_iter().map(|axis| places[axis] as i64).collect();
        let op = Op::from(Transpose { order: Some(order) });
        Some(Node { op, inputs: vec![Some(twin)], ..node.clone() })
    }
}

/// Whether an operator broadcasts its operands to its result, and computes each element by itself.
fn is_elementwise(operation: &Elementwise) -> bool {
    !matches!(operation, Elementwise::Biased(_) | Elementwise::CastLike | Elementwise::Dropout { .. })
}
