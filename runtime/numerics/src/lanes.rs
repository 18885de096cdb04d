//! Floats side by side: what functions are written in, once for every register.
//!
//! [`One`] is a single float, of which the definition is made. The instruction sets have registers of 4 to 16, and
//! [`Several`] puts some of those in step: chains of dependent operations then hide each other's latency.
#![expect(unsafe_code, reason = "reading and writing registers: lengths are asserted in `read` and `write`")]

use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Sub};

use crate::step::{Fused, canonical, element, operand};

/// 1.5 · 2²³: adding it rounds to an integer, which is then in the low bits.
pub(crate) const ROUNDER: f32 = 12_582_912.0;
/// √½ in bits: mantissas are taken from here to √2.
pub(crate) const SQRT_HALF_BITS: i32 = 0x3f35_04f3;

/// Floats side by side. Every operation is the IEEE one in each, so it gives each the bits of [`One`].
pub(crate) trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// A truth value for each float.
    type Mask: Copy;

    fn splat(x: f32) -> Self;
    /// `a * b + c`, rounded once.
    fn fused(a: Self, b: Self, c: Self) -> Self;
    fn root(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    /// To the nearest integer, halves to even.
    fn round(self) -> Self;
    fn abs(self) -> Self;
    fn negated(self) -> Self;
    /// This magnitude, which has no sign, with the sign of another number.
    fn with_sign_of(self, other: Self) -> Self;
    /// `low` where this is below it; NaN stays.
    fn at_least(self, low: Self) -> Self;
    /// `high` where this is above it; NaN stays.
    fn at_most(self, high: Self) -> Self;
    /// False where either is NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// Where a mask holds one, elsewhere the other.
    fn pick(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// `self · 2ⁿ` for a number in [½, 2) or NaN, n in -125..=128; `n + ROUNDER` is given.
    fn times_power(self, rounded: Self) -> Self;
    /// A positive normal number as mantissa in [√½, √2) and exponent; others as some numbers.
    fn split(self) -> (Self, Self);
    /// See [`element`].
    fn element(self) -> Self;
    /// See [`operand`].
    fn operand(self) -> Self;
    /// See [`canonical`].
    fn canonical(self) -> Self;

    /// The greater; NaN if either is, and any of two zeros.
    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        Self::pick(self.less(other), other, Self::pick(other.less(self), self, self.either(other)))
    }

    /// The lesser; NaN if either is, and any of two zeros.
    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        Self::pick(self.less(other), self, Self::pick(other.less(self), other, self.either(other)))
    }

    /// One of two equal numbers, if they are not subnormal; NaN if either is.
    #[inline(always)]
    fn either(self, other: Self) -> Self {
        let half = Self::splat(0.5);
        self * half + other * half
    }

    /// See [`stored`](crate::step::stored).
    #[inline(always)]
    fn stored(self) -> Self {
        self.element().canonical()
    }

    /// [`element`] of a number that has no sign.
    #[inline(always)]
    fn element_of_size(self) -> Self {
        self.element()
    }

    /// [`stored`](crate::step::stored) of a number that has no sign.
    #[inline(always)]
    fn stored_size(self) -> Self {
        self.stored()
    }
}

/// Lanes that numbers come to from memory, and go back.
pub(crate) trait Register: Lanes {
    /// How many floats.
    const COUNT: usize;

    /// # Safety
    /// `from` is good for reading [`Self::COUNT`] floats.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `to` is good for writing [`Self::COUNT`] floats.
    unsafe fn store(self, to: *mut f32);

    #[inline(always)]
    fn read(from: &[f32]) -> Self {
        assert!(from.len() >= Self::COUNT, "a slice fills the lanes");
        // SAFETY: the length was asserted.
        unsafe { Self::load(from.as_ptr()) }
    }

    #[inline(always)]
    fn write(self, to: &mut [f32]) {
        assert!(to.len() >= Self::COUNT, "the lanes fit a slice");
        // SAFETY: the length was asserted.
        unsafe { self.store(to.as_mut_ptr()) }
    }
}

/// The four operators of a type of lanes, from an expression for each.
macro_rules! operators {
    ([$($generics:tt)*] $type:ty, $a:ident, $b:ident: $add:expr, $sub:expr, $mul:expr, $div:expr) => {
        operators!(@ [$($generics)*] $type, Add, add, $a, $b, $add);
        operators!(@ [$($generics)*] $type, Sub, sub, $a, $b, $sub);
        operators!(@ [$($generics)*] $type, Mul, mul, $a, $b, $mul);
        operators!(@ [$($generics)*] $type, Div, div, $a, $b, $div);
    };
    (@ [$($generics:tt)*] $type:ty, $trait:ident, $name:ident, $a:ident, $b:ident, $value:expr) => {
        impl<$($generics)*> std::ops::$trait for $type {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $value
            }
        }
    };
}
pub(crate) use operators;

/// One float.
#[derive(Clone, Copy)]
pub(crate) struct One<F>(f32, PhantomData<F>);

impl<F> One<F> {
    #[inline(always)]
    pub(crate) fn new(x: f32) -> Self {
        Self(x, PhantomData)
    }

    #[inline(always)]
    pub(crate) fn value(self) -> f32 {
        self.0
    }
}

