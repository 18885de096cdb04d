//! Reductions over one axis.
//!
//! Sixteen fixed lanes: element i belongs to lane i mod 16, each lane adds its elements in order, and a fixed tree adds
//! the lanes. A tail of zeros changes nothing, and a vector register is a set of lanes.

use crate::error::{NumericsError, count, expect_length};
use crate::functions::{exp, log};
use crate::isa::{Isa, Work};
use crate::lanes::One;
use crate::processor::Processor;
use crate::step::{Fused, canonical, element, key, of_key, operand, stored};

/// Lanes of a reduction; part of the definition.
pub const LANES: usize = 16;
/// Elements below which a second thread is not worth waking.
pub(crate) const PIECE: usize = 16_384;

/// A reduction of many numbers to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Σ x
    Sum,
    /// Σ x / n
    Mean,
    /// Σ x², by fused steps.
    SumOfSquares,
    /// √ Σ x²
    Norm,
    /// Σ |x|
    SumOfSizes,
    /// The greatest; NaN if any is; -∞ of none.
    Max,
    /// The least; NaN if any is; ∞ of none.
    Min,
    /// Π x, in the order of the lanes too.
    Product,
    /// ln Σ eˣ, without shifting.
    LogSum,
    /// m + ln Σ eˣ⁻ᵐ, where m is the greatest.
    LogSumExp,
}

/// Adds sixteen lanes: each to the one half the distance away, four times.
#[inline(always)]
pub(crate) fn tree(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Folds `values` into lanes by `step` and joins those by `join`.
#[inline(always)]
fn fold(values: &[f32], start: f32, step: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = step(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = step(*lane, value);
    }
    tree(lanes, join)
}

#[inline(always)]
pub(crate) fn add(a: f32, b: f32) -> f32 {
    a + b
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    fold(values, 0.0, |lane, x| lane + element(x), add)
}

/// Σ x² by fused steps: operands as in a chain.
#[inline(always)]
fn sum_of_squares<F: Fused>(values: &[f32]) -> f32 {
    fold(values, 0.0, |lane, x| F::fused(operand(x), operand(x), lane), add)
}

/// The greatest by integer keys, which order NaN above all: the same as folding [`greater`](crate::step::greater), in
/// one integer instruction an element.
#[inline(always)]
fn greatest(values: &[f32]) -> f32 {
    extreme(values, key(f32::NEG_INFINITY), key_of_greatest, i32::max)
}

#[inline(always)]
fn key_of_greatest(x: f32) -> i32 {
    key(canonical(element(x)))
}

/// The least by integer keys; NaN comes below all of them.
#[inline(always)]
fn least(values: &[f32]) -> f32 {
    extreme(values, key(f32::INFINITY), key_of_least, i32::min)
}

#[inline(always)]
fn key_of_least(x: f32) -> i32 {
    if x.is_nan() { i32::MIN } else { key(element(x)) }
}

#[inline(always)]
fn extreme(values: &[f32], start: i32, key: impl Fn(f32) -> i32, join: impl Fn(i32, i32) -> i32) -> f32 {
    let mut lanes = [start; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = join(*lane, key(value));
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = join(*lane, key(value));
    }
    canonical(of_key(lanes.into_iter().fold(start, join)))
}

impl Reduction {
    #[inline(always)]
    pub(crate) fn evaluate<F: Fused>(self, values: &[f32]) -> f32 {
        let value = match self {
            Self::Sum => sum(values),
            Self::Mean => sum(values) / values.len() as f32,
            Self::SumOfSquares => sum_of_squares::<F>(values),
            Self::Norm => sum_of_squares::<F>(values).sqrt(),
            Self::SumOfSizes => fold(values, 0.0, |lane, x| lane + element(x).abs(), add),
            Self::Max => greatest(values),
            Self::Min => least(values),
            Self::Product => {
                let times = |a: f32, b: f32| element(a * element(b));
                fold(values, 1.0, times, times)
            }
            Self::LogSum => log_of::<F>(element(sum(values))),
            Self::LogSumExp => {
                let top = greatest(values);
                // A greatest that is infinite is the answer; subtracting it would give NaN.
                let shift = if top.is_finite() { top } else { 0.0 };
                let total = fold(values, 0.0, |lane, x| lane + element(exp_of::<F>(element(x) - shift)), add);
                shift + log_of::<F>(element(total))
            }
        };
        stored(value)
    }
}

#[inline(always)]
fn exp_of<F: Fused>(x: f32) -> f32 {
    exp(One::<F>::new(x)).value()
}

#[inline(always)]
fn log_of<F: Fused>(x: f32) -> f32 {
    log(One::<F>::new(x)).value()
}

/// Some columns of a matrix, at most [`SIDE`] that lie side by side, which are reduced together.
#[derive(Clone, Copy)]
struct Columns<'a> {
    values: &'a [f32],
    pitch: usize,
    width: usize,
}

/// Columns that are reduced side by side: as many as any register has floats.
const SIDE: usize = 16;

