//! One number of many: integers, and floats of 64 bits.

use crate::OpError;

use super::reduce::Kind;

/// A number that is reduced without numerics' lanes.
pub(super) trait Fold: Copy {
    /// Reduces a row.
    fn fold(kind: Kind, row: impl Iterator<Item = Self>, length: usize) -> Result<Self, OpError>;
}

macro_rules! whole_numbers {
    ($($T:ty),*) => {$(
        impl Fold for $T {
            /// Sums are exact, and then cut to the type's bits: what wrapping at each step gives. A mean is cut towards
            /// zero.
            fn fold(kind: Kind, row: impl Iterator<Item = Self>, length: usize) -> Result<Self, OpError> {
                let wide = row.map(i128::from);
                let value = match kind {
                    Kind::Sum => wide.sum::<i128>(),
                    Kind::SumOfSizes => wide.map(i128::abs).sum::<i128>(),
                    Kind::SumOfSquares => wide.fold(0, |sum: i128, x| sum.wrapping_add(x.wrapping_mul(x))),
                    Kind::Product => wide.fold(1, i128::wrapping_mul),
                    Kind::Max => wide.max().unwrap_or(<$T>::MIN.into()),
                    Kind::Min => wide.min().unwrap_or(<$T>::MAX.into()),
                    Kind::Mean => {
                        let mean = wide.sum::<i128>().checked_div(length as i128);
                        mean.ok_or_else(|| OpError::new("the mean of no integers"))?
                    }
                    Kind::Norm | Kind::LogSum | Kind::LogSumExp => {
                        return Err(OpError::unsupported(concat!("this reduction of ", stringify!($T))));
                    }
                };
                Ok(value as $T)
            }
        }
    )*};
}

whole_numbers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Fold for f64 {
    /// From the first element to the last, each step rounded once.
    fn fold(kind: Kind, row: impl Iterator<Item = Self>, length: usize) -> Result<Self, OpError> {
        let sum = |row: &mut dyn Iterator<Item = f64>| row.fold(0.0, |sum, x| sum + x);
        let mut row = row;
        let value = match kind {
            Kind::Sum => sum(&mut row),
            Kind::Mean => sum(&mut row) / length as f64,
            Kind::SumOfSizes => sum(&mut row.map(f64::abs)),
            Kind::SumOfSquares => sum(&mut row.map(|x| x * x)),
            Kind::Norm => sum(&mut row.map(|x| x * x)).sqrt(),
            Kind::Product => row.fold(1.0, |product, x| product * x),
            Kind::Max => row.fold(f64::NEG_INFINITY, |top, x| if x > top || x.is_nan() { x } else { top }),
            Kind::Min => row.fold(f64::INFINITY, |least, x| if x < least || x.is_nan() { x } else { least }),
            Kind::LogSum | Kind::LogSumExp => return Err(OpError::unsupported("logarithms of f64")),
        };
        Ok(if value.is_nan() { CANONICAL_NAN } else { value })
    }
}

/// The one NaN of 64 bits that is stored.
pub(super) const CANONICAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0000);
