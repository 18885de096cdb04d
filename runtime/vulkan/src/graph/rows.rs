//! Softmax and norms of rows, and of sums.

use std::sync::Arc;

use poai_graph::op::reduction::normalisation::LayerNormalization;
use poai_graph::op::reduction::skip::SkipLayerNormalization;
use poai_graph::op::reduction::softmax::{Kind, Softmax};
use poai_graph::{DType, KernelError, Tensor};
use poai_numerics::{Binary, Source, Step};

use super::Accelerator;
use super::node::word;
use super::resident::{Operand, Resident, resident};
use super::staying::There;
use super::steps::{FEW, axes};
use crate::device::Compute;
use crate::kernels::{Place, Program, Read, Row, Rows};

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

impl There for SkipLayerNormalization {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let operand = |place: usize| inputs.get(place).copied().flatten();
        let (shift, bias) = self.places();
        let (shift, bias) = (shift.and_then(operand), operand(bias));
        let (Some(data), Some(skip), Some(scale), 1) = (operand(0), operand(1), operand(2), self.results) else {
            return Ok(None);
        };
        let there = [data, skip].iter().any(|operand| resident(accelerator, operand).is_some());
        let floats = |tensor: Option<&'_ Tensor>| tensor.is_none_or(|tensor| tensor.dtype() == DType::F32);
        let fits = [Some(scale), shift, bias].iter().all(|row| row.is_none_or(|row| row.len() <= FEW));
        if !there || !fits || ![Some(data), Some(scale), shift, bias].into_iter().all(floats) || data.is_empty() {
            return Ok(None);
        }
        let Some(sum) = sum(accelerator, [data, skip], bias)? else { return Ok(None) };
        let numbers = |row: &Tensor| row.get::<f32>().expect("its type was looked at").to_vec();
        let (scale, shift) = (numbers(scale), shift.map(numbers));
        let row = Row::Norm {
            centred: !self.simplified,
            epsilon: self.epsilon,
            scale: Some(&scale),
            shift: shift.as_deref(),
        };
        normalised(accelerator, &sum, row, data.shape().last().copied())
    }
}

/// `(left + right) + bias`, of which the right repeats over leading axes of the left, and the bias is a row.
fn sum<D: Compute>(
    accelerator: &Arc<Accelerator<D>>,
    [left, right]: [&Tensor; 2],
    bias: Option<&Tensor>,
) -> Result<Option<Tensor>, KernelError> {
    let shape = left.shape();
    if !accelerator.holds(left.len()) || right.is_empty() || !accelerator.holds(right.len()) {
        return Ok(None);
    }
    let mut steps = vec![Step::Binary(Binary::Add, [Source::Operand(0), Source::Operand(1)])];
    let mut reads: Vec<Read> = [(Place::Left, left), (Place::Right, right)]
        .map(|(place, tensor)| Read {
            place,
            numbers: Vec::new(),
            start: 0,
            axes: axes(tensor.shape(), shape),
            table: None,
        })
        .into();
    if let Some(bias) = bias {
        steps.push(Step::Binary(Binary::Add, [Source::Step(0), Source::Operand(2)]));
        let numbers =
            bias.get::<f32>().expect("its type was looked at").iter().map(|number| number.to_bits()).collect();
        reads.push(Read { place: Place::Program, numbers, start: 0, axes: axes(bias.shape(), shape), table: None });
    }
    let program = Program::new(&steps).expect("two sums are short");
    let buffers = (Operand::new(accelerator, left)?, Operand::new(accelerator, right)?);
    let sum = accelerator.operate(&program, word(left.len()), &reads, [&*buffers.0, &*buffers.1])?;
    Ok(Some(Resident::tensor(accelerator, shape, sum)))
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
