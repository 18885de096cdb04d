//! What an instruction does with the bits of a NaN.

use wasmparser::Operator;

/// A type of float, with its lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Float {
    F32,
    F64,
    F32x4,
    F64x2,
}

/// How an instruction takes floats and gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FloatOp {
    /// Takes any NaN for a NaN, and gives one whose bits the machine chooses.
    Arithmetic { takes: Float, gives: Float },
    /// Takes any NaN for a NaN, and gives no float: comparisons, truncations to integers.
    Blind { takes: Float },
    /// Gives the bits that it takes, but for a sign that a canonical NaN does not have.
    Copy { takes: Float },
    /// Gives the bits of one of the two floats that it takes.
    Choice { takes: Option<Float> },
    /// Gives a number that is never a NaN.
    Number,
    /// Gives a constant, with or without NaNs.
    Constant { has_nan: bool },
    /// Observes the bits of every float that it takes; gives bits that are what they are.
    Other,
}

pub(crate) fn float_op(op: &Operator<'_>) -> FloatOp {
    use Operator::*;
    let same = |float| FloatOp::Arithmetic { takes: float, gives: float };
    match op {
        F32Add | F32Sub | F32Mul | F32Div | F32Min | F32Max | F32Sqrt | F32Ceil | F32Floor | F32Trunc | F32Nearest => {
            same(Float::F32)
        }
        F64Add | F64Sub | F64Mul | F64Div | F64Min | F64Max | F64Sqrt | F64Ceil | F64Floor | F64Trunc | F64Nearest => {
            same(Float::F64)
        }
        F32x4Add | F32x4Sub | F32x4Mul | F32x4Div | F32x4Min | F32x4Max | F32x4Sqrt | F32x4Ceil | F32x4Floor
        | F32x4Trunc | F32x4Nearest | F32x4RelaxedMin | F32x4RelaxedMax | F32x4RelaxedMadd | F32x4RelaxedNmadd => {
            same(Float::F32x4)
        }
        F64x2Add | F64x2Sub | F64x2Mul | F64x2Div | F64x2Min | F64x2Max | F64x2Sqrt | F64x2Ceil | F64x2Floor
        | F64x2Trunc | F64x2Nearest | F64x2RelaxedMin | F64x2RelaxedMax | F64x2RelaxedMadd | F64x2RelaxedNmadd => {
            same(Float::F64x2)
        }
        F32DemoteF64 => FloatOp::Arithmetic { takes: Float::F64, gives: Float::F32 },
        F64PromoteF32 => FloatOp::Arithmetic { takes: Float::F32, gives: Float::F64 },
        F32x4DemoteF64x2Zero => FloatOp::Arithmetic { takes: Float::F64x2, gives: Float::F32x4 },
        F64x2PromoteLowF32x4 => FloatOp::Arithmetic { takes: Float::F32x4, gives: Float::F64x2 },
        F32Eq | F32Ne | F32Lt | F32Gt | F32Le | F32Ge | I32TruncF32S | I32TruncF32U | I64TruncF32S | I64TruncF32U
        | I32TruncSatF32S | I32TruncSatF32U | I64TruncSatF32S | I64TruncSatF32U => FloatOp::Blind { takes: Float::F32 },
        F64Eq | F64Ne | F64Lt | F64Gt | F64Le | F64Ge | I32TruncF64S | I32TruncF64U | I64TruncF64S | I64TruncF64U
        | I32TruncSatF64S | I32TruncSatF64U | I64TruncSatF64S | I64TruncSatF64U => FloatOp::Blind { takes: Float::F64 },
        F32x4Eq | F32x4Ne | F32x4Lt | F32x4Gt | F32x4Le | F32x4Ge | I32x4TruncSatF32x4S | I32x4TruncSatF32x4U => {
            FloatOp::Blind { takes: Float::F32x4 }
        }
        F64x2Eq
        | F64x2Ne
        | F64x2Lt
        | F64x2Gt
        | F64x2Le
        | F64x2Ge
        | I32x4TruncSatF64x2SZero
        | I32x4TruncSatF64x2UZero => FloatOp::Blind { takes: Float::F64x2 },
        F32Abs => FloatOp::Copy { takes: Float::F32 },
        F64Abs => FloatOp::Copy { takes: Float::F64 },
        F32x4Abs => FloatOp::Copy { takes: Float::F32x4 },
        F64x2Abs => FloatOp::Copy { takes: Float::F64x2 },
        Select | TypedSelect { .. } => FloatOp::Choice { takes: None },
        F32x4PMin | F32x4PMax => FloatOp::Choice { takes: Some(Float::F32x4) },
        F64x2PMin | F64x2PMax => FloatOp::Choice { takes: Some(Float::F64x2) },
        F32ConvertI32S | F32ConvertI32U | F32ConvertI64S | F32ConvertI64U | F64ConvertI32S | F64ConvertI32U
        | F64ConvertI64S | F64ConvertI64U | F32x4ConvertI32x4S | F32x4ConvertI32x4U => FloatOp::Number,
        F32Const { value } => FloatOp::Constant { has_nan: f32::from_bits(value.bits()).is_nan() },
        F64Const { value } => FloatOp::Constant { has_nan: f64::from_bits(value.bits()).is_nan() },
        V128Const { value } => FloatOp::Constant { has_nan: has_nan(*value.bytes()) },
        _ => FloatOp::Other,
    }
}

/// Whether a vector is a NaN in some lane, whatever the lanes are.
fn has_nan(bytes: [u8; 16]) -> bool {
    let (singles, _) = bytes.as_chunks::<4>();
    let (doubles, _) = bytes.as_chunks::<8>();
    singles.iter().any(|lane| f32::from_le_bytes(*lane).is_nan())
        || doubles.iter().any(|lane| f64::from_le_bytes(*lane).is_nan())
}
