//! All steps of a recurrent network, in each of its directions.

use std::borrow::Cow;

use poai_numerics::{Epilogue, Matrices, Packed};

use super::cell::{State, Step};
use super::{Cell, Recurrence};
use crate::op::operand::{floats, narrowed};
use crate::{Cpu, DType, OpError, Tensor};

/// The sizes of a computation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub steps: usize,
    pub batch: usize,
    pub input: usize,
    pub hidden: usize,
    pub directions: usize,
    pub batch_first: bool,
}

impl Extent {
    /// Where a row of X stands, in rows.
    fn row(&self, step: usize, row: usize) -> usize {
        if self.batch_first { row * self.steps + step } else { step * self.batch + row }
    }

    /// Where an element's state stands in Y, in states.
    fn place(&self, step: usize, direction: usize, row: usize) -> usize {
        if self.batch_first {
            (row * self.steps + step) * self.directions + direction
        } else {
            (step * self.directions + direction) * self.batch + row
        }
    }

    /// Where a state stands among those that go in and come out, in states.
    fn state(&self, direction: usize, row: usize) -> usize {
        if self.batch_first { row * self.directions + direction } else { direction * self.batch + row }
    }

    /// The length of each row's sequence.
    pub(super) fn lengths(&self, lengths: &[i64]) -> Result<Vec<usize>, OpError> {
        let length = |&length: &i64| {
            let length = usize::try_from(length).ok().filter(|&length| length <= self.steps);
            length.ok_or_else(|| OpError::new(format!("a sequence's length is not within 0 and {}", self.steps)))
        };
        lengths.iter().map(length).collect()
    }
}

/// The weights of one direction, packed.
pub(super) struct Weights {
    input: Packed,
    /// Of [`Cell::products`].
    recurrent: Vec<Packed>,
}

/// Packs the weights of all directions.
pub(super) fn pack(cell: Cell, input: &Tensor, recurrent: &Tensor) -> Result<Vec<Weights>, OpError> {
    let (&[directions, rows, depth], &[_, _, hidden]) = (input.shape(), recurrent.shape()) else {
        return Err(OpError::new("W and R have three dimensions each"));
    };
    let fits = hidden.checked_mul(cell.gates()) == Some(rows) && recurrent.shape()[..2] == [directions, rows];
    if !fits {
        let (input, recurrent) = (input.shape(), recurrent.shape());
        return Err(OpError::new(format!("W and R have shapes {input:?} and {recurrent:?}")));
    }
    let (input, recurrent) = (floats(input)?, floats(recurrent)?);
    let packed = |data: &[f32], depth: usize, columns: usize| {
        Packed::new(depth, columns, Matrices { data, starts: &[0], row_stride: 1, column_stride: depth })
    };
    let direction = |direction: usize| {
        let own = &recurrent[direction * rows * hidden..(direction + 1) * rows * hidden];
        let mut first = 0;
        let products = cell.products().iter().map(|gates| {
            let length = gates * hidden * hidden;
            first += length;
            packed(&own[first - length..first], hidden, gates * hidden)
        });
        Ok(Weights {
            recurrent: products.collect::<Result<_, _>>()?,
            input: packed(&input[direction * rows * depth..(direction + 1) * rows * depth], depth, rows)?,
        })
    };
    (0..directions).map(direction).collect()
}

/// Operands, as floats; their shapes were checked.
pub(super) struct Operands<'a> {
    pub x: Cow<'a, [f32]>,
    pub biases: Option<Cow<'a, [f32]>>,
    pub lengths: Vec<usize>,
    pub initial: [Option<Cow<'a, [f32]>>; 2],
    pub peepholes: Option<Cow<'a, [f32]>>,
}

