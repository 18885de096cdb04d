//! Arithmetic, comparison, logic, casts: operators that take an element at a time.
//!
//! Floats of 32 bits are computed by `poai-numerics`; those of 16 bits as f32, rounded once at the end; those of 64 bits
//! only where IEEE 754 has one answer. Integers wrap. Operands of different shapes are broadcast.

mod arithmetic; // two numbers, and any number of them
mod bits; // and, or, exclusive or, shifts
pub(super) mod cast; // numbers of another type
mod choice; // Where, Clip
mod comparison; // numbers compared, and asked what they are
mod function; // functions of one number
mod import; // the ONNX forms
mod integer; // arithmetic of whole numbers
mod spread; // operands of different shapes
mod steps; // as sequences of numerics' operations
#[cfg(test)]
mod tests;

use poai_numerics::Unary;

use super::Operation;
use super::operand::{broadcast_dims, given, needed, same_type};
use crate::{Cpu, DType, Fact, OpError, Tensor};

pub use arithmetic::{Arithmetic, Fold};
pub use bits::Bits;
pub use comparison::{Comparison, Kind};
pub(super) use import::import;

/// The operators of this family.
#[derive(Clone, Debug, PartialEq)]
pub enum Elementwise {
    /// A function of one number.
    Function(Unary),
    /// A function of a sum: `f(a + b)`; b may be left out.
    Biased(Unary),
    /// `x · sigmoid(alpha · x)`, three operations.
    Swish(f32),
    /// The first operand's [`Self::Swish`] of this alpha times the second operand, which has the same shape.
    SwiGlu(f32),
    /// An operation on two numbers.
    Arithmetic(Arithmetic),
    /// An operation on any number of operands.
    Fold(Fold),
    /// x within two bounds, each of which may be left out.
    Clip,
    /// Two numbers compared.
    Compare(Comparison),
    /// A float asked what it is.
    Is(Kind),
    /// An operation on the bits of integers or bools.
    Bits(Bits),
    /// The other bits of an integer, or the other bool.
    Not,
    /// The second operand where the first holds, the third elsewhere.
    Where,
    /// Numbers as those of another type.
    Cast(DType),
    /// Numbers as those of the second operand's type.
    CastLike,
    /// The same bits as elements of another type of the same width.
    BitCast(DType),
    /// What training drops, inference keeps: the operand, and a mask that is true everywhere.
    Dropout {
        /// The mask is 1 in the operand's type, as before opset 10.
        mask_of_numbers: bool,
    },
}

