//! WGSL's functions: those that kernels have, and what to write in place of the others.

use naga::MathFunction as F;

/// What a function of WGSL is to kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is one of docs/compute.md.
    Taken,
    /// Devices define it loosely: this says what to write.
    Refused(&'static str),
}

use Standing::{Refused, Taken};

const SUMS: &str = "add the products of the components with fma, in the order that you want";
const BYTES: &str = "use shifts and masks";
const PARTS: &str = "bitcast to u32, and use shifts and masks";

/// Every mathematical function that naga reads, by WGSL's name.
pub(crate) const FUNCTIONS: [(&str, F, Standing); 75] = [
    ("abs", F::Abs, Taken),
    ("min", F::Min, Taken),
    ("max", F::Max, Taken),
    ("clamp", F::Clamp, Taken),
    ("saturate", F::Saturate, Taken),
    ("cos", F::Cos, Taken),
    ("cosh", F::Cosh, Taken),
    ("sin", F::Sin, Taken),
    ("sinh", F::Sinh, Taken),
    ("tan", F::Tan, Taken),
    ("tanh", F::Tanh, Taken),
    ("acos", F::Acos, Taken),
    ("acosh", F::Acosh, Taken),
    ("asin", F::Asin, Taken),
    ("asinh", F::Asinh, Taken),
    ("atan", F::Atan, Taken),
    ("atanh", F::Atanh, Taken),
    ("atan2", F::Atan2, Refused("use atan of the quotient, and choose the quadrant")),
    ("radians", F::Radians, Refused("multiply by 0.017453292")),
    ("degrees", F::Degrees, Refused("multiply by 57.29578")),
    ("ceil", F::Ceil, Taken),
    ("floor", F::Floor, Taken),
    ("round", F::Round, Taken),
    ("fract", F::Fract, Refused("use x - floor(x)")),
    ("trunc", F::Trunc, Taken),
    ("modf", F::Modf, Refused("use trunc(x), and x - trunc(x)")),
    ("frexp", F::Frexp, Refused(PARTS)),
    ("ldexp", F::Ldexp, Refused("multiply by a power of two, made by bitcast<f32>")),
    ("exp", F::Exp, Taken),
    ("exp2", F::Exp2, Refused("use exp(x * 0.6931472), or pow(2.0, x)")),
    ("log", F::Log, Taken),
    ("log2", F::Log2, Refused("use log(x) * 1.442695")),
    ("pow", F::Pow, Taken),
    ("dot", F::Dot, Refused(SUMS)),
    ("dot4I8Packed", F::Dot4I8Packed, Taken),
    ("dot4U8Packed", F::Dot4U8Packed, Taken),
    ("cross", F::Cross, Refused("write the differences of the products")),
    ("distance", F::Distance, Refused("use sqrt of the squares, added with fma")),
    ("length", F::Length, Refused("use sqrt of the squares, added with fma")),
    ("normalize", F::Normalize, Refused("divide by sqrt of the squares, added with fma")),
    ("faceForward", F::FaceForward, Refused("use select")),
    ("reflect", F::Reflect, Refused(SUMS)),
    ("refract", F::Refract, Refused(SUMS)),
    ("sign", F::Sign, Taken),
    ("fma", F::Fma, Taken),
    ("mix", F::Mix, Refused("use fma(t, b - a, a)")),
    ("step", F::Step, Refused("use select(0.0, 1.0, edge <= x)")),
    ("smoothstep", F::SmoothStep, Refused("write the polynomial")),
    ("sqrt", F::Sqrt, Taken),
    ("inverseSqrt", F::InverseSqrt, Refused("use 1.0 / sqrt(x)")),
    ("transpose", F::Transpose, Taken),
    ("determinant", F::Determinant, Refused("write the differences of the products")),
    ("quantizeToF16", F::QuantizeToF16, Refused("round by integers")),
    ("countTrailingZeros", F::CountTrailingZeros, Taken),
    ("countLeadingZeros", F::CountLeadingZeros, Taken),
    ("countOneBits", F::CountOneBits, Taken),
    ("reverseBits", F::ReverseBits, Taken),
    ("extractBits", F::ExtractBits, Refused(BYTES)),
    ("insertBits", F::InsertBits, Refused(BYTES)),
    ("firstTrailingBit", F::FirstTrailingBit, Taken),
    ("firstLeadingBit", F::FirstLeadingBit, Taken),
    ("pack4x8snorm", F::Pack4x8snorm, Refused(BYTES)),
    ("pack4x8unorm", F::Pack4x8unorm, Refused(BYTES)),
    ("pack2x16snorm", F::Pack2x16snorm, Refused(BYTES)),
    ("pack2x16unorm", F::Pack2x16unorm, Refused(BYTES)),
    ("pack2x16float", F::Pack2x16float, Refused(BYTES)),
    ("pack4xI8", F::Pack4xI8, Refused(BYTES)),
    ("pack4xU8", F::Pack4xU8, Refused(BYTES)),
    ("pack4xI8Clamp", F::Pack4xI8Clamp, Refused(BYTES)),
    ("pack4xU8Clamp", F::Pack4xU8Clamp, Refused(BYTES)),
    ("unpack4x8snorm", F::Unpack4x8snorm, Refused(BYTES)),
    ("unpack4x8unorm", F::Unpack4x8unorm, Refused(BYTES)),
    ("unpack2x16snorm", F::Unpack2x16snorm, Refused(BYTES)),
    ("unpack2x16unorm", F::Unpack2x16unorm, Refused(BYTES)),
    ("unpack2x16float", F::Unpack2x16float, Refused(BYTES)),
];

/// WGSL's name of a function, and its standing. naga has some functions that WGSL cannot name.
pub(crate) fn standing(function: F) -> Option<(&'static str, Standing)> {
    FUNCTIONS.iter().find(|(_, known, _)| *known == function).map(|&(name, _, standing)| (name, standing))
}
