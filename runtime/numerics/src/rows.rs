//! What is made of whole rows: softmax and normalisation.
//!
//! Rows are reduced in the sixteen lanes of [`reduce`](crate::reduce). One row's sum is a chain of additions, each
//! waiting for the last; several rows at a time hide that.

use std::borrow::Cow;

use crate::error::{NumericsError, expect_length, expect_positive};
use crate::functions::{exp_below_zero, log};
use crate::isa::{Isa, Work};
use crate::lanes::{Lanes, One, Register};
use crate::processor::Processor;
use crate::reduce::{LANES, PIECE, add, tree};
use crate::step::{Fused, canonical, element, stored};

/// Floats that are worked on at a time: whole registers, and whole turns of the lanes.
const BLOCK: usize = 48;
/// Rows that are normalised side by side.
const ABREAST: usize = 4;

/// Scales and shifts after normalising, a number for each element of a row.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Multiplies.
    pub scale: &'a [f32],
    /// Is added last; fused with the multiplication.
    pub shift: Option<&'a [f32]>,
}

/// What rows are normalised by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalisation {
    /// (x - mean) / √(variance + epsilon)
    Layer {
        /// Added to the variance.
        epsilon: f32,
    },
    /// x / √(mean of squares + epsilon)
    RootMeanSquare {
        /// Added to the mean of squares.
        epsilon: f32,
    },
}

/// What is done to each row.
#[derive(Clone, Copy)]
enum RowWork<'a> {
    Softmax,
    LogSoftmax,
    Normalise(Normalisation, Option<Affine<'a>>),
}

/// Rows of a length, from one place to another or, without the first, in place.
struct Rows<'a> {
    work: RowWork<'a>,
    length: usize,
    input: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl Work for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { work, length, input, out } = self;
        match work {
            RowWork::Softmax => match input {
                Some(input) => softmax::<I, false>(input, out, length),
                None => softmax::<I, true>(&[], out, length),
            },
            RowWork::LogSoftmax => {
                for (i, out) in out.chunks_exact_mut(length).enumerate() {
                    if let Some(input) = input {
                        out.copy_from_slice(&input[i * length..(i + 1) * length]);
                    }
                    log_softmax::<I>(out);
                }
            }
            RowWork::Normalise(how, affine) => {
                for (i, out) in out.chunks_mut(ABREAST * length).enumerate() {
                    if let Some(input) = input {
                        let start = i * ABREAST * length;
                        out.copy_from_slice(&input[start..start + out.len()]);
                    }
                    if out.len() == ABREAST * length {
                        normalise::<I, ABREAST>(out, length, how, affine);
                    } else {
                        out.chunks_exact_mut(length).for_each(|row| normalise::<I, 1>(row, length, how, affine));
                    }
                }
            }
        }
    }
}

/// Runs some code on each [`BLOCK`] of a row; the last is filled up with what becomes `padding`, zeros to a sum. A
/// macro, since a closure would not be compiled for the kernels' features.
macro_rules! blocks {
    ($row:expr, $padding:expr, $block:ident => $work:expr) => {
        blocks!($row, $padding, _start, $block => $work)
    };
    ($row:expr, $padding:expr, $start:ident, $block:ident => $work:expr) => {
        let (whole, rest) = $row.as_chunks_mut::<BLOCK>();
        let behind = whole.len() * BLOCK;
        for (i, $block) in whole.iter_mut().enumerate() {
            let $start = i * BLOCK;
            $work;
        }
        if !rest.is_empty() {
            let $start = behind;
            let mut padded = [$padding; BLOCK];
            padded[..rest.len()].copy_from_slice(rest);
            let $block = &mut padded;
            $work;
            rest.copy_from_slice(&padded[..rest.len()]);
        }
    };
}

/// The lanes' sum.
#[inline(always)]
fn joined<V: Register>(lanes: V) -> f32 {
    let mut values = [0.0; LANES];
    lanes.write(&mut values);
    tree(values, add)
}

