//! Any processor: the fused step in software, loops as the compiler makes them.
#![expect(unsafe_code, reason = "rows of a tile")]

use super::tile::{Advance, AdvanceIntegers, Copied, IntegerTile, IntegerVector, Rows, Tile, Vector, by_rows};
use super::{Isa, Soft, Work};
use crate::lanes::{One, Several};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 8;

impl Isa for Portable {
    type Fused = Soft;
    type Sixteen = Several<One<Soft>, 16>;
    // The compiler makes vectors of the loops around it.
    type Wide = One<Soft>;
    const LANES: usize = LANES;
    const ROWS: usize = 4;
    const COLUMNS: usize = LANES;
    const INTEGER_ROWS: usize = 4;
    const INTEGER_COLUMNS: usize = LANES;

    #[inline(never)]
    fn enter<W: Work>(work: W) -> W::Output {
        work.run::<Self>()
    }

    #[inline(always)]
    unsafe fn tile<R: Rows>(rows: usize, _: usize, tile: &Tile<R>) {
        by_rows!(rows, Advance, Floats, 1, tile, 1 2 3 4);
    }

    #[inline(always)]
    unsafe fn row(tile: &Tile<Copied>) {
        // SAFETY: the caller's promise.
        unsafe { Self::enter(Advance::<Floats, _, 1, 24>::new(tile)) };
    }

    #[inline(always)]
    unsafe fn integer_tile(rows: usize, tile: &IntegerTile) {
        by_rows!(rows, AdvanceIntegers, Integers, 1, tile, 1 2 3 4);
    }
}

type Floats = Several<One<Soft>, LANES>;

impl Vector for Floats {
    #[inline(always)]
    fn prefetch(_: *const f32) {}
}

/// Exact integer sums; also NEON's, where the compiler makes the vectors.
#[derive(Clone, Copy)]
pub(super) struct Integers([i32; LANES]);

impl IntegerVector for Integers {
    const LANES: usize = LANES;
    type Left = [i32; 4];
    type Right = [i8; 4 * LANES];

    #[inline(always)]
    unsafe fn left(from: *const u8) -> [i32; 4] {
        // SAFETY: the caller's promise.
        unsafe { *from.cast::<[u8; 4]>() }.map(i32::from)
    }

    #[inline(always)]
    unsafe fn right(from: *const i8) -> Self::Right {
        // SAFETY: the caller's promise.
        unsafe { *from.cast() }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { *from.cast() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: the caller's promise.
        unsafe { *to.cast() = self.0 };
    }

    #[inline(always)]
    fn dot(self, left: [i32; 4], right: Self::Right) -> Self {
        let mut sums = self.0;
        for (i, sum) in sums.iter_mut().enumerate() {
            for (k, &value) in left.iter().enumerate() {
                *sum = sum.wrapping_add(value * i32::from(right[4 * i + k]));
            }
        }
        Self(sums)
    }
}
