//! The few scalar operations that everything else is made of: the fused step, and what counts as zero.
//!
//! [`Fused`] has two implementations of one meaning. [`Hard`] is the CPU's instruction; [`Soft`] gives the same bits
//! from `f64` addition and multiplication, for CPUs without it, and is what the definition is written in.

/// The one NaN that is ever stored.
pub(crate) const NAN_BITS: u32 = 0x7fc0_0000;
/// Operands of a fused chain below this count as +0: 2⁻⁴⁰.
pub const OPERAND_FLOOR: f32 = f32::from_bits((127 - 40) << 23);
/// Operands and results of element-wise operations below this count as +0: 2⁻¹⁰⁰.
pub const ELEMENT_FLOOR: f32 = f32::from_bits((127 - 100) << 23);

/// IEEE 754 fusedMultiplyAdd in round-to-nearest-even.
pub(crate) trait Fused: Copy + Send + Sync + 'static {
    /// `a * b + c`, rounded once.
    fn fused(a: f32, b: f32, c: f32) -> f32;
}

/// The CPU's own instruction; only for code that is compiled with it.
#[derive(Clone, Copy)]
pub(crate) struct Hard;

impl Fused for Hard {
    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// The fused step from `f64` arithmetic.
#[derive(Clone, Copy)]
pub(crate) struct Soft;

impl Fused for Soft {
    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        soft_fused(a, b, c)
    }
}

/// `a * b + c`, rounded once, without a fused instruction.
///
/// The product of two `f32` is exact in `f64`. The sum is made odd where it is inexact, so that rounding it to `f32`
/// (29 bits fewer) is the only rounding that counts.
#[inline(always)]
pub fn soft_fused(a: f32, b: f32, c: f32) -> f32 {
    let (product, addend) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + addend;
    // Knuth's TwoSum: sum + error is exactly product + addend. Infinities make it NaN, which is not above zero.
    let shadow = sum - product;
    let error = (product - (sum - shadow)) + (addend - shadow);
    let inexact = error.abs() > 0.0;
    // Towards the error when it points at zero, then odd: the truncated sum with a sticky last bit.
    let inward = (sum.to_bits() ^ error.to_bits()) >> 63;
    let odd = (sum.to_bits() - inward) | 1;
    f64::from_bits(if inexact { odd } else { sum.to_bits() }) as f32
}

/// What a chain of fused steps reads: small operands as +0, so that no partial sum can be subnormal.
#[inline(always)]
pub fn operand(x: f32) -> f32 {
    if x.abs() < OPERAND_FLOOR { 0.0 } else { x }
}

/// What an element-wise operation reads: what no operation could have stored counts as +0.
#[inline(always)]
pub fn element(x: f32) -> f32 {
    if x.abs() < ELEMENT_FLOOR { 0.0 } else { x }
}

/// What is stored of a chain's result: its NaN is the one NaN.
#[inline(always)]
pub fn canonical(x: f32) -> f32 {
    if x.is_nan() { f32::from_bits(NAN_BITS) } else { x }
}

/// What is stored of an element-wise result: neither a small number, nor -0, nor any but the one NaN.
#[inline(always)]
pub fn stored(x: f32) -> f32 {
    canonical(element(x))
}

/// Whether a term absorbs what counts as +0: their sum is stored as the same number, whether that was made +0 or not.
///
/// 0 does; so does a term of which half the last place is above 2⁻¹⁰⁰.
#[inline(always)]
pub(crate) fn absorbs(term: f32) -> bool {
    /// 2⁻⁷⁵: half the distance to its lesser neighbour is 2⁻¹⁰⁰.
    const LEAST: f32 = f32::from_bits((127 - 75) << 23);
    term == 0.0 || term.abs() >= LEAST
}

/// An integer that orders `f32` as numbers, -0 below +0.
#[inline(always)]
pub(crate) fn key(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// The number of a key.
#[inline(always)]
pub(crate) fn of_key(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) as u32 >> 1) as i32) as u32)
}

/// The greater by integer keys; NaN if either is.
#[inline(always)]
pub fn greater(a: f32, b: f32) -> f32 {
    let larger = if key(a) >= key(b) { a } else { b };
    if a.is_nan() | b.is_nan() { f32::from_bits(NAN_BITS) } else { larger }
}

