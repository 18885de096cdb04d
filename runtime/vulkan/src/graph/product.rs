//! MatMul and Gemm on a device.

use std::sync::Arc;

use poai_graph::op::product::MatMul;
use poai_graph::{Cpu, Kernel, KernelError, Node, Tensor};

use super::Accelerator;
use super::node::{Shared, Weighted, words};
use crate::device::Compute;
use crate::kernels::Terms;

/// A product.
pub(super) struct Product<D: Compute> {
    weighted: Weighted<D>,
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
        let shared = Shared::new(accelerator, cpu, node, constants);
        Some(Self { weighted: Weighted::new(shared, weights, op.activation), op: op.clone() })
    }

    /// The result, if the device takes such a product.
    fn multiply(&self, inputs: &[Option<&Tensor>]) -> Result<Option<Tensor>, KernelError> {
        let Some(&[Some(left), Some(right)]) = inputs.first_chunk() else { return Ok(None) };
        let product = self.op.multiplication(&self.weighted.shared.cpu, inputs)?;
        let starts: Option<Vec<_>> = product.starts.iter().map(|starts| words(*starts)).collect();
        let [left_strides, right_strides] = product.strides.map(words);
        let (Some(shape), Some(starts), Some(left_strides), Some(right_strides)) =
            (words(product.shape), starts, left_strides, right_strides)
        else {
            return Ok(None);
        };
        let terms = Terms {
            shape,
            strides: [left_strides, right_strides],
            starts: &starts,
            scale: product.scale,
            bias: product.bias.as_deref(),
            residual: false,
            bounds: None,
            patches: None,
        };
        if product.result.contains(&0) || terms.groups().is_none() {
            return Ok(None);
        }
        self.weighted.multiply(&terms, [left, right], product.residual.as_ref(), &product.result).map(Some)
    }
}

impl<D: Compute> Kernel for Product<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if self.weighted.takes(inputs)?
            && let Some(result) = self.multiply(inputs)?
        {
            return Ok(vec![result]);
        }
        self.weighted.shared.on_the_processor(inputs)
    }
}
