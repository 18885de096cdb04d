//! NEON, which every aarch64 processor has.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::aarch64::*;

use super::portable::Integers;
use super::tile::{IntegerTile, Tile, Vector, advance, advance_integers, by_rows};
use super::{Hard, Isa};
use crate::step::NAN_BITS;

#[derive(Clone, Copy)]
pub(super) struct Neon;

impl Isa for Neon {
    type Fused = Hard;
    const LANES: usize = 4;
    const ROWS: usize = 8;
    const COLUMNS: usize = 12;
    const INTEGER_ROWS: usize = 4;
    const INTEGER_COLUMNS: usize = 8;

    #[inline(always)]
    unsafe fn tile(rows: usize, registers: usize, tile: &Tile) {
        match registers {
            1 => by_rows!(rows, advance, Quad, 1, tile, 1 2 3 4 5 6 7 8),
            2 => by_rows!(rows, advance, Quad, 2, tile, 1 2 3 4 5 6 7 8),
            _ => by_rows!(rows, advance, Quad, 3, tile, 1 2 3 4 5 6 7 8),
        }
    }

    #[inline(always)]
    unsafe fn row(tile: &Tile) {
        for panel in 0..4 {
            // SAFETY: the caller's promise: four panels, each of them one row of twelve registers.
            unsafe {
                advance::<Quad, 1, 12>(&Tile {
                    right: tile.right.add(panel * tile.panel_stride),
                    sums: tile.sums.add(panel * super::tile::PANEL),
                    ..*tile
                });
            }
        }
    }

    #[inline(always)]
    unsafe fn integer_tile(rows: usize, tile: &IntegerTile) {
        by_rows!(rows, advance_integers, Integers, 1, tile, 1 2 3 4);
    }
}

#[derive(Clone, Copy)]
struct Quad(float32x4_t);

// SAFETY, for every block here: NEON is part of the architecture; what pointers need is the caller's promise.
impl Vector for Quad {
    const LANES: usize = 4;

    #[inline(always)]
    fn zero() -> Self {
        Self::splat(0.0)
    }

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { vdupq_n_f32(x) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { vld1q_f32(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { vst1q_f32(to, self.0) };
    }

    #[inline(always)]
    fn fused(a: Self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vfmaq_f32(c.0, a.0, b.0) })
    }

    #[inline(always)]
    fn canonical(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vbslq_f32(vceqq_f32(self.0, self.0), self.0, vdupq_n_f32(f32::from_bits(NAN_BITS))) })
    }

    #[inline(always)]
    fn prefetch(_: *const f32) {}
}
