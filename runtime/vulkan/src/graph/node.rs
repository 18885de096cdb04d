//! A node that device and processor share.

use std::sync::{Arc, OnceLock};

use poai_graph::{Cpu, DType, Device, Fact, Kernel, KernelError, Node, OpError, Tensor};
use poai_numerics::{Source, Step, Unary};

use super::Accelerator;
use super::resident::{Operand, Resident};
use crate::device::{Compute, DeviceError};
use crate::kernels::{Place, Program, Read, Terms};

/// A node that the device may compute. Whether it does is seen from its operands' sizes.
pub(super) struct Shared<D: Compute> {
    pub(super) accelerator: Arc<Accelerator<D>>,
    pub(super) cpu: Cpu,
    node: Node,
    /// Which operands are always the same.
    constant: Vec<bool>,
    /// The node as the processor computes it, made ready when it first has to.
    small: OnceLock<Result<Box<dyn Kernel>, OpError>>,
}

impl<D: Compute> Shared<D> {
    pub(super) fn new(
        accelerator: &Arc<Accelerator<D>>,
        cpu: &Cpu,
        node: &Node,
        constants: &[Option<&Tensor>],
    ) -> Self {
        Self {
            accelerator: Arc::clone(accelerator),
            cpu: cpu.clone(),
            node: node.clone(),
            constant: constants.iter().map(Option::is_some).collect(),
            small: OnceLock::new(),
        }
    }

    /// Whether the device takes operands of such sizes: nothing beyond what it can hold, and enough work, unless the first
    /// of them lies there already.
    pub(super) fn takes(&self, inputs: &[Option<&Tensor>]) -> Result<bool, OpError> {
        let facts: Vec<Option<Fact>> = inputs.iter().map(|input| input.map(Fact::of)).collect();
        let facts: Vec<Option<&Fact>> = facts.iter().map(Option::as_ref).collect();
        let operation = self.node.op.operation();
        let results = operation.infer(&facts)?;
        let cost = operation.cost(&facts, &results);
        let holds = |fact| usize::try_from(Fact::elements(fact)).is_ok_and(|words| self.accelerator.holds(words));
        let fits = facts.iter().flatten().copied().chain(&results).all(holds);
        let there =
            inputs.first().copied().flatten().is_some_and(|left| Resident::keeping(&self.accelerator, left).is_some());
        Ok(fits && (there || cost.multiply_adds >= self.accelerator.least))
    }

    pub(super) fn on_the_processor(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        let constants = || inputs.iter().zip(&self.constant).map(|(input, constant)| input.filter(|_| *constant));
        let prepared = self.small.get_or_init(|| self.cpu.prepare(&self.node, &constants().collect::<Vec<_>>()));
        prepared.as_ref().map_err(Clone::clone)?.run(inputs)
    }
}

/// A node of f32 whose second operand may be constant and lie in the device's memory.
pub(super) struct Weighted<D: Compute> {
    pub(super) shared: Shared<D>,
    /// The constant operand there, or why it is not.
    weights: Option<Result<D::Buffer, DeviceError>>,
    /// What follows a product: bounds, which its kernel applies, or an activation, and its program if there is one.
    bounds: Option<[f32; 2]>,
    after: Option<(Unary, Option<Program>)>,
}

impl<D: Compute> Weighted<D> {
    pub(super) fn new(shared: Shared<D>, weights: Option<&[f32]>, activation: Option<Unary>) -> Self {
        let (bounds, after) = split(activation);
        let weights = weights.map(|weights| shared.accelerator.upload(weights));
        let after = after.map(|after| (after, Program::new(&[Step::Unary(after, Source::Operand(0))])));
        Self { shared, weights, bounds, after }
    }

    /// Whether the device takes such operands: f32 alone, and what [`Shared::takes`].
    pub(super) fn takes(&self, inputs: &[Option<&Tensor>]) -> Result<bool, OpError> {
        Ok(inputs.iter().flatten().all(|input| input.dtype() == DType::F32) && self.shared.takes(inputs)?)
    }

    /// Products of the operands, or of the left one with the weights that lie there, and what follows: a result of this
    /// shape, which stays there unless it takes the processor to apply the activation.
    pub(super) fn multiply(
        &self,
        terms: &Terms<'_>,
        [left, right]: [&Tensor; 2],
        residual: Option<&Tensor>,
        shape: &[usize],
    ) -> Result<Tensor, KernelError> {
        let Shared { accelerator, cpu, .. } = &self.shared;
        let terms = &Terms { bounds: self.bounds, residual: residual.is_some(), ..*terms };
        let left = Operand::new(accelerator, left)?;
        let result = match residual {
            Some(residual) => Operand::new(accelerator, residual)?.owned(accelerator)?,
            None => accelerator.device.unwritten(shape.iter().product())?,
        };
        match &self.weights {
            Some(weights) => accelerator.multiply(terms, &left, weights.as_ref().map_err(Clone::clone)?, &result)?,
            None => accelerator.multiply(terms, &left, &*Operand::new(accelerator, right)?, &result)?,
        }
        if let Some((_, Some(program))) = &self.after {
            let count = word(shape.iter().product());
            let read = Read::whole(Place::Left, count);
            let result = accelerator.operate(program, count, &[read], [&result; 2])?;
            return Ok(Resident::tensor(accelerator, shape, result));
        }
        let result = Resident::tensor(accelerator, shape, result);
        let Some((activation, _)) = self.after else { return Ok(result) };
        let mut activated = cpu.allocate(DType::F32, shape)?;
        let before = result.slice()?;
        cpu.processor().unary(activation, before, activated.slice_mut()).map_err(OpError::from)?;
        Ok(activated.freeze())
    }
}

/// An activation as bounds, which the device applies, or as what is left to the processor.
fn split(activation: Option<Unary>) -> (Option<[f32; 2]>, Option<Unary>) {
    match activation {
        Some(Unary::Relu) => (Some([0.0, f32::INFINITY]), None),
        Some(Unary::Clip { low, high }) => (Some([low, high]), None),
        other => (None, other),
    }
}

/// A length on the device.
pub(super) fn word(length: usize) -> u32 {
    u32::try_from(length).expect("all sizes lie within a buffer")
}

/// Lengths that kernels reckon with; none beyond 2³¹, so that sums and differences of two of them are told apart.
pub(super) fn words<const N: usize>(lengths: [usize; N]) -> Option<[u32; N]> {
    lengths.iter().all(|&length| length < 1 << 31).then(|| lengths.map(word))
}