impl Columns<'_> {
    #[inline(always)]
    fn rows(self) -> impl Iterator<Item = [f32; SIDE]> {
        self.values.chunks(self.pitch).map(move |row| {
            let mut padded = [0.0; SIDE];
            match row.first_chunk() {
                Some(whole) if self.width == SIDE => padded = *whole,
                _ => padded[..self.width].copy_from_slice(&row[..self.width]),
            }
            padded
        })
    }

    /// Each column as [`fold`] does.
    #[inline(always)]
    fn fold(self, start: f32, step: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) -> [f32; SIDE] {
        let mut lanes = [[start; SIDE]; LANES];
        for (index, row) in self.rows().enumerate() {
            for (lane, value) in lanes[index % LANES].iter_mut().zip(row) {
                *lane = step(*lane, value);
            }
        }
        // All columns as `tree` does.
        let mut half = LANES / 2;
        while half > 0 {
            let (low, high) = lanes.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(&*high) {
                low.iter_mut().zip(high).for_each(|(low, high)| *low = join(*low, *high));
            }
            half /= 2;
        }
        lanes[0]
    }

    /// Each column as [`extreme`] does; no order shows in that.
    #[inline(always)]
    fn extreme(self, start: f32, key_of: impl Fn(f32) -> i32, join: impl Fn(i32, i32) -> i32) -> [f32; SIDE] {
        let mut tops = [key(start); SIDE];
        for row in self.rows() {
            for (top, value) in tops.iter_mut().zip(row) {
                *top = join(*top, key_of(value));
            }
        }
        tops.map(|top| canonical(of_key(top)))
    }

    /// What a reduction makes of each column, but for those of products and exponentials.
    #[inline(always)]
    fn evaluate<F: Fused>(self, reduction: Reduction) -> Option<[f32; SIDE]> {
        let sum = || self.fold(0.0, |lane, x| lane + element(x), add);
        let squares = || self.fold(0.0, |lane, x| F::fused(operand(x), operand(x), lane), add);
        let values = match reduction {
            Reduction::Sum => sum(),
            Reduction::Mean => {
                let count = self.values.len().div_ceil(self.pitch) as f32;
                sum().map(|sum| sum / count)
            }
            Reduction::SumOfSquares => squares(),
            Reduction::Norm => squares().map(f32::sqrt),
            Reduction::SumOfSizes => self.fold(0.0, |lane, x| lane + element(x).abs(), add),
            Reduction::Max => self.extreme(f32::NEG_INFINITY, key_of_greatest, i32::max),
            Reduction::Min => self.extreme(f32::INFINITY, key_of_least, i32::min),
            Reduction::Product | Reduction::LogSum | Reduction::LogSumExp => return None,
        };
        Some(values.map(stored))
    }
}

/// Reduces a matrix's columns, as compiled work. False if that reduction is not made so.
struct ReduceColumns<'a>(Reduction, &'a [f32], &'a mut [f32]);

impl Work for ReduceColumns<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<I: Isa>(self) -> bool {
        let Self(reduction, values, out) = self;
        let pitch = out.len();
        for (i, out) in out.chunks_mut(SIDE).enumerate() {
            let columns = Columns { values: &values[i * SIDE..], pitch, width: out.len() };
            let Some(reduced) = columns.evaluate::<I::Fused>(reduction) else { return false };
            out.copy_from_slice(&reduced[..out.len()]);
        }
        true
    }
}

struct Reduce<'a>(Reduction, usize, &'a [f32], &'a mut [f32]);

impl Work for Reduce<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        for (i, out) in self.3.iter_mut().enumerate() {
            *out = self.0.evaluate::<I::Fused>(&self.2[i * self.1..(i + 1) * self.1]);
        }
    }
}

/// Copies `axis` × `inner` elements so that what is reduced is contiguous.
fn transposed(from: &[f32], inner: usize, to: &mut [f32]) {
    let axis = from.len() / inner.max(1);
    for (i, row) in to.chunks_mut(axis.max(1)).enumerate() {
        for (j, to) in row.iter_mut().enumerate() {
            *to = canonical(from[j * inner + i]);
        }
    }
}

impl Processor {
    /// Reduces the middle axis of `outer` × `axis` × `inner` elements.
    pub fn reduce(
        &self,
        reduction: Reduction,
        [outer, axis, inner]: [usize; 3],
        input: &[f32],
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        expect_length("the input", input.len(), count("the input", &[outer, axis, inner])?)?;
        expect_length("the result", out.len(), count("the result", &[outer, inner])?)?;
        if out.is_empty() {
            return Ok(());
        }
        let rows = self.piece(out.len(), inner, PIECE / axis.max(1) + 1);
        self.pool().chunks(out, rows, |i, out| {
            let start = i * rows * axis;
            let input = &input[start..start + out.len() * axis];
            if inner == 1 || axis == 0 {
                return self.run(Reduce(reduction, axis, input, out));
            }
            let mut turned = Vec::new();
            for (input, out) in input.chunks(axis * inner).zip(out.chunks_mut(inner)) {
                if self.run(ReduceColumns(reduction, input, out)) {
                    continue;
                }
                turned.resize(axis * inner, 0.0);
                transposed(input, inner, &mut turned);
                self.run(Reduce(reduction, axis, &turned, out));
            }
        });
        Ok(())
    }
}
