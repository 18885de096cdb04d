//! Products of 8-bit integers: exact, with zero points, in 32-bit sums modulo 2³².
//!
//! `out[i,j] = Σ (left[i,k] - left_zero[i]) · (right[k,j] - right_zero[j])`. The kernels multiply unsigned by signed
//! bytes, so the other kinds are shifted by 128 with their zero points. What the zero points add is each sum's
//! initial value; the kernels only multiply and add.

use std::cell::RefCell;

use crate::buffer::Aligned;
use crate::error::{NumericsError, count, expect_length};
#[cfg(target_arch = "x86_64")]
use crate::isa::Path;
use crate::isa::tile::PANEL;
use crate::matmul::share;
use crate::processor::Processor;
use block::{IntegerPart, SharedSums};
pub use convolution::IntegerFilter;
pub use packed::PackedIntegers;

#[cfg(target_arch = "x86_64")]
mod amx;
mod block;
mod convolution;
mod packed;

/// The most rows of a part.
const ROW_BLOCK: usize = 128;
/// What parts are cut into: whole squares of AMX.
const UNIT_ROWS: usize = 32;
/// The same for columns: two panels are three squares.
const UNIT_PANELS: usize = 2;
/// The fewest pairs of panels of a part.
const LEAST_UNITS: usize = 2;

/// A matrix of bytes, its rows contiguous.
#[derive(Clone, Copy, Debug)]
pub enum Bytes<'a> {
    /// 0 to 255
    Unsigned(&'a [u8]),
    /// -128 to 127
    Signed(&'a [i8]),
}

impl Bytes<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Unsigned(bytes) => bytes.len(),
            Self::Signed(bytes) => bytes.len(),
        }
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`.
    pub fn at(&self, index: usize) -> i32 {
        match self {
            Self::Unsigned(bytes) => i32::from(bytes[index]),
            Self::Signed(bytes) => i32::from(bytes[index]),
        }
    }

    /// What is added to make them unsigned.
    fn lift(&self) -> i32 {
        match self {
            Self::Unsigned(_) => 0,
            Self::Signed(_) => 128,
        }
    }

    /// Copies them as unsigned.
    #[inline(always)]
    fn lift_to(&self, from: usize, to: &mut [u8]) {
        match self {
            Self::Unsigned(bytes) => to.copy_from_slice(&bytes[from..from + to.len()]),
            Self::Signed(bytes) => {
                for (byte, to) in bytes[from..from + to.len()].iter().zip(to.iter_mut()) {
                    *to = byte.cast_unsigned() ^ 0x80;
                }
            }
        }
    }
}

/// The bytes' sum, modulo 2³².
#[inline(always)]
fn sum_of(bytes: &[u8]) -> i32 {
    bytes.iter().fold(0i32, |sum, &byte| sum.wrapping_add(i32::from(byte)))
}

/// Zero points of the rows of a left operand, or of the columns of a right one.
#[derive(Clone, Copy, Debug)]
pub enum ZeroPoints<'a> {
    /// One for all.
    One(i32),
    /// One for each.
    Each(&'a [i32]),
}

impl ZeroPoints<'_> {
    /// The zero point of row or column `index`.
    pub fn at(&self, index: usize) -> i32 {
        match self {
            Self::One(zero) => *zero,
            Self::Each(zeros) => zeros[index],
        }
    }

    fn check(&self, what: &'static str, length: usize) -> Result<(), NumericsError> {
        match self {
            Self::One(_) => Ok(()),
            Self::Each(zeros) => expect_length(what, zeros.len(), length),
        }
    }
}

thread_local! {
    /// A thread's copy of rows of the left operand.
    static LEFT: RefCell<Aligned<u8>> = RefCell::new(Aligned::zeros(0));
}

impl Processor {
    /// The exact integer product: `rows` × `right.columns()` sums.
    pub fn matmul_integer(
        &self,
        rows: usize,
        left: Bytes<'_>,
        left_zeros: ZeroPoints<'_>,
        right: &PackedIntegers,
        out: &mut [i32],
    ) -> Result<(), NumericsError> {
        let (depth, columns) = (right.depth(), right.columns());
        expect_length("the left operand", left.len(), count("the left operand", &[rows, depth])?)?;
        expect_length("the result", out.len(), count("the result", &[rows, columns])?)?;
        left_zeros.check("the left zero points", rows)?;
        if out.is_empty() {
            return Ok(());
        }
        let blocks = rows.div_ceil(ROW_BLOCK);
        let units = columns.div_ceil(PANEL * UNIT_PANELS);
        let wanted = if self.threads() == 1 { 1 } else { (4 * self.threads()).div_ceil(blocks) };
        let ranges = wanted.min(units.div_ceil(LEAST_UNITS)).max(1);
        let shared = SharedSums::new(out);
        self.pool().run(blocks * ranges, &|i| {
            let squares = share(rows.div_ceil(UNIT_ROWS), i / ranges, blocks);
            let rows = squares.start * UNIT_ROWS..(squares.end * UNIT_ROWS).min(rows);
            let units = share(units, i % ranges, ranges);
            let panels = units.start * UNIT_PANELS..(units.end * UNIT_PANELS).min(columns.div_ceil(PANEL));
            LEFT.with_borrow_mut(|copy| {
                #[cfg(target_arch = "x86_64")]
                if self.path() == Path::Amx {
                    return self.run(amx::AmxPart { left, left_zeros, right, rows, panels, copy, out: &shared });
                }
                copy.reserve(rows.len() * right.padded_depth());
                self.run(IntegerPart { left, left_zeros, right, rows, panels, copy, out: &shared });
            });
        });
        Ok(())
    }
}
