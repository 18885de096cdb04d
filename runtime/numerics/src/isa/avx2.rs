//! AVX2 with FMA.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::*;

use super::tile::{Advance, AdvanceIntegers, Copied, IntegerTile, IntegerVector, Rows, Tile, Vector, by_rows};
use super::{Hard, Isa, Work};
use crate::lanes::{Lanes, ROUNDER, Register, SQRT_HALF_BITS, Several, operators};
use crate::step::{ELEMENT_FLOOR, NAN_BITS, OPERAND_FLOOR};

/// # Safety
/// The processor has AVX2 and FMA.
// Never inlined: a function of all works together would take the compiler minutes.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn with_avx2<W: Work>(work: W) -> W::Output {
    work.run::<Avx2>()
}

#[derive(Clone, Copy)]
pub(super) struct Avx2;

impl Isa for Avx2 {
    type Fused = Hard;
    type Sixteen = Several<Ymm, 2>;
    type Wide = Several<Ymm, 2>;
    const LANES: usize = 8;
    const ROWS: usize = 6;
    const COLUMNS: usize = 16;
    const INTEGER_ROWS: usize = 4;
    const INTEGER_COLUMNS: usize = 16;

    #[inline(always)]
    fn enter<W: Work>(work: W) -> W::Output {
        // SAFETY: the type is used within `with_avx2` alone.
        unsafe { with_avx2(work) }
    }

    #[inline(always)]
    unsafe fn tile<R: Rows>(rows: usize, registers: usize, tile: &Tile<R>) {
        match registers {
            1 => by_rows!(rows, Advance, Ymm, 1, tile, 1 2 3 4 5 6),
            _ => by_rows!(rows, Advance, Ymm, 2, tile, 1 2 3 4 5 6),
        }
    }

    #[inline(always)]
    unsafe fn row(tile: &Tile<Copied>) {
        // SAFETY: the caller's promise: two panels, then two more.
        unsafe {
            Self::enter(Advance::<Ymm, _, 1, 12>::new(tile));
            Self::enter(Advance::<Ymm, _, 1, 12>::new(&Tile {
                right: tile.right.add(2 * tile.panel_stride),
                sums: tile.sums.add(2 * super::tile::PANEL),
                ..*tile
            }));
        }
    }

    #[inline(always)]
    unsafe fn integer_tile(rows: usize, tile: &IntegerTile) {
        by_rows!(rows, AdvanceIntegers, YmmIntegers, 2, tile, 1 2 3 4);
    }
}

#[derive(Clone, Copy)]
pub(super) struct Ymm(__m256);

operators!([] Ymm, a, b:
    // SAFETY: see below.
    Ymm(unsafe { _mm256_add_ps(a.0, b.0) }),
    // SAFETY: see below.
    Ymm(unsafe { _mm256_sub_ps(a.0, b.0) }),
    // SAFETY: see below.
    Ymm(unsafe { _mm256_mul_ps(a.0, b.0) }),
    // SAFETY: see below.
    Ymm(unsafe { _mm256_div_ps(a.0, b.0) }));

