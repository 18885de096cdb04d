//! Softmax and norms on a device, where their operand lies there already.

use std::sync::Arc;

use poai_graph::op::reduction::Reduction;
use poai_graph::op::reduction::softmax::Kind;
use poai_graph::{Kernel, KernelError, Tensor};

use super::Accelerator;
use super::resident::{Resident, resident};
use crate::device::Compute;
use crate::kernels::{Row, Rows};

/// An operator that reduces rows, on the device or, from its operand's place, on the processor.
pub(super) struct RowKernel<D: Compute> {
    accelerator: Arc<Accelerator<D>>,
    op: Reduction,
    here: Box<dyn Kernel>,
}

impl<D: Compute> RowKernel<D> {
    /// None if the device has no such operator.
    pub(super) fn new(
        accelerator: &Arc<Accelerator<D>>,
        op: &Reduction,
        here: impl FnOnce() -> Option<Box<dyn Kernel>>,
    ) -> Option<Self> {
        let has = match op {
            Reduction::Softmax(softmax) => softmax.kind != Kind::Hardmax,
            Reduction::LayerNormalization(norm) => norm.results == 1,
            _ => false,
        };
        has.then(here)?.map(|here| Self { accelerator: Arc::clone(accelerator), op: op.clone(), here })
    }

    /// The result, if the device takes such operands.
    fn reduce(&self, inputs: &[Option<&Tensor>]) -> Result<Option<Tensor>, KernelError> {
        let Some(data) = inputs.first().copied().flatten() else { return Ok(None) };
        let Some(there) = resident(&self.accelerator, data) else { return Ok(None) };
        let Some((row, length)) = row(&self.op, data.shape(), inputs) else { return Ok(None) };
        let word = |length: usize| u32::try_from(length).ok();
        let (Some(count), Some(length)) = (word(data.len() / length.max(1)), word(length)) else { return Ok(None) };
        let rows = Rows { row, count, length };
        if data.is_empty() || !rows.taken() {
            return Ok(None);
        }
        let result = self.accelerator.reduce(&rows, there.buffer(), data.len())?;
        Ok(Some(Resident::tensor(&self.accelerator, data.shape(), result)))
    }
}

/// What becomes of rows, and how long they are. None of operands that no device takes.
fn row<'a>(op: &Reduction, shape: &[usize], inputs: &[Option<&'a Tensor>]) -> Option<(Row<'a>, usize)> {
    let numbers = |place: usize| inputs.get(place).copied().flatten().map(|tensor| tensor.get::<f32>());
    match op {
        Reduction::Softmax(softmax) => {
            let row = if softmax.kind == Kind::Softmax { Row::Softmax } else { Row::LogSoftmax };
            Some((row, softmax.row_length(shape)?))
        }
        Reduction::LayerNormalization(norm) => {
            let (scale, shift) = (numbers(1)??, numbers(2));
            let shift = if let Some(shift) = shift { Some(shift?) } else { None };
            let row = Row::Norm { centred: !norm.root_mean_square, epsilon: norm.epsilon, scale: Some(scale), shift };
            Some((row, norm.row_length(shape)?))
        }
        _ => None,
    }
}

impl<D: Compute> Kernel for RowKernel<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        match self.reduce(inputs)? {
            Some(result) => Ok(vec![result]),
            None => self.here.run(inputs),
        }
    }

    fn needs_constant(&self, operand: usize) -> bool {
        self.here.needs_constant(operand)
    }
}
