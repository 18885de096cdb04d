//! NEON, which every aarch64 processor has.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::aarch64::*;

use super::portable::Integers;
use super::tile::{Advance, AdvanceIntegers, Copied, IntegerTile, Rows, Tile, Vector, by_rows};
use super::{Hard, Isa, Work};
use crate::lanes::{Lanes, ROUNDER, Register, SQRT_HALF_BITS, Several, operators};
use crate::step::{ELEMENT_FLOOR, NAN_BITS, OPERAND_FLOOR};

#[derive(Clone, Copy)]
pub(super) struct Neon;

impl Isa for Neon {
    type Fused = Hard;
    type Sixteen = Several<Quad, 4>;
    type Wide = Several<Quad, 4>;
    const LANES: usize = 4;
    const ROWS: usize = 8;
    const COLUMNS: usize = 12;
    const INTEGER_ROWS: usize = 4;
    const INTEGER_COLUMNS: usize = 8;

    #[inline(never)]
    fn enter<W: Work>(work: W) -> W::Output {
        work.run::<Self>()
    }

    #[inline(always)]
    unsafe fn tile<R: Rows>(rows: usize, registers: usize, tile: &Tile<R>) {
        match registers {
            1 => by_rows!(rows, Advance, Quad, 1, tile, 1 2 3 4 5 6 7 8),
            2 => by_rows!(rows, Advance, Quad, 2, tile, 1 2 3 4 5 6 7 8),
            _ => by_rows!(rows, Advance, Quad, 3, tile, 1 2 3 4 5 6 7 8),
        }
    }

    #[inline(always)]
    unsafe fn row(tile: &Tile<Copied>) {
        for panel in 0..4 {
            // SAFETY: the caller's promise: four panels, each of them one row of twelve registers.
            unsafe {
                Self::enter(Advance::<Quad, _, 1, 12>::new(&Tile {
                    right: tile.right.add(panel * tile.panel_stride),
                    sums: tile.sums.add(panel * super::tile::PANEL),
                    ..*tile
                }));
            }
        }
    }

    #[inline(always)]
    unsafe fn integer_tile(rows: usize, tile: &IntegerTile) {
        by_rows!(rows, AdvanceIntegers, Integers, 1, tile, 1 2 3 4);
    }
}

#[derive(Clone, Copy)]
pub(super) struct Quad(float32x4_t);

operators!([] Quad, a, b:
    // SAFETY: see below.
    Quad(unsafe { vaddq_f32(a.0, b.0) }),
    // SAFETY: see below.
    Quad(unsafe { vsubq_f32(a.0, b.0) }),
    // SAFETY: see below.
    Quad(unsafe { vmulq_f32(a.0, b.0) }),
    // SAFETY: see below.
    Quad(unsafe { vdivq_f32(a.0, b.0) }));

// SAFETY, for every block here: NEON is part of the architecture; what pointers need is the caller's promise.
impl Lanes for Quad {
    type Mask = uint32x4_t;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { vdupq_n_f32(x) })
    }

    #[inline(always)]
    fn fused(a: Self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vfmaq_f32(c.0, a.0, b.0) })
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vsqrtq_f32(self.0) })
    }

    #[inline(always)]
    fn floor(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vrndmq_f32(self.0) })
    }

    #[inline(always)]
    fn ceil(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vrndpq_f32(self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vrndnq_f32(self.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vabsq_f32(self.0) })
    }

    #[inline(always)]
    fn negated(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vnegq_f32(self.0) })
    }

    #[inline(always)]
    fn with_sign_of(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vbslq_f32(vdupq_n_u32(0x8000_0000), other.0, self.0) })
    }

    #[inline(always)]
    fn at_least(self, low: Self) -> Self {
        Self::pick(self.less(low), low, self)
    }

    #[inline(always)]
    fn at_most(self, high: Self) -> Self {
        Self::pick(high.less(self), high, self)
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        // SAFETY: NEON is part of aarch64. The instruction's result is NaN if either operand is.
        Self(unsafe { vmaxq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        // SAFETY: as for `greater`.
        Self(unsafe { vminq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn less(self, other: Self) -> uint32x4_t {
        // SAFETY: see above.
        unsafe { vcltq_f32(self.0, other.0) }
    }

    #[inline(always)]
    fn pick(mask: uint32x4_t, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vbslq_f32(mask, yes.0, no.0) })
    }

    #[inline(always)]
    fn times_power(self, rounded: Self) -> Self {
        /// What makes the low bits of a rounded number the exponent of half its power.
        const TO_EXPONENT: i32 = 126 - ROUNDER.to_bits() as i32;
        // SAFETY: see above.
        Self(unsafe {
            let exponent = vaddq_s32(vreinterpretq_s32_f32(rounded.0), vdupq_n_s32(TO_EXPONENT));
            let half = vmulq_f32(self.0, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)));
            vaddq_f32(half, half)
        })
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            let bits = vreinterpretq_s32_f32(self.0);
            let exponent = vshrq_n_s32::<23>(vsubq_s32(bits, vdupq_n_s32(SQRT_HALF_BITS)));
            let mantissa = vsubq_s32(bits, vshlq_n_s32::<23>(exponent));
            (Self(vreinterpretq_f32_s32(mantissa)), Self(vcvtq_f32_s32(exponent)))
        }
    }

    #[inline(always)]
    fn element(self) -> Self {
        Self::pick(self.abs().less(Self::splat(ELEMENT_FLOOR)), Self::splat(0.0), self)
    }

    #[inline(always)]
    fn operand(self) -> Self {
        Self::pick(self.abs().less(Self::splat(OPERAND_FLOOR)), Self::splat(0.0), self)
    }

    #[inline(always)]
    fn canonical(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vbslq_f32(vceqq_f32(self.0, self.0), self.0, vdupq_n_f32(f32::from_bits(NAN_BITS))) })
    }
}

// SAFETY, for every block here: as above.
impl Register for Quad {
    const COUNT: usize = 4;

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
}

impl Vector for Quad {
    #[inline(always)]
    fn prefetch(_: *const f32) {}
}
