//! Element-wise nodes that pass block by block through the first-level cache, perhaps behind a product.

use poai_numerics::{Following, Sequence, Source, Strided};

use super::{Cpu, Group, Kernel, KernelError};
use crate::device::group::{Followed, Grouped};
use crate::graph::ValueId;
use crate::op::operand::strides;
use crate::op::{Leading, Op};
use crate::{DType, Node, OpError, Tensor};

/// A group, as one sequence of numerics' operations.
pub(super) struct Steps {
    cpu: Cpu,
    sequence: Sequence,
    grouped: Grouped,
    product: Option<Product>,
}

/// What the sequence follows: its result is the sequence's first operand.
struct Product {
    leading: Box<dyn Leading>,
    followed: Followed,
    /// Which of the group's operands it reads.
    operands: Vec<Option<usize>>,
    /// Which of them nobody needs again.
    packed: Option<usize>,
}

impl Steps {
    /// None if a node is no sequence of such operations, or the product none that has packed weights.
    pub(super) fn new(cpu: &Cpu, product: Option<&Node>, group: &Group<'_>) -> Option<Self> {
        let product = match product {
            Some(node) => Some(Product::new(cpu, node, group)?),
            None => None,
        };
        let grouped = group.following(product.as_ref().map(|product| &product.followed))?;
        let operands = usize::from(product.is_some()) + grouped.operands.len();
        let sequence = Sequence::new(operands, &grouped.steps).ok()?;
        Some(Self { cpu: cpu.clone(), sequence, grouped, product })
    }

    /// Node by node; the first of the operands may be a product.
    fn one_by_one(&self, operands: &[&Tensor]) -> Result<Tensor, OpError> {
        let mut results: Vec<Tensor> = Vec::new();
        for (op, reads) in &self.grouped.nodes {
            let read = |source: &Source| match source {
                Source::Operand(place) => Some(operands[*place]),
                Source::Step(node) => Some(&results[*node]),
            };
            let result = op.operation().run(&self.cpu, &reads.iter().map(read).collect::<Vec<_>>())?;
            results.extend(result);
        }
        results.pop().ok_or_else(|| OpError::new("a group has no nodes"))
    }

    fn compute(&self, inputs: &[Option<&Tensor>]) -> Result<Tensor, OpError> {
        let operands: Vec<&Tensor> = self
            .grouped
            .operands
            .iter()
            .map(|&place| inputs[place].ok_or_else(|| OpError::new("an operand is missing")))
            .collect::<Result<_, _>>()?;
        let leading: Option<(_, Vec<_>)> = self.product.as_ref().map(|product| {
            let own = product.operands.iter().map(|place| place.and_then(|place| inputs[place]));
            (&product.leading, own.collect())
        });
        let product = leading.as_ref().map(|(leading, own)| leading.shape(own)).transpose()?;
        let Some(shape) = self.grouped.shape(product, &operands)? else {
            let product = leading.map(|(leading, own)| leading.lead(&own, None)).transpose()?;
            return self.one_by_one(&product.iter().chain(operands).collect::<Vec<_>>());
        };
        let steps: Vec<Vec<usize>> = operands.iter().map(|operand| steps(operand.shape(), &shape)).collect();
        let data =
            operands.iter().zip(&steps).map(|(operand, strides)| Ok(Strided { data: operand.slice()?, strides }));
        let data = data.collect::<Result<Vec<_>, OpError>>()?;
        if let Some((leading, own)) = leading {
            return leading.lead(&own, Some(&Following::new(&self.sequence, &shape, &data)?));
        }
        let mut result = self.cpu.allocate(DType::F32, &shape)?;
        self.cpu.processor().sequence(&self.sequence, &shape, &data, result.slice_mut())?;
        Ok(result.freeze())
    }
}

impl Product {
    fn new(cpu: &Cpu, node: &Node, group: &Group<'_>) -> Option<Self> {
        let place = |id: ValueId| group.operands.iter().position(|operand| *operand == id);
        let operands: Vec<Option<usize>> = node.inputs.iter().map(|id| id.and_then(place)).collect();
        let constants: Vec<_> = operands.iter().map(|place| place.and_then(|place| group.constants[place])).collect();
        let leading = node.op.leading(cpu, &constants).ok()??;
        let own = leading.own();
        let given = |operand: Option<usize>| operand.and_then(|operand| operands.get(operand).copied().flatten());
        let added = [own.bias, own.residual].into_iter().filter_map(given).collect();
        let followed = Followed { result: node.outputs[0]?, added, activation: own.activation };
        let packed = given(Some(Op::PACKED)).filter(|place| {
            let others = operands.iter().enumerate().filter(|(operand, _)| *operand != Op::PACKED);
            others.into_iter().all(|(_, other)| *other != Some(*place)) && !group.reads(*place)
        });
        Some(Self { leading, followed, operands, packed })
    }
}

impl Kernel for Steps {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(vec![self.compute(inputs)?])
    }

    fn needs_constant(&self, operand: usize) -> bool {
        self.product.as_ref().is_none_or(|product| product.packed != Some(operand))
    }
}

/// The step along each axis of a result; 0 where an operand repeats.
fn steps(own: &[usize], shape: &[usize]) -> Vec<usize> {
    let steps = own.iter().zip(strides(own)).map(|(&size, step)| if size == 1 { 0 } else { step });
    std::iter::repeat_n(0, shape.len() - own.len()).chain(steps).collect()
}
