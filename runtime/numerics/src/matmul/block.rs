//! Blocks of one product: the loops around the tiles.
#![expect(unsafe_code, reason = "threads write to disjoint tiles of one result")]

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr;

use super::copy::{Left, LeftLines, LeftRange};
use super::{Epilogue, LeftRows, Panels, PartOf, share};
use crate::isa::tile::{Copied, K_BLOCK, LEFT_STRIDE, LINE, PANEL, Rows, Tile};
use crate::isa::{Isa, Work};

/// Floats of weights that leave room beside them in a first-level cache.
const NEAR: usize = 7 * 1024;
/// Floats of a result that a first-level cache holds beside a tile's weights.
const FRESH: usize = 6 * 1024;
/// Floats of a result that a second-level cache holds beside the weights: 512 KiB.
const WARM: usize = 128 * 1024;
/// Panels that one row walks together.
const ROW_PANELS: usize = 4;
/// The most rows of any kernel's tile.
const MOST_ROWS: usize = 16;

/// `left · right` at `start` in the result, its rows `stride` apart.
pub(crate) struct Product<'a> {
    pub left: LeftRows<'a>,
    pub right: Panels<'a>,
    pub rows: usize,
    pub start: usize,
    pub stride: usize,
    /// Which column of the bias the first is.
    pub first_column: usize,
}

impl<'a> Product<'a> {
    /// The `index`th of products of one shape, one after the other in the result.
    pub(super) fn plain(left: LeftRows<'a>, right: Panels<'a>, rows: usize, index: usize) -> Self {
        Self { left, right, rows, start: index * rows * right.columns, stride: right.columns, first_column: 0 }
    }

    /// Where an element lies in the result.
    fn at(&self, row: usize, column: usize) -> usize {
        self.start + row * self.stride + column
    }
}

/// A result that several threads write to, each to elements of its own.
pub(crate) struct SharedOut<'a> {
    first: *mut f32,
    length: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: the elements are `Send`, and `slice` makes its caller promise that no two threads meet.
unsafe impl Sync for SharedOut<'_> {}

impl<'a> SharedOut<'a> {
    pub(crate) fn new(out: &'a mut [f32]) -> Self {
        Self { first: out.as_mut_ptr(), length: out.len(), borrow: PhantomData }
    }

    /// # Safety
    /// No other slice of these elements is alive.
    #[expect(clippy::mut_from_ref, reason = "that is what the promise is for")]
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.length, "a tile lies within its result");
        // SAFETY: in bounds, and the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(range.start), range.len()) }
    }
}

/// One part, as compiled work.
pub(crate) struct Part<'a> {
    pub product: &'a Product<'a>,
    pub part: &'a PartOf,
    pub epilogue: &'a Epilogue<'a>,
    /// Of [`left_length`] floats at least: where rows of the left operand are copied.
    pub left: &'a mut [f32],
    pub out: &'a SharedOut<'a>,
}

impl Work for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { product, part, epilogue, left, out } = self;
        let tiles = Tiles { product, part, epilogue, out };
        tiles.multiply::<I>(left);
        if let Some(following) = epilogue.following {
            let first = product.at(part.rows.start, 0);
            assert!(part.is_whole(product), "what follows here follows whole rows");
            // SAFETY: this part alone owns these rows, and no tile is being written now.
            let values = unsafe { out.slice(first..product.at(part.rows.end, 0)) };
            following.replace::<I>(first, values);
        }
    }
}

/// Floats that a part copies of its left operand at a time.
pub(crate) fn left_length(product: &Product<'_>, part: &PartOf) -> usize {
    let lines = if let LeftRows::Patches(patches) = product.left { patches.lines(&part.rows) } else { None };
    match lines {
        Some(lines) => lines.floats(),
        None if part.rows.len() == 1 => product.right.depth,
        None => part.rows.len() * LEFT_STRIDE,
    }
}

/// A part without its copy of the left operand.
struct Tiles<'a> {
    product: &'a Product<'a>,
    part: &'a PartOf,
    epilogue: &'a Epilogue<'a>,
    out: &'a SharedOut<'a>,
}

