//! One number to the power of another.

use super::polynomial_of_one;
use crate::lanes::{Lanes, One, ROUNDER};
use crate::step::Fused;

/// `x · 2^by`, where both are normal.
#[inline(always)]
fn scaled(x: f32, by: i32) -> f32 {
    f32::from_bits((x.to_bits() as i32).wrapping_add(by << 23) as u32)
}

/// log₂ of a positive normal number, as a sum of two.
#[inline(always)]
fn log2_in_two<F: Fused>(x: f32) -> (f32, f32) {
    const TWO_OVER_LN2_HIGH: f32 = f32::from_bits(0x4038_aa3b);
    const TWO_OVER_LN2_LOW: f32 = f32::from_bits(0x3325_7060);
    let (mantissa, exponent) = One::<F>::new(x).split();
    let (mantissa, exponent) = (mantissa.value(), exponent.value());
    // log₂ m = 2/ln2 · artanh((m - 1) / (m + 1))
    let numerator = mantissa - 1.0;
    let denominator = mantissa + 1.0;
    let denominator_low = mantissa - (denominator - 1.0);
    let s = numerator / denominator;
    let s_low = F::fused(-s, denominator_low, F::fused(-s, denominator, numerator)) / denominator;
    let square = s * s;
    let series = polynomial_of_one::<F, 5>(
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
    let series = polynomial_of_one::<F, 7>(
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
