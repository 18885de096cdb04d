//! e to a power, by f32 additions and multiplications alone: the same bits in wasm and natively.

use std::f32::consts::LOG2_E;

/// ln 2 in two parts: the first has so few bits that its products with whole numbers are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Below it the result is less than the smallest normal f32, and taken as 0.
const LEAST: f32 = -87.0;
/// The series 1/k! from k = 7 down to 0. What it leaves out is below 2⁻²⁷ for |r| ≤ ln 2 / 2.
const SERIES: [f32; 8] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];

/// e to the power of `x`, which is not above 0; within 2 units in the last place.
pub(crate) fn exp(x: f32) -> f32 {
    if x < LEAST {
        return 0.0;
    }
    let twos = (x * LOG2_E).round_ties_even();
    let rest = (x - twos * LN_2_HIGH) - twos * LN_2_LOW;
    let power = SERIES.into_iter().fold(0.0, |sum, term| sum * rest + term);
    let scale = f32::from_bits(((twos as i32 + 127) as u32) << 23);
    power * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_right_within_two_units_in_the_last_place() {
        for step in 0..=87_000 {
            let x = -(step as f32) / 1000.0;
            let (found, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found - exact).abs() <= exact * 2.0 * f64::from(f32::EPSILON), "{x}: {found} is not {exact}");
        }
        assert_eq!((exp(0.0), exp(-87.5), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }
}
