//! The inner loops of matrix products, generic over the register.
#![expect(unsafe_code, reason = "raw rows and registers: the bounds are the caller's, checked once for a block")]

use std::marker::PhantomData;

use super::{Isa, Work};
use crate::lanes::Register;

/// Columns of a panel of packed weights.
pub(crate) const PANEL: usize = 48;
/// Columns that lie side by side in packed bytes.
pub(crate) const STRIP: usize = 16;
/// Distance between the rows of a copied block of the left operand: [`K_BLOCK`] and a line, so that rows do not alias.
pub(crate) const LEFT_STRIDE: usize = K_BLOCK + 16;
/// The most steps of a chain before its sums are put down.
pub(crate) const K_BLOCK: usize = 384;

/// Floats of a cache line.
pub(crate) const LINE: usize = 16;

/// How the rows of a tile lie in memory. A row is some runs of as many steps each.
pub(crate) trait Rows: Copy {
    /// Floats from a row to the next.
    fn stride(self) -> usize;
    /// Runs of a row, one at least.
    fn runs(self) -> usize;
    /// Floats from the beginning of a run to that of the next.
    fn run_stride(self) -> usize;
}

/// Rows that were copied one by one: at [`LEFT_STRIDE`], each in one run.
#[derive(Clone, Copy)]
pub(crate) struct Copied;

impl Rows for Copied {
    #[inline(always)]
    fn stride(self) -> usize {
        LEFT_STRIDE
    }

    #[inline(always)]
    fn runs(self) -> usize {
        1
    }

    #[inline(always)]
    fn run_stride(self) -> usize {
        0
    }
}

/// Patches of an image, side by side: they overlap. A run for each of a filter's rows.
#[derive(Clone, Copy)]
pub(crate) struct Sliding {
    pub stride: usize,
    pub runs: usize,
    pub run_stride: usize,
}

impl Rows for Sliding {
    #[inline(always)]
    fn stride(self) -> usize {
        self.stride
    }

    #[inline(always)]
    fn runs(self) -> usize {
        self.runs
    }

    #[inline(always)]
    fn run_stride(self) -> usize {
        self.run_stride
    }
}

/// Chains to advance: `sums[r][c] = fused(left[r][k], right[k][c], sums[r][c])` for each k in turn.
pub(crate) struct Tile<R> {
    /// Of each run.
    pub steps: usize,
    pub left: *const f32,
    pub rows: R,
    /// Rows of a panel, at [`PANEL`].
    pub right: *const f32,
    /// From a panel to the next; of use to [`super::Isa::row`].
    pub panel_stride: usize,
    pub sums: *mut f32,
    pub sums_stride: usize,
    /// Go on from the sums in memory, not from +0.
    pub resume: bool,
    /// These are the chains' last steps: NaNs become the one NaN.
    pub last: bool,
    /// Where the next panel lies, to be fetched meanwhile.
    pub next: *const f32,
    /// Cache lines of it to fetch in the time of four steps.
    pub lines: usize,
}

/// A register of floats.
pub(crate) trait Vector: Register {
    /// A hint; any address will do.
    fn prefetch(address: *const f32);
}