/// The greatest number of a row, or any where one is NaN: then subtracting it makes no difference, since the sum of
/// the powers is NaN too. Flushing the greatest is as good as flushing all, and -0 has no meaning here.
#[inline(always)]
fn top<I: Isa>(row: &[f32]) -> f32 {
    let mut lanes = I::Sixteen::splat(f32::NEG_INFINITY);
    let (whole, rest) = row.split_at(row.len() / LANES * LANES);
    let (pairs, odd) = whole.split_at(whole.len() / (2 * LANES) * (2 * LANES));
    let mut others = lanes;
    for pair in pairs.chunks_exact(2 * LANES) {
        lanes = I::Sixteen::read(pair).at_least(lanes);
        others = I::Sixteen::read(&pair[LANES..]).at_least(others);
    }
    for one in odd.chunks_exact(LANES) {
        lanes = I::Sixteen::read(one).at_least(lanes);
    }
    let mut values = [0.0f32; LANES];
    lanes.at_least(others).write(&mut values);
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let top = tree(values, larger);
    element(rest.iter().fold(top, |top, &x| larger(top, x)))
}

/// Makes eˣ⁻ᵐ of each x of a row, of `input` or in place, and sums those.
///
/// Nothing needs flushing. Small x have the same eˣ⁻ᵐ as zero; powers below 2⁻¹⁰⁰, which count as +0, are lost in a sum
/// that is 1 at least, and become +0 when they are multiplied by its inverse.
#[inline(always)]
fn powers<I: Isa, const IN_PLACE: bool>(input: &[f32], out: &mut [f32], top: f32) -> f32 {
    let mut lanes = I::Sixteen::splat(0.0);
    let shift = I::Wide::splat(top);
    if !IN_PLACE {
        let whole = out.len() / BLOCK * BLOCK;
        out[whole..].copy_from_slice(&input[whole..]);
    }
    blocks!(out, f32::NEG_INFINITY, start, block => {
        if !IN_PLACE && let Some(input) = input[start..].first_chunk::<BLOCK>() {
            *block = *input;
        }
        for part in block.chunks_exact_mut(I::Wide::COUNT) {
            exp_below_zero(I::Wide::read(part) - shift).write(part);
        }
        for part in block.chunks_exact(LANES) {
            lanes = lanes + I::Sixteen::read(part);
        }
    });
    joined(lanes)
}

/// Replaces each x of a row by x · `share`. No power is above 1, and their sum is 1 at least, unless it is NaN.
#[inline(always)]
fn shared<I: Isa>(row: &mut [f32], share: f32) {
    if share.is_nan() {
        return row.fill(canonical(share));
    }
    let share = I::Wide::splat(share);
    blocks!(row, 0.0, block => {
        for part in block.chunks_exact_mut(I::Wide::COUNT) {
            (I::Wide::read(part) * share).element_of_size().write(part);
        }
    });
}

/// Makes eˣ⁻ᵐ · (1 / Σ eˣ⁻ᵐ) of each x of each row, m the row's greatest.
///
/// Three rows are in work: joining lanes takes a row long, meanwhile there is something to do for the others.
#[inline(always)]
fn softmax<I: Isa, const IN_PLACE: bool>(input: &[f32], out: &mut [f32], length: usize) {
    let rows = out.len() / length;
    let row = |index: usize| index * length..(index + 1) * length;
    let mut next_top = 0.0;
    let mut share = 0.0;
    for step in 0..rows + 2 {
        let this_top = next_top;
        if step < rows {
            next_top = top::<I>(if IN_PLACE { &out[row(step)] } else { &input[row(step)] });
        }
        let last_share = share;
        if (1..=rows).contains(&step) {
            let input = if IN_PLACE { input } else { &input[row(step - 1)] };
            share = 1.0 / powers::<I, IN_PLACE>(input, &mut out[row(step - 1)], this_top);
        }
        if step >= 2 {
            shared::<I>(&mut out[row(step - 2)], last_share);
        }
    }
}

/// Replaces each x by (x - m) - ln Σ eˣ⁻ᵐ, m the greatest.
#[inline(always)]
fn log_softmax<I: Isa>(row: &mut [f32]) {
    let top = I::Wide::splat(top::<I>(row));
    let mut lanes = I::Sixteen::splat(0.0);
    blocks!(row, f32::NEG_INFINITY, block => {
        let mut powers = [0.0; BLOCK];
        for (part, power) in block.chunks_exact_mut(I::Wide::COUNT).zip(powers.chunks_exact_mut(I::Wide::COUNT)) {
            let shifted = I::Wide::read(part).element() - top;
            shifted.write(part);
            exp_below_zero(shifted).element().write(power);
        }
        for part in powers.chunks_exact(LANES) {
            lanes = lanes + I::Sixteen::read(part);
        }
    });
    let total = I::Wide::splat(log(One::<I::Fused>::new(joined(lanes))).value());
    blocks!(row, 0.0, block => {
        for part in block.chunks_exact_mut(I::Wide::COUNT) {
            (I::Wide::read(part) - total).stored().write(part);
        }
    });
}

