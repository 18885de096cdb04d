//! Softmax and norms of rows.

use std::sync::Arc;

use poai_graph::op::reduction::normalisation::LayerNormalization;
use poai_graph::op::reduction::softmax::{Kind, Softmax};
use poai_graph::{KernelError, Tensor};

use super::Accelerator;
use super::resident::{Resident, resident};
use super::staying::There;
use crate::device::Compute;
use crate::kernels::{Row, Rows};

impl There for Softmax {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let row = match self.kind {
            Kind::Softmax => Row::Softmax,
            Kind::LogSoftmax => Row::LogSoftmax,
            Kind::Hardmax => return Ok(None),
        };
        let Some(data) = inputs.first().copied().flatten() else { return Ok(None) };
        normalised(accelerator, data, row, self.row_length(data.shape()))
    }
}

impl There for LayerNormalization {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let operand = |place: usize| inputs.get(place).copied().flatten();
        let (Some(data), Some(scale), 1) = (operand(0), operand(1), self.results) else { return Ok(None) };
        if resident(accelerator, data).is_none() {
            return Ok(None);
        }
        let Some(scale) = scale.get::<f32>() else { return Ok(None) };
        let shift = operand(2).map(|shift| shift.get::<f32>());
        if shift == Some(None) {
            return Ok(None);
        }
        let row = Row::Norm {
            centred: !self.root_mean_square,
            epsilon: self.epsilon,
            scale: Some(scale),
            shift: shift.flatten(),
        };
        normalised(accelerator, data, row, self.row_length(data.shape()))
    }
}

/// What becomes of rows of this length, if they lie on the device and it takes such.
fn normalised<D: Compute>(
    accelerator: &Arc<Accelerator<D>>,
    data: &Tensor,
    row: Row<'_>,
    length: Option<usize>,
) -> Result<Option<Vec<Tensor>>, KernelError> {
    let (Some(there), Some(length)) = (resident(accelerator, data), length) else { return Ok(None) };
    let word = |length: usize| u32::try_from(length).ok();
    let (Some(count), Some(length)) = (word(data.len() / length.max(1)), word(length)) else { return Ok(None) };
    let rows = Rows { row, count, length };
    if data.is_empty() || !rows.taken() {
        return Ok(None);
    }
    let result = accelerator.normalise(&rows, there.buffer(), data.len())?;
    Ok(Some(vec![Resident::tensor(accelerator, data.shape(), result)]))
}
