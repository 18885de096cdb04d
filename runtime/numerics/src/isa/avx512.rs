//! AVX-512 with VNNI.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::*;

use super::tile::{Advance, AdvanceIntegers, Copied, IntegerTile, IntegerVector, Rows, Tile, Vector, by_rows};
use super::{Hard, Isa, Work};
use crate::lanes::{Lanes, ROUNDER, Register, SQRT_HALF_BITS, Several, operators};
use crate::step::{ELEMENT_FLOOR, NAN_BITS, OPERAND_FLOOR};

/// # Safety
/// The processor has AVX-512 F, BW, VL, DQ and VNNI, AVX2 and FMA.
// Never inlined: a function of all works together would take the compiler minutes.
#[inline(never)]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) unsafe fn with_avx512<W: Work>(work: W) -> W::Output {
    work.run::<Avx512>()
}

#[derive(Clone, Copy)]
pub(super) struct Avx512;

impl Isa for Avx512 {
    type Fused = Hard;
    type Sixteen = Zmm;
    type Wide = Several<Zmm, 3>;
    const LANES: usize = 16;
    const ROWS: usize = 9;
    const COLUMNS: usize = 48;
    const INTEGER_ROWS: usize = 9;
    const INTEGER_COLUMNS: usize = 48;

    #[inline(always)]
    fn enter<W: Work>(work: W) -> W::Output {
        // SAFETY: the type is used within `with_avx512` alone.
        unsafe { with_avx512(work) }
    }

    #[inline(always)]
    fn turn(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
        assert!(from.len() >= 15 * from_stride + 16 && to.len() >= 15 * to_stride + 16, "two squares");
        let mut rows = [Zmm::splat(0.0); 16];
        for (r, row) in rows.iter_mut().enumerate() {
            // SAFETY: within the square, as asserted.
            *row = unsafe { Zmm::load(from.as_ptr().add(r * from_stride)) }.operand();
        }
        for (c, column) in turned(rows).into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { column.store(to.as_mut_ptr().add(c * to_stride)) };
        }
    }

    #[inline(always)]
    unsafe fn tile<R: Rows>(rows: usize, registers: usize, tile: &Tile<R>) {
        match registers {
            1 => by_rows!(rows, Advance, Zmm, 1, tile, 1 2 3 4 5 6 7 8 9),
            2 => by_rows!(rows, Advance, Zmm, 2, tile, 1 2 3 4 5 6 7 8 9),
            _ => by_rows!(rows, Advance, Zmm, 3, tile, 1 2 3 4 5 6 7 8 9),
        }
    }

    #[inline(always)]
    unsafe fn row(tile: &Tile<Copied>) {
        // SAFETY: the caller's promise.
        unsafe { Self::enter(Advance::<Zmm, _, 1, 12>::new(tile)) };
    }

    #[inline(always)]
    unsafe fn integer_tile(rows: usize, tile: &IntegerTile) {
        by_rows!(rows, AdvanceIntegers, ZmmIntegers, 3, tile, 1 2 3 4 5 6 7 8 9);
    }
}

/// Rows to columns: pairs of rows are interleaved, then pairs of pairs, then quarters of registers.
#[inline(always)]
fn turned(rows: [Zmm; 16]) -> [Zmm; 16] {
    let mut fours = [Zmm::splat(0.0); 16];
    for group in 0..4 {
        let (a, b) = (rows[4 * group].0, rows[4 * group + 1].0);
        let (c, d) = (rows[4 * group + 2].0, rows[4 * group + 3].0);
        // SAFETY: used within `with_avx512` alone.
        unsafe {
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            fours[4 * group] = Zmm(_mm512_shuffle_ps::<0b01_00_01_00>(ab, cd));
            fours[4 * group + 1] = Zmm(_mm512_shuffle_ps::<0b11_10_11_10>(ab, cd));
            let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            fours[4 * group + 2] = Zmm(_mm512_shuffle_ps::<0b01_00_01_00>(ab, cd));
            fours[4 * group + 3] = Zmm(_mm512_shuffle_ps::<0b11_10_11_10>(ab, cd));
        }
    }
    // Of `fours[4 g + i]`, quarter q holds column 4 q + i of rows 4 g to 4 g + 3.
    let mut columns = [Zmm::splat(0.0); 16];
    for i in 0..4 {
        let (a, b, c, d) = (fours[i].0, fours[4 + i].0, fours[8 + i].0, fours[12 + i].0);
        // SAFETY: as above.
        unsafe {
            let (low, high) =
                (_mm512_shuffle_f32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_f32x4::<0b01_00_01_00>(c, d));
            columns[i] = Zmm(_mm512_shuffle_f32x4::<0b10_00_10_00>(low, high));
            columns[4 + i] = Zmm(_mm512_shuffle_f32x4::<0b11_01_11_01>(low, high));
            let (low, high) =
                (_mm512_shuffle_f32x4::<0b11_10_11_10>(a, b), _mm512_shuffle_f32x4::<0b11_10_11_10>(c, d));
            columns[8 + i] = Zmm(_mm512_shuffle_f32x4::<0b10_00_10_00>(low, high));
            columns[12 + i] = Zmm(_mm512_shuffle_f32x4::<0b11_01_11_01>(low, high));
        }
    }
    columns
}

#[derive(Clone, Copy)]
pub(super) struct Zmm(__m512);

