use super::{Binary, Unary, truth};

/// None of an operation on floats.
#[inline]
pub(super) fn unary(op: Unary, a: u32) -> Option<u32> {
    let signed = a as i32;
    Some(match op {
        Unary::Not => truth(a == 0),
        Unary::Complement => !a,
        Unary::NegateInteger => a.wrapping_neg(),
        Unary::AbsInteger => signed.unsigned_abs(),
        Unary::SignInteger => signed.signum() as u32,
        Unary::CountOneBits => a.count_ones(),
        Unary::CountLeadingZeros => a.leading_zeros(),
        Unary::CountTrailingZeros => a.trailing_zeros(),
        Unary::ReverseBits => a.reverse_bits(),
        // Of a negative number, the highest bit that is not a copy of its sign.
        Unary::FirstLeadingBitSigned => first_leading_bit(if signed < 0 { !a } else { a }),
        Unary::FirstLeadingBit => first_leading_bit(a),
        Unary::FirstTrailingBit => {
            if a == 0 {
                u32::MAX
            } else {
                a.trailing_zeros()
            }
        }
        Unary::SignedToFloat => (signed as f32).to_bits(),
        Unary::UnsignedToFloat => (a as f32).to_bits(),
        Unary::IntegerToBool => truth(a != 0),
        Unary::BoolToFloat => if a == 0 { 0.0_f32 } else { 1.0 }.to_bits(),
        _ => return None,
    })
}

fn first_leading_bit(a: u32) -> u32 {
    31_u32.wrapping_sub(a.leading_zeros())
}

/// None of an operation on floats.
#[inline]
pub(super) fn binary(op: Binary, a: u32, b: u32) -> Option<u32> {
    let (x, y) = (a as i32, b as i32);
    Some(match op {
        Binary::AddInteger => a.wrapping_add(b),
        Binary::SubtractInteger => a.wrapping_sub(b),
        Binary::MultiplyInteger => a.wrapping_mul(b),
        // By zero, a number stays; the only quotient that overflows wraps back to the number.
        Binary::DivideSigned => {
            if y == 0 {
                a
            } else {
                x.wrapping_div(y) as u32
            }
        }
        Binary::DivideUnsigned => a.checked_div(b).unwrap_or(a),
        Binary::RemainderSigned => {
            if y == 0 {
                0
            } else {
                x.wrapping_rem(y) as u32
            }
        }
        Binary::RemainderUnsigned => a.checked_rem(b).unwrap_or(0),
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::ExclusiveOr => a ^ b,
        // By as many bits as the lowest five bits say.
        Binary::ShiftLeft => a.wrapping_shl(b),
        Binary::ShiftRightSigned => x.wrapping_shr(b) as u32,
        Binary::ShiftRightUnsigned => a.wrapping_shr(b),
        Binary::EqualWords => truth(a == b),
        Binary::UnequalWords => truth(a != b),
        Binary::LessSigned => truth(x < y),
        Binary::LessUnsigned => truth(a < b),
        Binary::LessOrEqualSigned => truth(x <= y),
        Binary::LessOrEqualUnsigned => truth(a <= b),
        Binary::MinSigned => x.min(y) as u32,
        Binary::MinUnsigned => a.min(b),
        Binary::MaxSigned => x.max(y) as u32,
        Binary::MaxUnsigned => a.max(b),
        Binary::DotSignedBytes => dot(a, b, |byte| i32::from(byte as i8)),
        Binary::DotUnsignedBytes => dot(a, b, i32::from),
        _ => return None,
    })
}

/// The sum of the products of four pairs of bytes: it has at most 18 bits.
fn dot(a: u32, b: u32, number: fn(u8) -> i32) -> u32 {
    let pairs = a.to_le_bytes().into_iter().zip(b.to_le_bytes());
    pairs.map(|(a, b)| number(a) * number(b)).sum::<i32>() as u32
}
