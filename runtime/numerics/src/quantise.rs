//! Between floats and 8-bit integers, and weights in blocks of 4 or 8 bits.

use crate::error::{NumericsError, count, expect_length, expect_positive};
use crate::integer::Bytes;
use crate::isa::{Isa, Work};
use crate::matmul::{Matrices, Packed};
use crate::processor::Processor;
use crate::step::{element, greater, lesser, stored};

/// Elements below which a second thread is not worth waking.
const PIECE: usize = 16_384;

/// The integers of a quantised type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// 0 to 255
    Unsigned,
    /// -128 to 127
    Signed,
}

impl Range {
    fn bounds(self) -> (i32, i32) {
        match self {
            Self::Unsigned => (0, 255),
            Self::Signed => (-128, 127),
        }
    }

    /// [`quantise`] to this range.
    #[inline(always)]
    pub fn quantise(self, x: f32, scale: f32, zero: i32) -> i32 {
        quantise(x, scale, zero, self.bounds())
    }

    /// `round(sum · scale) + zero`, where `sum` is made a float first (rounded to nearest even).
    #[inline(always)]
    pub fn requantise(self, sum: i32, scale: f32, zero: i32) -> i32 {
        self.quantise(sum as f32 * scale, 1.0, zero)
    }
}

/// `round(x / scale) + zero`, halves to even, kept within the least and the greatest integer of a type of at most 16
/// bits. NaN becomes the zero point.
#[inline(always)]
pub fn quantise(x: f32, scale: f32, zero: i32, (low, high): (i32, i32)) -> i32 {
    /// Beyond any range, and far from where integers become sparse.
    const FAR: f32 = 1_048_576.0;
    let scaled = (element(x) / scale).round_ties_even();
    let above = if scaled > -FAR { scaled } else { -FAR };
    let bounded = if above < FAR { above } else { FAR };
    let bounded = if scaled.is_nan() { 0.0 } else { bounded };
    (bounded as i32).wrapping_add(zero).clamp(low, high)
}

/// `(x - zero) · scale`, an integer difference and one rounding.
#[inline(always)]
pub fn dequantise(x: i32, scale: f32, zero: i32) -> f32 {
    stored(x.wrapping_sub(zero) as f32 * scale)
}

/// The scale and zero point of DynamicQuantizeLinear, for unsigned bytes.
///
/// Over the range of the numbers and zero: `scale = (max - min) / 255`, `zero = round(-min / scale)`. Numbers that are
/// all zero have scale 1 and zero point 0.
pub fn dynamic_scale(values: &[f32]) -> (f32, i32) {
    let low = values.iter().fold(0.0, |low, &x| lesser(low, element(x)));
    let high = values.iter().fold(0.0, |high, &x| greater(high, element(x)));
    let scale = stored((high - low) / 255.0);
    if scale == 0.0 {
        return (1.0, 0);
    }
    (scale, Range::Unsigned.quantise(-low, scale, 0))
}

struct Quantise<'a>(Range, f32, i32, &'a [f32], &'a mut [u8]);

impl Work for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(range, scale, zero, input, out) = self;
        for (x, out) in input.iter().zip(out) {
            *out = range.quantise(*x, scale, zero) as u8;
        }
    }
}

struct Requantise<'a>(Range, &'a [f32], i32, &'a [i32], &'a mut [u8]);

impl Work for Requantise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(range, scales, zero, sums, out) = self;
        for (sums, out) in sums.chunks(scales.len()).zip(out.chunks_mut(scales.len())) {
            for ((sum, scale), out) in sums.iter().zip(scales).zip(out) {
                *out = range.requantise(*sum, *scale, zero) as u8;
            }
        }
    }
}

struct Dequantise<'a>(f32, i32, Bytes<'a>, &'a mut [f32]);

impl Work for Dequantise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(scale, zero, input, out) = self;
        match input {
            Bytes::Unsigned(bytes) => {
                bytes.iter().zip(out).for_each(|(x, out)| *out = dequantise(i32::from(*x), scale, zero));
            }
            Bytes::Signed(bytes) => {
                bytes.iter().zip(out).for_each(|(x, out)| *out = dequantise(i32::from(*x), scale, zero));
            }
        }
    }
}

impl Processor {
    /// QuantizeLinear with one scale; signed results as their two's complement.
    pub fn quantise(
        &self,
        range: Range,
        scale: f32,
        zero: i32,
        input: &[f32],
        out: &mut [u8],
    ) -> Result<(), NumericsError> {
        expect_length("the result", out.len(), input.len())?;
        let piece = self.piece(out.len(), 64, PIECE);
        self.pool().chunks(out, piece, |i, out| {
            self.run(Quantise(range, scale, zero, &input[i * piece..i * piece + out.len()], out));
        });
        Ok(())
    }

    /// DynamicQuantizeLinear: the bytes into `out`, and their scale and zero point.
    pub fn dynamic_quantise(&self, input: &[f32], out: &mut [u8]) -> Result<(f32, i32), NumericsError> {
        let (scale, zero) = dynamic_scale(input);
        self.quantise(Range::Unsigned, scale, zero, input, out)?;
        Ok((scale, zero))
    }

