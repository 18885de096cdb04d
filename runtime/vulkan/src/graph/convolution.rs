//! Convolutions on a device: products of patches, which the kernel gathers.

use std::sync::Arc;

use poai_graph::op::image::Convolution as Op;
use poai_graph::{Cpu, Kernel, KernelError, Node, Tensor};
use poai_numerics::Window;

use super::Accelerator;
use super::node::{Shared, Weighted, words};
use crate::device::Compute;
use crate::kernels::{Patches, Terms};

/// A convolution with constant weights.
pub(super) struct Convolution<D: Compute> {
    weighted: Weighted<D>,
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
        let shared = || Shared::new(accelerator, cpu, node, constants);
        fits.then(|| Self { weighted: Weighted::new(shared(), Some(&weights), op.activation), op: op.clone() })
    }

    /// The result, if the device takes such a convolution.
    fn convolve(&self, inputs: &[Option<&Tensor>]) -> Result<Option<Tensor>, KernelError> {
        let Some(Some(weights)) = inputs.get(1) else { return Ok(None) };
        let gathering = self.op.gathering(inputs)?;
        if gathering.is_empty() {
            return Ok(None);
        }
        let (window, groups, places) = (&gathering.window, self.op.groups, gathering.places);
        let rows = window.images * places[0] * places[1];
        let (channels, results) = (window.channels / groups, gathering.results / groups);
        let starts: Option<Vec<_>> = (0..groups).map(|group| words([group * channels, group * results])).collect();
        let depth = window.height.kernel.checked_mul(window.width.kernel).and_then(|taps| taps.checked_mul(channels));
        let (Some(starts), Some(depth), Some(slides)) = (starts, depth, slides(window, places)) else {
            return Ok(None);
        };
        let lengths = words([rows, depth, results, channels, gathering.results]);
        let Some([shape @ .., channels, all]) = lengths else { return Ok(None) };
        let terms = Terms {
            shape,
            strides: [[0, 0], [all, 1]],
            starts: &starts,
            scale: None,
            bias: gathering.bias.as_deref(),
            residual: false,
            bounds: None,
            patches: Some(Patches { window: slides, channels, results: all }),
        };
        if terms.groups().is_none() {
            return Ok(None);
        }
        let (operands, shape) = ([&gathering.pixels, *weights], [rows, gathering.results]);
        let result = self.weighted.multiply(&terms, operands, gathering.residual.as_ref(), &shape)?;
        Ok(Some(gathering.laid(&self.weighted.shared.cpu, &result)?))
    }
}

/// How a window slides, as kernels are told: see [`Patches`]. None of what could lie so far before an image that it comes to
/// lie within, modulo 2³².
fn slides(window: &Window, [down, across]: [usize; 2]) -> Option<[[u32; 4]; 3]> {
    let [height, width] = [window.height, window.width];
    for axis in [height, width] {
        let span = axis.kernel.checked_sub(1)?.checked_mul(axis.dilation)?;
        let reach = [axis.input, axis.before, axis.behind].into_iter().try_fold(span, usize::checked_add)?;
        words([reach])?;
    }
    Some([
        words([height.input, width.input, window.channels, width.kernel])?,
        words([height.stride, width.stride, height.dilation, width.dilation])?,
        words([height.before, width.before, down, across])?,
    ])
}

impl<D: Compute> Kernel for Convolution<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if self.weighted.takes(inputs)?
            && let Some(result) = self.convolve(inputs)?
        {
            return Ok(vec![result]);
        }
        self.weighted.shared.on_the_processor(inputs)
    }
}
