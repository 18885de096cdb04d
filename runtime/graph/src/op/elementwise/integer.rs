//! Arithmetic on whole numbers, as NumPy has it: modulo two to the width of the type.

use crate::Element;

/// Whole numbers of one width.
pub(super) trait Integer: Element + Ord {
    const ZERO: Self;
    const ONE: Self;

    fn add(self, other: Self) -> Self;
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    /// Towards zero; `other` is not 0.
    fn divide(self, other: Self) -> Self;
    /// What [`Self::divide`] leaves, with the sign of `self`; `other` is not 0.
    fn remainder(self, other: Self) -> Self;
    fn negate(self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// Zeros come in. By its width or more, or by less than 0, none of it is left.
    fn shift_left(self, by: Self) -> Self;
    /// Copies of the sign come in. By its width or more, or by less than 0, nothing else is left.
    fn shift_right(self, by: Self) -> Self;

    /// What is left after dividing down, with the sign of `other`; `other` is not 0.
    fn modulo(self, other: Self) -> Self {
        let left = self.remainder(other);
        if left != Self::ZERO && (left < Self::ZERO) != (other < Self::ZERO) { left.add(other) } else { left }
    }

    /// Its distance from zero; that of the least number wraps to itself.
    fn size(self) -> Self {
        if self < Self::ZERO { self.negate() } else { self }
    }

    /// -1, 0 or 1.
    fn sign(self) -> Self {
        match self.cmp(&Self::ZERO) {
            std::cmp::Ordering::Less => Self::ONE.negate(),
            std::cmp::Ordering::Equal => Self::ZERO,
            std::cmp::Ordering::Greater => Self::ONE,
        }
    }

    /// The product of so many of it.
    fn power(self, mut exponent: u64) -> Self {
        let (mut base, mut product) = (self, Self::ONE);
        while exponent > 0 {
            if exponent % 2 == 1 {
                product = product.multiply(base);
            }
            base = base.multiply(base);
            exponent /= 2;
        }
        product
    }
}

macro_rules! integers {
    ($($rust:ty),*) => {$(impl Integer for $rust {
        const ZERO: Self = 0;
        const ONE: Self = 1;

        fn add(self, other: Self) -> Self {
            self.wrapping_add(other)
        }

        fn subtract(self, other: Self) -> Self {
            self.wrapping_sub(other)
        }

        fn multiply(self, other: Self) -> Self {
            self.wrapping_mul(other)
        }

        fn divide(self, other: Self) -> Self {
            self.wrapping_div(other)
        }

        fn remainder(self, other: Self) -> Self {
            self.wrapping_rem(other)
        }

        fn negate(self) -> Self {
            self.wrapping_neg()
        }

        fn and(self, other: Self) -> Self {
            self & other
        }

        fn or(self, other: Self) -> Self {
            self | other
        }

        fn xor(self, other: Self) -> Self {
            self ^ other
        }

        fn shift_left(self, by: Self) -> Self {
            u32::try_from(by).ok().and_then(|by| self.checked_shl(by)).unwrap_or(0)
        }

        fn shift_right(self, by: Self) -> Self {
            let shifted = u32::try_from(by).ok().and_then(|by| self.checked_shr(by));
            shifted.unwrap_or_else(|| self.sign().min(Self::ZERO))
        }
    })*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64);

/// Runs an expression with `$T` as the Rust type of a [`DType`](crate::DType) of whole numbers, or `$other` for any
/// other type.
macro_rules! with_integer {
    ($dtype:expr, $T:ident => $body:expr, $other:ident => $otherwise:expr) => {
        match $dtype {
            $crate::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DType::U64 => {
                type $T = u64;
                $body
            }
            $other => $otherwise,
        }
    };
}
pub(super) use with_integer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_goes_to_zero_and_modulo_down() {
        for (a, b, quotient, remainder, modulo) in
            [(7i8, 3, 2, 1, 1), (-7, 3, -2, -1, 2), (7, -3, -2, 1, -2), (-7, -3, 2, -1, -1), (6, -3, -2, 0, 0)]
        {
            assert_eq!((a.divide(b), a.remainder(b), a.modulo(b)), (quotient, remainder, modulo), "{a} {b}");
        }
        assert_eq!((i8::MIN.divide(-1), i8::MIN.modulo(-1)), (i8::MIN, 0));
    }

    #[test]
    fn powers_wrap() {
        assert_eq!([3i32.power(0), 3.power(4), 0.power(0), (-2).power(3)], [1, 81, 1, -8]);
        assert_eq!(3u8.power(6), (729 % 256) as u8);
        assert_eq!(2u64.power(64), 0);
    }

    #[test]
    fn shifts_of_the_whole_width_leave_nothing() {
        assert_eq!([1u8.shift_left(7), 1.shift_left(8), 255.shift_right(255)], [128, 0, 0]);
        assert_eq!(1u64.shift_left(u64::MAX), 0);
        assert_eq!(
            [(-8i8).shift_right(1), (-8).shift_right(8), (-8).shift_right(-1), 8.shift_right(9)],
            [-4, -1, -1, 0]
        );
        assert_eq!([64i8.shift_left(1), 64.shift_left(2), 1.shift_left(-1)], [-128, 0, 0]);
    }
}
