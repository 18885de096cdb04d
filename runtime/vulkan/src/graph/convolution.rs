//! Convolutions on a device: products of patches, which the kernel gathers.

use std::sync::Arc;

use poai_graph::op::image::{Convolution as Op, Gathering};
use poai_graph::{Cpu, Kernel, KernelError, Node, Tensor};

use super::Accelerator;
use super::node::{Shared, split, word};
use crate::device::Compute;
use crate::kernels::Terms;

/// A convolution of one group with constant weights.
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
        fits.then(|| Self { shared: Shared::new(accelerator, cpu, node, Some(&weights)), op: op.clone() })
    }

    fn convolve(&self, gathering: &Gathering<'_>, out: &mut [f32]) -> Result<bool, KernelError> {
        let Gathering { window, places: [down, across], results, pixels, epilogue } = *gathering;
        let [rows, depth] =
            [window.images * down * across, window.height.kernel * window.width.kernel * window.channels];
        let (bounds, after) = split(epilogue.activation);
        let [height, width] = [window.height, window.width];
        let terms = Terms {
            shape: [rows, depth, results].map(word),
            strides: [[0, 0], [word(results), 1]],
            starts: &[[0, 0]],
            scale: None,
            bias: epilogue.bias,
            residual: epilogue.residual,
            bounds,
            patches: Some([
                [height.input, width.input, window.channels, width.kernel].map(word),
                [height.stride, width.stride, height.dilation, width.dilation].map(word),
                [height.before, width.before, down, across].map(word),
            ]),
        };
        if terms.groups().is_none() {
            return Ok(false);
        }
        let accelerator = &self.shared.accelerator;
        let left = accelerator.upload(pixels)?;
        self.shared.with_weights(&[], |weights| accelerator.multiply(&terms, &left, weights, out))?;
        self.shared.finish(after, out)?;
        Ok(true)
    }
}

impl<D: Compute> Kernel for Convolution<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if self.shared.takes(inputs)? {
            let mut taken = false;
            let result = self.op.run_by(&self.shared.cpu, inputs, |gathering, out| {
                taken = self.convolve(gathering, out)?;
                Ok(())
            })?;
            if taken || result.is_empty() {
                return Ok(vec![result]);
            }
        }
        self.shared.on_the_processor(inputs)
    }
}
