//! Arithmetic of two numbers, and of any number of them.

use std::borrow::Cow;
use std::cmp::Ordering;

use poai_numerics::Binary;

use super::cast;
use super::function::{canonical, greater, lesser};
use super::integer::{Integer, with_integer};
use super::spread::Spread;
use crate::op::operand::{floats, narrowed};
use crate::{Cpu, DType, OpError, Tensor};

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a · b
    Mul,
    /// a / b; of integers towards zero, and an error if b is 0.
    Div,
    /// What is left of a after whole multiples of b, with the sign of b: the remainder, plus b if it is of the other
    /// sign. Of integers an error if b is 0.
    Modulo,
    /// What is left of a after whole multiples of b, with the sign of a. Of integers an error if b is 0.
    Remainder,
    /// a to the power of b, in the type of a. An integer to a negative integer is an error.
    Pow,
    /// a, or a · b where a is below zero.
    Prelu,
    /// The greater; NaN if either is.
    Max,
    /// The lesser; NaN if either is.
    Min,
}

impl Arithmetic {
    /// ONNX's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Modulo | Self::Remainder => "Mod",
            Self::Pow => "Pow",
            Self::Prelu => "PRelu",
            Self::Max => "Max",
            Self::Min => "Min",
        }
    }

    /// The operation on f32; that of [`Self::Modulo`] comes first of two.
    pub(super) fn of_floats(self) -> Binary {
        match self {
            Self::Add => Binary::Add,
            Self::Sub => Binary::Sub,
            Self::Mul => Binary::Mul,
            Self::Div => Binary::Div,
            Self::Modulo | Self::Remainder => Binary::Remainder,
            Self::Pow => Binary::Pow,
            Self::Prelu => Binary::Prelu,
            Self::Max => Binary::Max,
            Self::Min => Binary::Min,
        }
    }

    /// The operation on 64 bits, where it has one answer.
    fn of_doubles(self) -> Option<fn(f64, f64) -> f64> {
        Some(match self {
            Self::Add => |a, b| a + b,
            Self::Sub => |a, b| a - b,
            Self::Mul => |a, b| a * b,
            Self::Div => |a, b| a / b,
            Self::Remainder => |a, b| a % b,
            Self::Modulo => |a, b| {
                let left = a % b;
                // What is no number is left as it is.
                match left.partial_cmp(&0.0) {
                    Some(Ordering::Equal) => 0f64.copysign(b),
                    Some(sign) if (sign == Ordering::Less) != (b < 0.0) => left + b,
                    _ => left,
                }
            },
            Self::Prelu => |a, b| if a < 0.0 { a * b } else { a },
            Self::Max => greater,
            Self::Min => lesser,
            Self::Pow => return None,
        })
    }

    /// The operation on whole numbers.
    fn of_integers<T: Integer>(self) -> Option<fn(T, T) -> T> {
        Some(match self {
            Self::Add => T::add,
            Self::Sub => T::subtract,
            Self::Mul => T::multiply,
            Self::Div => T::divide,
            Self::Modulo => T::modulo,
            Self::Remainder => T::remainder,
            Self::Prelu => |a, b| if a < T::ZERO { a.multiply(b) } else { a },
            Self::Max => T::max,
            Self::Min => T::min,
            Self::Pow => return None,
        })
    }

    /// An error unless the operation is one of elements of these types.
    pub(super) fn check(self, left: DType, right: DType) -> Result<(), OpError> {
        if left == DType::Bool || right == DType::Bool {
            return Err(OpError::new(format!("{} of bool elements", self.name())));
        }
        if left != right && self != Self::Pow {
            return Err(OpError::new(format!("its operands are {left} and {right}, and must be of one type")));
        }
        if left == DType::F64 && self.of_doubles().is_none() {
            return Err(OpError::unsupported(format!("{} of f64 elements", self.name())));
        }
        Ok(())
    }
}

/// Computes each element of the broadcast.
pub(super) fn run(cpu: &Cpu, operation: Arithmetic, left: &Tensor, right: &Tensor) -> Result<Tensor, OpError> {
    operation.check(left.dtype(), right.dtype())?;
    let spread = Spread::of([left, right])?;
    let dtype = left.dtype();
    if dtype.is_computed_as_f32() {
        let (left, right) = (floats(left)?, as_floats(right)?);
        let mut result = cpu.allocate(DType::F32, spread.shape())?;
        let (left, strided) = (spread.strided(0, &left), spread.strided(1, &right));
        cpu.processor().binary(operation.of_floats(), spread.dims(), left, strided, result.slice_mut())?;
        if operation == Arithmetic::Modulo {
            take_sign(result.slice_mut(), &right, &spread);
        }
        return rounded(cpu, dtype, result.freeze());
    }
    if operation == Arithmetic::Pow {
        return power(cpu, &spread, left, right);
    }
    let mut result = cpu.allocate(dtype, spread.shape())?;
    with_integer!(dtype, T => {
        let (left, right) = (left.slice::<T>()?, right.slice::<T>()?);
        let divides = matches!(operation, Arithmetic::Div | Arithmetic::Modulo | Arithmetic::Remainder);
        if divides && spread.dims() != [0] && right.contains(&T::ZERO) {
            return Err(OpError::new("integers are divided by zero"));
        }
        let of = operation.of_integers::<T>().expect("only powers are not of this kind");
        spread.zip(left, right, result.slice_mut::<T>(), of);
    }, _other => {
        let of = operation.of_doubles().expect("checked above");
        let of = |a, b| canonical(of(a, b));
        spread.zip(left.slice::<f64>()?, right.slice::<f64>()?, result.slice_mut::<f64>(), of);
    });
    Ok(result.freeze())
}

