//! Questions about one number or two, answered by a `bool`.

use poai_numerics::step::element;

use super::integer::with_integer;
use super::spread::Spread;
use crate::op::operand::floats;
use crate::{Cpu, DType, OpError, Tensor};

/// How two numbers compare. f32 are read as every element-wise operation reads them: what is below 2⁻¹⁰⁰ is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// a = b; of bools too.
    Equal,
    /// a < b
    Less,
    /// a ≤ b
    LessOrEqual,
    /// a > b
    Greater,
    /// a ≥ b
    GreaterOrEqual,
}

impl Comparison {
    /// ONNX's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
            Self::Greater => "Greater",
            Self::GreaterOrEqual => "GreaterOrEqual",
        }
    }

    /// An error unless elements of this type compare so.
    pub(super) fn check(self, dtype: DType) -> Result<(), OpError> {
        if dtype == DType::Bool && self != Self::Equal {
            return Err(OpError::new(format!("{} of bool elements", self.name())));
        }
        Ok(())
    }

    /// Compares each pair of the broadcast.
    pub(super) fn run(self, cpu: &Cpu, left: &Tensor, right: &Tensor) -> Result<Tensor, OpError> {
        self.check(left.dtype())?;
        let spread = Spread::of([left, right])?;
        let mut result = cpu.allocate(DType::Bool, spread.shape())?;
        let out = result.slice_mut();
        match left.dtype() {
            DType::F64 => self.compare(&spread, left.slice::<f64>()?, right.slice::<f64>()?, |x| x, out),
            DType::Bool => self.compare(&spread, left.slice::<u8>()?, right.slice::<u8>()?, |x| x, out),
            other => with_integer!(other, T => {
                self.compare(&spread, left.slice::<T>()?, right.slice::<T>()?, |x| x, out);
            }, _float => self.compare(&spread, &floats(left)?, &floats(right)?, element, out)),
        }
        Ok(result.freeze())
    }

    fn compare<T: Copy + PartialOrd>(
        self,
        spread: &Spread<2>,
        left: &[T],
        right: &[T],
        read: impl Fn(T) -> T,
        out: &mut [u8],
    ) {
        match self {
            Self::Equal => spread.zip(left, right, out, |a, b| u8::from(read(a) == read(b))),
            Self::Less => spread.zip(left, right, out, |a, b| u8::from(read(a) < read(b))),
            Self::LessOrEqual => spread.zip(left, right, out, |a, b| u8::from(read(a) <= read(b))),
            Self::Greater => spread.zip(left, right, out, |a, b| u8::from(read(a) > read(b))),
            Self::GreaterOrEqual => spread.zip(left, right, out, |a, b| u8::from(read(a) >= read(b))),
        }
    }
}

/// What a float may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No number.
    Nan,
    /// Infinite, with one of these signs.
    Infinite {
        /// Whether -∞ counts.
        negative: bool,
        /// Whether ∞ counts.
        positive: bool,
    },
}

impl Kind {
    /// ONNX's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nan => "IsNaN",
            Self::Infinite { .. } => "IsInf",
        }
    }

    /// Asks it of each element.
    pub(super) fn run(self, cpu: &Cpu, x: &Tensor) -> Result<Tensor, OpError> {
        let mut result = cpu.allocate(DType::Bool, x.shape())?;
        let out = result.slice_mut::<u8>();
        if x.dtype() == DType::F64 {
            out.iter_mut().zip(x.slice::<f64>()?).for_each(|(out, &x)| *out = u8::from(self.holds(x)));
        } else {
            out.iter_mut().zip(&*floats(x)?).for_each(|(out, &x)| *out = u8::from(self.holds(x.into())));
        }
        Ok(result.freeze())
    }

    fn holds(self, x: f64) -> bool {
        match self {
            Self::Nan => x.is_nan(),
            Self::Infinite { negative, positive } => {
                x == f64::INFINITY && positive || x == f64::NEG_INFINITY && negative
            }
        }
    }
}
