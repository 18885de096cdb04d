//! The ONNX forms of element-wise operators.

use poai_numerics::Unary;

use super::{Arithmetic, Bits, Comparison, Elementwise, Fold, Kind};
use crate::onnx::Source;
use crate::op::Op;
use crate::{DType, OpError};

/// Reads a node, if its operator belongs here.
pub(in crate::op) fn import(source: &mut Source<'_>) -> Result<Option<Op>, OpError> {
    let operator = source.qualified_operator();
    if let Some(op) = without_attributes(&operator) {
        return Ok(Some(op.into()));
    }
    if let Some(function) = function(source, &operator)? {
        return Ok(Some(Elementwise::Function(function).into()));
    }
    let op = match operator.as_str() {
        "Mod" if source.flag("fmod")? => Elementwise::Arithmetic(Arithmetic::Remainder),
        "Mod" => Elementwise::Arithmetic(Arithmetic::Modulo),
        "Clip" if source.opset() < 11 => Elementwise::Function(Unary::Clip {
            low: source.float("min")?.unwrap_or(f32::MIN),
            high: source.float("max")?.unwrap_or(f32::MAX),
        }),
        "Clip" => Elementwise::Clip,
        "BitShift" => Elementwise::Bits(shift(source)?),
        "IsInf" => Elementwise::Is(Kind::Infinite {
            negative: source.int("detect_negative")?.unwrap_or(1) != 0,
            positive: source.int("detect_positive")?.unwrap_or(1) != 0,
        }),
        "Cast" => {
            forget_narrow_floats(source)?;
            Elementwise::Cast(target(source)?)
        }
        "CastLike" => {
            forget_narrow_floats(source)?;
            Elementwise::CastLike
        }
        "BitCast" => Elementwise::BitCast(target(source)?),
        "Swish" => swish(source.float("alpha")?.unwrap_or(1.0)),
        "SwiGLU" => Elementwise::SwiGlu(source.float("alpha")?.unwrap_or(1.0)),
        "com.microsoft.QuickGelu" => swish(source.float("alpha")?.unwrap_or(1.702)),
        "Dropout" => dropout(source)?,
        _ => return Ok(None),
    };
    Ok(Some(op.into()))
}

/// Operators that are said by their name alone.
fn without_attributes(operator: &str) -> Option<Elementwise> {
    Some(match operator {
        "Add" => Elementwise::Arithmetic(Arithmetic::Add),
        "Sub" => Elementwise::Arithmetic(Arithmetic::Sub),
        "Mul" => Elementwise::Arithmetic(Arithmetic::Mul),
        "Div" => Elementwise::Arithmetic(Arithmetic::Div),
        "Pow" => Elementwise::Arithmetic(Arithmetic::Pow),
        "PRelu" => Elementwise::Arithmetic(Arithmetic::Prelu),
        "Max" => Elementwise::Fold(Fold::Max),
        "Min" => Elementwise::Fold(Fold::Min),
        "Sum" => Elementwise::Fold(Fold::Sum),
        "Mean" => Elementwise::Fold(Fold::Mean),
        "Equal" => Elementwise::Compare(Comparison::Equal),
        "Less" => Elementwise::Compare(Comparison::Less),
        "LessOrEqual" => Elementwise::Compare(Comparison::LessOrEqual),
        "Greater" => Elementwise::Compare(Comparison::Greater),
        "GreaterOrEqual" => Elementwise::Compare(Comparison::GreaterOrEqual),
        "And" | "BitwiseAnd" => Elementwise::Bits(Bits::And),
        "Or" | "BitwiseOr" => Elementwise::Bits(Bits::Or),
        "Xor" | "BitwiseXor" => Elementwise::Bits(Bits::Xor),
        "Not" | "BitwiseNot" => Elementwise::Not,
        "IsNaN" => Elementwise::Is(Kind::Nan),
        "Where" => Elementwise::Where,
        "com.microsoft.BiasGelu" => Elementwise::Biased(Unary::Gelu),
        "com.microsoft.FastGelu" => Elementwise::Biased(Unary::GeluTanh),
        _ => return None,
    })
}

