//! Products with weights in blocks of few bits on a device: rows are rounded there too.

use std::sync::Arc;

use poai_graph::{Cpu, DType, Kernel, KernelError, Node, Tensor};
use poai_numerics::PackedBlocks;

use super::Accelerator;
use super::node::{Shared, words};
use super::resident::{Operand, Resident};
use crate::device::{Compute, DeviceError};
use crate::kernels::Blocks;

/// A block dot with constant weights.
pub(super) struct BlockProduct<D: Compute> {
    shared: Shared<D>,
    blocks: Blocks,
    depth: usize,
    columns: usize,
    /// The blocks there, or why they are not.
    weights: Result<D::Buffer, DeviceError>,
    /// Which operand is a bias, if one may be.
    bias: Option<usize>,
}

impl<D: Compute> BlockProduct<D> {
    /// None if the device could take no such node.
    pub(super) fn new(
        accelerator: &Arc<Accelerator<D>>,
        cpu: &Cpu,
        node: &Node,
        constants: &[Option<&Tensor>],
        weights: &PackedBlocks,
        bias: Option<usize>,
    ) -> Option<Self> {
        let (blocks, words) = Blocks::new(weights, accelerator.device.largest_buffer())?;
        Some(Self {
            shared: Shared::new(accelerator, cpu, node, constants),
            blocks,
            depth: weights.depth(),
            columns: weights.columns(),
            weights: accelerator.device.filled(&words),
            bias,
        })
    }

    /// The result, if the device takes such a product.
    fn multiply(&self, inputs: &[Option<&Tensor>]) -> Result<Option<Tensor>, KernelError> {
        let Self { shared, blocks, depth, columns, .. } = self;
        let Some(x) = inputs.first().copied().flatten().filter(|x| x.dtype() == DType::F32) else { return Ok(None) };
        let bias = self.bias.and_then(|bias| inputs.get(bias).copied().flatten());
        let Some((_, outer)) = x.shape().split_last() else { return Ok(None) };
        let shape: Vec<usize> = outer.iter().copied().chain([*columns]).collect();
        let rows = x.len().checked_div(*depth).unwrap_or(0);
        let Some([rows, results]) = words([rows, rows.saturating_mul(*columns)]) else { return Ok(None) };
        let rounded = blocks.rounded(rows).is_some_and(|words| shared.accelerator.holds(words as usize));
        if rows == 0 || !rounded || blocks.groups(rows).is_none() {
            return Ok(None);
        }
        let data = Operand::new(&shared.accelerator, x)?;
        let weights = self.weights.as_ref().map_err(Clone::clone)?;
        let bias = bias.map(|bias| bias.get::<f32>().expect("it has the type of x"));
        let result = shared.accelerator.multiply_blocks(blocks, weights, &data, [rows, results], bias)?;
        Ok(Some(Resident::tensor(&shared.accelerator, &shape, result)))
    }
}

impl<D: Compute> Kernel for BlockProduct<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if self.shared.takes(inputs)?
            && let Some(result) = self.multiply(inputs)?
        {
            return Ok(vec![result]);
        }
        self.shared.on_the_processor(inputs)
    }
}