operators!([F: Fused] One<F>, a, b: One::new(a.0 + b.0), One::new(a.0 - b.0), One::new(a.0 * b.0), One::new(a.0 / b.0));

impl<F: Fused> Lanes for One<F> {
    type Mask = bool;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self::new(x)
    }

    #[inline(always)]
    fn fused(a: Self, b: Self, c: Self) -> Self {
        Self::new(F::fused(a.0, b.0, c.0))
    }

    #[inline(always)]
    fn root(self) -> Self {
        Self::new(self.0.sqrt())
    }

    #[inline(always)]
    fn floor(self) -> Self {
        Self::new(self.0.floor())
    }

    #[inline(always)]
    fn ceil(self) -> Self {
        Self::new(self.0.ceil())
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self::new(self.0.round_ties_even())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self::new(self.0.abs())
    }

    #[inline(always)]
    fn negated(self) -> Self {
        Self::new(-self.0)
    }

    #[inline(always)]
    fn with_sign_of(self, other: Self) -> Self {
        Self::new(f32::from_bits(self.0.to_bits() | (other.0.to_bits() & 0x8000_0000)))
    }

    #[inline(always)]
    fn at_least(self, low: Self) -> Self {
        if self.0 < low.0 { low } else { self }
    }

    #[inline(always)]
    fn at_most(self, high: Self) -> Self {
        if self.0 > high.0 { high } else { self }
    }

    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self.0 < other.0
    }

    #[inline(always)]
    fn pick(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }

    #[inline(always)]
    fn times_power(self, rounded: Self) -> Self {
        // Half of the power is a normal number; doubling is exact, or infinite as it should be.
        let power = (rounded.0.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
        let half = self.0 * f32::from_bits((power.wrapping_add(126) << 23) as u32);
        Self::new(half + half)
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let bits = self.0.to_bits() as i32;
        let exponent = bits.wrapping_sub(SQRT_HALF_BITS) >> 23;
        (Self::new(f32::from_bits(bits.wrapping_sub(exponent << 23) as u32)), Self::new(exponent as f32))
    }

    #[inline(always)]
    fn element(self) -> Self {
        Self::new(element(self.0))
    }

    #[inline(always)]
    fn operand(self) -> Self {
        Self::new(operand(self.0))
    }

    #[inline(always)]
    fn canonical(self) -> Self {
        Self::new(canonical(self.0))
    }
}

impl<F: Fused> Register for One<F> {
    const COUNT: usize = 1;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self::new(unsafe { *from })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { *to = self.0 };
    }
}

/// Registers in step.
#[derive(Clone, Copy)]
pub(crate) struct Several<V, const N: usize>([V; N]);

/// Applies an expression to each register.
macro_rules! each {
    ($count:ident, $first:expr; $i:ident => $value:expr) => {{
        let mut values = [$first; $count];
        let mut $i = 0;
        while $i < $count {
            values[$i] = $value;
            $i += 1;
        }
        values
    }};
}

operators!([V: Lanes, const N: usize] Several<V, N>, a, b:
    Several(each!(N, a.0[0]; i => a.0[i] + b.0[i])),
    Several(each!(N, a.0[0]; i => a.0[i] - b.0[i])),
    Several(each!(N, a.0[0]; i => a.0[i] * b.0[i])),
    Several(each!(N, a.0[0]; i => a.0[i] / b.0[i])));

/// Methods that are the register's in each.
macro_rules! in_each {
    ($($name:ident($($other:ident),*))*) => {$(
        #[inline(always)]
        fn $name(self $(, $other: Self)*) -> Self {
            Self(each!(N, self.0[0]; i => self.0[i].$name($($other.0[i]),*)))
        }
    )*};
}

impl<V: Lanes, const N: usize> Lanes for Several<V, N> {
    type Mask = [V::Mask; N];

    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([V::splat(x); N])
    }

    #[inline(always)]
    fn fused(a: Self, b: Self, c: Self) -> Self {
        Self(each!(N, a.0[0]; i => V::fused(a.0[i], b.0[i], c.0[i])))
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        each!(N, self.0[0].less(other.0[0]); i => self.0[i].less(other.0[i]))
    }

    #[inline(always)]
    fn pick(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(each!(N, yes.0[0]; i => V::pick(mask[i], yes.0[i], no.0[i])))
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let parts = each!(N, self.0[0].split(); i => self.0[i].split());
        (Self(each!(N, self.0[0]; i => parts[i].0)), Self(each!(N, self.0[0]; i => parts[i].1)))
    }

    in_each! {
        root() floor() ceil() round() abs() negated() element() operand() canonical() stored()
        element_of_size() stored_size()
        with_sign_of(other) at_least(low) at_most(high) greater(other) lesser(other) times_power(rounded)
    }
}

impl<V: Register, const N: usize> Register for Several<V, N> {
    const COUNT: usize = N * V::COUNT;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: within the caller's promise.
        Self(each!(N, V::splat(0.0); i => unsafe { V::load(from.add(i * V::COUNT)) }))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for (i, part) in self.0.into_iter().enumerate() {
            // SAFETY: within the caller's promise.
            unsafe { part.store(to.add(i * V::COUNT)) };
        }
    }
}
