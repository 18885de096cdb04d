//! One number to the power of another.

use super::polynomial;
use crate::lanes::{Lanes, ROUNDER};

/// Where the power counts as zero, and where it is infinite, as exponents of 2.
const LEAST: f32 = -102.0;
const MOST: f32 = 129.0;

/// log₂ of a positive normal number, as a sum of two.
#[inline(always)]
fn log2_in_two<V: Lanes>(x: V) -> (V, V) {
    const TWO_OVER_LN2_HIGH: f32 = f32::from_bits(0x4038_aa3b);
    const TWO_OVER_LN2_LOW: f32 = f32::from_bits(0x3325_7060);
    let (one, factor) = (V::splat(1.0), V::splat(TWO_OVER_LN2_HIGH));
    let (mantissa, exponent) = x.split();
    // log₂ m = 2/ln2 · artanh((m - 1) / (m + 1))
    let numerator = mantissa - one;
    let denominator = mantissa + one;
    let denominator_low = mantissa - (denominator - one);
    let s = numerator / denominator;
    let negative = s.negated();
    let s_low = V::fused(negative, denominator_low, V::fused(negative, denominator, numerator)) / denominator;
    let square = s * s;
    let series = polynomial(
        square,
        [
            f32::from_bits(0x3e90_b3ff),
            f32::from_bits(0x3ea3_cdc8),
            f32::from_bits(0x3ed3_0cff),
            f32::from_bits(0x3f13_bb61),
            f32::from_bits(0x3f76_384f),
        ],
    );
    let head = s * factor;
    let head_low = V::fused(s, factor, head.negated())
        + V::fused(s, V::splat(TWO_OVER_LN2_LOW), V::fused(s_low, factor, (s * square) * series));
    let sum = exponent + head;
    let low = (head - (sum - exponent)) + head_low;
    let high = sum + low;
    (high, low - (high - sum))
}

/// x to the power of y, with C's special cases; `y == 2` is `x · x` exactly.
#[inline(always)]
pub(crate) fn pow<V: Lanes>(x: V, y: V) -> V {
    let (log, log_low) = log2_in_two(x.abs());
    let exponent = y * log;
    let exponent_low = V::fused(y, log_low, V::fused(y, log, exponent.negated()));
    let bounded = exponent.at_least(V::splat(LEAST)).at_most(V::splat(MOST));
    let rounded = bounded + V::splat(ROUNDER);
    let rest = (bounded - (rounded - V::splat(ROUNDER))) + exponent_low;
    let series = polynomial(
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
    let value = series.times_power(rounded);
    let value = V::pick(exponent.less(V::splat(LEAST)), V::splat(0.0), value);
    let value = V::pick(V::splat(MOST).less(exponent), V::splat(f32::INFINITY), value);
    special_cases(x, y, value)
}

/// `value` is |x|^y where both are ordinary.
#[inline(always)]
fn special_cases<V: Lanes>(x: V, y: V, value: V) -> V {
    let [zero, one, infinity, nan] = [0.0, 1.0, f32::INFINITY, f32::NAN].map(V::splat);
    let size = x.abs();
    let (rises, finite) = (zero.less(y), size.less(infinity));
    let value = V::pick(zero.less(size), value, V::pick(rises, zero, infinity));
    let value = V::pick(finite, value, V::pick(rises, infinity, zero));
    let value = V::pick(is(size, 1.0), one, value);
    let half = V::splat(0.5) * y;
    let of_whole = V::pick(half.floor().less(half), value.negated(), value);
    let of_fraction = V::pick(finite, nan, value);
    let negative = V::pick(y.floor().less(y), of_fraction, of_whole);
    let value = V::pick(x.less(zero), negative, value);
    let value = V::pick(is_number(x), V::pick(is_number(y), value, nan), nan);
    let value = V::pick(is(y, 2.0), x * x, value);
    V::pick(is(x, 1.0), one, V::pick(is(y, 0.0), one, value))
}

/// Whether x is this number, of which no other is within the least normal one.
#[inline(always)]
fn is<V: Lanes>(x: V, number: f32) -> V::Mask {
    (x - V::splat(number)).abs().less(V::splat(f32::MIN_POSITIVE))
}

/// Whether x is not NaN.
#[inline(always)]
fn is_number<V: Lanes>(x: V) -> V::Mask {
    V::splat(-1.0).less(x.abs())
}