impl Tiles<'_> {
    /// All of the part.
    #[inline(always)]
    fn multiply<I: Isa>(&self, left: &mut [f32]) {
        let (product, part) = (self.product, self.part);
        if part.rows.len() == 1 {
            return self.one_row::<I>(left);
        }
        let depth = product.right.depth;
        let rows = part.rows.len();
        if let LeftRows::Patches(patches) = product.left
            && let Some(lines) = patches.lines(&part.rows)
        {
            let floats = &mut left[..lines.floats()];
            patches.copy_lines(&lines, floats);
            let left = LeftLines { floats, lines, first: part.rows.start };
            // Some lines at a time, so that they are finished in the first-level cache.
            let line = patches.columns;
            let some = (FRESH / product.right.columns).max(4 * I::ROWS) / line;
            let some = some.max(1) * line;
            for first in (0..rows).step_by(some) {
                self.across::<I, _>(&left, first..rows.min(first + some), 0..depth);
            }
            return;
        }
        if part.panels.len() * depth * PANEL <= NEAR && depth <= K_BLOCK {
            // The weights stay in the first-level cache: so do the rows, if they are copied a tile at a time.
            for first in (0..rows).step_by(I::ROWS) {
                self.rows::<I>(left, first..rows.min(first + I::ROWS), 0..depth);
            }
            return;
        }
        // A product of no depth has one block of no steps, which writes its zeros.
        for first in (0..depth.max(1)).step_by(K_BLOCK) {
            self.rows::<I>(left, 0..rows, first..depth.min(first + K_BLOCK));
        }
    }

    /// Copies some rows (counted from the part's first) over some steps, and multiplies them.
    #[inline(always)]
    fn rows<I: Isa>(&self, left: &mut [f32], rows: Range<usize>, steps: Range<usize>) {
        for (row, to) in rows.clone().zip(left.chunks_exact_mut(LEFT_STRIDE)) {
            self.product.left.copy(self.part.rows.start + row, steps.start, &mut to[..steps.len()]);
        }
        self.across::<I, _>(&LeftRange { floats: left, rows: rows.clone() }, rows, steps);
    }

    /// Some rows over some steps, across all panels.
    #[inline(always)]
    fn across<I: Isa, L: Left>(&self, left: &L, rows: Range<usize>, steps: Range<usize>) {
        let start = self.part.rows.start;
        let last = steps.end == self.product.right.depth && !self.epilogue.is_empty();
        let by_rows = last && self.rows_are_whole(rows.len());
        for panel in self.part.panels.clone() {
            self.panel::<I, L>(left, rows.clone(), &steps, panel);
            if last && !by_rows {
                self.finish_panel::<I>(rows.clone(), panel);
            }
        }
        if by_rows {
            let columns = self.product.right.columns;
            let (first, end) = (self.product.at(start + rows.start, 0), self.product.at(start + rows.end, 0));
            // SAFETY: this part alone owns these rows, and no tile is being written now.
            let values = unsafe { self.out.slice(first..end) };
            self.epilogue.finish_rows::<I>(values, first, self.product.first_column, columns);
        }
    }

    /// Whether so many rows are one piece of the result, which the cache still holds: they are then finished at once.
    fn rows_are_whole(&self, rows: usize) -> bool {
        self.part.is_whole(self.product) && rows * self.product.right.columns <= WARM
    }

    #[inline(always)]
    fn finish_panel<I: Isa>(&self, rows: Range<usize>, panel: usize) {
        let column = panel * PANEL;
        let width = (self.product.right.columns - column).min(PANEL);
        for row in rows {
            let start = self.product.at(self.part.rows.start + row, column);
            // SAFETY: this part alone owns these rows and panels, and no tile is being written now.
            let values = unsafe { self.out.slice(start..start + width) };
            self.epilogue.finish::<I>(values, start, self.product.first_column + column);
        }
    }

    /// Some rows over some steps of one panel.
    #[inline(always)]
    fn panel<I: Isa, L: Left>(&self, left: &L, rows: Range<usize>, steps: &Range<usize>, panel: usize) {
        let turns = rows.len().div_ceil(I::ROWS);
        let (mut turn, mut first) = (0, rows.start);
        while first < rows.end {
            let (begin, alike) = left.at(first);
            let alike = alike.min(rows.end - first);
            let tiles = alike.div_ceil(I::ROWS);
            for t in 0..tiles {
                let own = share(alike, t, tiles);
                let floats = &left.floats()[begin + own.start * left.rows().stride()..];
                let own = first + own.start..first + own.end;
                self.tiles::<I, _>((floats, left.rows()), own, steps, panel, [turn, turns]);
                turn += 1;
            }
            first += alike;
        }
    }

    /// The tiles of some rows (counted from the part's first) across one panel: in their turn, of so many.
    #[inline(always)]
    fn tiles<I: Isa, R: Rows>(
        &self,
        (left, layout): (&[f32], R),
        rows: Range<usize>,
        steps: &Range<usize>,
        panel: usize,
        [turn, turns]: [usize; 2],
    ) {
        let right = self.product.right;
        let panels = right.panels;
        let begin = (panel * right.pitch + steps.start) * PANEL;
        let weights = &panels[begin..begin + steps.len() * PANEL];
        // Each tile of rows fetches its share of the next panel.
        let lines = (4 * PANEL / LINE).div_ceil(turns);
        let ahead = begin + right.pitch * PANEL + turn * (steps.len() / 4) * lines * LINE;
        let next = panels.get(ahead).map_or(ptr::null(), ptr::from_ref);
        let width = (right.columns - panel * PANEL).min(PANEL);
        const { assert!(I::ROWS <= MOST_ROWS && PANEL.is_multiple_of(I::COLUMNS)) };
        let (runs, run) = (layout.runs(), steps.len() / layout.runs());
        let reach = (rows.len() - 1) * layout.stride() + (runs - 1) * layout.run_stride() + run;
        assert!(rows.len() <= I::ROWS && left.len() >= reach && run * runs == steps.len());
        for column in (0..width).step_by(I::COLUMNS) {
            let here = (width - column).min(I::COLUMNS);
            let first = self.product.at(self.part.rows.start + rows.start, panel * PANEL + column);
            let reach = (rows.len() - 1) * self.product.stride + here;
            // SAFETY: this part alone owns these rows and panels, and no other slice of them is alive.
            let sums = unsafe { self.out.slice(first..first + reach) };
            let mut tile = Tile {
                steps: run,
                left: left.as_ptr(),
                rows: layout,
                right: weights[column.min(weights.len())..].as_ptr(),
                panel_stride: 0,
                sums: sums.as_mut_ptr(),
                sums_stride: self.product.stride,
                resume: steps.start > 0,
                last: steps.end == right.depth,
                next,
                lines: if next.is_null() { 0 } else { lines },
            };
            let registers = here.div_ceil(I::LANES);
            if here == registers * I::LANES {
                // SAFETY: `left` holds the rows as they lie and `weights` all steps of a panel (asserted and sliced
                // above); `sums` reaches over all rows of the tile.
                unsafe { I::tile(rows.len(), registers, &tile) };
                continue;
            }
            let mut edge = [0.0; MOST_ROWS * PANEL];
            if tile.resume {
                copy_rows(sums, self.product.stride, &mut edge, PANEL, rows.len(), here);
            }
            (tile.sums, tile.sums_stride) = (edge.as_mut_ptr(), PANEL);
            // SAFETY: as above, and `edge` holds the largest tile there is.
            unsafe { I::tile(rows.len(), registers, &tile) };
            copy_rows(&edge, PANEL, sums, self.product.stride, rows.len(), here);
        }
    }

    /// A single row: bound by reading the weights, so its chains run from end to end, four panels side by side.
    #[inline(always)]
    fn one_row<I: Isa>(&self, left: &mut [f32]) {
        let right = self.product.right;
        let (depth, row) = (right.depth, self.part.rows.start);
        self.product.left.copy(row, 0, &mut left[..depth]);
        let panels = right.panels;
        let mut panel = self.part.panels.start;
        while panel < self.part.panels.end {
            let mut sums = [0.0; ROW_PANELS * PANEL];
            let group = if self.part.panels.end - panel >= ROW_PANELS { ROW_PANELS } else { 1 };
            let weights = &panels[panel * right.pitch * PANEL..((panel + group - 1) * right.pitch + depth) * PANEL];
            let mut tile = Tile {
                steps: depth,
                left: left.as_ptr(),
                rows: Copied,
                right: weights.as_ptr(),
                panel_stride: right.pitch * PANEL,
                sums: sums.as_mut_ptr(),
                sums_stride: PANEL,
                resume: false,
                last: true,
                next: ptr::null(),
                lines: 0,
            };
            if group == ROW_PANELS {
                // SAFETY: `left` holds the row, `weights` four panels of `depth` steps, `sums` four panels' columns.
                unsafe { I::row(&tile) };
            } else {
                for column in (0..PANEL).step_by(I::COLUMNS) {
                    tile.right = weights.as_ptr().wrapping_add(column);
                    tile.sums = sums.as_mut_ptr().wrapping_add(column);
                    // SAFETY: as above, with one panel, from a column that leaves a whole tile.
                    unsafe { I::tile(1, I::COLUMNS / I::LANES, &tile) };
                }
            }
            let column = panel * PANEL;
            let width = (right.columns - column).min(group * PANEL);
            let start = self.product.at(row, column);
            // SAFETY: this part alone owns this row's panels.
            let values = unsafe { self.out.slice(start..start + width) };
            values.copy_from_slice(&sums[..width]);
            self.epilogue.finish::<I>(values, start, self.product.first_column + column);
            panel += group;
        }
    }
}

fn copy_rows(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize, rows: usize, width: usize) {
    for row in 0..rows {
        let source = &from[row * from_stride..row * from_stride + width];
        to[row * to_stride..row * to_stride + width].copy_from_slice(source);
    }
}