operators!([] Zmm, a, b:
    // SAFETY: see below.
    Zmm(unsafe { _mm512_add_ps(a.0, b.0) }),
    // SAFETY: see below.
    Zmm(unsafe { _mm512_sub_ps(a.0, b.0) }),
    // SAFETY: see below.
    Zmm(unsafe { _mm512_mul_ps(a.0, b.0) }),
    // SAFETY: see below.
    Zmm(unsafe { _mm512_div_ps(a.0, b.0) }));

// SAFETY, for every block here: the type is used within `with_avx512` alone, whose caller vouches for the features;
// what pointers need is the caller's promise.
impl Lanes for Zmm {
    type Mask = __mmask16;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    fn fused(a: Self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, c.0) })
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn floor(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn ceil(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_andnot_ps(_mm512_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn negated(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_xor_ps(_mm512_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn with_sign_of(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_or_ps(self.0, _mm512_and_ps(_mm512_set1_ps(-0.0), other.0)) })
    }

    #[inline(always)]
    fn at_least(self, low: Self) -> Self {
        // SAFETY: see above. The second operand is the result where either is NaN, or both are zero.
        Self(unsafe { _mm512_max_ps(low.0, self.0) })
    }

    #[inline(always)]
    fn at_most(self, high: Self) -> Self {
        // SAFETY: as for `at_least`.
        Self(unsafe { _mm512_min_ps(high.0, self.0) })
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        // SAFETY: see above. The second operand is the greater where either is NaN.
        Self(unsafe { _mm512_mask_mov_ps(_mm512_max_ps(self.0, other.0), self.is_nan(), self.0) })
    }

    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        // SAFETY: as for `greater`.
        Self(unsafe { _mm512_mask_mov_ps(_mm512_min_ps(self.0, other.0), self.is_nan(), self.0) })
    }

    #[inline(always)]
    fn less(self, other: Self) -> __mmask16 {
        // SAFETY: see above.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn pick(mask: __mmask16, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
    }

    #[inline(always)]
    fn times_power(self, rounded: Self) -> Self {
        // SAFETY: see above. In the range of the powers, the instruction rounds as the multiplication does.
        Self(unsafe { _mm512_scalef_ps(self.0, _mm512_sub_ps(rounded.0, _mm512_set1_ps(ROUNDER))) })
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            let bits = _mm512_castps_si512(self.0);
            let exponent = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_set1_epi32(SQRT_HALF_BITS)));
            let mantissa = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(exponent));
            (Self(_mm512_castsi512_ps(mantissa)), Self(_mm512_cvtepi32_ps(exponent)))
        }
    }

    #[inline(always)]
    fn element(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_maskz_mov_ps(self.abs().not_below(ELEMENT_FLOOR), self.0) })
    }

    #[inline(always)]
    fn element_of_size(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_maskz_mov_ps(self.not_below(ELEMENT_FLOOR), self.0) })
    }

    #[inline(always)]
    fn operand(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_maskz_mov_ps(self.abs().not_below(OPERAND_FLOOR), self.0) })
    }

    #[inline(always)]
    fn canonical(self) -> Self {
        self.canonical_where(!0)
    }

    #[inline(always)]
    fn stored(self) -> Self {
        self.canonical_where(self.abs().not_below(ELEMENT_FLOOR))
    }

    #[inline(always)]
    fn stored_size(self) -> Self {
        self.canonical_where(self.not_below(ELEMENT_FLOOR))
    }
}

// SAFETY, for every block here: as above.
impl Register for Zmm {
    const COUNT: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, self.0) };
    }
}

impl Zmm {
    #[inline(always)]
    fn is_nan(self) -> __mmask16 {
        // SAFETY: see above.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) }
    }

    /// NaN is not.
    #[inline(always)]
    fn not_below(self, floor: f32) -> __mmask16 {
        // SAFETY: see above.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(self.0, _mm512_set1_ps(floor)) }
    }

    /// The one NaN for any NaN, and +0 outside the mask: in one instruction.
    #[inline(always)]
    fn canonical_where(self, mask: __mmask16) -> Self {
        /// For each class of floats from the lowest four bits up: 0 (the two kinds of NaN) takes the first operand, 1
        /// the second.
        const CLASSES: i32 = 0x1111_1100;
        // SAFETY: see above.
        Self(unsafe {
            let nan = _mm512_set1_ps(f32::from_bits(NAN_BITS));
            _mm512_maskz_fixupimm_ps::<0>(mask, nan, self.0, _mm512_set1_epi32(CLASSES))
        })
    }
}

impl Vector for Zmm {
    #[inline(always)]
    fn prefetch(address: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }
}

#[derive(Clone, Copy)]
struct ZmmIntegers(__m512i);

// SAFETY, for every block here: as for `Zmm`.
impl IntegerVector for ZmmIntegers {
    const LANES: usize = 16;
    type Left = __m512i;
    type Right = __m512i;

    #[inline(always)]
    unsafe fn left(from: *const u8) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn right(from: *const i8) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_loadu_si512(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) };
    }

    #[inline(always)]
    fn dot(self, left: __m512i, right: __m512i) -> Self {
        // SAFETY: see above. The form that wraps, not the one that saturates.
        Self(unsafe { _mm512_dpbusd_epi32(self.0, left, right) })
    }
}