/// The lesser by integer keys; NaN if either is.
#[inline(always)]
pub fn lesser(a: f32, b: f32) -> f32 {
    let smaller = if key(a) <= key(b) { a } else { b };
    if a.is_nan() | b.is_nan() { f32::from_bits(NAN_BITS) } else { smaller }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// a, b, c and the fused result, from the device conformance set: rounding twice gets each of them wrong.
    const VECTORS: [[u32; 4]; 5] = [
        [0xcd01_5c09, 0x35c0_0000, 0x0080_0000, 0xc342_0a0d],
        [0x447f_fffc, 0x3600_0002, 0xc700_0001, 0xc700_0001],
        [0xbc3b_56d1, 0x2bf5_8462, 0x117e_3a92, 0xa8b3_aaf7],
        [0x3101_1685, 0x53de_8db3, 0x45b0_0000, 0x4610_1c7d],
        [0x4a42_65fc, 0x733d_023d, 0xff7f_ffff, 0xff5c_1e3f],
    ];

    #[test]
    fn the_published_vectors_hold() {
        for [a, b, c, expected] in VECTORS {
            let (a, b, c) = (f32::from_bits(a), f32::from_bits(b), f32::from_bits(c));
            assert_eq!(soft_fused(a, b, c).to_bits(), expected, "{a:e} {b:e} {c:e}");
            assert_eq!(a.mul_add(b, c).to_bits(), expected, "{a:e} {b:e} {c:e}");
        }
    }

    #[test]
    fn terms_absorb_what_counts_as_zero() {
        let power = |exponent: i32| 2f32.powi(exponent);
        let below = |x: f32| f32::from_bits(x.to_bits() - 1);
        let small = [0.0, 1e-45, f32::MIN_POSITIVE, power(-110), below(ELEMENT_FLOOR)];
        let absorbing =
            [0.0, power(-75), 1.5 * power(-75), below(power(-74)), power(-74), 1e-9, 0.1, 3e38, f32::INFINITY];
        for term in absorbing.into_iter().flat_map(|term| [term, -term]) {
            assert!(absorbs(term), "{term:e}");
            for x in small.into_iter().flat_map(|x| [x, -x]) {
                assert_eq!(stored(x + term).to_bits(), stored(element(x) + term).to_bits(), "{x:e} + {term:e}");
                assert_eq!(stored(x - term).to_bits(), stored(element(x) - term).to_bits(), "{x:e} - {term:e}");
            }
        }
        for term in [below(power(-75)), ELEMENT_FLOOR, 1e-45, f32::NAN] {
            assert!(!absorbs(term) && !absorbs(-term), "{term:e}");
        }
    }

    fn assert_same(a: f32, b: f32, c: f32) {
        let (soft, hard) = (soft_fused(a, b, c), a.mul_add(b, c));
        let same = soft.to_bits() == hard.to_bits() || (soft.is_nan() && hard.is_nan());
        assert!(same, "{:08x} {:08x} {:08x}: {soft:e} {hard:e}", a.to_bits(), b.to_bits(), c.to_bits());
    }

    #[test]
    fn soft_equals_hard_on_the_edges() {
        let edges = [
            0.0,
            1.0,
            1.5,
            3.0,
            f32::MIN_POSITIVE,
            f32::MAX,
            f32::EPSILON,
            f32::INFINITY,
            f32::NAN,
            1e-45,
            1e-40,
            16_777_216.0,
            1.000_000_1,
            0.999_999_94,
            1.175_494_2e-38,
        ];
        let signed: Vec<f32> = edges.iter().flat_map(|&x| [x, -x]).collect();
        for &a in &signed {
            for &b in &signed {
                for &c in &signed {
                    assert_same(a, b, c);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn soft_equals_hard(a: u32, b: u32, c: u32) {
            assert_same(f32::from_bits(a), f32::from_bits(b), f32::from_bits(c));
        }

        /// Addends within a few units of the product: cancellation, ties and sticky bits.
        #[test]
        fn soft_equals_hard_where_terms_cancel(a: u32, b: u32, nudge in -3i32..=3, sign: bool, shift in 0i32..60) {
            let (a, b) = (f32::from_bits(a), f32::from_bits(b));
            let near = f32::from_bits((a * b).to_bits().wrapping_add_signed(nudge));
            let c = near * 2f32.powi(-shift);
            assert_same(a, b, if sign { c } else { -c });
        }
    }
}
