//! Operations on bits: of integers, and of bools, which are numbers of one bit.

use super::integer::{Integer, with_integer};
use super::spread::Spread;
use crate::{Cpu, DType, OpError, Tensor};

/// An operation on the bits of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// Those that both have.
    And,
    /// Those that either has.
    Or,
    /// Those that one has.
    Xor,
    /// Up by so many places; zeros come in. Of integers.
    ShiftLeft,
    /// Down by so many places; copies of the sign come in. Of integers.
    ShiftRight,
}

impl Bits {
    /// ONNX's name, for bools where there are two.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::And => "And",
            Self::Or => "Or",
            Self::Xor => "Xor",
            Self::ShiftLeft | Self::ShiftRight => "BitShift",
        }
    }

    /// An error unless elements of this type have such bits.
    pub(super) fn check(self, dtype: DType) -> Result<(), OpError> {
        let shifts = matches!(self, Self::ShiftLeft | Self::ShiftRight);
        if dtype.is_integer() || !shifts && dtype == DType::Bool {
            return Ok(());
        }
        Err(OpError::new(format!("{} of {dtype} elements", self.name())))
    }

    fn of<T: Integer>(self) -> fn(T, T) -> T {
        match self {
            Self::And => T::and,
            Self::Or => T::or,
            Self::Xor => T::xor,
            Self::ShiftLeft => T::shift_left,
            Self::ShiftRight => T::shift_right,
        }
    }

    /// Computes each element of the broadcast.
    pub(super) fn run(self, cpu: &Cpu, left: &Tensor, right: &Tensor) -> Result<Tensor, OpError> {
        self.check(left.dtype())?;
        let spread = Spread::of([left, right])?;
        let mut result = cpu.allocate(left.dtype(), spread.shape())?;
        with_integer!(left.dtype(), T => {
            spread.zip(left.slice::<T>()?, right.slice::<T>()?, result.slice_mut::<T>(), self.of());
        }, _bool => spread.zip(left.slice::<u8>()?, right.slice::<u8>()?, result.slice_mut::<u8>(), self.of()));
        Ok(result.freeze())
    }
}

/// The other bits: of integers all of them, of a bool its one.
pub(super) fn not(cpu: &Cpu, x: &Tensor) -> Result<Tensor, OpError> {
    let mut result = cpu.allocate(x.dtype(), x.shape())?;
    if x.dtype() == DType::Bool {
        result.slice_mut::<u8>().iter_mut().zip(x.slice::<u8>()?).for_each(|(out, &x)| *out = x ^ 1);
    } else {
        result.bytes_mut().iter_mut().zip(x.bytes()).for_each(|(out, &x)| *out = !x);
    }
    Ok(result.freeze())
}
