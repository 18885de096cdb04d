use super::*;

fn f(x: f32) -> u32 {
    x.to_bits()
}

/// Expected values follow from WGSL's text.
#[test]
fn integers_do_what_wgsl_says() {
    const MIN: u32 = 0x8000_0000;
    for (op, a, b, expected) in [
        (Binary::DivideSigned, 7, 0, 7),
        (Binary::DivideSigned, -7_i32 as u32, 2, -3_i32 as u32),
        (Binary::DivideSigned, MIN, u32::MAX, MIN),
        (Binary::DivideUnsigned, 7, 0, 7),
        (Binary::RemainderSigned, 7, 0, 0),
        (Binary::RemainderSigned, -7_i32 as u32, 2, -1_i32 as u32),
        (Binary::RemainderSigned, MIN, u32::MAX, 0),
        (Binary::RemainderUnsigned, 7, 0, 0),
        (Binary::AddInteger, u32::MAX, 2, 1),
        (Binary::MultiplyInteger, 0x10000, 0x10000, 0),
        (Binary::ShiftLeft, 1, 33, 2),
        (Binary::ShiftRightSigned, MIN, 31, u32::MAX),
        (Binary::ShiftRightUnsigned, MIN, 63, 1),
        (Binary::LessSigned, u32::MAX, 0, 1),
        (Binary::LessUnsigned, u32::MAX, 0, 0),
        (Binary::DotSignedBytes, 0xff01_02fe, 0x0203_0480, 265),
        (Binary::DotUnsignedBytes, 0xff01_02fe, 0x0203_0480, 33_033),
    ] {
        assert_eq!(op.of(a, b), expected, "{op:?} of {a:#x} and {b:#x}");
    }
    for (op, a, expected) in [
        (Unary::AbsInteger, MIN, MIN),
        (Unary::NegateInteger, MIN, MIN),
        (Unary::SignInteger, -5_i32 as u32, u32::MAX),
        (Unary::CountLeadingZeros, 0, 32),
        (Unary::CountTrailingZeros, 0, 32),
        (Unary::FirstLeadingBit, 0, u32::MAX),
        (Unary::FirstLeadingBit, 0x0001_0000, 16),
        (Unary::FirstLeadingBitSigned, u32::MAX, u32::MAX),
        (Unary::FirstLeadingBitSigned, 0xffff_0000, 15),
        (Unary::FirstTrailingBit, 0, u32::MAX),
        (Unary::FirstTrailingBit, 8, 3),
        (Unary::ReverseBits, 1, MIN),
        (Unary::Not, 0, 1),
    ] {
        assert_eq!(op.of(a), expected, "{op:?} of {a:#x}");
    }
}

#[test]
fn conversions_are_clamped_to_what_both_types_have() {
    for (op, x, expected) in [
        (Unary::FloatToSigned, 1e20, 2_147_483_520),
        (Unary::FloatToSigned, -1e20, 0x8000_0000),
        (Unary::FloatToSigned, -2.9, -2_i32 as u32),
        (Unary::FloatToSigned, f32::NAN, 0),
        (Unary::FloatToSigned, f32::NEG_INFINITY, 0x8000_0000),
        (Unary::FloatToUnsigned, 1e20, 4_294_967_040),
        (Unary::FloatToUnsigned, -1.0, 0),
        (Unary::FloatToUnsigned, f32::NAN, 0),
        (Unary::FloatToBool, 1e-40, 0),
        (Unary::FloatToBool, f32::NAN, 1),
    ] {
        assert_eq!(op.of(f(x)), expected, "{op:?} of {x}");
    }
    assert_eq!(Unary::SignedToFloat.of(16_777_217), f(16_777_216.0), "rounded once, ties to even");
    assert_eq!(Unary::UnsignedToFloat.of(u32::MAX), f(4_294_967_296.0));
}

