//! How a sequence reads its operands.

use super::BLOCK;
use super::strip::STRIP;
use crate::elementwise::Strided;
use crate::step::{absorbs, element};

/// How an operand is read along the elements of the result.
#[derive(Clone, Debug)]
pub(super) enum Reader<'a> {
    /// What the result held before.
    Given,
    /// The same number everywhere.
    One(&'a [f32]),
    /// A number for each element.
    Whole(&'a [f32]),
    /// Numbers that repeat along the elements, as they are read: flushed.
    Row(Vec<f32>),
    /// Sizes and steps, as few as possible; the last step is that of a row.
    Spread(&'a [f32], Vec<(usize, usize)>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(operand: Strided<'a>, shape: &[usize]) -> Self {
        let mut axes: Vec<(usize, usize)> = Vec::with_capacity(shape.len());
        for (&size, &step) in shape.iter().zip(operand.strides).filter(|(size, _)| **size != 1) {
            match axes.last_mut() {
                Some(outer) if outer.1 == step * size => *outer = (outer.0 * size, step),
                _ => axes.push((size, step)),
            }
        }
        match axes[..] {
            [] | [(_, 0)] => Self::One(&operand.data[..1]),
            [(_, 1)] => Self::Whole(operand.data),
            [(_, 0), (row, 1)] if row <= BLOCK => Self::Row(repeated(&operand.data[..row])),
            _ => Self::Spread(operand.data, axes),
        }
    }
}

impl Reader<'_> {
    /// Whether it is constants that all absorb what counts as +0 beside them.
    pub(super) fn absorbs(&self) -> bool {
        match self {
            Self::One(one) => absorbs(one[0]),
            Self::Row(values) => values.iter().copied().all(absorbs),
            Self::Given | Self::Whole(_) | Self::Spread(..) => false,
        }
    }
}

/// A row as it is read, so often that strips fit, if that is short enough.
fn repeated(row: &[f32]) -> Vec<f32> {
    let shared = (1 << row.len().trailing_zeros()).min(STRIP);
    let times = if row.len() * (STRIP / shared) <= BLOCK { STRIP / shared } else { 1 };
    let flushed = row.iter().copied().map(element).collect::<Vec<_>>();
    flushed.repeat(times)
}

/// Where a row begins, of those along some axes.
pub(super) fn row_begin(axes: &[(usize, usize)], mut row: usize) -> usize {
    let mut begin = 0;
    for &(size, step) in axes.iter().rev() {
        begin += row % size * step;
        row /= size;
    }
    begin
}

/// Fills `to` with the elements of an operand from `start` on.
pub(super) fn spread(data: &[f32], axes: &[(usize, usize)], start: usize, mut to: &mut [f32]) {
    let (&(row, step), outer) = axes.split_last().expect("a spread operand has axes");
    let (mut index, mut first) = (start / row, start % row);
    while !to.is_empty() {
        let (piece, rest) = to.split_at_mut((row - first).min(to.len()));
        let begin = row_begin(outer, index) + first * step;
        match step {
            0 => piece.fill(data[begin]),
            1 => piece.copy_from_slice(&data[begin..begin + piece.len()]),
            _ => piece.iter_mut().enumerate().for_each(|(i, to)| *to = data[begin + i * step]),
        }
        (index, first, to) = (index + 1, 0, rest);
    }
}

/// Fills `to` with numbers that repeat, from `start` on.
pub(super) fn repeat(values: &[f32], start: usize, mut to: &mut [f32]) {
    let mut first = start % values.len();
    while !to.is_empty() {
        let (piece, rest) = to.split_at_mut((values.len() - first).min(to.len()));
        piece.copy_from_slice(&values[first..first + piece.len()]);
        (first, to) = (0, rest);
    }
}
