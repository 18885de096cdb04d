//! How far the functions are from the truth, in units of the last place, and their special cases.

use poai_numerics::{Binary, Unary};

/// The error function by its series, and by a continued fraction where that cancels.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    if x.abs() > 2.5 {
        let tail = (1..=60).rev().fold(0.0, |tail, k| f64::from(k) / 2.0 / (x.abs() + tail));
        let complement = (-x * x).exp() / std::f64::consts::PI.sqrt() / (x.abs() + tail);
        return x.signum() * (1.0 - complement);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..100 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

/// Without the cancellation of the standard library's.
fn asinh(x: f64) -> f64 {
    let size = x.abs();
    (size + size * size / (1.0 + (size * size + 1.0).sqrt())).ln_1p().copysign(x)
}

fn error_in_ulps(found: f32, truth: f64) -> f64 {
    let near = truth.abs().max(f64::from(f32::MIN_POSITIVE)) as f32;
    let unit = f64::from(f32::from_bits(near.to_bits() + 1)) - f64::from(near);
    (f64::from(found) - truth).abs() / unit
}

/// The greatest error on a dense sample of an interval.
fn worst(function: Unary, truth: fn(f64) -> f64, low: f32, high: f32) -> f64 {
    let mut worst = 0.0f64;
    for i in 0..200_000u32 {
        let linear = low + (high - low) * (i as f32 / 200_000.0);
        // Every scale, not only the interval's own.
        for x in [linear, linear * (-((i % 60) as f32)).exp2()] {
            if (low..=high).contains(&x) {
                let exact = truth(f64::from(x));
                if exact.abs() > 1e-30 && exact.abs() < 3.4e38 {
                    worst = worst.max(error_in_ulps(function.of(x), exact));
                }
            }
        }
    }
    worst
}

#[test]
fn errors_stay_within_those_stated() {
    for (function, truth, low, high, stated) in [
        (Unary::Exp, f64::exp as fn(f64) -> f64, -69.0, 88.72, 1.5),
        (Unary::Log, f64::ln, 1e-30, 3.4e38, 1.5),
        (Unary::Log, f64::ln, 0.5, 2.0, 1.5),
        (Unary::Tanh, f64::tanh, -12.0, 12.0, 3.0),
        (Unary::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()), -60.0, 60.0, 3.0),
        (Unary::Erf, erf, -5.0, 5.0, 1.5),
        (Unary::Sin, f64::sin, -10.0, 10.0, 2.5),
        (Unary::Sin, f64::sin, -1e6, 1e6, 2.5),
        (Unary::Cos, f64::cos, -10.0, 10.0, 2.5),
        (Unary::Cos, f64::cos, -1e30, 1e30, 2.5),
        (Unary::Tan, f64::tan, -10.0, 10.0, 4.0),
        (Unary::Tan, f64::tan, -1e6, 1e6, 4.0),
        (Unary::Asin, f64::asin, -1.0, 1.0, 2.5),
        (Unary::Acos, f64::acos, -1.0, 1.0, 2.5),
        (Unary::Atan, f64::atan, -1e6, 1e6, 2.5),
        (Unary::Atan, f64::atan, -3.0, 3.0, 2.5),
        (Unary::Sinh, f64::sinh, -89.4, 89.4, 4.0),
        (Unary::Sinh, f64::sinh, -2.0, 2.0, 4.0),
        (Unary::Cosh, f64::cosh, -89.4, 89.4, 4.0),
        (Unary::Asinh, asinh, -1e30, 1e30, 3.0),
        (Unary::Asinh, asinh, -3.0, 3.0, 3.0),
        (Unary::Acosh, f64::acosh, 1.0, 4.0, 3.0),
        (Unary::Acosh, f64::acosh, 1.0, 1e30, 3.0),
        (Unary::Atanh, f64::atanh, -1.0, 1.0, 3.0),
        (Unary::Softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), -60.0, 60.0, 3.0),
        (Unary::Elu(1.0), |x| if x < 0.0 { x.exp_m1() } else { x }, -60.0, 10.0, 2.0),
        (Unary::Sqrt, f64::sqrt, 1e-30, 3e38, 0.5),
    ] {
        let found = worst(function, truth, low, high);
        println!("{function:?} on [{low:e}, {high:e}]: {found:.3} of {stated}");
        assert!(found <= stated, "{function:?} on [{low:e}, {high:e}]: {found:.3} ULP, stated {stated}");
    }
}