/// `ROWS` rows × `COLUMNS` registers.
///
/// # Safety
/// `tile`'s pointers are good for `ROWS` rows, `COLUMNS` registers and its number of steps.
#[inline(always)]
unsafe fn advance<V: Vector, R: Rows, const ROWS: usize, const COLUMNS: usize>(tile: &Tile<R>) {
    let mut sums = [[V::splat(0.0); COLUMNS]; ROWS];
    // SAFETY: within the caller's promise for reading and writing sums, and for each k < steps.
    unsafe {
        if tile.resume {
            for (r, row) in sums.iter_mut().enumerate() {
                for (c, sum) in row.iter_mut().enumerate() {
                    *sum = V::load(tile.sums.add(r * tile.sums_stride + c * V::COUNT));
                }
            }
        }
        let strides = [tile.rows.stride(), tile.panel_stride];
        let (mut right, mut next) = (tile.right, tile.next);
        for run in 0..tile.rows.runs() {
            let mut left = tile.left.add(run * tile.rows.run_stride());
            for _ in 0..tile.steps / 4 {
                for _ in 0..tile.lines {
                    V::prefetch(next);
                    next = next.wrapping_add(LINE);
                }
                step::<V, ROWS, COLUMNS>(&mut sums, left, right, strides);
                step::<V, ROWS, COLUMNS>(&mut sums, left.add(1), right.add(PANEL), strides);
                step::<V, ROWS, COLUMNS>(&mut sums, left.add(2), right.add(2 * PANEL), strides);
                step::<V, ROWS, COLUMNS>(&mut sums, left.add(3), right.add(3 * PANEL), strides);
                left = left.add(4);
                right = right.add(4 * PANEL);
            }
            for _ in 0..tile.steps % 4 {
                step::<V, ROWS, COLUMNS>(&mut sums, left, right, strides);
                left = left.add(1);
                right = right.add(PANEL);
            }
        }
        for (r, row) in sums.iter().enumerate() {
            for (c, &sum) in row.iter().enumerate() {
                let sum = if tile.last { sum.canonical() } else { sum };
                sum.store(tile.sums.add(r * tile.sums_stride + c * V::COUNT));
            }
        }
    }
}

/// One k.
///
/// # Safety
/// As for [`advance`], at one step.
#[inline(always)]
unsafe fn step<V: Vector, const ROWS: usize, const COLUMNS: usize>(
    sums: &mut [[V; COLUMNS]; ROWS],
    left: *const f32,
    right: *const f32,
    [left_stride, panel_stride]: [usize; 2],
) {
    let registers = PANEL / V::COUNT;
    let mut weights = [V::splat(0.0); COLUMNS];
    for (c, weight) in weights.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *weight = unsafe { V::load(right.add(c / registers * panel_stride + c % registers * V::COUNT)) };
    }
    for (r, row) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        let value = V::splat(unsafe { *left.add(r * left_stride) });
        for (sum, &weight) in row.iter_mut().zip(&weights) {
            *sum = V::fused(value, weight, *sum);
        }
    }
}

/// Integer dot products to advance, four k at a time: `sums[r][c] += Σ left[r][k] · right[k][c]`, modulo 2³².
pub(crate) struct IntegerTile {
    /// Groups of four k.
    pub groups: usize,
    /// Rows of unsigned bytes, `left_stride` bytes apart.
    pub left: *const u8,
    pub left_stride: usize,
    /// For each group, [`STRIP`] columns of four signed bytes.
    pub right: *const i8,
    /// Bytes from a group to the next.
    pub group_stride: usize,
    /// Bytes from [`STRIP`] columns to the next.
    pub strip_stride: usize,
    pub sums: *mut i32,
    pub sums_stride: usize,
}

/// A register of 32-bit sums.
pub(crate) trait IntegerVector: Copy {
    const LANES: usize;
    /// Four unsigned bytes, ready to multiply every lane.
    type Left: Copy;
    /// Four signed bytes a lane, ready to be multiplied.
    type Right: Copy;
    /// # Safety
    /// `from` is good for reading four bytes.
    unsafe fn left(from: *const u8) -> Self::Left;
    /// # Safety
    /// `from` is good for reading 4 × [`Self::LANES`] bytes.
    unsafe fn right(from: *const i8) -> Self::Right;
    /// # Safety
    /// `from` is good for reading [`Self::LANES`] sums.
    unsafe fn load(from: *const i32) -> Self;
    /// # Safety
    /// `to` is good for writing [`Self::LANES`] sums.
    unsafe fn store(self, to: *mut i32);
    fn dot(self, left: Self::Left, right: Self::Right) -> Self;
}

