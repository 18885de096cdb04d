//! Functions of one number.

use poai_numerics::Unary;

use super::integer::{Integer, with_integer};
use crate::op::operand::{float_result, floats};
use crate::{Cpu, DType, OpError, Tensor};

/// The NaN of 64 bits that is stored.
const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0000);

/// What an operation of 64 bits stores: its NaN is the one NaN.
pub(super) fn canonical(x: f64) -> f64 {
    if x.is_nan() { NAN } else { x }
}

/// ONNX's name.
pub(super) fn name(function: Unary) -> &'static str {
    match function {
        Unary::Identity => "Identity",
        Unary::Neg => "Neg",
        Unary::Abs => "Abs",
        Unary::Sign => "Sign",
        Unary::Floor => "Floor",
        Unary::Ceil => "Ceil",
        Unary::Round => "Round",
        Unary::Sqrt => "Sqrt",
        Unary::Reciprocal => "Reciprocal",
        Unary::Exp => "Exp",
        Unary::Log => "Log",
        Unary::Sin => "Sin",
        Unary::Cos => "Cos",
        Unary::Tan => "Tan",
        Unary::Asin => "Asin",
        Unary::Acos => "Acos",
        Unary::Atan => "Atan",
        Unary::Sinh => "Sinh",
        Unary::Cosh => "Cosh",
        Unary::Tanh => "Tanh",
        Unary::Asinh => "Asinh",
        Unary::Acosh => "Acosh",
        Unary::Atanh => "Atanh",
        Unary::Sigmoid => "Sigmoid",
        Unary::Erf => "Erf",
        Unary::Gelu | Unary::GeluTanh => "Gelu",
        Unary::Silu => "Swish",
        Unary::Softplus => "Softplus",
        Unary::Mish => "Mish",
        Unary::Softsign => "Softsign",
        Unary::Relu => "Relu",
        Unary::LeakyRelu(_) => "LeakyRelu",
        Unary::Elu(_) => "Elu",
        Unary::Selu { .. } => "Selu",
        Unary::Celu(_) => "Celu",
        Unary::ThresholdedRelu(_) => "ThresholdedRelu",
        Unary::Shrink { .. } => "Shrink",
        Unary::HardSigmoid { .. } => "HardSigmoid",
        Unary::HardSwish => "HardSwish",
        Unary::Clip { .. } => "Clip",
    }
}

/// An error unless the function is one of elements of this type.
pub(super) fn check(function: Unary, dtype: DType) -> Result<(), OpError> {
    let built = with_integer!(dtype, T => of_integer::<T>(function).is_some(), other => match other {
        DType::Bool => false,
        DType::F64 => of_double(function, 0.0).is_some(),
        _ => true,
    });
    if built { Ok(()) } else { Err(OpError::unsupported(format!("{} of {dtype} elements", name(function)))) }
}

/// Applies the function to each element.
pub(super) fn run(cpu: &Cpu, function: Unary, x: &Tensor) -> Result<Tensor, OpError> {
    let dtype = x.dtype();
    if dtype.is_computed_as_f32() {
        let values = floats(x)?;
        return float_result(cpu, dtype, x.shape(), |out| Ok(cpu.processor().unary(function, &values, out)?));
    }
    check(function, dtype)?;
    let mut result = cpu.allocate(dtype, x.shape())?;
    with_integer!(dtype, T => {
        let of = of_integer::<T>(function).expect("checked above");
        result.slice_mut::<T>().iter_mut().zip(x.slice::<T>()?).for_each(|(out, &x)| *out = of(x));
    }, _other => {
        for (out, &x) in result.slice_mut::<f64>().iter_mut().zip(x.slice::<f64>()?) {
            *out = canonical(of_double(function, x).expect("checked above"));
        }
    });
    Ok(result.freeze())
}

/// Functions of whole numbers.
fn of_integer<T: Integer>(function: Unary) -> Option<fn(T) -> T> {
    Some(match function {
        Unary::Identity => |x| x,
        Unary::Neg => T::negate,
        Unary::Abs => T::size,
        Unary::Sign => T::sign,
        Unary::Relu => |x| x.max(T::ZERO),
        _ => return None,
    })
}

/// Functions of 64 bits: those that IEEE 754 rounds correctly, so that there is one answer.
fn of_double(function: Unary, x: f64) -> Option<f64> {
    Some(match function {
        Unary::Identity => x,
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sign if x > 0.0 => 1.0,
        Unary::Sign if x < 0.0 => -1.0,
        Unary::Sign => x,
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Sqrt => x.sqrt(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Relu => greater(x, 0.0),
        Unary::LeakyRelu(alpha) if x < 0.0 => f64::from(alpha) * x,
        Unary::LeakyRelu(_) => x,
        Unary::ThresholdedRelu(alpha) if x > f64::from(alpha) => x,
        Unary::ThresholdedRelu(_) => 0.0,
        Unary::Clip { low, high } => lesser(greater(x, f64::from(low)), f64::from(high)),
        _ => return None,
    })
}

/// The greater, +0 above -0; NaN if either is.
pub(super) fn greater(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        NAN
    } else if a.total_cmp(&b).is_ge() {
        a
    } else {
        b
    }
}

/// The lesser, -0 below +0; NaN if either is.
pub(super) fn lesser(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        NAN
    } else if a.total_cmp(&b).is_le() {
        a
    } else {
        b
    }
}
