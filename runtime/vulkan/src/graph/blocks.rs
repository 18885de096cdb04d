//! Products with weights in blocks of few bits on a device: with rows that are rounded there too, or with weights that
//! were dequantised before.

use std::sync::Arc;

use poai_graph::op::product::BitsMatMul;
use poai_graph::{Cpu, DType, Kernel, KernelError, Node, Tensor};
use poai_numerics::PackedBlocks;

use super::Accelerator;
use super::node::{Shared, Weighted, words};
use super::resident::{Operand, Resident};
use crate::device::{Compute, DeviceError};
use crate::kernels::{Blocks, Terms};

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
        if results == 0 || !rounded || blocks.groups(rows).is_none() {
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

/// A product with constant weights that were dequantised, each column by itself, and a bias.
pub(super) struct DequantisedProduct<D: Compute> {
    weighted: Weighted<D>,
    op: BitsMatMul,
}

impl<D: Compute> DequantisedProduct<D> {
    /// None if the device could take no such node.
    pub(super) fn new(
        accelerator: &Arc<Accelerator<D>>,
        cpu: &Cpu,
        node: &Node,
        op: &BitsMatMul,
        constants: &[Option<&Tensor>],
    ) -> Option<Self> {
        let weights = op.constant_floats(node, constants).filter(|weights| accelerator.holds(weights.len()))?;
        let shared = Shared::new(accelerator, cpu, node, constants);
        Some(Self { weighted: Weighted::new(shared, Some(&weights), None), op: op.clone() })
    }

    /// The result, if the device takes such a product.
    fn multiply(&self, inputs: &[Option<&Tensor>]) -> Result<Option<Tensor>, KernelError> {
        let BitsMatMul { depth, columns, .. } = self.op;
        let Some(x) = inputs.first().copied().flatten().filter(|x| x.dtype() == DType::F32) else { return Ok(None) };
        let Some((_, outer)) = x.shape().split_last() else { return Ok(None) };
        let rows = x.len().checked_div(depth).unwrap_or(0);
        let Some(shape) = words([rows, depth, columns]) else { return Ok(None) };
        let bias = inputs.get(BitsMatMul::BIAS).copied().flatten();
        let terms = Terms {
            strides: [[shape[1], 1], [1, shape[1]]],
            bias: bias.map(|bias| bias.get().expect("it has the type of x")),
            ..Terms::one(shape)
        };
        if shape.contains(&0) || terms.groups().is_none() {
            return Ok(None);
        }
        let shape: Vec<usize> = outer.iter().copied().chain([columns]).collect();
        self.weighted.multiply(&terms, [x, x], None, &shape).map(Some)
    }
}

impl<D: Compute> Kernel for DequantisedProduct<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if self.weighted.shared.takes(inputs)?
            && let Some(result) = self.multiply(inputs)?
        {
            return Ok(vec![result]);
        }
        self.weighted.shared.on_the_processor(inputs)
    }
}
