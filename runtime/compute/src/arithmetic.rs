//! What each operation of a kernel computes, from words to a word: the definition, and what the executor runs.
//!
//! An operation on floats is the element-wise operation of `poai-numerics` of that name: it reads what is smaller than
//! 2⁻¹⁰⁰ as +0, and gives neither such a number, nor -0, nor any NaN but `0x7fc00000`. So no device's view of subnormals
//! or NaN can show. [`fma`] is the step of numerics' chains instead, so that a product of matrices has its bits.

mod float; // operations on f32
mod integer; // operations on i32 and u32

pub use float::{addend, fma};

/// True or false, as a word.
const fn truth(value: bool) -> u32 {
    value as u32
}

/// An operation on one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is WGSL's operation of its name")]
pub enum Unary {
    Not,
    Complement,
    NegateInteger,
    AbsInteger,
    SignInteger,
    CountOneBits,
    CountLeadingZeros,
    CountTrailingZeros,
    ReverseBits,
    FirstLeadingBitSigned,
    FirstLeadingBit,
    FirstTrailingBit,
    SignedToFloat,
    UnsignedToFloat,
    FloatToSigned,
    FloatToUnsigned,
    FloatToBool,
    IntegerToBool,
    BoolToFloat,
    Negate,
    Abs,
    Sign,
    Floor,
    Ceil,
    Round,
    Trunc,
    Sqrt,
    Exp,
    Log,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
}

/// An operation on two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is WGSL's operation of its name")]
pub enum Binary {
    AddInteger,
    SubtractInteger,
    MultiplyInteger,
    DivideSigned,
    DivideUnsigned,
    RemainderSigned,
    RemainderUnsigned,
    And,
    Or,
    ExclusiveOr,
    ShiftLeft,
    ShiftRightSigned,
    ShiftRightUnsigned,
    EqualWords,
    UnequalWords,
    LessSigned,
    LessUnsigned,
    LessOrEqualSigned,
    LessOrEqualUnsigned,
    MinSigned,
    MinUnsigned,
    MaxSigned,
    MaxUnsigned,
    DotSignedBytes,
    DotUnsignedBytes,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Min,
    Max,
    Pow,
}

/// An operation on three words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is WGSL's operation of its name")]
pub enum Ternary {
    Fma,
    /// The third where the first is true, the second elsewhere: WGSL's order is false, true, condition.
    Select,
}

impl Unary {
    /// What it computes.
    #[must_use]
    #[inline]
    pub fn of(self, a: u32) -> u32 {
        integer::unary(self, a).unwrap_or_else(|| float::unary(self, a))
    }
}

impl Binary {
    /// What it computes.
    #[must_use]
    #[inline]
    pub fn of(self, a: u32, b: u32) -> u32 {
        match self {
            Self::Add | Self::Subtract | Self::Multiply => float::arithmetic(self, a, b),
            _ => integer::binary(self, a, b).unwrap_or_else(|| float::binary(self, a, b)),
        }
    }
}

impl Ternary {
    /// What it computes.
    #[must_use]
    #[inline]
    pub fn of(self, a: u32, b: u32, c: u32) -> u32 {
        match self {
            Self::Fma => fma(f32::from_bits(a), f32::from_bits(b), f32::from_bits(c)).to_bits(),
            Self::Select => {
                if a != 0 {
                    c
                } else {
                    b
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
