//! The loops around the integer tiles.
#![expect(unsafe_code, reason = "threads write to disjoint tiles of one result")]

use std::marker::PhantomData;
use std::ops::Range;

use super::{Bytes, PackedIntegers, ZeroPoints, sum_of};
use crate::isa::tile::{IntegerTile, PANEL, STRIP};
use crate::isa::{Isa, Work};

/// A result that several threads write to, each to elements of its own.
pub(super) struct SharedSums<'a> {
    first: *mut i32,
    length: usize,
    borrow: PhantomData<&'a mut [i32]>,
}

// SAFETY: the elements are `Send`, and `write` makes its caller promise that no two threads meet.
unsafe impl Sync for SharedSums<'_> {}

impl<'a> SharedSums<'a> {
    pub(super) fn new(out: &'a mut [i32]) -> Self {
        Self { first: out.as_mut_ptr(), length: out.len(), borrow: PhantomData }
    }

    /// Where `length` sums from `start` on lie.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn at(&self, start: usize, length: usize) -> *mut i32 {
        assert!(start <= self.length && length <= self.length - start, "a tile lies within its result");
        self.first.wrapping_add(start)
    }

    /// # Safety
    /// No other thread touches these elements meanwhile.
    pub(super) unsafe fn write(&self, start: usize, sums: &[i32]) {
        assert!(start <= self.length && sums.len() <= self.length - start, "a tile lies within its result");
        // SAFETY: in bounds, and the caller's promise.
        unsafe { self.first.add(start).copy_from_nonoverlapping(sums.as_ptr(), sums.len()) };
    }
}

/// Rows × panels of one product, by one thread.
pub(super) struct IntegerPart<'a> {
    pub left: Bytes<'a>,
    pub left_zeros: ZeroPoints<'a>,
    pub right: &'a PackedIntegers,
    pub rows: Range<usize>,
    pub panels: Range<usize>,
    /// For all rows at the padded depth.
    pub copy: &'a mut [u8],
    pub out: &'a SharedSums<'a>,
}

/// The most rows of any kernel's tile.
const MOST_ROWS: usize = 16;

impl Work for IntegerPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        const { assert!(I::INTEGER_ROWS <= MOST_ROWS && PANEL.is_multiple_of(I::INTEGER_COLUMNS)) };
        let (depth, padded) = (self.right.depth(), self.right.padded_depth());
        let mut sums_of_rows = [0i32; super::ROW_BLOCK];
        for (i, row) in self.rows.clone().enumerate() {
            // Bytes beyond the depth meet zeros: whatever they are, they add nothing.
            let to = &mut self.copy[i * padded..i * padded + depth];
            self.left.lift_to(row * depth, to);
            sums_of_rows[i] = sum_of(to);
        }
        for panel in self.panels.clone() {
            let mut first = 0;
            while first < self.rows.len() {
                let count = (self.rows.len() - first).min(I::INTEGER_ROWS);
                self.tile::<I>(panel, first, count, &sums_of_rows);
                first += count;
            }
        }
    }
}

impl IntegerPart<'_> {
    /// Some rows (counted from the part's first) across one panel.
    #[inline(always)]
    fn tile<I: Isa>(&self, panel: usize, first: usize, count: usize, sums_of_rows: &[i32]) {
        let right = self.right;
        let width = (right.columns() - panel * PANEL).min(PANEL);
        let padded = right.padded_depth();
        let left = &self.copy[first * padded..(first + count) * padded];
        let mut sums = [0i32; MOST_ROWS * PANEL];
        for r in 0..count {
            let zero = self.left_zeros.at(self.rows.start + first + r).wrapping_add(self.left.lift());
            let sums = &mut sums[r * PANEL..r * PANEL + width];
            right.begin(panel * PANEL, sums_of_rows[first + r], zero, sums);
        }
        for column in (0..width).step_by(I::INTEGER_COLUMNS) {
            let weights = right.strips_from(panel * PANEL + column);
            assert!(weights.len() >= (I::INTEGER_COLUMNS.div_ceil(STRIP)) * right.strip_stride());
            let tile = IntegerTile {
                groups: padded / 4,
                left: left.as_ptr(),
                left_stride: padded,
                right: weights.as_ptr().wrapping_add(column % STRIP * 4),
                group_stride: 4 * STRIP,
                strip_stride: right.strip_stride(),
                sums: sums.as_mut_ptr().wrapping_add(column),
                sums_stride: PANEL,
            };
            // SAFETY: `left` is `count` rows of whole groups; `weights` holds the strips of a
            // tile's columns; `sums` holds the most rows of a panel.
            unsafe { I::integer_tile(count, &tile) };
        }
        for r in 0..count {
            let start = (self.rows.start + first + r) * right.columns() + panel * PANEL;
            // SAFETY: this part alone owns these rows and panels.
            unsafe { self.out.write(start, &sums[r * PANEL..r * PANEL + width]) };
        }
    }
}