/// What is left of a row beyond whole turns of the lanes, and zeros.
#[inline(always)]
fn tail(row: &[f32]) -> [f32; LANES] {
    let (_, rest) = row.as_chunks::<LANES>();
    let mut padded = [0.0; LANES];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

/// Σ x of each row.
#[inline(always)]
fn sums<I: Isa, const R: usize>(rows: &[&mut [f32]; R], length: usize) -> [f32; R] {
    let mut lanes = [I::Sixteen::splat(0.0); R];
    for k in (0..length / LANES * LANES).step_by(LANES) {
        for (lanes, row) in lanes.iter_mut().zip(rows) {
            *lanes = *lanes + I::Sixteen::read(&row[k..]).element();
        }
    }
    let mut sums = [0.0; R];
    for ((sum, lanes), row) in sums.iter_mut().zip(lanes).zip(rows) {
        *sum = joined(lanes + I::Sixteen::read(&tail(row)).element());
    }
    sums
}

/// Replaces each x by `x - mean`, and gives Σ (x - mean)² of each row by fused steps.
#[inline(always)]
fn centred<I: Isa, const R: usize>(rows: &mut [&mut [f32]; R], length: usize, means: [f32; R]) -> [f32; R] {
    let mut lanes = [I::Sixteen::splat(0.0); R];
    for k in (0..length / LANES * LANES).step_by(LANES) {
        for ((lanes, row), mean) in lanes.iter_mut().zip(rows.iter_mut()).zip(means) {
            let part = I::Sixteen::read(&row[k..]).element() - I::Sixteen::splat(mean);
            part.write(&mut row[k..]);
            *lanes = I::Sixteen::fused(part.operand(), part.operand(), *lanes);
        }
    }
    let mut sums = [0.0; R];
    for (((sum, lanes), row), mean) in sums.iter_mut().zip(lanes).zip(rows).zip(means) {
        for x in &mut row[length / LANES * LANES..] {
            *x = element(*x) - mean;
        }
        let rest = I::Sixteen::read(&tail(row)).operand();
        *sum = joined(I::Sixteen::fused(rest, rest, lanes));
    }
    sums
}

/// Replaces each x by what is read of it, and gives Σ x² of each row by fused steps.
#[inline(always)]
fn squares<I: Isa, const R: usize>(rows: &mut [&mut [f32]; R], length: usize) -> [f32; R] {
    let mut lanes = [I::Sixteen::splat(0.0); R];
    for k in (0..length / LANES * LANES).step_by(LANES) {
        for (lanes, row) in lanes.iter_mut().zip(rows.iter_mut()) {
            let part = I::Sixteen::read(&row[k..]).element();
            part.write(&mut row[k..]);
            *lanes = I::Sixteen::fused(part.operand(), part.operand(), *lanes);
        }
    }
    let mut sums = [0.0; R];
    for ((sum, lanes), row) in sums.iter_mut().zip(lanes).zip(rows) {
        row[length / LANES * LANES..].iter_mut().for_each(|x| *x = element(*x));
        let rest = I::Sixteen::read(&tail(row)).operand();
        *sum = joined(I::Sixteen::fused(rest, rest, lanes));
    }
    sums
}

/// Normalises `R` rows in place. Scales and shifts are flushed already.
#[inline(always)]
fn normalise<I: Isa, const R: usize>(rows: &mut [f32], length: usize, how: Normalisation, affine: Option<Affine<'_>>) {
    let mut rest = rows;
    let mut rows: [&mut [f32]; R] = std::array::from_fn(|_| Default::default());
    for row in &mut rows {
        let (first, behind) = rest.split_at_mut(length);
        (*row, rest) = (first, behind);
    }
    let count = length as f32;
    let (squares, epsilon) = match how {
        Normalisation::Layer { epsilon } => {
            let means = sums::<I, R>(&rows, length).map(|sum| sum / count);
            (centred::<I, R>(&mut rows, length, means), epsilon)
        }
        Normalisation::RootMeanSquare { epsilon } => (squares::<I, R>(&mut rows, length), epsilon),
    };
    for (row, squares) in rows.into_iter().zip(squares) {
        let inverse = 1.0 / (squares / count + element(epsilon)).sqrt();
        scale_row::<I>(row, inverse, affine);
    }
}

/// Multiplies a row by `inverse`, then scales and shifts each element.
#[inline(always)]
fn scale_row<I: Isa>(row: &mut [f32], inverse: f32, affine: Option<Affine<'_>>) {
    let whole = row.len() / I::Wide::COUNT * I::Wide::COUNT;
    let lanes = I::Wide::splat(inverse);
    let one = |x: f32, i: usize| match affine {
        None => stored(x * inverse),
        Some(Affine { scale, shift: None }) => stored(element(x * inverse) * scale[i]),
        Some(Affine { scale, shift: Some(shift) }) => stored(I::Fused::fused(element(x * inverse), scale[i], shift[i])),
    };
    for (i, x) in row[whole..].iter_mut().enumerate() {
        *x = one(*x, whole + i);
    }
    let parts = row.chunks_exact_mut(I::Wide::COUNT);
    match affine {
        None => parts.for_each(|part| (I::Wide::read(part) * lanes).stored().write(part)),
        Some(Affine { scale, shift: None }) => {
            for (part, scale) in parts.zip(scale.chunks_exact(I::Wide::COUNT)) {
                let normal = (I::Wide::read(part) * lanes).element();
                (normal * I::Wide::read(scale)).stored().write(part);
            }
        }
        Some(Affine { scale, shift: Some(shift) }) => {
            let affine = scale.chunks_exact(I::Wide::COUNT).zip(shift.chunks_exact(I::Wide::COUNT));
            for (part, (scale, shift)) in parts.zip(affine) {
                let normal = (I::Wide::read(part) * lanes).element();
                I::Wide::fused(normal, I::Wide::read(scale), I::Wide::read(shift)).stored().write(part);
            }
        }
    }
}

/// The numbers as operations read them: copied only where that changes any.
fn flushed(numbers: &[f32]) -> Cow<'_, [f32]> {
    if numbers.iter().all(|&x| element(x).to_bits() == x.to_bits()) {
        return Cow::Borrowed(numbers);
    }
    Cow::Owned(numbers.iter().copied().map(element).collect())
}