/// All results: Y, and the last states.
pub(super) fn compute(
    op: &Recurrence,
    cpu: &Cpu,
    extent: &Extent,
    operands: &Operands<'_>,
    weights: &[Weights],
    dtype: DType,
) -> Result<Vec<Tensor>, OpError> {
    let Extent { steps, batch, hidden, directions, .. } = *extent;
    let mut sequence = vec![0.0; steps * directions * batch * hidden];
    let mut last = vec![vec![0.0; directions * batch * hidden]; op.cell.states()];
    if batch * hidden > 0 {
        for (direction, weights) in weights.iter().enumerate() {
            walk(op, cpu, (extent, direction), operands, weights, (&mut sequence, &mut last))?;
        }
    }
    let (shape, state) = if extent.batch_first {
        ([batch, steps, directions, hidden], [batch, directions, hidden])
    } else {
        ([steps, directions, batch, hidden], [directions, batch, hidden])
    };
    let states = last.iter().map(|last| narrowed(cpu, dtype, &state, last));
    std::iter::once(narrowed(cpu, dtype, &shape, &sequence)).chain(states).collect()
}

/// One direction.
fn walk(
    op: &Recurrence,
    cpu: &Cpu,
    (extent, index): (&Extent, usize),
    operands: &Operands<'_>,
    weights: &Weights,
    (sequence, last): (&mut [f32], &mut [Vec<f32>]),
) -> Result<(), OpError> {
    let Extent { steps, batch, hidden, .. } = *extent;
    let direction = &op.directions[index];
    let width = op.cell.gates() * hidden;
    let biases = operands.biases.as_ref().map(|biases| biases[index * 2 * width..][..2 * width].split_at(width));
    // What the input adds to every step, at once.
    let mut inputs = vec![0.0; steps * batch * width];
    let left = Matrices::one(&operands.x, extent.input);
    let epilogue = Epilogue { bias: biases.map(|biases| biases.0), ..Epilogue::default() };
    cpu.processor().matmul_packed(steps * batch, left, &weights.input, &epilogue, &mut inputs)?;
    let step = Step {
        processor: cpu.processor(),
        cell: op.cell,
        activations: &direction.activations,
        clip: op.clip,
        hidden,
        recurrent: &weights.recurrent,
        bias: biases.map(|biases| biases.1),
        peepholes: operands.peepholes.as_ref().map(|peepholes| &peepholes[index * 3 * hidden..][..3 * hidden]),
    };
    let mut state = initial(extent, index, operands, op.cell);
    let mut now = vec![0.0; batch * width];
    for turn in 0..steps {
        // Each row is at a place of its own when sequences of several lengths are walked from their ends.
        let places: Vec<Option<usize>> =
            operands.lengths.iter().map(|&length| place(direction.reverse, turn, length)).collect();
        for (row, now) in now.chunks_exact_mut(width).enumerate() {
            let place = extent.row(places[row].unwrap_or(0), row);
            now.copy_from_slice(&inputs[place * width..(place + 1) * width]);
        }
        let next = step.next(&now, &state)?;
        for (row, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            let own = row * hidden..(row + 1) * hidden;
            state.hidden[own.clone()].copy_from_slice(&next.hidden[own.clone()]);
            let to = extent.place(*place, index, row) * hidden;
            sequence[to..to + hidden].copy_from_slice(&next.hidden[own.clone()]);
            if !next.cell.is_empty() {
                state.cell[own.clone()].copy_from_slice(&next.cell[own]);
            }
        }
    }
    for (last, state) in last.iter_mut().zip([&state.hidden, &state.cell]) {
        for (row, values) in state.chunks_exact(hidden).enumerate() {
            last[extent.state(index, row) * hidden..][..hidden].copy_from_slice(values);
        }
    }
    Ok(())
}

/// The place in a sequence at some turn; none behind its end.
fn place(reverse: bool, turn: usize, length: usize) -> Option<usize> {
    if reverse { length.checked_sub(turn + 1) } else { (turn < length).then_some(turn) }
}

/// The states before the first step.
fn initial(extent: &Extent, direction: usize, operands: &Operands<'_>, cell: Cell) -> State {
    let hidden = extent.hidden;
    let of = |values: &Option<Cow<'_, [f32]>>| match values {
        None => vec![0.0; extent.batch * hidden],
        Some(values) => (0..extent.batch)
            .flat_map(|row| values[extent.state(direction, row) * hidden..][..hidden].iter().copied())
            .collect(),
    };
    let cells = if cell.states() == 2 { of(&operands.initial[1]) } else { Vec::new() };
    State { hidden: of(&operands.initial[0]), cell: cells }
}
