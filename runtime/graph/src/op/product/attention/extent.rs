//! Sizes of attention, and where its heads lie in memory.

use poai_numerics::Matrices;

/// The sizes of a computation. Each key head serves `heads / key_heads` heads of queries, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub batch: usize,
    pub heads: usize,
    pub key_heads: usize,
    pub queries: usize,
    /// Past ones included.
    pub keys: usize,
    /// Elements of a query and of a key.
    pub depth: usize,
    /// Elements of a value.
    pub width: usize,
}

/// Floats of one kind, head by head: queries, keys, values or results.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub count: usize,
    pub rows: usize,
    pub width: usize,
    /// Whether heads lie side by side in a row (3-D operands), not one after the other.
    pub abreast: bool,
}

impl Heads {
    /// Where a head of an item of the batch begins.
    pub(super) fn start(&self, item: usize, head: usize) -> usize {
        let head = if self.abreast { head * self.width } else { head * self.rows * self.width };
        item * self.count * self.rows * self.width + head
    }

    /// Elements from a row of a head to the next.
    pub(super) fn row_stride(&self) -> usize {
        if self.abreast { self.count * self.width } else { self.width }
    }

    /// The matrices that begin at these places.
    pub(super) fn matrices<'a>(&self, data: &'a [f32], starts: &'a [usize]) -> Matrices<'a> {
        Matrices { data, starts, row_stride: self.row_stride(), column_stride: 1 }
    }

    /// The same, with rows as columns.
    pub(super) fn turned<'a>(&self, data: &'a [f32], starts: &'a [usize]) -> Matrices<'a> {
        Matrices { data, starts, row_stride: 1, column_stride: self.row_stride() }
    }
}
