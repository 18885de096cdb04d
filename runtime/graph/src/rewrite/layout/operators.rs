//! What becomes of each operator when its operands lie channels last.

use super::{Rewriting, from_twin, to_twin};
use crate::graph::ValueId;
use crate::op::Operation as _;
use crate::op::elementwise::Elementwise;
use crate::op::image::{Convolution, Image};
use crate::op::movement::Movement;
use crate::op::movement::join::Concat;
use crate::op::movement::permutation::Transpose;
use crate::op::movement::split::Split;
use crate::op::quantisation::{Between, Quantisation, Scaling};
use crate::op::reduction::Reduction;
use crate::op::reduction::reduce::Reduce;
use crate::{Fact, Node, Op, OpError, Tensor};

/// An operator with its operands.
type Turned = (Op, Vec<Option<ValueId>>);

impl Rewriting<'_> {
    /// The node that computes the twins of a node's results, or the results themselves of twins, if it is worth it.
    pub(super) fn turned(&mut self, node: &Node) -> Option<Node> {
        let made = match &node.op {
            Op::Movement(Movement::Transpose(transpose)) => self.composed(transpose, node),
            Op::Reduction(Reduction::Reduce(reduce)) if !reduce.keep => self.pixels_reduced(reduce, node),
            _ => None,
        };
        if let Some((op, inputs)) = made {
            return Some(Node { op, inputs, ..node.clone() });
        }
        let (op, inputs) = self.on_twins(node)?;
        // What is not known of a result cannot be known of its twin.
        let results: Vec<ValueId> = node.outputs.iter().flatten().copied().collect();
        if results.iter().any(|&id| self.rank(id).is_none()) {
            return None;
        }
        let twin = |id: &Option<ValueId>| id.map(|id| self.add_result(id));
        let outputs = node.outputs.iter().map(twin).collect();
        Some(Node { name: node.name.clone(), op, inputs, outputs })
    }

    fn on_twins(&mut self, node: &Node) -> Option<Turned> {
        match &node.op {
            Op::Image(image) => self.image(image, node),
            Op::Elementwise(operation) if is_elementwise(operation) => Some((node.op.clone(), self.alike(node)?)),
            Op::Elementwise(Elementwise::Dropout { .. }) => Some((node.op.clone(), self.with_first_twin(node)?)),
            Op::Movement(Movement::Identity(_)) => Some((node.op.clone(), self.with_first_twin(node)?)),
            Op::Movement(Movement::Concat(concat)) => self.concat(concat, node),
            Op::Movement(Movement::Pad(_)) => Some((node.op.clone(), self.pad(node)?)),
            Op::Movement(Movement::Split(split)) => {
                let axis = self.axis(node.inputs[0]?, split.axis)?;
                Some((Split { axis, ..split.clone() }.into(), self.with_first_twin(node)?))
            }
            Op::Movement(Movement::Slice(_)) => Some((node.op.clone(), self.slice(node)?)),
            Op::Reduction(Reduction::Reduce(reduce)) => self.reduce(reduce, node),
            Op::Quantisation(quantisation) => self.quantised(quantisation, node),
            _ => None,
        }
    }

    /// The operands with the first one's twin, if it has one.
    fn with_first_twin(&self, node: &Node) -> Option<Vec<Option<ValueId>>> {
        let twin = self.known_twin(node.inputs[0]?)?;
        let mut inputs = node.inputs.clone();
        inputs[0] = Some(twin);
        Some(inputs)
    }

    /// Where an axis of a value lies in its twin.
    fn axis(&self, id: ValueId, axis: i64) -> Option<i64> {
        let rank = self.rank(id)?;
        let axis = usize::try_from(if axis < 0 { axis.checked_add(rank as i64)? } else { axis }).ok()?;
        Some(*from_twin(rank).get(axis)? as i64)
    }

    /// A constant's whole numbers.
    fn numbers(&self, id: Option<ValueId>) -> Option<Vec<i64>> {
        let constant = self.graph.constants.get(&id?)?;
        let narrow = || Some(constant.get::<i32>()?.iter().map(|&number| i64::from(number)).collect());
        constant.get::<i64>().map(<[i64]>::to_vec).or_else(narrow)
    }

    fn add_numbers(&mut self, node: &Node, numbers: &[i64]) -> ValueId {
        self.graph.add_constant(format!("{}/turned", node.name), Tensor::new(&[numbers.len()], numbers))
    }

    /// An operator on images: one that computes channels last is worth turns on its way in.
    fn image(&mut self, image: &Image, node: &Node) -> Option<Turned> {
        let (turned, computes_so) = image.channels_last()?;
        let first = node.inputs[0]?;
        let rank = self.rank(first).filter(|rank| computes_so && (3..=4).contains(rank));
        if self.known_twin(first).is_none() && rank.is_none() {
            return None;
        }
        let mut inputs = node.inputs.clone();
        inputs[0] = Some(self.twin(first)?);
        if let (Image::Convolution(_), Some(&Some(residual))) = (image, inputs.get(Convolution::RESIDUAL)) {
            inputs[Convolution::RESIDUAL] = Some(self.twin(residual)?);
        }
        Some((turned.into(), inputs))
    }

    /// The operands of an element-wise operator, all as twins of the result's rank; none unless one has a twin already.
    fn alike(&mut self, node: &Node) -> Option<Vec<Option<ValueId>>> {
        let &[Some(result)] = &node.outputs[..] else { return None };
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
    fn concat(&mut self, concat: &Concat, node: &Node) -> Option<Turned> {
        let operands: Vec<ValueId> = node.inputs.iter().copied().collect::<Option<_>>()?;
        let rank = self.rank(*operands.first()?)?;
        let twins = operands.iter().filter(|id| self.twins.contains_key(id)).count();
        if 2 * twins < operands.len() || twins == 0 || operands.iter().any(|&id| self.rank(id) != Some(rank)) {
            return None;
        }
        let axis = self.axis(operands[0], concat.axis)?;
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
        let pads = self.numbers(Some(pads)).filter(|pads| pads.len() == 2 * rank)?;
        let order = to_twin(rank);
        let turned: Vec<i64> =
            order.iter().map(|&axis| pads[axis]).chain(order.iter().map(|&axis| pads[rank + axis])).collect();
        let pads = self.add_numbers(node, &turned);
        let constant = node.inputs.get(2).copied().flatten();
        Some(vec![Some(twin), Some(pads), constant])
    }

    /// A part of each axis that constants name.
    fn slice(&mut self, node: &Node) -> Option<Vec<Option<ValueId>>> {
        let data = node.inputs[0]?;
        let mut inputs = self.with_first_twin(node)?;
        let axes = match node.inputs.get(3).copied().flatten() {
            Some(axes) => self.numbers(Some(axes))?,
            None => (0..self.numbers(node.inputs[1])?.len() as i64).collect(),
        };
        let axes: Vec<i64> = axes.into_iter().map(|axis| self.axis(data, axis)).collect::<Option<_>>()?;
        inputs.resize(inputs.len().max(4), None);
        inputs[3] = Some(self.add_numbers(node, &axes));
        Some(inputs)
    }

    /// A reduction over pixels, which both layouts have in one order.
    fn reduce(&mut self, reduce: &Reduce, node: &Node) -> Option<Turned> {
        let data = node.inputs[0]?;
        let mut inputs = self.with_first_twin(node)?;
        let axes = self.numbers(node.inputs.get(1).copied()?)?;
        let axes: Vec<i64> = axes.into_iter().map(|axis| self.axis(data, axis)).collect::<Option<_>>()?;
        let channels = self.rank(data)? as i64 - 1;
        let are_sides = axes.iter().all(|axis| (1..channels).contains(axis));
        if !reduce.keep || !are_sides || axes.is_empty() {
            return None;
        }
        inputs[1] = Some(self.add_numbers(node, &axes));
        Some((reduce.clone().into(), inputs))
    }

    /// A reduction over all pixels that leaves images and channels: the result itself.
    fn pixels_reduced(&mut self, reduce: &Reduce, node: &Node) -> Option<Turned> {
        let sides = self.rank(node.inputs[0]?)?.checked_sub(2)?;
        let mut axes = self.numbers(node.inputs.get(1).copied()?)?;
        axes.sort_unstable();
        axes.dedup();
        let (op, inputs) = self.reduce(&Reduce { keep: true, ..reduce.clone() }, node)?;
        let Op::Reduction(Reduction::Reduce(turned)) = op else { return None };
        (axes.len() == sides).then(|| (Reduce { keep: false, ..turned }.into(), inputs))
    }

    /// Operators of quantised numbers.
    fn quantised(&mut self, quantisation: &Quantisation, node: &Node) -> Option<Turned> {
        let data = node.inputs[0]?;
        let scaled = |scaling: &Scaling| {
            let axis = if self.is_single(node.inputs[1]?) { scaling.axis } else { self.axis(data, scaling.axis)? };
            (scaling.block == 0).then_some(Scaling { axis, ..*scaling })
        };
        match quantisation {
            Quantisation::Quantise(scaling) => {
                Some((Quantisation::Quantise(scaled(scaling)?).into(), self.with_first_twin(node)?))
            }
            Quantisation::Dequantise(scaling) => {
                Some((Quantisation::Dequantise(scaled(scaling)?).into(), self.with_first_twin(node)?))
            }
            Quantisation::Between(Between::Function(_)) => Some((node.op.clone(), self.with_first_twin(node)?)),
            Quantisation::Between(Between::GlobalAveragePool { channels_last: false }) => {
                let pool = Between::GlobalAveragePool { channels_last: true };
                Some((Quantisation::Between(pool).into(), self.with_first_twin(node)?))
            }
            Quantisation::Between(Between::Arithmetic(_)) => {
                let other = (*node.inputs.get(3)?)?;
                let mut inputs = self.with_first_twin(node)?;
                if self.rank(data) != self.rank(other) {
                    return None;
                }
                inputs[3] = Some(self.twin(other)?);
                Some((node.op.clone(), inputs))
            }
            _ => None,
        }
    }

    /// A Transpose of a value, as one of its twin.
    fn composed(&mut self, transpose: &Transpose, node: &Node) -> Option<Turned> {
        let data = node.inputs[0]?;
        let (twin, rank) = (self.known_twin(data)?, self.rank(data)?);
        let places = from_twin(rank);
        let order = transpose.axes(rank).ok()?.into_iter().map(|axis| places[axis] as i64).collect();
        Some((Transpose { order: Some(order) }.into(), vec![Some(twin)]))
    }
}

/// Whether an operator broadcasts its operands to its result, and computes each element by itself.
fn is_elementwise(operation: &Elementwise) -> bool {
    !matches!(operation, Elementwise::Biased(_) | Elementwise::CastLike | Elementwise::Dropout { .. })
}
