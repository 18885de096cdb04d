//! Integer weights as the kernels read them.

use super::{Bytes, ZeroPoints};
use crate::buffer::Aligned;
use crate::error::{NumericsError, count, expect_length};
use crate::isa::tile::{PANEL, STRIP};

/// Zeros behind the last panel: kernels read whole tiles, whose last rows meet zeros of the left operand.
const BEYOND: usize = 16 * 4 * STRIP;

/// A right operand of bytes, packed: strips of 16 columns, in them groups of four k, column after column.
#[derive(Clone)]
pub struct PackedIntegers {
    strips: Aligned<i8>,
    depth: usize,
    columns: usize,
    /// Of the stored bytes, for each column.
    sums: Vec<i32>,
    /// Shifted as the stored bytes are.
    zeros: Vec<i32>,
}

impl PackedIntegers {
    /// Packs a `depth` × `columns` matrix, its rows contiguous, with the zero points of its columns.
    pub fn new(depth: usize, columns: usize, weights: Bytes<'_>, zeros: ZeroPoints<'_>) -> Result<Self, NumericsError> {
        expect_length("the right operand", weights.len(), count("the right operand", &[depth, columns])?)?;
        zeros.check("the right zero points", columns)?;
        let groups = depth.div_ceil(4);
        // Whole panels, so that no kernel's tile reaches beyond.
        let length = count("the packed weights", &[columns.div_ceil(PANEL), groups, 4 * PANEL])?;
        let mut strips = Aligned::zeros(length + BEYOND);
        let mut sums = vec![0i32; columns];
        // Signed already, or made so with the zero point that goes along.
        let shift = 128 - weights.lift();
        for k in 0..depth {
            for (column, sum) in sums.iter_mut().enumerate() {
                let stored = (weights.at(k * columns + column) - shift) as i8;
                *sum = sum.wrapping_add(i32::from(stored));
                strips[((column / STRIP * groups + k / 4) * STRIP + column % STRIP) * 4 + k % 4] = stored;
            }
        }
        let zeros = (0..columns).map(|column| zeros.at(column).wrapping_sub(shift)).collect();
        Ok(Self { strips, depth, columns, sums, zeros })
    }

    /// The length of the dot products: the matrix's rows.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The matrix's columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.strips.len() + size_of_val(&self.sums[..]) + size_of_val(&self.zeros[..])
    }

    /// The depth in whole groups of four.
    pub(super) fn padded_depth(&self) -> usize {
        self.depth.next_multiple_of(4)
    }

    /// Bytes from a strip to the next.
    pub(super) fn strip_stride(&self) -> usize {
        self.padded_depth() * STRIP
    }

    /// From a column's strip on, to the end of the storage.
    pub(super) fn strips_from(&self, column: usize) -> &[i8] {
        &self.strips[column / STRIP * self.strip_stride()..]
    }

    /// No column has a zero point: what sums begin with does not depend on the left operand's sums.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn is_centred(&self) -> bool {
        self.zeros.iter().all(|&zero| zero == 0)
    }

    /// What the zero points make of the sums from `column` on before anything is multiplied: with stored bytes a and
    /// b, `Σ (a - za)(b - zb) = Σ ab - za·Σb - zb·Σa + depth·za·zb`.
    #[inline(always)]
    pub(super) fn begin(&self, column: usize, left_sum: i32, left_zero: i32, sums: &mut [i32]) {
        let both = (self.depth as i32).wrapping_mul(left_zero).wrapping_sub(left_sum);
        let (zeros, own) = (&self.zeros[column..], &self.sums[column..]);
        for ((sum, zero), own) in sums.iter_mut().zip(zeros).zip(own) {
            *sum = both.wrapping_mul(*zero).wrapping_sub(left_zero.wrapping_mul(*own));
        }
    }
}
