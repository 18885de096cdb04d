use poai_numerics::step::{canonical, element, operand, stored};

use super::{Binary, Unary, truth};

/// The smallest exponent field whose last digit is worth 2⁻¹²⁶: 24, since the field `e` gives it the worth 2^(e - 150).
const WHOLE_DIGITS: u32 = 24;

/// The step of a chain: `a · b + c`, rounded once, of operands as numerics' chains read them, and an addend without digits
/// below 2⁻¹²⁶, which no chain's sum has. So nothing in it is ever subnormal. It gives neither -0 nor any NaN but one.
#[must_use]
#[inline]
pub fn fma(a: f32, b: f32, c: f32) -> f32 {
    canonical(operand(a).mul_add(operand(b), addend(c)))
}

/// A number without its digits below 2⁻¹²⁶; -0 is +0.
#[must_use]
#[inline]
pub fn addend(c: f32) -> f32 {
    let bits = c.to_bits();
    let exponent = (bits >> 23) & 0xff;
    if exponent == 0 {
        return 0.0;
    }
    f32::from_bits(bits >> WHOLE_DIGITS.saturating_sub(exponent) << WHOLE_DIGITS.saturating_sub(exponent))
}

/// Sums, differences and products: what most kernels do most.
#[inline]
pub(super) fn arithmetic(op: Binary, a: u32, b: u32) -> u32 {
    let (a, b) = (element(f32::from_bits(a)), element(f32::from_bits(b)));
    stored(match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        _ => a * b,
    })
    .to_bits()
}

pub(super) fn binary(op: Binary, a: u32, b: u32) -> u32 {
    use poai_numerics::Binary as N;
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    let compared = (element(x), element(y));
    match op {
        Binary::Equal => return truth(compared.0 == compared.1),
        Binary::Unequal => return truth(compared.0 != compared.1),
        Binary::Less => return truth(compared.0 < compared.1),
        Binary::LessOrEqual => return truth(compared.0 <= compared.1),
        _ => {}
    }
    let operation = match op {
        Binary::Divide => N::Div,
        Binary::Remainder => N::Remainder,
        Binary::Min => N::Min,
        Binary::Max => N::Max,
        Binary::Pow => N::Pow,
        _ => return arithmetic(op, a, b),
    };
    operation.of(x, y).to_bits()
}

pub(super) fn unary(op: Unary, a: u32) -> u32 {
    use poai_numerics::Unary as N;
    let x = f32::from_bits(a);
    let operation = match op {
        Unary::Negate => N::Neg,
        Unary::Abs => N::Abs,
        Unary::Sign => N::Sign,
        Unary::Floor => N::Floor,
        Unary::Ceil => N::Ceil,
        Unary::Round => N::Round,
        Unary::Sqrt => N::Sqrt,
        Unary::Exp => N::Exp,
        Unary::Log => N::Log,
        Unary::Sin => N::Sin,
        Unary::Cos => N::Cos,
        Unary::Tan => N::Tan,
        Unary::Asin => N::Asin,
        Unary::Acos => N::Acos,
        Unary::Atan => N::Atan,
        Unary::Sinh => N::Sinh,
        Unary::Cosh => N::Cosh,
        Unary::Tanh => N::Tanh,
        Unary::Asinh => N::Asinh,
        Unary::Acosh => N::Acosh,
        Unary::Atanh => N::Atanh,
        Unary::FloatToSigned => return to_signed(x) as u32,
        Unary::FloatToUnsigned => return to_unsigned(x),
        Unary::FloatToBool => return truth(element(x) != 0.0),
        _ => return stored(element(x).trunc()).to_bits(),
    };
    operation.of(x).to_bits()
}

/// Towards zero, within what both types have: the greatest such number is 2³¹ - 128. NaN gives 0.
fn to_signed(x: f32) -> i32 {
    x.min(2_147_483_520.0) as i32 * i32::from(!x.is_nan())
}

/// Towards zero, within what both types have: the greatest such number is 2³² - 256. NaN gives 0.
fn to_unsigned(x: f32) -> u32 {
    x.min(4_294_967_040.0) as u32 * u32::from(!x.is_nan())
}
