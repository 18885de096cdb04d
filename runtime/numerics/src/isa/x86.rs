//! AVX2 with FMA, and AVX-512 with VNNI.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::*;

use super::tile::{IntegerTile, IntegerVector, Tile, Vector, advance, advance_integers, by_rows};
use super::{Hard, Isa, Work};
use crate::step::NAN_BITS;

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn with_avx2<W: Work>(work: W) -> W::Output {
    work.run::<Avx2>()
}

/// # Safety
/// The processor has AVX-512 F, BW, VL, DQ and VNNI, AVX2 and FMA.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) unsafe fn with_avx512<W: Work>(work: W) -> W::Output {
    work.run::<Avx512>()
}

#[derive(Clone, Copy)]
pub(super) struct Avx2;

impl Isa for Avx2 {
    type Fused = Hard;
    const LANES: usize = 8;
    const ROWS: usize = 6;
    const COLUMNS: usize = 16;
    const INTEGER_ROWS: usize = 4;
    const INTEGER_COLUMNS: usize = 16;

    #[inline(always)]
    unsafe fn tile(rows: usize, registers: usize, tile: &Tile) {
        match registers {
            1 => by_rows!(rows, advance, Ymm, 1, tile, 1 2 3 4 5 6),
            _ => by_rows!(rows, advance, Ymm, 2, tile, 1 2 3 4 5 6),
        }
    }

    #[inline(always)]
    unsafe fn row(tile: &Tile) {
        // SAFETY: the caller's promise: two panels, then two more.
        unsafe {
            advance::<Ymm, 1, 12>(tile);
            advance::<Ymm, 1, 12>(&Tile {
                right: tile.right.add(2 * tile.panel_stride),
                sums: tile.sums.add(2 * super::tile::PANEL),
                ..*tile
            });
        }
    }

    #[inline(always)]
    unsafe fn integer_tile(rows: usize, tile: &IntegerTile) {
        by_rows!(rows, advance_integers, YmmIntegers, 2, tile, 1 2 3 4);
    }
}

#[derive(Clone, Copy)]
struct Ymm(__m256);

// SAFETY, for every block here: the type is used within `with_avx2` alone, whose caller vouches for the features; what
// pointers need is the caller's promise.
impl Vector for Ymm {
    const LANES: usize = 8;

    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_setzero_ps() })
    }

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_set1_ps(x) })
    }

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

    #[inline(always)]
    fn fused(a: Self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_fmadd_ps(a.0, b.0, c.0) })
    }

    #[inline(always)]
    fn canonical(self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let unordered = _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0);
            _mm256_blendv_ps(self.0, _mm256_set1_ps(f32::from_bits(NAN_BITS)), unordered)
        })
    }

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

#[derive(Clone, Copy)]
pub(super) struct Avx512;

impl Isa for Avx512 {
    type Fused = Hard;
    const LANES: usize = 16;
    const ROWS: usize = 9;
    const COLUMNS: usize = 48;
    const INTEGER_ROWS: usize = 9;
    const INTEGER_COLUMNS: usize = 48;

    #[inline(always)]
    unsafe fn tile(rows: usize, registers: usize, tile: &Tile) {
        match registers {
            1 => by_rows!(rows, advance, Zmm, 1, tile, 1 2 3 4 5 6 7 8 9),
            2 => by_rows!(rows, advance, Zmm, 2, tile, 1 2 3 4 5 6 7 8 9),
            _ => by_rows!(rows, advance, Zmm, 3, tile, 1 2 3 4 5 6 7 8 9),
        }
    }

    #[inline(always)]
    unsafe fn row(tile: &Tile) {
        // SAFETY: the caller's promise.
        unsafe { advance::<Zmm, 1, 12>(tile) };
    }

    #[inline(always)]
    unsafe fn integer_tile(rows: usize, tile: &IntegerTile) {
        by_rows!(rows, advance_integers, ZmmIntegers, 3, tile, 1 2 3 4 5 6 7 8 9);
    }
}

#[derive(Clone, Copy)]
struct Zmm(__m512);

// SAFETY, for every block here: the type is used within `with_avx512` alone, whose caller vouches for the features;
// what pointers need is the caller's promise.
impl Vector for Zmm {
    const LANES: usize = 16;

    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_setzero_ps() })
    }

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_ps(x) })
    }

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

    #[inline(always)]
    fn fused(a: Self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, c.0) })
    }

    #[inline(always)]
    fn canonical(self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let unordered = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
            _mm512_mask_blend_ps(unordered, self.0, _mm512_set1_ps(f32::from_bits(NAN_BITS)))
        })
    }

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
