//! Integer weights as the kernels read them.

use super::{Bytes, ZeroPoints};
use crate::error::{NumericsError, count, expect_length};
use crate::isa::tile::PANEL;

/// A right operand of bytes, packed: panels of 48 columns, in them groups of four k, column after column.
#[derive(Clone)]
pub struct PackedIntegers {
    panels: Vec<i8>,
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
        let length = count("the packed weights", &[columns.div_ceil(PANEL), groups, 4 * PANEL])?;
        let mut panels = vec![0i8; length];
        let mut sums = vec![0i32; columns];
        // Signed already, or made so with the zero point that goes along.
        let shift = 128 - weights.lift();
        for k in 0..depth {
            for (column, sum) in sums.iter_mut().enumerate() {
                let stored = (weights.at(k * columns + column) - shift) as i8;
                *sum = sum.wrapping_add(i32::from(stored));
                panels[((column / PANEL * groups + k / 4) * PANEL + column % PANEL) * 4 + k % 4] = stored;
            }
        }
        let zeros = (0..columns).map(|column| zeros.at(column).wrapping_sub(shift)).collect();
        Ok(Self { panels, depth, columns, sums, zeros })
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
        self.panels.len() + size_of_val(&self.sums[..]) + size_of_val(&self.zeros[..])
    }

    /// The depth in whole groups of four.
    pub(super) fn padded_depth(&self) -> usize {
        self.depth.next_multiple_of(4)
    }

    pub(super) fn panel(&self, panel: usize) -> &[i8] {
        let length = self.padded_depth() * PANEL;
        &self.panels[panel * length..(panel + 1) * length]
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
