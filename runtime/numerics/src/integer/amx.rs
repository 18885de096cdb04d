//! The loops around AMX's tiles.
#![expect(unsafe_code, reason = "threads write to disjoint tiles of one result")]

use std::ops::Range;

use super::block::SharedSums;
use super::{Bytes, PackedIntegers, ROW_BLOCK, ZeroPoints, sum_of};
use crate::buffer::Aligned;
use crate::isa::amx::{DEPTH, SIDE, Square, Tiles, multiply};
use crate::isa::tile::PANEL;
use crate::isa::{Isa, Work};

/// Rows, and columns, of a tile.
const TILE: usize = SIDE / 2;
/// Bytes of a tile.
const TILE_BYTES: usize = TILE * DEPTH;

/// Rows × panels of one product, by one thread. To be run where the tiles are available.
pub(super) struct AmxPart<'a> {
    pub left: Bytes<'a>,
    pub left_zeros: ZeroPoints<'a>,
    pub right: &'a PackedIntegers,
    pub rows: Range<usize>,
    pub panels: Range<usize>,
    /// Where rows of the left operand are copied.
    pub copy: &'a mut Aligned<u8>,
    pub out: &'a SharedSums<'a>,
}

impl Work for AmxPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { left, left_zeros, right, rows, panels, copy, out } = self;
        let depth = right.depth();
        let steps = depth.div_ceil(DEPTH);
        copy.reserve(rows.len().div_ceil(TILE) * steps * TILE_BYTES);
        let centred = right.is_centred();
        let mut row_sums = [0i32; ROW_BLOCK];
        for (i, row) in rows.clone().enumerate() {
            // A row's parts lie a tile apart, so that a tile is in one piece.
            let to = &mut copy[i / TILE * steps * TILE_BYTES + i % TILE * DEPTH..];
            for step in 0..steps {
                let (from, to) = (step * DEPTH, &mut to[step * TILE_BYTES..step * TILE_BYTES + DEPTH]);
                let here = (depth - from).min(DEPTH);
                if here == DEPTH {
                    // Of a known length, this is one vector and no call.
                    left.lift_to(row * depth + from, &mut to[..DEPTH]);
                } else {
                    left.lift_to(row * depth + from, &mut to[..here]);
                    to[here..].fill(0);
                }
                if !centred {
                    row_sums[i] = row_sums[i].wrapping_add(sum_of(&to[..here]));
                }
            }
        }
        // SAFETY: the caller found the tiles to be available.
        let tiles = unsafe { Tiles::new() };
        let part = Squares {
            tiles,
            left: copy,
            steps,
            row_sums: &row_sums[..rows.len()],
            alike: matches!(left_zeros, ZeroPoints::One(_)) && centred,
            left_zeros,
            lift: left.lift(),
            right,
            rows,
            out,
        };
        let columns = panels.start * PANEL..(panels.end * PANEL).min(right.columns());
        for column in columns.clone().step_by(SIDE) {
            part.columns(column, columns.end);
        }
    }
}

struct Squares<'a> {
    tiles: Tiles,
    left: &'a [u8],
    steps: usize,
    row_sums: &'a [i32],
    /// All rows begin with the same sums.
    alike: bool,
    left_zeros: ZeroPoints<'a>,
    lift: i32,
    right: &'a PackedIntegers,
    rows: Range<usize>,
    out: &'a SharedSums<'a>,
}

impl Squares<'_> {
    /// All rows over up to [`SIDE`] columns, which end before `end`.
    #[inline(always)]
    fn columns(&self, column: usize, end: usize) {
        let width = (end - column).min(SIDE);
        let mut same = [0i32; SIDE];
        let mut sums = [0i32; SIDE * SIDE];
        if self.alike {
            self.begin(0, column, &mut same[..width]);
        }
        for first in (0..self.rows.len()).step_by(SIDE) {
            let count = (self.rows.len() - first).min(SIDE);
            let (mut initial, mut initial_stride) = (same.as_ptr(), 0);
            if !self.alike {
                for (r, sums) in sums.chunks_exact_mut(SIDE).take(count).enumerate() {
                    self.begin(first + r, column, &mut sums[..width]);
                }
                (initial, initial_stride) = (sums.as_ptr(), SIDE);
            }
            let columns = self.right.columns();
            let start = (self.rows.start + first) * columns + column;
            let whole = count == SIDE && width == SIDE;
            let (out, out_stride) = if whole {
                (self.out.at(start, (SIDE - 1) * columns + SIDE), columns)
            } else {
                (sums.as_mut_ptr(), SIDE)
            };
            // Where there is but one tile, it is computed twice, and the second is thrown away.
            let beside = if width > TILE { column + TILE } else { column };
            let below = if count > TILE { first + TILE } else { first };
            let square = Square {
                left: [self.row(first), self.row(below)],
                right: [self.column(column), self.column(beside)],
                steps: self.steps,
                initial,
                initial_stride,
                out,
                out_stride,
            };
            // SAFETY: `row` and `column` give `steps` tiles each; `initial`
            // is a square, or one row with stride 0; `out` is a square, or one of the result that this part alone owns.
            unsafe { multiply(&self.tiles, &square) };
            if !whole {
                for (r, sums) in sums.chunks_exact(SIDE).take(count).enumerate() {
                    // SAFETY: this part alone owns these rows and panels.
                    unsafe { self.out.write(start + r * columns, &sums[..width]) };
                }
            }
        }
    }

    /// What the sums of a row (counted from the part's first) begin with.
    #[inline(always)]
    fn begin(&self, row: usize, column: usize, sums: &mut [i32]) {
        let zero = self.left_zeros.at(self.rows.start + row).wrapping_add(self.lift);
        self.right.begin(column, self.row_sums[row], zero, sums);
    }

    /// Where the tiles of rows from `first` (counted from the part's first) begin.
    #[inline(always)]
    fn row(&self, first: usize) -> *const u8 {
        let length = self.steps * TILE_BYTES;
        self.left[first / TILE * length..][..length].as_ptr()
    }

    /// Where the tiles of weights of the columns from `first` begin.
    #[inline(always)]
    fn column(&self, first: usize) -> *const i8 {
        self.right.strips_from(first)[..self.steps * TILE_BYTES].as_ptr()
    }
}