// SAFETY, for every block here: the type is used within `with_avx2` alone, whose caller vouches for the features; what
// pointers need is the caller's promise.
impl Lanes for Ymm {
    type Mask = __m256;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    fn fused(a: Self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_fmadd_ps(a.0, b.0, c.0) })
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn floor(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn ceil(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn negated(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_xor_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn with_sign_of(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_or_ps(self.0, _mm256_and_ps(_mm256_set1_ps(-0.0), other.0)) })
    }

    #[inline(always)]
    fn at_least(self, low: Self) -> Self {
        // SAFETY: see above. The second operand is the result where either is NaN, or both are zero.
        Self(unsafe { _mm256_max_ps(low.0, self.0) })
    }

    #[inline(always)]
    fn at_most(self, high: Self) -> Self {
        // SAFETY: as for `at_least`.
        Self(unsafe { _mm256_min_ps(high.0, self.0) })
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        // SAFETY: see above. The second operand is the greater where either is NaN.
        Self(unsafe { _mm256_blendv_ps(_mm256_max_ps(self.0, other.0), self.0, self.is_nan()) })
    }

    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        // SAFETY: as for `greater`.
        Self(unsafe { _mm256_blendv_ps(_mm256_min_ps(self.0, other.0), self.0, self.is_nan()) })
    }

    #[inline(always)]
    fn less(self, other: Self) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn pick(mask: __m256, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_blendv_ps(no.0, yes.0, mask) })
    }

    #[inline(always)]
    fn times_power(self, rounded: Self) -> Self {
        /// What makes the low bits of a rounded number the exponent of half its power.
        const TO_EXPONENT: i32 = 126 - ROUNDER.to_bits() as i32;
        // SAFETY: see above.
        Self(unsafe {
            let exponent = _mm256_add_epi32(_mm256_castps_si256(rounded.0), _mm256_set1_epi32(TO_EXPONENT));
            let half = _mm256_mul_ps(self.0, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)));
            _mm256_add_ps(half, half)
        })
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            let bits = _mm256_castps_si256(self.0);
            let exponent = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_set1_epi32(SQRT_HALF_BITS)));
            let mantissa = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(exponent));
            (Self(_mm256_castsi256_ps(mantissa)), Self(_mm256_cvtepi32_ps(exponent)))
        }
    }

    #[inline(always)]
    fn element(self) -> Self {
        self.or_zero_below(ELEMENT_FLOOR)
    }

    #[inline(always)]
    fn element_of_size(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_and_ps(self.0, _mm256_cmp_ps::<_CMP_NLT_UQ>(self.0, _mm256_set1_ps(ELEMENT_FLOOR))) })
    }

    #[inline(always)]
    fn stored_size(self) -> Self {
        self.element_of_size().canonical()
    }

    #[inline(always)]
    fn operand(self) -> Self {
        self.or_zero_below(OPERAND_FLOOR)
    }

    #[inline(always)]
    fn canonical(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_blendv_ps(self.0, _mm256_set1_ps(f32::from_bits(NAN_BITS)), self.is_nan()) })
    }
}

// SAFETY, for every block here: as above.
impl Register for Ymm {
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, self.0) };
    }
}

impl Ymm {
    #[inline(always)]
    fn is_nan(self) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0) }
    }

    #[inline(always)]
    fn or_zero_below(self, floor: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            // Not less, so that NaN stays.
            let stays = _mm256_cmp_ps::<_CMP_NLT_UQ>(self.abs().0, _mm256_set1_ps(floor));
            _mm256_and_ps(self.0, stays)
        })
    }
}

impl Vector for Ymm {
    #[inline(always)]
    fn prefetch(address: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }
}

/// Sums of products of 16-bit halves: `vpmaddwd` cannot saturate on bytes.
#[derive(Clone, Copy)]
struct YmmIntegers(__m256i);

// SAFETY, for every block here: as for `Ymm`.
impl IntegerVector for YmmIntegers {
    const LANES: usize = 8;
    /// Even and odd bytes, widened.
    type Left = (__m256i, __m256i);
    type Right = (__m256i, __m256i);

    #[inline(always)]
    unsafe fn left(from: *const u8) -> Self::Left {
        // SAFETY: see above.
        unsafe {
            let bytes = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            (_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16::<8>(bytes))
        }
    }

    #[inline(always)]
    unsafe fn right(from: *const i8) -> Self::Right {
        // SAFETY: see above.
        unsafe {
            let bytes = _mm256_loadu_si256(from.cast());
            (_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes)), _mm256_srai_epi16::<8>(bytes))
        }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_loadu_si256(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) };
    }

    #[inline(always)]
    fn dot(self, left: Self::Left, right: Self::Right) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let even = _mm256_madd_epi16(left.0, right.0);
            let odd = _mm256_madd_epi16(left.1, right.1);
            _mm256_add_epi32(self.0, _mm256_add_epi32(even, odd))
        })
    }
}