impl Operation for Elementwise {
    fn name(&self) -> &'static str {
        match self {
            Self::Function(function) | Self::Biased(function) => function::name(*function),
            Self::Swish(_) => "Swish",
            Self::SwiGlu(_) => "SwiGLU",
            Self::Arithmetic(operation) => operation.name(),
            Self::Fold(fold) => fold.name(),
            Self::Clip => "Clip",
            Self::Compare(comparison) => comparison.name(),
            Self::Is(kind) => kind.name(),
            Self::Bits(bits) => bits.name(),
            Self::Not => "Not",
            Self::Where => "Where",
            Self::Cast(_) => "Cast",
            Self::CastLike => "CastLike",
            Self::BitCast(_) => "BitCast",
            Self::Dropout { .. } => "Dropout",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        self.check_count(inputs.len())?;
        let first = needed(inputs, 0, "A")?;
        let alike = |dtype| Fact { dtype, shape: first.shape.clone(), value: None };
        let result = match self {
            Self::Function(_) | Self::Swish(_) | Self::Biased(_) => self.infer_function(inputs)?,
            Self::SwiGlu(_) => {
                let second = needed(inputs, 1, "B")?;
                as_large_as(second, as_large_as(first, self.infer_function(inputs)?)?)?
            }
            Self::Arithmetic(operation) => {
                let second = needed(inputs, 1, "B")?;
                operation.check(first.dtype, second.dtype)?;
                let result = spread(first.dtype, &[first, second])?;
                if *operation == Arithmetic::Prelu { as_large_as(first, result)? } else { result }
            }
            Self::Fold(fold) => {
                let operands = (0..inputs.len()).map(|i| needed(inputs, i, "data"));
                let operands = operands.collect::<Result<Vec<_>, _>>()?;
                fold.check(first.dtype)?;
                operands.iter().try_for_each(|operand| same_type(first, operand))?;
                spread(first.dtype, &operands)?
            }
            Self::Clip => {
                Arithmetic::Max.check(first.dtype, first.dtype)?;
                inputs[1..].iter().flatten().try_for_each(|bound| same_type(first, bound))?;
                alike(first.dtype)
            }
            Self::Compare(comparison) => {
                let second = needed(inputs, 1, "B")?;
                comparison.check(first.dtype)?;
                same_type(first, second)?;
                spread(DType::Bool, &[first, second])?
            }
            Self::Bits(bits) => {
                let second = needed(inputs, 1, "B")?;
                bits.check(first.dtype)?;
                same_type(first, second)?;
                spread(first.dtype, &[first, second])?
            }
            Self::Is(_) if !first.dtype.is_float() => return Err(self.wrong_type(first.dtype)),
            Self::Is(_) => alike(DType::Bool),
            Self::Not if first.dtype.is_float() => return Err(self.wrong_type(first.dtype)),
            Self::Not => alike(first.dtype),
            Self::Where if first.dtype != DType::Bool => return Err(self.wrong_type(first.dtype)),
            Self::Where => {
                let (yes, no) = (needed(inputs, 1, "X")?, needed(inputs, 2, "Y")?);
                same_type(yes, no)?;
                spread(yes.dtype, &[first, yes, no])?
            }
            Self::Cast(to) => alike(*to),
            Self::CastLike => alike(needed(inputs, 1, "target_type")?.dtype),
            Self::BitCast(to) => {
                check_bit_cast(first.dtype, *to)?;
                alike(*to)
            }
            Self::Dropout { mask_of_numbers } => return infer_dropout(first, *mask_of_numbers, inputs),
        };
        Ok(vec![result])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let first = needed(inputs, 0, "A")?;
        let second = || needed(inputs, 1, "B");
        let result = match self {
            Self::Function(function) => function::run(cpu, *function, first)?,
            Self::Biased(function) => match given(inputs, 1) {
                Some(bias) => biased(cpu, *function, first, bias)?,
                None => function::run(cpu, *function, first)?,
            },
            Self::Swish(alpha) => cast::in_f32(cpu, &[first], |operands| swish(cpu, *alpha, operands[0]))?,
            Self::SwiGlu(alpha) => cast::in_f32(cpu, &[first, second()?], |operands| {
                arithmetic::run(cpu, Arithmetic::Mul, &swish(cpu, *alpha, operands[0])?, operands[1])
            })?,
            Self::Arithmetic(operation) => arithmetic::run(cpu, *operation, first, second()?)?,
            Self::Fold(fold) => fold.run(cpu, &inputs.iter().copied().flatten().collect::<Vec<_>>())?,
            Self::Clip => choice::clip(cpu, first, given(inputs, 1), given(inputs, 2))?,
            Self::Compare(comparison) => comparison.run(cpu, first, second()?)?,
            Self::Is(kind) => kind.run(cpu, first)?,
            Self::Bits(bits) => bits.run(cpu, first, second()?)?,
            Self::Not => bits::not(cpu, first)?,
            Self::Where => choice::choose(cpu, first, second()?, needed(inputs, 2, "Y")?)?,
            Self::Cast(to) => cast::run(cpu, *to, first)?,
            Self::CastLike => cast::run(cpu, second()?.dtype(), first)?,
            Self::BitCast(to) => bit_cast(cpu, *to, first)?,
            Self::Dropout { mask_of_numbers } => {
                let mut mask = cpu.allocate(DType::Bool, first.shape())?;
                mask.slice_mut::<u8>().fill(1);
                let of = if *mask_of_numbers { first.dtype() } else { DType::Bool };
                return Ok(vec![first.clone(), cast::run(cpu, of, &mask.freeze())?]);
            }
        };
        Ok(vec![result])
    }
}

impl Elementwise {
    /// An error if there are more operands than the operator takes.
    fn check_count(&self, found: usize) -> Result<(), OpError> {
        let most = match self {
            Self::Function(_) | Self::Swish(_) | Self::Is(_) | Self::Not | Self::Cast(_) | Self::BitCast(_) => 1,
            Self::Biased(_)
            | Self::SwiGlu(_)
            | Self::Arithmetic(_)
            | Self::Compare(_)
            | Self::Bits(_)
            | Self::CastLike => 2,
            Self::Clip | Self::Where | Self::Dropout { .. } => 3,
            Self::Fold(_) => usize::MAX,
        };
        if found <= most { Ok(()) } else { Err(OpError::new(format!("it takes {most} operands, and has {found}"))) }
    }

