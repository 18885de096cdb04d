//! MatMul and Gemm on a device.

use std::sync::{Arc, OnceLock};

use poai_graph::op::product::{MatMul, Multiplication};
use poai_graph::{Cpu, DType, Device, Fact, Kernel, KernelError, Node, OpError, Tensor};
use poai_numerics::Unary;

use super::Accelerator;
use crate::device::{Compute, DeviceError};
use crate::kernels::Terms;

/// A product of f32. Whether the device computes it is seen from its operands' sizes.
pub(super) struct Product<D: Compute> {
    accelerator: Arc<Accelerator<D>>,
    cpu: Cpu,
    node: Node,
    op: MatMul,
    /// A right operand that is always the same, in the device's memory, or why it is not there.
    weights: Option<Result<D::Buffer, DeviceError>>,
    /// The node as the processor computes it, made ready when it first has to.
    small: OnceLock<Result<Box<dyn Kernel>, OpError>>,
}

impl<D: Compute> Product<D> {
    /// None if the device could take no such node.
    pub(super) fn new(
        accelerator: &Arc<Accelerator<D>>,
        cpu: &Cpu,
        node: &Node,
        op: &MatMul,
        constants: &[Option<&Tensor>],
    ) -> Option<Self> {
        let weights = match constants.get(1).copied().flatten() {
            Some(right) => {
                let weights = right.get::<f32>().filter(|weights| accelerator.holds(weights.len()))?;
                Some(accelerator.upload(weights))
            }
            None => None,
        };
        let (node, op) = (node.clone(), op.clone());
        Some(Self { accelerator: Arc::clone(accelerator), cpu: cpu.clone(), node, op, weights, small: OnceLock::new() })
    }

    /// Whether the device takes such operands: f32 alone, enough work, and nothing beyond what it can hold.
    fn takes(&self, inputs: &[Option<&Tensor>]) -> Result<bool, OpError> {
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

    fn on_the_processor(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        let constants = || inputs.iter().enumerate().map(|(place, input)| input.filter(|_| self.is_constant(place)));
        let prepared = self.small.get_or_init(|| self.cpu.prepare(&self.node, &constants().collect::<Vec<_>>()));
        prepared.as_ref().map_err(Clone::clone)?.run(inputs)
    }

    fn is_constant(&self, place: usize) -> bool {
        place == 1 && self.weights.is_some()
    }

    fn multiply(&self, product: &Multiplication<'_>, out: &mut [f32]) -> Result<(), KernelError> {
        let Multiplication { shape, left, right, epilogue } = product;
        let starts: Vec<[u32; 2]> = left.starts.iter().zip(right.starts).map(|(&a, &b)| [word(a), word(b)]).collect();
        let (bounds, after) = match epilogue.activation {
            None => (None, None),
            Some(Unary::Relu) => (Some([0.0, f32::INFINITY]), None),
            Some(Unary::Clip { low, high }) => (Some([low, high]), None),
            Some(other) => (None, Some(other)),
        };
        let terms = Terms {
            shape: shape.map(word),
            strides: [left, right].map(|operand| [word(operand.row_stride), word(operand.column_stride)]),
            starts: &starts,
            scale: epilogue.scale,
            bias: epilogue.bias,
            residual: epilogue.residual,
            bounds,
        };
        if terms.groups().is_none() {
            return Ok(self.cpu.processor().matmul(*shape, *left, *right, epilogue, out).map_err(OpError::from)?);
        }
        let left = self.accelerator.upload(left.data)?;
        match &self.weights {
            Some(weights) => self.accelerator.multiply(&terms, &left, weights.as_ref().map_err(Clone::clone)?, out)?,
            None => self.accelerator.multiply(&terms, &left, &self.accelerator.upload(right.data)?, out)?,
        }
        if let Some(activation) = after {
            let product = out.to_vec();
            self.cpu.processor().unary(activation, &product, out).map_err(OpError::from)?;
        }
        Ok(())
    }
}

impl<D: Compute> Kernel for Product<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if !self.takes(inputs)? {
            return self.on_the_processor(inputs);
        }
        let result = self.op.run_by(&self.cpu, inputs, |product, out| self.multiply(product, out))?;
        Ok(vec![result])
    }
}

fn word(length: usize) -> u32 {
    u32::try_from(length).expect("all sizes lie within a buffer")
}