#[test]
fn no_float_operation_gives_a_small_number_or_minus_zero_or_another_nan() {
    let tiny = 2.0_f32.powi(-101);
    let odd_nan = 0xffc1_2345;
    for (op, a, b, expected) in [
        (Binary::Add, f(1.0), f(2.0), f(3.0)),
        (Binary::Add, f(-0.0), f(-0.0), 0),
        (Binary::Add, f(tiny), f(tiny), 0),
        (Binary::Multiply, f(1e-20), f(1e-20), 0),
        (Binary::Multiply, f(-1.0), 0, 0),
        (Binary::Subtract, f(f32::INFINITY), f(f32::INFINITY), 0x7fc0_0000),
        (Binary::Add, odd_nan, 0, 0x7fc0_0000),
        (Binary::Divide, f(1.0), f(3.0), f(1.0 / 3.0)),
        (Binary::Divide, f(1.0), f(-0.0), f(f32::INFINITY)),
        (Binary::Remainder, f(-7.5), f(2.0), f(-1.5)),
        (Binary::Max, odd_nan, f(1.0), 0x7fc0_0000),
        (Binary::Min, f(-0.0), f(0.0), 0),
        (Binary::Equal, f(-0.0), f(1e-35), 1),
        (Binary::Less, odd_nan, f(1.0), 0),
        (Binary::Unequal, odd_nan, odd_nan, 1),
    ] {
        assert_eq!(op.of(a, b), expected, "{op:?} of {a:#x} and {b:#x}");
    }
    assert_eq!(Unary::Negate.of(0), 0);
    assert_eq!(Unary::Trunc.of(f(-0.9)), 0);
    assert_eq!(Unary::Round.of(f(2.5)), f(2.0), "halves to even");
    assert_eq!(Unary::Sqrt.of(f(2.0)), 0x3fb5_04f3);
}

#[test]
fn a_chain_of_fma_is_numerics_chain() {
    let number = |i: u32, seed: u32| {
        let mantissa = (i.wrapping_mul(0x9e37_79b9) ^ seed) as i32 as f32;
        mantissa * 2.0_f32.powi(-20 - (i as i32 * 7 + seed as i32) % 60)
    };
    let (left, right) = ((0..300).map(|i| number(i, 5)), (0..300).map(|i| number(i, 0x00fe_dcba)));
    let sum = left.clone().zip(right.clone()).fold(0.0, |sum, (a, b)| fma(a, b, sum));
    assert!(sum.is_normal());
    assert_eq!(sum.to_bits(), poai_numerics::oracle::chain(left.zip(right)).to_bits());
    for (c, expected) in [
        (-0.0, 0.0),
        (1e-40, 0.0),
        (1.5 * 2.0_f32.powi(-126), 2.0_f32.powi(-126)),
        (-1.75 * 2.0_f32.powi(-125), -1.5 * 2.0_f32.powi(-125)),
        (1.000_000_1 * 2.0_f32.powi(-103), 1.000_000_1 * 2.0_f32.powi(-103)),
        (1.000_000_1 * 2.0_f32.powi(-104), 2.0_f32.powi(-104)),
    ] {
        assert_eq!(addend(c).to_bits(), f(expected), "{c:e}");
    }
    assert_eq!(fma(-1.0, 0.0, -0.0).to_bits(), 0);
    assert_eq!(fma(f32::INFINITY, 0.0, 1.0).to_bits(), 0x7fc0_0000);
}

/// The machine's own step, and numerics' from additions and products.
#[test]
fn the_fused_step_is_numerics_step() {
    use poai_numerics::step::{operand, soft_fused};
    let mut random = 1_u32;
    let mut next = || {
        random = random.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15).rotate_left(7);
        f32::from_bits(random)
    };
    for _ in 0..100_000 {
        let (a, b) = (next(), next());
        let c = f32::from_bits((a * b).to_bits().wrapping_add(next().to_bits() & 7));
        let expected = soft_fused(operand(a), operand(b), addend(c));
        let found = fma(a, b, c);
        assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(), "{a:e} {b:e} {c:e}");
    }
}
