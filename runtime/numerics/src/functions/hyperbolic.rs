//! Hyperbolic sine and cosine, and the inverses of those and of the tangent.

use super::{exp_above_zero, log, log_of_one_more, polynomial};
use crate::lanes::Lanes;

const LN2: f32 = std::f32::consts::LN_2;
/// Above, the inverses of sine and cosine are ln 2x, and their squares would soon overflow.
const LARGE: f32 = 16_777_216.0;

/// e to the power of |x|, halved: by the square of a root, so that it overflows no sooner than its result.
#[inline(always)]
fn half_exp<V: Lanes>(size: V) -> V {
    let half = V::splat(0.5);
    let root = exp_above_zero(half * size);
    (half * root) * root
}

/// The hyperbolic sine.
#[inline(always)]
pub(crate) fn sinh<V: Lanes>(x: V) -> V {
    let square = x * x;
    let series = polynomial(
        square,
        [
            f32::from_bits(0x363a_d378),
            f32::from_bits(0x3950_10ab),
            f32::from_bits(0x3c08_8871),
            f32::from_bits(0x3e2a_aaab),
        ],
    );
    let near = V::fused(x * square, series, x);
    let size = x.abs();
    let power = half_exp(size);
    let far = (power - V::splat(0.25) / power).with_sign_of(x);
    V::pick(size.less(V::splat(1.0)), near, far)
}

/// The hyperbolic cosine.
#[inline(always)]
pub(crate) fn cosh<V: Lanes>(x: V) -> V {
    let power = half_exp(x.abs());
    power + V::splat(0.25) / power
}

/// The inverse of the hyperbolic sine.
#[inline(always)]
pub(crate) fn asinh<V: Lanes>(x: V) -> V {
    let (size, one) = (x.abs(), V::splat(1.0));
    let small = size.at_most(V::splat(LARGE));
    let root = V::fused(small, small, one).root();
    let near = log_of_one_more(small + (small * small) / (one + root));
    let far = log(size) + V::splat(LN2);
    V::pick(V::splat(LARGE).less(size), far, near).with_sign_of(x)
}

/// The inverse of the hyperbolic cosine; NaN below 1.
#[inline(always)]
pub(crate) fn acosh<V: Lanes>(x: V) -> V {
    let one = V::splat(1.0);
    let above = x.at_most(V::splat(LARGE)) - one;
    let near = log_of_one_more(above + V::fused(above, above, above + above).root());
    let far = log(x) + V::splat(LN2);
    let value = V::pick(V::splat(LARGE).less(x), far, near);
    V::pick(x.less(one), V::splat(f32::NAN), value)
}

/// The inverse of the hyperbolic tangent; ±∞ at ±1, NaN beyond.
#[inline(always)]
pub(crate) fn atanh<V: Lanes>(x: V) -> V {
    let (size, one) = (x.abs(), V::splat(1.0));
    let ratio = (size + size) / (one - size);
    let inside = V::splat(0.5) * log_of_one_more(ratio);
    let value = V::pick(size.less(one), inside, ratio);
    V::pick(one.less(size), V::splat(f32::NAN), value.abs()).with_sign_of(x)
}
