//! Activations of neural networks, made of the functions.

use super::{erf, exp_below_zero, exp_twice_less_one, log_of_one_more, sigmoid, tanh};
use crate::lanes::Lanes;

/// Below, x times what is left of it counts as zero: kept above, an infinite x comes to zero too.
const FADED: f32 = -100.0;

/// ln(1 + eˣ)
#[inline(always)]
pub(crate) fn softplus<V: Lanes>(x: V) -> V {
    x.at_least(V::splat(0.0)) + log_of_one_more(exp_below_zero(x.abs().negated()))
}

/// x · tanh(softplus(x))
#[inline(always)]
pub(crate) fn mish<V: Lanes>(x: V) -> V {
    x.at_least(V::splat(FADED)) * tanh(softplus(x))
}

/// x · sigmoid(x)
#[inline(always)]
pub(crate) fn silu<V: Lanes>(x: V) -> V {
    x.at_least(V::splat(FADED)) * sigmoid(x)
}

/// 0.5·x · (1 + erf(x·√½))
#[inline(always)]
pub(crate) fn gelu<V: Lanes>(x: V) -> V {
    let error = erf(x * V::splat(std::f32::consts::FRAC_1_SQRT_2));
    (V::splat(0.5) * x) * (V::splat(1.0) + error)
}

/// 0.5·x · (1 + tanh(√(2/π) · (x + 0.044715·x³))), as x · sigmoid of twice that.
#[inline(always)]
pub(crate) fn gelu_tanh<V: Lanes>(x: V) -> V {
    /// 2·√(2/π)
    const SCALE: f32 = 1.595_769_2;
    let cubic = V::fused(V::splat(0.044_715) * (x * x), x, x);
    x.at_least(V::splat(FADED)) * sigmoid(V::splat(SCALE) * cubic)
}

/// x, or `alpha` · (eˣ - 1) below zero: without cancelling.
#[inline(always)]
pub(crate) fn elu<V: Lanes>(x: V, alpha: f32) -> V {
    let zero = V::splat(0.0);
    V::pick(x.less(zero), V::splat(alpha) * exp_less_one(x), x)
}

/// x, or `alpha` · (e^(x / alpha) - 1) below zero.
#[inline(always)]
pub(crate) fn celu<V: Lanes>(x: V, alpha: f32) -> V {
    let zero = V::splat(0.0);
    V::pick(x.less(zero), V::splat(alpha) * exp_less_one(x / V::splat(alpha)), x)
}

/// eˣ - 1 up to zero; 0 above.
#[inline(always)]
fn exp_less_one<V: Lanes>(x: V) -> V {
    /// Where it is -1.
    const FAR: f32 = -10.0;
    exp_twice_less_one(between(V::splat(0.5) * x, FAR, 0.0))
}

/// -1, 0 or 1; NaN stays.
#[inline(always)]
pub(crate) fn sign<V: Lanes>(x: V) -> V {
    let zero = V::splat(0.0);
    let value = V::pick(zero.less(x), V::splat(1.0), x);
    V::pick(x.less(zero), V::splat(-1.0), value)
}

/// x moved towards zero by `bias` beyond ±`lambda`, 0 between.
#[inline(always)]
pub(crate) fn shrink<V: Lanes>(x: V, lambda: f32, bias: f32) -> V {
    let (above, below) = (V::splat(lambda).less(x), x.less(V::splat(-lambda)));
    let value = V::pick(above, x - V::splat(bias), V::splat(0.0));
    V::pick(below, x + V::splat(bias), value)
}

/// min(max(x, low), high), for limits that are numbers.
#[inline(always)]
pub(crate) fn between<V: Lanes>(x: V, low: f32, high: f32) -> V {
    x.at_least(V::splat(low)).at_most(V::splat(high))
}

/// x · min(max(x/6 + 0.5, 0), 1), the multiply-add fused.
#[inline(always)]
pub(crate) fn hard_swish<V: Lanes>(x: V) -> V {
    x * between(V::fused(V::splat(1.0 / 6.0), x, V::splat(0.5)), 0.0, 1.0)
}