    fn wrong_type(&self, dtype: DType) -> OpError {
        OpError::new(format!("{} of {dtype} elements", self.name()))
    }

    fn infer_function(&self, inputs: &[Option<&Fact>]) -> Result<Fact, OpError> {
        let x = needed(inputs, 0, "X")?;
        match self {
            Self::Function(function) => function::check(*function, x.dtype)?,
            _ if !x.dtype.is_computed_as_f32() => return Err(self.wrong_type(x.dtype)),
            _ => {}
        }
        let Some(bias) = given(inputs, 1) else { return spread(x.dtype, &[x]) };
        same_type(x, bias)?;
        spread(x.dtype, &[x, bias])
    }
}

/// A result of this type, with the shape that the operands broadcast to.
fn spread(dtype: DType, operands: &[&Fact]) -> Result<Fact, OpError> {
    let mut dims = Vec::new();
    for operand in operands {
        let Some(shape) = &operand.shape else { return Ok(Fact::of_type(dtype)) };
        dims = broadcast_dims(&dims, shape)?;
    }
    Ok(Fact::new(dtype, dims))
}

/// A result that has to have the operand's shape.
fn as_large_as(operand: &Fact, result: Fact) -> Result<Fact, OpError> {
    match (operand.sizes(), result.sizes()) {
        (Some(expected), Some(found)) if expected != found => {
            Err(OpError::new(format!("shape {expected:?} would be broadcast to {found:?}")))
        }
        _ => Ok(Fact { dtype: result.dtype, shape: operand.shape.clone(), value: None }),
    }
}

fn biased(cpu: &Cpu, function: Unary, x: &Tensor, bias: &Tensor) -> Result<Tensor, OpError> {
    cast::in_f32(cpu, &[x, bias], |operands| {
        let sum = arithmetic::run(cpu, Arithmetic::Add, operands[0], operands[1])?;
        function::run(cpu, function, &sum)
    })
}

/// Of f32.
fn swish(cpu: &Cpu, alpha: f32, x: &Tensor) -> Result<Tensor, OpError> {
    if alpha == 1.0 {
        return function::run(cpu, Unary::Silu, x);
    }
    let scaled = arithmetic::run(cpu, Arithmetic::Mul, x, &Tensor::scalar(alpha))?;
    let gate = function::run(cpu, Unary::Sigmoid, &scaled)?;
    arithmetic::run(cpu, Arithmetic::Mul, x, &gate)
}

fn check_bit_cast(from: DType, to: DType) -> Result<(), OpError> {
    if from.bytes() != to.bytes() {
        return Err(OpError::new(format!("elements of {from} have another width than those of {to}")));
    }
    Ok(())
}

fn bit_cast(cpu: &Cpu, to: DType, x: &Tensor) -> Result<Tensor, OpError> {
    check_bit_cast(x.dtype(), to)?;
    if to == DType::Bool && x.bytes().iter().any(|&byte| byte > 1) {
        return Err(OpError::new("a bool is neither 0 nor 1"));
    }
    let mut result = cpu.allocate(to, x.shape())?;
    result.bytes_mut().copy_from_slice(x.bytes());
    Ok(result.freeze())
}

/// Training is not built, but where nothing is dropped it is inference.
fn infer_dropout(x: &Fact, mask_of_numbers: bool, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
    let value = |index: usize| given(inputs, index).and_then(|fact| fact.value.as_ref());
    let trains = value(2).is_some_and(|mode| mode.bytes() != [0]);
    let drops = match (given(inputs, 1), value(1)) {
        (Some(_), Some(ratio)) => ratio.bytes().iter().any(|&byte| byte != 0),
        (Some(_), None) => false,
        (None, _) => true,
    };
    if trains && drops {
        return Err(OpError::unsupported("Dropout as training has it"));
    }
    let of = if mask_of_numbers { x.dtype } else { DType::Bool };
    let mask = Fact { dtype: of, shape: x.shape.clone(), value: None };
    Ok(vec![Fact { value: None, ..x.clone() }, mask])
}