#[test]
fn the_error_of_pow_stays_within_that_stated() {
    let mut worst = 0.0f64;
    for i in 1..2_000u32 {
        let x = (i as f32 * 0.01).powi(1 + (i % 5) as i32 * 3);
        for j in 0..200 {
            let y = (j as f32 - 100.0) * 0.37;
            let exact = f64::from(x).powf(f64::from(y));
            if (1e-29..3e38).contains(&exact) {
                worst = worst.max(error_in_ulps(Binary::Pow.of(x, y), exact));
            }
        }
    }
    println!("pow: {worst:.3}");
    assert!(worst <= 4.0, "{worst:.3} ULP");
}

#[test]
fn special_cases_are_those_of_the_documentation() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    for (function, x, expected) in [
        (Unary::Exp, inf, inf),
        (Unary::Exp, -inf, 0.0),
        (Unary::Exp, 88.8, inf),
        (Unary::Exp, 0.0, 1.0),
        (Unary::Exp, nan, nan),
        (Unary::Log, 0.0, -inf),
        (Unary::Log, -1.0, nan),
        (Unary::Log, inf, inf),
        (Unary::Log, 1.0, 0.0),
        (Unary::Tanh, inf, 1.0),
        (Unary::Tanh, -inf, -1.0),
        (Unary::Sigmoid, -inf, 0.0),
        (Unary::Sigmoid, inf, 1.0),
        (Unary::Sigmoid, 0.0, 0.5),
        (Unary::Erf, inf, 1.0),
        (Unary::Erf, -inf, -1.0),
        (Unary::Sin, inf, nan),
        (Unary::Cos, -inf, nan),
        (Unary::Cos, 0.0, 1.0),
        (Unary::Tan, inf, nan),
        (Unary::Tan, 0.0, 0.0),
        (Unary::Asin, 1.0, std::f32::consts::FRAC_PI_2),
        (Unary::Asin, -1.5, nan),
        (Unary::Acos, 1.0, 0.0),
        (Unary::Acos, -1.0, std::f32::consts::PI),
        (Unary::Acos, 1.5, nan),
        (Unary::Atan, inf, std::f32::consts::FRAC_PI_2),
        (Unary::Atan, -inf, -std::f32::consts::FRAC_PI_2),
        (Unary::Atan, nan, nan),
        (Unary::Sinh, -inf, -inf),
        (Unary::Sinh, -90.0, -inf),
        (Unary::Cosh, -inf, inf),
        (Unary::Cosh, 0.0, 1.0),
        (Unary::Asinh, -inf, -inf),
        (Unary::Acosh, 1.0, 0.0),
        (Unary::Acosh, 0.5, nan),
        (Unary::Acosh, -3.0, nan),
        (Unary::Acosh, inf, inf),
        (Unary::Atanh, -1.0, -inf),
        (Unary::Atanh, 1.5, nan),
        (Unary::Selu { alpha: 2.0, gamma: 3.0 }, -inf, -6.0),
        (Unary::Celu(2.0), -inf, -2.0),
        (Unary::ThresholdedRelu(1.0), 1.0, 0.0),
        (Unary::Shrink { lambda: 0.5, bias: 0.25 }, -1.0, -0.75),
        (Unary::Sqrt, -1.0, nan),
        (Unary::Neg, 0.0, 0.0),
        (Unary::Round, 2.5, 2.0),
        (Unary::Round, -0.4, 0.0),
        (Unary::Relu, nan, nan),
        (Unary::Sign, -3.0, -1.0),
        (Unary::Reciprocal, 0.0, inf),
        (Unary::Silu, 0.0, 0.0),
        (Unary::Clip { low: 0.0, high: 1.0 }, nan, nan),
    ] {
        let found = function.of(x);
        assert!(found == expected || (found.is_nan() && expected.is_nan()), "{function:?}({x}) is {found}");
    }
}

#[test]
fn pow_has_the_special_cases_of_c() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    for (x, y, expected) in [
        (nan, 0.0, 1.0),
        (1.0, nan, 1.0),
        (nan, 2.0, nan),
        (0.0, 3.0, 0.0),
        (0.0, -3.0, inf),
        (-2.0, 3.0, -8.0),
        (-2.0, 2.0, 4.0),
        (-2.0, 4.0, 16.0),
        (-2.0, 0.5, nan),
        (-1.0, inf, 1.0),
        (2.0, inf, inf),
        (2.0, -inf, 0.0),
        (0.5, inf, 0.0),
        (0.5, -inf, inf),
        (inf, -1.0, 0.0),
        (-inf, 3.0, -inf),
        (-inf, 4.0, inf),
        (-inf, 0.5, inf),
        (10.0, 38.0, 1e38),
        (10.0, 39.0, inf),
        (10.0, -40.0, 0.0),
        (3.7, 2.0, 3.7 * 3.7),
        (4.0, 0.5, 2.0),
    ] {
        let found = Binary::Pow.of(x, y);
        assert!(found == expected || (found.is_nan() && expected.is_nan()), "pow({x}, {y}) is {found}");
    }
}