/// Functions of one number, with their parameters.
fn function(source: &mut Source<'_>, operator: &str) -> Result<Option<Unary>, OpError> {
    let mut number = |name: &str, otherwise: f32| Ok::<_, OpError>(source.float(name)?.unwrap_or(otherwise));
    Ok(Some(match operator {
        "Neg" => Unary::Neg,
        "Abs" => Unary::Abs,
        "Sign" => Unary::Sign,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Tan" => Unary::Tan,
        "Asin" => Unary::Asin,
        "Acos" => Unary::Acos,
        "Atan" => Unary::Atan,
        "Sinh" => Unary::Sinh,
        "Cosh" => Unary::Cosh,
        "Tanh" => Unary::Tanh,
        "Asinh" => Unary::Asinh,
        "Acosh" => Unary::Acosh,
        "Atanh" => Unary::Atanh,
        "Sigmoid" => Unary::Sigmoid,
        "Erf" => Unary::Erf,
        "Softplus" => Unary::Softplus,
        "Mish" => Unary::Mish,
        "Softsign" => Unary::Softsign,
        "Relu" => Unary::Relu,
        "HardSwish" => Unary::HardSwish,
        "LeakyRelu" => Unary::LeakyRelu(number("alpha", 0.01)?),
        "Elu" => Unary::Elu(number("alpha", 1.0)?),
        "Selu" => Unary::Selu { alpha: number("alpha", 1.673_263_2)?, gamma: number("gamma", 1.050_701)? },
        "Celu" => Unary::Celu(celu_alpha(number("alpha", 1.0)?)?),
        "ThresholdedRelu" => Unary::ThresholdedRelu(number("alpha", 1.0)?),
        "Shrink" => Unary::Shrink { lambda: number("lambd", 0.5)?, bias: number("bias", 0.0)? },
        "HardSigmoid" => Unary::HardSigmoid { alpha: number("alpha", 0.2)?, beta: number("beta", 0.5)? },
        "Gelu" => match source.text("approximate")?.as_deref() {
            None | Some("none") => Unary::Gelu,
            Some("tanh") => Unary::GeluTanh,
            Some(other) => return Err(OpError::new(format!("there is no Gelu approximated by {other}"))),
        },
        "com.microsoft.Gelu" => Unary::Gelu,
        _ => return Ok(None),
    }))
}

fn celu_alpha(alpha: f32) -> Result<f32, OpError> {
    if alpha > 0.0 { Ok(alpha) } else { Err(OpError::unsupported(format!("Celu with alpha {alpha}"))) }
}

fn swish(alpha: f32) -> Elementwise {
    if alpha == 1.0 { Elementwise::Function(Unary::Silu) } else { Elementwise::Swish(alpha) }
}

fn shift(source: &mut Source<'_>) -> Result<Bits, OpError> {
    match source.text("direction")?.as_deref() {
        Some("LEFT") => Ok(Bits::ShiftLeft),
        Some("RIGHT") => Ok(Bits::ShiftRight),
        other => Err(OpError::new(format!("bits are shifted LEFT or RIGHT, not {}", other.unwrap_or("nowhere")))),
    }
}

fn target(source: &mut Source<'_>) -> Result<DType, OpError> {
    source.dtype("to")?.ok_or_else(|| OpError::new("attribute to is missing"))
}

/// Takes the attributes that speak only of floats of 8 bits.
fn forget_narrow_floats(source: &mut Source<'_>) -> Result<(), OpError> {
    source.int("saturate")?;
    source.text("round_mode")?;
    Ok(())
}

fn dropout(source: &mut Source<'_>) -> Result<Elementwise, OpError> {
    // How much and by what seed training drops; inference drops nothing.
    if source.opset() < 12 {
        source.float("ratio")?;
    } else {
        source.int("seed")?;
    }
    Ok(Elementwise::Dropout { mask_of_numbers: source.opset() < 10 })
}
