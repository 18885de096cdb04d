//! MatMul and Gemm on a device.

use std::sync::Arc;

use poai_graph::op::product::{MatMul, Multiplication};
use poai_graph::{Cpu, Kernel, KernelError, Node, OpError, Tensor};

use super::Accelerator;
use super::node::{Shared, split, word};
use crate::device::Compute;
use crate::kernels::Terms;

/// A product.
pub(super) struct Product<D: Compute> {
    shared: Shared<D>,
    op: MatMul,
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
            Some(right) => Some(right.get::<f32>().filter(|weights| accelerator.holds(weights.len()))?),
            None => None,
        };
        Some(Self { shared: Shared::new(accelerator, cpu, node, weights), op: op.clone() })
    }

    fn multiply(&self, product: &Multiplication<'_>, out: &mut [f32]) -> Result<(), KernelError> {
        let Multiplication { shape, left, right, epilogue } = product;
        let starts: Vec<[u32; 2]> = left.starts.iter().zip(right.starts).map(|(&a, &b)| [word(a), word(b)]).collect();
        let (bounds, after) = split(epilogue.activation);
        let terms = Terms {
            shape: shape.map(word),
            strides: [left, right].map(|operand| [word(operand.row_stride), word(operand.column_stride)]),
            starts: &starts,
            scale: epilogue.scale,
            bias: epilogue.bias,
            residual: epilogue.residual,
            bounds,
            patches: None,
        };
        let Shared { accelerator, cpu, .. } = &self.shared;
        if terms.groups().is_none() {
            return Ok(cpu.processor().matmul(*shape, *left, *right, epilogue, out).map_err(OpError::from)?);
        }
        let left = accelerator.upload(left.data)?;
        self.shared.with_weights(right.data, |right| accelerator.multiply(&terms, &left, right, out))?;
        Ok(self.shared.finish(after, out)?)
    }
}

impl<D: Compute> Kernel for Product<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if !self.shared.takes(inputs)? {
            return self.shared.on_the_processor(inputs);
        }
        let result = self.op.run_by(&self.shared.cpu, inputs, |product, out| self.multiply(product, out))?;
        Ok(vec![result])
    }
}
