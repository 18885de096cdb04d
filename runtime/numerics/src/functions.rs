//! The transcendental functions: our own polynomials, in the same operations everywhere.
//!
//! Each is written once, without branches, and compiled for every instruction set; [`Fused`] is the only thing in
//! which they differ, and it means the same everywhere. Coefficients were fitted by weighted least squares driven to
//! the least greatest error, then rounded to `f32`. The error of each function is stated in docs/numerics.md and
//! pinned by the tests. The functions here take any `f32` and leave flushing and NaNs to their callers.

use crate::step::Fused;

/// 1.5 · 2²³: adding it rounds to an integer, which is then in the low bits.
const ROUNDER: f32 = 12_582_912.0;
const LN2_HIGH: f32 = f32::from_bits(0x3f31_7218);
const LN2_LOW: f32 = f32::from_bits(0xb102_e308);
/// √½ in bits: mantissas are taken from here to √2.
const SQRT_HALF_BITS: i32 = 0x3f35_04f3;

#[inline(always)]
fn polynomial<F: Fused, const N: usize>(x: f32, highest_first: [f32; N]) -> f32 {
    let mut sum = highest_first[0];
    for &coefficient in &highest_first[1..] {
        sum = F::fused(sum, x, coefficient);
    }
    sum
}

/// `x · 2^by`, where both are normal.
#[inline(always)]
fn scaled(x: f32, by: i32) -> f32 {
    f32::from_bits((x.to_bits() as i32).wrapping_add(by << 23) as u32)
}

#[inline(always)]
fn with_sign_of(magnitude: f32, sign: f32) -> f32 {
    f32::from_bits(magnitude.to_bits() | (sign.to_bits() & 0x8000_0000))
}