    /// DequantizeLinear with one scale.
    pub fn dequantise(&self, scale: f32, zero: i32, input: Bytes<'_>, out: &mut [f32]) -> Result<(), NumericsError> {
        expect_length("the result", out.len(), input.len())?;
        let piece = self.piece(out.len(), 64, PIECE);
        self.pool().chunks(out, piece, |i, out| {
            let range = i * piece..i * piece + out.len();
            let input = match input {
                Bytes::Unsigned(bytes) => Bytes::Unsigned(&bytes[range]),
                Bytes::Signed(bytes) => Bytes::Signed(&bytes[range]),
            };
            self.run(Dequantise(scale, zero, input, out));
        });
        Ok(())
    }

    /// What QLinearMatMul makes of its integer sums. `scales` has a number for each column: left · right / result,
    /// multiplied and divided in this order.
    pub fn requantise(
        &self,
        range: Range,
        scales: &[f32],
        zero: i32,
        sums: &[i32],
        out: &mut [u8],
    ) -> Result<(), NumericsError> {
        expect_positive("the number of columns", scales.len())?;
        expect_length("the result", out.len(), sums.len())?;
        expect_length("the sums", sums.len() % scales.len(), 0)?;
        let piece = self.piece(out.len(), scales.len(), PIECE);
        self.pool().chunks(out, piece, |i, out| {
            self.run(Requantise(range, scales, zero, &sums[i * piece..i * piece + out.len()], out));
        });
        Ok(())
    }
}

/// Weights in blocks along k, each with a scale and perhaps a zero point, as MatMulNBits and GGUF have them.
#[derive(Clone, Copy, Debug)]
pub struct BlockWeights<'a> {
    /// 4 (two to a byte, the first in the low half) or 8.
    pub bits: u32,
    /// Weights of a block.
    pub block: usize,
    /// For each column its blocks, one after the other; the last is padded.
    pub quants: &'a [u8],
    /// A scale for each block.
    pub scales: &'a [f32],
    /// A zero point for each block; without, half the range: 8 or 128.
    pub zeros: Option<&'a [u8]>,
}

impl BlockWeights<'_> {
    /// `quant - zero` at `k` of `column`.
    pub(crate) fn integer(&self, blocks: usize, k: usize, column: usize) -> i32 {
        let block = column * blocks + k / self.block;
        let place = block * self.block + k % self.block;
        let (quant, half) = match self.bits {
            4 => ((self.quants[place / 2] >> (place % 2 * 4)) & 15, 8),
            _ => (self.quants[place], 128),
        };
        i32::from(quant) - self.zeros.map_or(half, |zeros| i32::from(zeros[block]))
    }

    /// Checks the lengths for a `depth` × `columns` matrix, and gives the blocks of a column.
    pub(crate) fn check(&self, depth: usize, columns: usize) -> Result<usize, NumericsError> {
        if self.bits != 4 && self.bits != 8 {
            return Err(NumericsError::Parameter { what: "bits", value: self.bits as usize, rule: "is not 4 or 8" });
        }
        expect_positive("the block", self.block)?;
        if self.bits == 4 && !self.block.is_multiple_of(2) {
            return Err(NumericsError::Parameter { what: "the block", value: self.block, rule: "is not even" });
        }
        let blocks = depth.div_ceil(self.block);
        let all = count("the blocks", &[columns, blocks])?;
        let weights = count("the weights", &[all, self.block])?;
        expect_length("the quants", self.quants.len(), weights * self.bits as usize / 8)?;
        expect_length("the scales", self.scales.len(), all)?;
        let zeros = self.zeros.unwrap_or_default();
        expect_length("the zero points", zeros.len(), self.zeros.map_or(0, |_| all))?;
        if let Some(&zero) = zeros.iter().find(|&&zero| self.bits == 4 && zero > 15) {
            return Err(NumericsError::Parameter { what: "a zero point", value: zero.into(), rule: "is above 15" });
        }
        Ok(blocks)
    }

    /// Dequantises a `depth` × `columns` matrix into the layout of the float kernels: the product with it is the chain
    /// of [`Packed`], on weights that are what DequantizeLinear would store.
    pub fn packed(&self, depth: usize, columns: usize) -> Result<Packed, NumericsError> {
        let dense = self.dequantised(depth, columns)?;
        Packed::new(depth, columns, Matrices { data: &dense, starts: &[0], row_stride: 1, column_stride: depth })
    }

    /// Dequantises a `depth` × `columns` matrix, column by column.
    pub fn dequantised(&self, depth: usize, columns: usize) -> Result<Vec<f32>, NumericsError> {
        let blocks = self.check(depth, columns)?;
        let weight = |column: usize, k: usize| {
            dequantise(self.integer(blocks, k, column), self.scales[column * blocks + k / self.block], 0)
        };
        Ok((0..columns).flat_map(|column| (0..depth).map(move |k| weight(column, k))).collect())
    }
}
