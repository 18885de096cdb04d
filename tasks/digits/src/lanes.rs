//! Four numbers that are worked on together.
//!
//! In wasm they are one 128-bit register; elsewhere an array, so that tests run natively. Both round
//! each operation once and in the same order, and give the same bits.

use std::ops::{Add, Mul, Sub};

/// How many numbers a [`Lanes`] holds.
pub(crate) const WIDTH: usize = 4;

#[cfg(target_family = "wasm")]
mod register {
    use core::arch::wasm32::{
        f32x4, f32x4_add, f32x4_extract_lane, f32x4_gt, f32x4_mul, f32x4_splat, f32x4_sub, v128, v128_and,
    };

    use super::WIDTH;

    #[derive(Clone, Copy)]
    pub(crate) struct Lanes(v128);

    impl Lanes {
        pub(crate) fn new([a, b, c, d]: [f32; WIDTH]) -> Self {
            Self(f32x4(a, b, c, d))
        }

        pub(crate) fn splat(value: f32) -> Self {
            Self(f32x4_splat(value))
        }

        pub(crate) fn to_array(self) -> [f32; WIDTH] {
            [
                f32x4_extract_lane::<0>(self.0),
                f32x4_extract_lane::<1>(self.0),
                f32x4_extract_lane::<2>(self.0),
                f32x4_extract_lane::<3>(self.0),
            ]
        }

        pub(crate) fn plus(self, other: Self) -> Self {
            Self(f32x4_add(self.0, other.0))
        }

        pub(crate) fn minus(self, other: Self) -> Self {
            Self(f32x4_sub(self.0, other.0))
        }

        pub(crate) fn times(self, other: Self) -> Self {
            Self(f32x4_mul(self.0, other.0))
        }

        /// These lanes where `gate` is above 0, and +0 elsewhere.
        pub(crate) fn where_positive(self, gate: Self) -> Self {
            Self(v128_and(self.0, f32x4_gt(gate.0, f32x4_splat(0.0))))
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod register {
    use super::WIDTH;

    #[derive(Clone, Copy)]
    pub(crate) struct Lanes([f32; WIDTH]);

    impl Lanes {
        pub(crate) fn new(values: [f32; WIDTH]) -> Self {
            Self(values)
        }

        pub(crate) fn splat(value: f32) -> Self {
            Self([value; WIDTH])
        }

        pub(crate) fn to_array(self) -> [f32; WIDTH] {
            self.0
        }

        fn zip(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
            Self(std::array::from_fn(|lane| operation(self.0[lane], other.0[lane])))
        }

        pub(crate) fn plus(self, other: Self) -> Self {
            self.zip(other, |a, b| a + b)
        }

        pub(crate) fn minus(self, other: Self) -> Self {
            self.zip(other, |a, b| a - b)
        }

        pub(crate) fn times(self, other: Self) -> Self {
            self.zip(other, |a, b| a * b)
        }

        /// These lanes where `gate` is above 0, and +0 elsewhere.
        pub(crate) fn where_positive(self, gate: Self) -> Self {
            self.zip(gate, |value, gate| if gate > 0.0 { value } else { 0.0 })
        }
    }
}

pub(crate) use register::Lanes;

impl Lanes {
    /// The four numbers' sum, in a fixed order.
    pub(crate) fn sum(self) -> f32 {
        let [a, b, c, d] = self.to_array();
        (a + b) + (c + d)
    }
}

impl Add for Lanes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl Sub for Lanes {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.minus(other)
    }
}

impl Mul for Lanes {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        self.times(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_is_on_its_own() {
        let a = Lanes::new([1.0, -2.0, 3.5, 0.0]);
        let b = Lanes::new([4.0, 0.5, -1.0, 2.0]);
        assert_eq!((a + b).to_array(), [5.0, -1.5, 2.5, 2.0]);
        assert_eq!((a - b).to_array(), [-3.0, -2.5, 4.5, -2.0]);
        assert_eq!((a * Lanes::splat(2.0)).to_array(), [2.0, -4.0, 7.0, 0.0]);
        assert_eq!(b.where_positive(a).to_array(), [4.0, 0.0, -1.0, 0.0]);
        assert_eq!(a.sum(), 2.5);
    }
}
