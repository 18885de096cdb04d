//! What is copied of a left operand: its rows, or the lines of an image in which they overlap.

use std::ops::Range;

use super::lines::Lines;
use crate::isa::tile::{Copied, LEFT_STRIDE, Rows, Sliding};

/// A copy of some of the left operand.
pub(super) trait Left {
    type Rows: Rows;

    fn floats(&self) -> &[f32];
    fn rows(&self) -> Self::Rows;
    /// Where a row of the part begins, and how many rows from there on follow at the same distance.
    fn at(&self, row: usize) -> (usize, usize);
}

/// Rows of the part, one after the other.
pub(super) struct LeftRange<'a> {
    pub floats: &'a [f32],
    pub rows: Range<usize>,
}

impl Left for LeftRange<'_> {
    type Rows = Copied;

    #[inline(always)]
    fn floats(&self) -> &[f32] {
        self.floats
    }

    #[inline(always)]
    fn rows(&self) -> Copied {
        Copied
    }

    #[inline(always)]
    fn at(&self, row: usize) -> (usize, usize) {
        ((row - self.rows.start) * LEFT_STRIDE, self.rows.end - row)
    }
}

/// The lines of an image that hold the part's rows, of which `first` is the first.
pub(super) struct LeftLines<'a> {
    pub floats: &'a [f32],
    pub lines: Lines,
    pub first: usize,
}

impl Left for LeftLines<'_> {
    type Rows = Sliding;

    #[inline(always)]
    fn floats(&self) -> &[f32] {
        self.floats
    }

    #[inline(always)]
    fn rows(&self) -> Sliding {
        self.lines.sliding
    }

    #[inline(always)]
    fn at(&self, row: usize) -> (usize, usize) {
        self.lines.at(self.first + row)
    }
}
