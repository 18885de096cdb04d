//! The transcendental functions: our own polynomials, in the same operations everywhere.
//!
//! Each is written once, without branches, over [`Lanes`], and compiled for every instruction set. Coefficients were
//! fitted by weighted least squares driven to the least greatest error, then rounded to `f32`. The error of each
//! function is stated in docs/numerics.md and pinned by the tests. The functions here take any `f32` and leave flushing
//! and NaNs to their callers.

use crate::lanes::{Lanes, ROUNDER};

pub(crate) mod activation; // of neural networks
pub(crate) mod angle; // sine and its kin, and their inverses
pub(crate) mod hyperbolic; // sinh and its kin, and their inverses
mod power; // one number to the power of another

pub(crate) use power::pow;

const LN2_HIGH: f32 = f32::from_bits(0x3f31_7218);
const LN2_LOW: f32 = f32::from_bits(0xb102_e308);
/// What [`exp_within`] takes: below, the result counts as zero; above, it is infinite.
const LEAST_POWER: f32 = -80.0;
const MOST_POWER: f32 = 89.0;

#[inline(always)]
fn polynomial<V: Lanes, const N: usize>(x: V, highest_first: [f32; N]) -> V {
    let mut sum = V::splat(highest_first[0]);
    for &coefficient in &highest_first[1..] {
        sum = V::fused(sum, x, V::splat(coefficient));
    }
    sum
}

/// eˣ; 2⁻¹¹⁵, which is stored as +0, below x = -80.
#[inline(always)]
pub(crate) fn exp<V: Lanes>(x: V) -> V {
    exp_within(x.at_least(V::splat(LEAST_POWER)).at_most(V::splat(MOST_POWER)))
}

/// eˣ for x up to zero, or NaN.
#[inline(always)]
pub(crate) fn exp_below_zero<V: Lanes>(x: V) -> V {
    exp_within(x.at_least(V::splat(LEAST_POWER)))
}

/// eˣ for x from zero, or NaN.
#[inline(always)]
fn exp_above_zero<V: Lanes>(x: V) -> V {
    exp_within(x.at_most(V::splat(MOST_POWER)))
}

/// eˣ for x in -80 to 89, or NaN.
#[inline(always)]
fn exp_within<V: Lanes>(x: V) -> V {
    let rounded = V::fused(x, V::splat(std::f32::consts::LOG2_E), V::splat(ROUNDER));
    let whole = rounded - V::splat(ROUNDER);
    let rest = V::fused(whole, V::splat(-LN2_LOW), V::fused(whole, V::splat(-LN2_HIGH), x));
    let value = polynomial(
        rest,
        [
            f32::from_bits(0x3ab5_0d39),
            f32::from_bits(0x3c09_1fe3),
            f32::from_bits(0x3d2a_ac8b),
            f32::from_bits(0x3e2a_aa45),
            f32::from_bits(0x3eff_fffe),
            1.0,
            1.0,
        ],
    );
    value.times_power(rounded)
}

/// The natural logarithm; -∞ at zero, NaN below.
#[inline(always)]
pub(crate) fn log<V: Lanes>(x: V) -> V {
    /// ln 2 in 15 bits, so that its multiples are exact, and the rest.
    const LN2_SHORT: f32 = 0.693_145_75;
    const LN2_REST: f32 = 1.428_606_8e-6;
    let (mantissa, exponent) = x.split();
    let f = mantissa - V::splat(1.0);
    let square = f * f;
    let series = polynomial(
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
    let rest = V::fused(exponent, V::splat(LN2_REST), (f * square) * series);
    let tail = V::fused(V::splat(-0.5), square, rest);
    let value = V::fused(exponent, V::splat(LN2_SHORT), f + tail);
    let zero = V::splat(0.0);
    let value = V::pick(V::splat(f32::MAX).less(x), x, value);
    // -∞ of zero, NaN of NaN.
    let value = V::pick(zero.less(x), value, x - V::splat(f32::INFINITY));
    V::pick(x.less(zero), V::splat(f32::NAN), value)
}

/// ln(1 + x) for finite x from 0, right in its last places near zero too.
#[inline(always)]
fn log_of_one_more<V: Lanes>(x: V) -> V {
    let one = V::splat(1.0);
    let sum = one + x;
    log(sum) + (x - (sum - one)) / sum
}

/// e²ˣ - 1 for x in -40 to 40, or NaN, right in its last places near zero too.
#[inline(always)]
fn exp_twice_less_one<V: Lanes>(x: V) -> V {
    let rounded = V::fused(x, V::splat(2.0 * std::f32::consts::LOG2_E), V::splat(ROUNDER));
    let whole = rounded - V::splat(ROUNDER);
    let rest = V::fused(whole, V::splat(-0.5 * LN2_LOW), V::fused(whole, V::splat(-0.5 * LN2_HIGH), x));
    let series = polynomial(
        rest,
        [
            f32::from_bits(0x3db6_b7f5),
            f32::from_bits(0x3e89_13f7),
            f32::from_bits(0x3f2a_aa65),
            f32::from_bits(0x3faa_aa58),
            2.0,
            2.0,
        ],
    );
    let one = V::splat(1.0);
    let power = one.times_power(rounded);
    V::fused(rest * series, power, power - one)
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<V: Lanes>(x: V) -> V {
    /// Where it is 1.
    const FAR: f32 = 10.0;
    let less = exp_twice_less_one(x.abs().at_most(V::splat(FAR)));
    (less / (less + V::splat(2.0))).with_sign_of(x)
}

/// 1 / (1 + e⁻ˣ), from e to the power of -|x|, which cannot overflow.
#[inline(always)]
pub(crate) fn sigmoid<V: Lanes>(x: V) -> V {
    let one = V::splat(1.0);
    let power = exp_below_zero(x.abs().negated());
    V::pick(x.less(V::splat(0.0)), power, one) / (one + power)
}

/// The error function.
#[inline(always)]
pub(crate) fn erf<V: Lanes>(x: V) -> V {
    let size = x.abs();
    let series = polynomial(
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
    let near = V::fused(size, series, size);
    // -ln(1 - erf)
    let exponent = polynomial(
        size.at_most(V::splat(4.0)),
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
    let one = V::splat(1.0);
    let far = one - exp_within(exponent.negated());
    V::pick(size.less(one), near, far).with_sign_of(x)
}
