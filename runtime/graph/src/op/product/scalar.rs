//! Products of the types that no kernel has: f64, and integers of 32 and 64 bits.
//!
//! Each element is a sum over k in increasing order, from 0, in the type itself: the product of f64 is rounded, then the
//! sum is; integers wrap.

use super::sizes::Sizes;
use crate::Element;

/// A type with a product and a sum of its own.
pub(super) trait Scalar: Element {
    /// `self + a · b`
    fn plus_product(self, a: Self, b: Self) -> Self;

    /// `self + other`
    fn plus(self, other: Self) -> Self;

    /// `self · by`; none if that is not of the type.
    fn scaled(self, by: f32) -> Option<Self>;

    /// What is stored of a result.
    fn stored(self) -> Self {
        self
    }
}

impl Scalar for f64 {
    fn plus_product(self, a: Self, b: Self) -> Self {
        self + a * b
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn scaled(self, by: f32) -> Option<Self> {
        Some(self * Self::from(by))
    }

    fn stored(self) -> Self {
        /// The one NaN that is ever stored.
        const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0000);
        if self.is_nan() { NAN } else { self }
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl Scalar for $integer {
            fn plus_product(self, a: Self, b: Self) -> Self {
                self.wrapping_add(a.wrapping_mul(b))
            }

            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn scaled(self, by: f32) -> Option<Self> {
                (by == 1.0).then_some(self)
            }
        })*
    };
}

integers!(i32, i64, u32, u64);

/// Runs an expression with `$T` as a [`Scalar`] type, or gives none for the types that are not.
macro_rules! with_scalar {
    ($dtype:expr, $T:ident => $body:expr) => {{
        macro_rules! of {
            ($rust:ty) => {{
                type $T = $rust;
                Some($body)
            }};
        }
        match $dtype {
            $crate::DType::F64 => of!(f64),
            $crate::DType::I32 => of!(i32),
            $crate::DType::I64 => of!(i64),
            $crate::DType::U32 => of!(u32),
            $crate::DType::U64 => of!(u64),
            _ => None,
        }
    }};
}
pub(super) use with_scalar;

/// Every product of a batch, one after the other.
pub(super) fn products<T: Scalar>(sizes: &Sizes, left: &[T], right: &[T], out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let (left_starts, right_starts) = sizes.starts();
    let ((row, left_k), (right_k, column)) = (sizes.left_strides(), sizes.right_strides());
    let matrices = out.chunks_exact_mut(sizes.rows * sizes.columns);
    for (matrix, (left_start, right_start)) in matrices.zip(left_starts.into_iter().zip(right_starts)) {
        for (place, out) in matrix.iter_mut().enumerate() {
            let (i, j) = (place / sizes.columns, place % sizes.columns);
            let term = |k| (left[left_start + i * row + k * left_k], right[right_start + k * right_k + j * column]);
            let sum = (0..sizes.depth).map(term).fold(T::default(), |sum, (a, b)| sum.plus_product(a, b));
            *out = sum;
        }
    }
}