/// Gives remainders the signs of the divisors, which are the second operand.
fn take_sign(remainders: &mut [f32], divisors: &[f32], spread: &Spread<2>) {
    spread.rows(|row, [_, divisor_row]| {
        let divisors = divisors[divisor_row].iter().cycle();
        for (left, &divisor) in remainders[row].iter_mut().zip(divisors) {
            if *left != 0.0 && (*left < 0.0) != (divisor < 0.0) {
                *left = Binary::Add.of(*left, divisor);
            }
        }
    });
}

/// Numbers of any type as f32.
fn as_floats(tensor: &Tensor) -> Result<Cow<'_, [f32]>, OpError> {
    if tensor.dtype().is_computed_as_f32() { floats(tensor) } else { Ok(Cow::Owned(cast::to_floats(tensor)?)) }
}

/// A result of f32 in the type that it is stored in.
fn rounded(cpu: &Cpu, dtype: DType, result: Tensor) -> Result<Tensor, OpError> {
    if dtype == DType::F32 { Ok(result) } else { narrowed(cpu, dtype, result.shape(), result.slice()?) }
}

/// Integers to powers. A float that is a whole number from 0 up counts as the integer; any other goes by way of the
/// power of f32, back to the integer as a cast does.
fn power(cpu: &Cpu, spread: &Spread<2>, base: &Tensor, exponent: &Tensor) -> Result<Tensor, OpError> {
    let mut result = cpu.allocate(base.dtype(), spread.shape())?;
    with_integer!(base.dtype(), T => {
        let (bases, out) = (base.slice::<T>()?, result.slice_mut::<T>());
        if exponent.dtype().is_float() {
            spread.zip(bases, &as_floats(exponent)?, out, |base: T, exponent: f32| {
                if exponent >= 0.0 && exponent == exponent.floor() && exponent.is_finite() {
                    base.power(exponent as u64)
                } else {
                    Binary::Pow.of(base as f32, exponent) as T
                }
            });
        } else {
            spread.zip(bases, whole_exponents(cpu, exponent)?.slice()?, out, T::power);
        }
    }, other => return Err(OpError::unsupported(format!("powers of {other} elements"))));
    Ok(result.freeze())
}

/// Exponents as `u64`; an error if one is below zero.
fn whole_exponents(cpu: &Cpu, exponent: &Tensor) -> Result<Tensor, OpError> {
    let whole = cast::run(cpu, DType::U64, exponent)?;
    // A cast of one below zero keeps its bits.
    let below_zero = |exponent: &&u64| exponent.cast_signed() < 0;
    match whole.slice()?.iter().find(below_zero).filter(|_| exponent.dtype() != DType::U64) {
        Some(negative) => Err(OpError::new(format!("integers are raised to the power of {}", negative.cast_signed()))),
        None => Ok(whole),
    }
}

/// An operation on any number of operands, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// Their sum.
    Sum,
    /// Their sum, divided by how many they are.
    Mean,
}

impl Fold {
    /// ONNX's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Max => "Max",
            Self::Min => "Min",
            Self::Sum => "Sum",
            Self::Mean => "Mean",
        }
    }

    pub(super) fn step(self) -> Arithmetic {
        match self {
            Self::Max => Arithmetic::Max,
            Self::Min => Arithmetic::Min,
            Self::Sum | Self::Mean => Arithmetic::Add,
        }
    }

    /// An error unless it is one of elements of this type.
    pub(super) fn check(self, dtype: DType) -> Result<(), OpError> {
        if matches!(self, Self::Sum | Self::Mean) && !dtype.is_float() {
            return Err(OpError::new(format!("{} of {dtype} elements", self.name())));
        }
        self.step().check(dtype, dtype)
    }

    /// Folds the operands, of which there is at least one.
    pub(super) fn run(self, cpu: &Cpu, operands: &[&Tensor]) -> Result<Tensor, OpError> {
        match operands {
            [] => Err(OpError::new("it has no operands")),
            [first, ..] if matches!(first.dtype(), DType::F16 | DType::Bf16) => {
                cast::in_f32(cpu, operands, |wide| self.fold(cpu, wide[0], &wide[1..]))
            }
            [first, others @ ..] => self.fold(cpu, first, others),
        }
    }

    fn fold(self, cpu: &Cpu, first: &Tensor, others: &[&Tensor]) -> Result<Tensor, OpError> {
        self.check(first.dtype())?;
        let step = |folded, other: &&Tensor| run(cpu, self.step(), &folded, other);
        let folded = others.iter().try_fold(first.clone(), step)?;
        if self != Self::Mean {
            return Ok(folded);
        }
        let count = others.len() + 1;
        let count =
            if first.dtype() == DType::F64 { Tensor::scalar(count as f64) } else { Tensor::scalar(count as f32) };
        run(cpu, Arithmetic::Div, &folded, &count)
    }
}