/// `ROWS` rows × `COLUMNS` registers of integer sums.
///
/// # Safety
/// `tile`'s pointers are good for `ROWS` rows, `COLUMNS` registers and its number of groups.
#[inline(always)]
unsafe fn advance_integers<V: IntegerVector, const ROWS: usize, const COLUMNS: usize>(tile: &IntegerTile) {
    // SAFETY: within the caller's promise for reading and writing sums, and for each group.
    unsafe {
        let mut sums = [[V::load(tile.sums); COLUMNS]; ROWS];
        for (r, row) in sums.iter_mut().enumerate() {
            for (c, sum) in row.iter_mut().enumerate() {
                *sum = V::load(tile.sums.add(r * tile.sums_stride + c * V::LANES));
            }
        }
        let (mut left, mut right) = (tile.left, tile.right);
        for _ in 0..tile.groups {
            let mut weights = [V::right(right); COLUMNS];
            for (c, weight) in weights.iter_mut().enumerate() {
                let column = c * V::LANES;
                *weight = V::right(right.add(column / STRIP * tile.strip_stride + column % STRIP * 4));
            }
            for (r, row) in sums.iter_mut().enumerate() {
                let value = V::left(left.add(r * tile.left_stride));
                for (sum, &weight) in row.iter_mut().zip(&weights) {
                    *sum = sum.dot(value, weight);
                }
            }
            left = left.add(4);
            right = right.add(tile.group_stride);
        }
        for (r, row) in sums.iter().enumerate() {
            for (c, &sum) in row.iter().enumerate() {
                sum.store(tile.sums.add(r * tile.sums_stride + c * V::LANES));
            }
        }
    }
}

/// [`advance`] as a function of its own: each number of rows and registers is compiled once for an instruction set, not
/// within every product that uses it.
pub(super) struct Advance<'a, V, T, const ROWS: usize, const COLUMNS: usize>(&'a T, PhantomData<V>);

impl<'a, V, R, const ROWS: usize, const COLUMNS: usize> Advance<'a, V, Tile<R>, ROWS, COLUMNS> {
    /// # Safety
    /// As for [`advance`].
    #[inline(always)]
    pub(super) unsafe fn new(tile: &'a Tile<R>) -> Self {
        Self(tile, PhantomData)
    }
}

impl<V: Vector, R: Rows, const ROWS: usize, const COLUMNS: usize> Work for Advance<'_, V, Tile<R>, ROWS, COLUMNS> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: promised when it was made.
        unsafe { advance::<V, R, ROWS, COLUMNS>(self.0) };
    }
}

/// [`advance_integers`] as a function of its own.
pub(super) struct AdvanceIntegers<'a, V, T, const ROWS: usize, const COLUMNS: usize>(&'a T, PhantomData<V>);

impl<'a, V, const ROWS: usize, const COLUMNS: usize> AdvanceIntegers<'a, V, IntegerTile, ROWS, COLUMNS> {
    /// # Safety
    /// As for [`advance_integers`].
    #[inline(always)]
    pub(super) unsafe fn new(tile: &'a IntegerTile) -> Self {
        Self(tile, PhantomData)
    }
}

impl<V: IntegerVector, const ROWS: usize, const COLUMNS: usize> Work
    for AdvanceIntegers<'_, V, IntegerTile, ROWS, COLUMNS>
{
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: promised when it was made.
        unsafe { advance_integers::<V, ROWS, COLUMNS>(self.0) };
    }
}

/// Enters the tile function of the given number of rows.
macro_rules! by_rows {
    ($rows:expr, $function:ident, $vector:ty, $columns:literal, $tile:expr, $($count:literal)*) => {
        match $rows {
            // SAFETY: the caller's promise, for this number of rows.
            $($count => Self::enter(unsafe { $function::<$vector, _, $count, $columns>::new($tile) }),)*
            _ => unreachable!("a tile has 1 to its most rows"),
        }
    };
}
pub(super) use by_rows;
