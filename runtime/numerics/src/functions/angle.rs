//! Sine, cosine and tangent for every finite number, and their inverses.

use super::polynomial;
use crate::lanes::{Lanes, One};
use crate::step::Fused;

const QUARTER_PI: f32 = std::f32::consts::FRAC_PI_4;
const HALF_PI: f32 = std::f32::consts::FRAC_PI_2;
/// π/2 less its nearest float.
const HALF_PI_REST: f32 = f32::from_bits(0xb33b_bd2e);

/// 2/π after a word of zeros, most significant bit first.
pub const TWO_OVER_PI: [u32; 9] =
    [0, 0xa2f9_836e, 0x4e44_1529, 0xfc27_57d1, 0xf534_ddc0, 0xdb62_9599, 0x3c43_9041, 0xfe51_63ab, 0xdebb_c561];

/// |x| less its nearest multiple of π/2, and that multiple modulo 4. Exact in integers for every finite x.
#[inline(always)]
fn quadrant<F: Fused>(x: f32) -> (f32, u32) {
    let bits = x.to_bits() & 0x7fff_ffff;
    // Below π/4 the answer is chosen otherwise, and above the largest number it is NaN: only keep the index in range.
    let bounded = bits.clamp(0x3f00_0000, 0x7f7f_ffff);
    let mantissa = u64::from((bounded & 0x007f_ffff) | 0x0080_0000);
    // Bits of 2/π that would give whole turns are left out.
    let first = (bounded >> 23) - 120;
    let (word, shift) = ((first >> 5) as usize, first & 31);
    let window = |i: usize| {
        let pair = (u64::from(TWO_OVER_PI[word + i]) << 32) | u64::from(TWO_OVER_PI[word + i + 1]);
        (pair << shift) >> 32
    };
    // Two bits of whole quadrants, 62 of fraction.
    let turns = (mantissa.wrapping_mul(window(2)) >> 32)
        .wrapping_add(mantissa.wrapping_mul(window(1)))
        .wrapping_add(mantissa.wrapping_mul(window(0)) << 32);
    let nearest = turns.wrapping_add(1 << 61) >> 62;
    let fraction = turns.wrapping_sub(nearest << 62) as i64 as f32 * f32::from_bits((127 - 62) << 23);
    let far = angle(One::<F>::new(fraction)).value();
    let near = bits <= 0x3f49_0fda;
    (if near { f32::from_bits(bits) } else { far }, if near { 0 } else { nearest as u32 })
}

/// A fraction of a quarter turn as an angle.
#[inline(always)]
pub(crate) fn angle<V: Lanes>(fraction: V) -> V {
    V::fused(fraction, V::splat(HALF_PI), fraction * V::splat(HALF_PI_REST))
}

/// The sine of an angle up to π/4.
#[inline(always)]
pub(crate) fn near_sine<V: Lanes>(x: V) -> V {
    let square = x * x;
    let series = polynomial(
        square,
        [
            f32::from_bits(0x3636_6af6),
            f32::from_bits(0xb950_07ca),
            f32::from_bits(0x3c08_8884),
            f32::from_bits(0xbe2a_aaab),
        ],
    );
    V::fused(x * square, series, x)
}

/// The cosine of an angle up to π/4.
#[inline(always)]
pub(crate) fn near_cosine<V: Lanes>(x: V) -> V {
    let square = x * x;
    let series =
        polynomial(square, [f32::from_bits(0x37cc_ffa0), f32::from_bits(0xbab6_0641), f32::from_bits(0x3d2a_aaa5)]);
    V::fused(square * square, series, V::fused(V::splat(-0.5), square, V::splat(1.0)))
}

/// The sine of a quarter turn's `rest`, `quarter` quarters on.
#[inline(always)]
fn sine_from<F: Fused>(rest: f32, quarter: u32) -> f32 {
    let rest = One::<F>::new(rest);
    let (sine, cosine) = (near_sine(rest).value(), near_cosine(rest).value());
    let value = if quarter & 1 == 0 { sine } else { cosine };
    f32::from_bits(value.to_bits() ^ ((quarter & 2) << 30))
}

