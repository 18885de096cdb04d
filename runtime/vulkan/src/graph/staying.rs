//! Nodes that a device computes where an operand of theirs lies there already.

use std::sync::Arc;

use poai_graph::{Kernel, KernelError, Tensor};

use super::Accelerator;
use crate::device::Compute;

/// An operator that a device has a kernel for.
pub(super) trait There: Send + Sync {
    /// Its results on the device; none if no operand lies there, or the device does not take such ones.
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError>;
}

/// Such a node, on the device or, from its operands' places, on the processor.
pub(super) struct Staying<D: Compute, T: There> {
    pub(super) accelerator: Arc<Accelerator<D>>,
    pub(super) there: T,
    pub(super) here: Box<dyn Kernel>,
}

impl<D: Compute, T: There> Kernel for Staying<D, T> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        match self.there.compute(&self.accelerator, inputs)? {
            Some(results) => Ok(results),
            None => self.here.run(inputs),
        }
    }

    fn needs_constant(&self, operand: usize) -> bool {
        self.here.needs_constant(operand)
    }
}