impl Processor {
    /// Softmax of each row of `length` elements, in place.
    pub fn softmax(&self, length: usize, values: &mut [f32]) -> Result<(), NumericsError> {
        self.rows(RowWork::Softmax, length, None, values)
    }

    /// Softmax of each row of `length` elements of `input`.
    pub fn softmax_from(&self, length: usize, input: &[f32], out: &mut [f32]) -> Result<(), NumericsError> {
        self.rows(RowWork::Softmax, length, Some(input), out)
    }

    /// The logarithm of the softmax of each row of `length` elements, in place.
    pub fn log_softmax(&self, length: usize, values: &mut [f32]) -> Result<(), NumericsError> {
        self.rows(RowWork::LogSoftmax, length, None, values)
    }

    /// Normalises each row of `length` elements, in place.
    pub fn normalise(
        &self,
        how: Normalisation,
        affine: Option<Affine<'_>>,
        length: usize,
        values: &mut [f32],
    ) -> Result<(), NumericsError> {
        self.normalise_rows(how, affine, length, None, values)
    }

    /// Normalises each row of `length` elements of `input`.
    pub fn normalise_from(
        &self,
        how: Normalisation,
        affine: Option<Affine<'_>>,
        length: usize,
        input: &[f32],
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        self.normalise_rows(how, affine, length, Some(input), out)
    }

    fn normalise_rows(
        &self,
        how: Normalisation,
        affine: Option<Affine<'_>>,
        length: usize,
        input: Option<&[f32]>,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        let Some(Affine { scale, shift }) = affine else {
            return self.rows(RowWork::Normalise(how, None), length, input, out);
        };
        expect_length("the scale", scale.len(), length)?;
        expect_length("the shift", shift.map_or(length, <[f32]>::len), length)?;
        let (scale, shift) = (flushed(scale), shift.map(flushed));
        let affine = Affine { scale: &scale, shift: shift.as_deref() };
        self.rows(RowWork::Normalise(how, Some(affine)), length, input, out)
    }

    fn rows(
        &self,
        work: RowWork<'_>,
        length: usize,
        input: Option<&[f32]>,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        expect_positive("the length of a row", length)?;
        expect_length("the last row", out.len() % length, 0)?;
        expect_length("the input", input.map_or(out.len(), <[f32]>::len), out.len())?;
        let piece = self.piece(out.len(), length, PIECE);
        self.pool().chunks(out, piece, |i, out| {
            let input = input.map(|input| &input[i * piece..i * piece + out.len()]);
            self.run(Rows { work, length, input, out });
        });
        Ok(())
    }
}