/// The sine, for every finite x.
#[inline(always)]
pub(crate) fn sin<F: Fused>(x: f32) -> f32 {
    let (rest, quarter) = quadrant::<F>(x);
    let value = sine_from::<F>(rest, quarter);
    let value = f32::from_bits(value.to_bits() ^ (x.to_bits() & 0x8000_0000));
    if x.is_finite() { value } else { f32::NAN }
}

/// The cosine, for every finite x.
#[inline(always)]
pub(crate) fn cos<F: Fused>(x: f32) -> f32 {
    let (rest, quarter) = quadrant::<F>(x);
    let value = sine_from::<F>(rest, quarter.wrapping_add(1));
    if x.is_finite() { value } else { f32::NAN }
}

/// The tangent, for every finite x.
#[inline(always)]
pub(crate) fn tan<F: Fused>(x: f32) -> f32 {
    let (rest, quarter) = quadrant::<F>(x);
    let value = sine_from::<F>(rest, quarter) / sine_from::<F>(rest, quarter.wrapping_add(1));
    let value = f32::from_bits(value.to_bits() ^ (x.to_bits() & 0x8000_0000));
    if x.is_finite() { value } else { f32::NAN }
}

/// The arc sine of |x| up to ½; above, that of √((1 - |x|) / 2), which is half of what is missing to π/2. And which.
#[inline(always)]
fn half_arc<V: Lanes>(x: V) -> (V, V::Mask) {
    let (size, half) = (x.abs(), V::splat(0.5));
    let far = half.less(size);
    let square = V::pick(far, half * (V::splat(1.0) - size), size * size);
    let sine = V::pick(far, square.root(), size);
    let series = polynomial(
        square,
        [
            f32::from_bits(0x3d2c_e647),
            f32::from_bits(0x3cc5_da9c),
            f32::from_bits(0x3d3a_4516),
            f32::from_bits(0x3d99_80b5),
            f32::from_bits(0x3e2a_aae5),
        ],
    );
    (V::fused(sine * square, series, sine), far)
}

/// The arc sine; NaN beyond ±1.
#[inline(always)]
pub(crate) fn asin<V: Lanes>(x: V) -> V {
    let (arc, far) = half_arc(x);
    let rest = V::fused(V::splat(-2.0), arc, V::splat(HALF_PI)) + V::splat(HALF_PI_REST);
    V::pick(far, rest, arc).with_sign_of(x)
}

/// The arc cosine; NaN beyond ±1.
#[inline(always)]
pub(crate) fn acos<V: Lanes>(x: V) -> V {
    let (arc, far) = half_arc(x);
    let near = V::splat(HALF_PI) - (arc.with_sign_of(x) - V::splat(HALF_PI_REST));
    let twice = arc + arc;
    let beyond = V::splat(std::f32::consts::PI) - (twice - V::splat(2.0 * HALF_PI_REST));
    V::pick(far, V::pick(x.less(V::splat(0.0)), beyond, twice), near)
}

/// The arc tangent: turned by π/4 or π/2 to where its series is short.
#[inline(always)]
pub(crate) fn atan<V: Lanes>(x: V) -> V {
    /// The tangents of π/8 and 3π/8.
    const MIDDLE: f32 = 0.414_213_57;
    const FAR: f32 = 2.414_213_7;
    let (size, one, zero) = (x.abs(), V::splat(1.0), V::splat(0.0));
    let (middle, far) = (V::splat(MIDDLE).less(size), V::splat(FAR).less(size));
    let numerator = V::pick(far, V::splat(-1.0), V::pick(middle, size - one, size));
    let denominator = V::pick(far, size, V::pick(middle, size + one, one));
    let tangent = numerator / denominator;
    let square = tangent * tangent;
    let series = polynomial(
        square,
        [
            f32::from_bits(0xbd79_8eaa),
            f32::from_bits(0x3dd9_1765),
            f32::from_bits(0xbe11_dd21),
            f32::from_bits(0x3e4c_c8f4),
            f32::from_bits(0xbeaa_aaa5),
        ],
    );
    let arc = V::fused(tangent * square, series, tangent);
    let turn = V::pick(far, V::splat(HALF_PI), V::pick(middle, V::splat(QUARTER_PI), zero));
    let rest = V::pick(far, V::splat(HALF_PI_REST), V::pick(middle, V::splat(0.5 * HALF_PI_REST), zero));
    (turn + (arc + rest)).with_sign_of(x)
}