/// eˣ; +0 below x = -70.
#[inline(always)]
pub(crate) fn exp<F: Fused>(x: f32) -> f32 {
    // What lies outside the range becomes nonsense here, and is replaced below.
    let rounded = F::fused(x, std::f32::consts::LOG2_E, ROUNDER);
    let power = (rounded.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let whole = rounded - ROUNDER;
    let rest = F::fused(whole, -LN2_LOW, F::fused(whole, -LN2_HIGH, x));
    let tail = polynomial::<F, 5>(
        rest,
        [
            f32::from_bits(0x3ab5_0d39),
            f32::from_bits(0x3c09_1fe3),
            f32::from_bits(0x3d2a_ac8b),
            f32::from_bits(0x3e2a_aa45),
            f32::from_bits(0x3eff_fffe),
        ],
    );
    let value = scaled(F::fused(F::fused(tail, rest, 1.0), rest, 1.0), power);
    let value = if x < -70.0 { 0.0 } else { value };
    // Infinity, or NaN of NaN.
    if x <= f32::from_bits(0x42b1_7217) { value } else { x + f32::INFINITY }
}

/// A positive normal number as mantissa in [√½, √2) and exponent.
#[inline(always)]
fn mantissa_and_exponent(x: f32) -> (f32, f32) {
    let bits = x.to_bits() as i32;
    let exponent = bits.wrapping_sub(SQRT_HALF_BITS) >> 23;
    (f32::from_bits(bits.wrapping_sub(exponent << 23) as u32), exponent as f32)
}

/// The natural logarithm; -∞ at zero, NaN below.
#[inline(always)]
pub(crate) fn log<F: Fused>(x: f32) -> f32 {
    /// ln 2 in 15 bits, so that its multiples are exact, and the rest.
    const LN2_SHORT: f32 = 0.693_145_75;
    const LN2_REST: f32 = 1.428_606_8e-6;
    let (mantissa, exponent) = mantissa_and_exponent(x);
    let f = mantissa - 1.0;
    let square = f * f;
    let series = polynomial::<F, 8>(
        f,
        [
            f32::from_bits(0xbda0_f700),
            f32::from_bits(0x3e03_e877),
            f32::from_bits(0xbe06_703e),
            f32::from_bits(0x3e11_3725),
            f32::from_bits(0xbe2a_3c45),
            f32::from_bits(0x3e4c_d2cb),
            f32::from_bits(0xbe80_0110),
            f32::from_bits(0x3eaa_aaa5),
        ],
    );
    let tail = F::fused(-0.5, square, F::fused(exponent, LN2_REST, (f * square) * series));
    let value = F::fused(exponent, LN2_SHORT, f + tail);
    let value = if x == f32::INFINITY { x } else { value };
    let value = if x < 0.0 { f32::NAN } else { value };
    let value = if x == 0.0 { f32::NEG_INFINITY } else { value };
    if x.is_nan() { x } else { value }
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<F: Fused>(x: f32) -> f32 {
    let square = x * x;
    let series = polynomial::<F, 5>(
        square,
        [
            f32::from_bits(0xbbb2_b34f),
            f32::from_bits(0x3ca7_3902),
            f32::from_bits(0xbd5b_d5a3),
            f32::from_bits(0x3e08_816e),
            f32::from_bits(0xbeaa_aa90),
        ],
    );
    let near = F::fused(x * square, series, x);
    let far = with_sign_of(1.0 - 2.0 / (exp::<F>(2.0 * x.abs()) + 1.0), x);
    if x.abs() < 0.625 { near } else { far }
}

/// 1 / (1 + e⁻ˣ), from e to the power of -|x|, which cannot overflow.
#[inline(always)]
pub(crate) fn sigmoid<F: Fused>(x: f32) -> f32 {
    let power = exp::<F>(-x.abs());
    let numerator = if x < 0.0 { power } else { 1.0 };
    numerator / (1.0 + power)
}

/// The error function.
#[inline(always)]
pub(crate) fn erf<F: Fused>(x: f32) -> f32 {
    let size = x.abs();
    let series = polynomial::<F, 7>(
        size * size,
        [
            f32::from_bits(0x38a5_72a7),
            f32::from_bits(0xba52_4310),
            f32::from_bits(0x3baa_0cfe),
            f32::from_bits(0xbcdb_fddb),
            f32::from_bits(0x3de7_1690),
            f32::from_bits(0xbec0_939f),
            f32::from_bits(0x3e03_75d4),
        ],
    );
    let near = F::fused(size, series, size);
    let bounded = if size > 4.0 { 4.0 } else { size };
    // -ln(1 - erf)
    let exponent = polynomial::<F, 9>(
        bounded,
        [
            f32::from_bits(0xb439_31ee),
            f32::from_bits(0x37ca_c37f),
            f32::from_bits(0xb9ef_6e1e),
            f32::from_bits(0x3b8b_8364),
            f32::from_bits(0xbccf_6d3c),
            f32::from_bits(0x3dde_58eb),
            f32::from_bits(0x3f22_12b6),
            f32::from_bits(0x3f90_97da),
            f32::from_bits(0xb950_ac73),
        ],
    );
    let far = 1.0 - exp::<F>(-exponent);
    with_sign_of(if size < 1.0 { near } else { far }, x)
}

/// 2/π after a word of zeros, most significant bit first.
const TWO_OVER_PI: [u32; 9] =
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
    let far = F::fused(fraction, f32::from_bits(0x3fc9_0fdb), fraction * f32::from_bits(0xb33b_bd2e));
    let near = bits <= 0x3f49_0fda;
    (if near { f32::from_bits(bits) } else { far }, if near { 0 } else { nearest as u32 })
}

/// The sine of a quarter turn's `rest`, `quarter` quarters on.
#[inline(always)]
fn sine_from<F: Fused>(rest: f32, quarter: u32) -> f32 {
    let square = rest * rest;
    let sine_series = polynomial::<F, 4>(
        square,
        [
            f32::from_bits(0x3636_6af6),
            f32::from_bits(0xb950_07ca),
            f32::from_bits(0x3c08_8884),
            f32::from_bits(0xbe2a_aaab),
        ],
    );
    let sine = F::fused(rest * square, sine_series, rest);
    let cosine_series = polynomial::<F, 3>(
        square,
        [f32::from_bits(0x37cc_ffa0), f32::from_bits(0xbab6_0641), f32::from_bits(0x3d2a_aaa5)],
    );
    let cosine = F::fused(square * square, cosine_series, F::fused(-0.5, square, 1.0));
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

/// log₂ of a positive normal number, as a sum of two.
#[inline(always)]
fn log2_in_two<F: Fused>(x: f32) -> (f32, f32) {
    const TWO_OVER_LN2_HIGH: f32 = f32::from_bits(0x4038_aa3b);
    const TWO_OVER_LN2_LOW: f32 = f32::from_bits(0x3325_7060);
    let (mantissa, exponent) = mantissa_and_exponent(x);
    // log₂ m = 2/ln2 · artanh((m - 1) / (m + 1))
    let numerator = mantissa - 1.0;
    let denominator = mantissa + 1.0;
    let denominator_low = mantissa - (denominator - 1.0);
    let s = numerator / denominator;
    let s_low = F::fused(-s, denominator_low, F::fused(-s, denominator, numerator)) / denominator;
    let square = s * s;
    let series = polynomial::<F, 5>(
        square,
        [
            f32::from_bits(0x3e90_b3ff),
            f32::from_bits(0x3ea3_cdc8),
            f32::from_bits(0x3ed3_0cff),
            f32::from_bits(0x3f13_bb61),
            f32::from_bits(0x3f76_384f),
        ],
    );
    let head = s * TWO_OVER_LN2_HIGH;
    let head_low = F::fused(s, TWO_OVER_LN2_HIGH, -head)
        + F::fused(s, TWO_OVER_LN2_LOW, F::fused(s_low, TWO_OVER_LN2_HIGH, (s * square) * series));
    let sum = exponent + head;
    let low = (head - (sum - exponent)) + head_low;
    let high = sum + low;
    (high, low - (high - sum))
}

/// x to the power of y, with C's special cases; `y == 2` is `x · x` exactly.
#[inline(always)]
pub(crate) fn pow<F: Fused>(x: f32, y: f32) -> f32 {
    let size = x.abs();
    let (log, log_low) = log2_in_two::<F>(size);
    let exponent = y * log;
    let exponent_low = F::fused(y, log_low, F::fused(y, log, -exponent));
    let floored = if exponent < -102.0 { -102.0 } else { exponent };
    let bounded = if floored > 129.0 { 129.0 } else { floored };
    let rounded = bounded + ROUNDER;
    let power = (rounded.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let rest = (bounded - (rounded - ROUNDER)) + exponent_low;
    let series = polynomial::<F, 7>(
        rest,
        [
            f32::from_bits(0x3920_fb10),
            f32::from_bits(0x3aaf_a383),
            f32::from_bits(0x3c1d_96b4),
            f32::from_bits(0x3d63_576c),
            f32::from_bits(0x3e75_fdee),
            f32::from_bits(0x3f31_7218),
            1.0,
        ],
    );
    // In two steps, so that neither leaves the normal numbers before the last.
    let half = power >> 1;
    let value = scaled(series, half) * scaled(1.0, power.wrapping_sub(half));
    let value = if exponent < -102.0 { 0.0 } else { value };
    let value = if exponent > 129.0 { f32::INFINITY } else { value };
    pow_special_cases(x, y, value)
}

/// `value` is |x|^y where both are ordinary.
#[inline(always)]
fn pow_special_cases(x: f32, y: f32, value: f32) -> f32 {
    let size = x.abs();
    let whole = y as i32;
    let large = y.abs() >= 16_777_216.0;
    let integral = large | (whole as f32 == y);
    let odd = !large & integral & (whole & 1 == 1);
    let vanishes = (size == 0.0) == (y > 0.0);
    let limit = if vanishes { 0.0 } else { f32::INFINITY };
    let value = if (size == 0.0) | (size == f32::INFINITY) { limit } else { value };
    let value = if size == 1.0 { 1.0 } else { value };
    let value = if (x < 0.0) & odd { -value } else { value };
    let value = if (x < 0.0) & (size < f32::INFINITY) & !integral { f32::NAN } else { value };
    let value = if x.is_nan() | y.is_nan() { f32::NAN } else { value };
    let value = if y == 2.0 { x * x } else { value };
    if (x == 1.0) | (y == 0.0) { 1.0 } else { value }
}
