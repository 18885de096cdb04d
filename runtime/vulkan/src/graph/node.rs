//! A node that device and processor share.

use std::sync::{Arc, OnceLock};

use poai_graph::{Cpu, DType, Device, Fact, Kernel, KernelError, Node, OpError, Tensor};
use poai_numerics::Unary;

use super::Accelerator;
use crate::device::{Compute, DeviceError};

/// A node of f32, whose second operand may be constant and lie in the device's memory. Whether the device computes it is
/// seen from its operands' sizes.
pub(super) struct Shared<D: Compute> {
    pub(super) accelerator: Arc<Accelerator<D>>,
    pub(super) cpu: Cpu,
    node: Node,
    /// The constant operand there, or why it is not.
    weights: Option<Result<D::Buffer, DeviceError>>,
    /// The node as the processor computes it, made ready when it first has to.
    small: OnceLock<Result<Box<dyn Kernel>, OpError>>,
}

impl<D: Compute> Shared<D> {
    pub(super) fn new(accelerator: &Arc<Accelerator<D>>, cpu: &Cpu, node: &Node, weights: Option<&[f32]>) -> Self {
        let weights = weights.map(|weights| accelerator.upload(weights));
        let node = node.clone();
        Self { accelerator: Arc::clone(accelerator), cpu: cpu.clone(), node, weights, small: OnceLock::new() }
    }

    /// Whether the device takes such operands: f32 alone, enough work, and nothing beyond what it can hold.
    pub(super) fn takes(&self, inputs: &[Option<&Tensor>]) -> Result<bool, OpError> {
        if inputs.iter().flatten().any(|input| input.dtype() != DType::F32) {
            return Ok(false);
        }
        let facts: Vec<Option<Fact>> = inputs.iter().map(|input| input.map(Fact::of)).collect();
        let facts: Vec<Option<&Fact>> = facts.iter().map(Option::as_ref).collect();
        let operation = self.node.op.operation();
        let results = operation.infer(&facts)?;
        let cost = operation.cost(&facts, &results);
        let holds = |fact| usize::try_from(Fact::elements(fact)).is_ok_and(|words| self.accelerator.holds(words));
        let fits = facts.iter().flatten().copied().chain(&results).all(holds);
        Ok(fits && cost.multiply_adds >= self.accelerator.least)
    }

    pub(super) fn on_the_processor(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        let is_constant = |place: usize| place == 1 && self.weights.is_some();
        let constants = || inputs.iter().enumerate().map(|(place, input)| input.filter(|_| is_constant(place)));
        let prepared = self.small.get_or_init(|| self.cpu.prepare(&self.node, &constants().collect::<Vec<_>>()));
        prepared.as_ref().map_err(Clone::clone)?.run(inputs)
    }

    /// Has the device do something with the weights: those that lie there, or else these.
    pub(super) fn with_weights(
        &self,
        given: &[f32],
        act: impl FnOnce(&D::Buffer) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        match &self.weights {
            Some(weights) => act(weights.as_ref().map_err(Clone::clone)?),
            None => act(&self.accelerator.upload(given)?),
        }
    }

    /// What the device has left of an activation.
    pub(super) fn finish(&self, activation: Option<Unary>, out: &mut [f32]) -> Result<(), OpError> {
        let Some(activation) = activation else { return Ok(()) };
        let before = out.to_vec();
        Ok(self.cpu.processor().unary(activation, &before, out)?)
    }
}

/// An activation as bounds, which the device applies, or as what is left to the processor.
pub(super) fn split(activation: Option<Unary>) -> (Option<[f32; 2]>, Option<Unary>) {
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
