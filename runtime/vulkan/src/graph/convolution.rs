//! Convolutions on a device: products of patches, which the kernel gathers.

use std::sync::Arc;

use poai_graph::op::image::Convolution as Op;
use poai_graph::{Cpu, Kernel, KernelError, Node, Tensor};

use super::Accelerator;
use super::node::{Shared, word};
use crate::device::Compute;
use crate::kernels::{Patches, Terms};

/// A convolution with constant weights.
pub(super) struct Convolution<D: Compute> {
    shared: Shared<D>,
    op: Op,
}

impl<D: Compute> Convolution<D> {
    /// None if the device could take no such node. In padding it multiplies by zero, where the definition skips: so it
    /// takes only weights that are finite.
    pub(super) fn new(
        accelerator: &Arc<Accelerator<D>>,
        cpu: &Cpu,
        node: &Node,
        op: &Op,
        constants: &[Option<&Tensor>],
    ) -> Option<Self> {
        let weights = op.matrix(constants.get(1).copied().flatten()?)?;
        let fits = accelerator.holds(weights.len()) && weights.iter().all(|weight| weight.is_finite());
        fits.then(|| Self {
            shared: Shared::new(accelerator, cpu, node, Some(&weights), op.activation),
            op: op.clone(),
        })
    }

    /// The result, if the device takes such a convolution.
    fn convolve(&self, inputs: &[Option<&Tensor>]) -> Result<Option<Tensor>, KernelError> {
        let Some(Some(weights)) = inputs.get(1) else { return Ok(None) };
        let gathering = self.op.gathering(inputs)?;
        let ([down, across], window) = (gathering.places, &gathering.window);
        let (groups, rows) = (self.op.groups, window.images * down * across);
        let (channels, results) = (window.channels / groups, gathering.results / groups);
        let depth = window.height.kernel * window.width.kernel * channels;
        let starts: Vec<[u32; 2]> = (0..groups).map(|group| [word(group * channels), word(group * results)]).collect();
        let [height, width] = [window.height, window.width];
        let terms = Terms {
            shape: [rows, depth, results].map(word),
            strides: [[0, 0], [word(gathering.results), 1]],
            starts: &starts,
            scale: None,
            bias: gathering.bias.as_deref(),
            residual: false,
            bounds: None,
            patches: Some(Patches {
                window: [
                    [height.input, width.input, window.channels, width.kernel].map(word),
                    [height.stride, width.stride, height.dilation, width.dilation].map(word),
                    [height.before, width.before, down, across].map(word),
                ],
                channels: word(channels),
                results: word(gathering.results),
            }),
        };
        if gathering.is_empty() || terms.groups().is_none() {
            return Ok(None);
        }
        let (operands, shape) = ([&gathering.pixels, *weights], [rows, gathering.results]);
        let result = self.shared.multiply(&terms, operands, gathering.residual.as_ref(), &shape)?;
        Ok(Some(gathering.laid(&self.shared.cpu, &result)?))
    }
}

impl<D: Compute> Kernel for Convolution<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if self.shared.takes(inputs)?
            && let Some(result) = self.convolve(inputs)?
        {
            return Ok(vec![result]);
        }
        self.shared.on_the_processor(inputs)
    }
}
