//! Operations on one number, or on two, at a time.
//!
//! An operation's meaning is one expression in [`Unary`] or [`Binary`]; the oracle evaluates it with the software
//! step, number by number, the fast paths with the processor's, a vector at a time.

use crate::error::{NumericsError, expect_length};
use crate::functions::activation::{
    between, celu, elu, gelu, gelu_tanh, hard_swish, mish, shrink, sign, silu, softplus,
};
use crate::functions::angle::{acos, asin, atan, cos, sin, tan};
use crate::functions::hyperbolic::{acosh, asinh, atanh, cosh, sinh};
use crate::functions::{erf, exp, log, pow, sigmoid, tanh};
use crate::isa::{Isa, Work};
use crate::lanes::{Lanes, One};
use crate::processor::Processor;
use crate::sequence::{Sequence, Source, Step};
use crate::step::{Soft, element, greater, lesser, stored};
use crate::stream::Stream;

/// Elements below which a second thread is not worth waking.
const PIECE: usize = 16_384;

/// An operation on one number. What it reads and stores is flushed below 2⁻¹⁰⁰ to +0; NaNs are stored as the one NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// x, as any operation stores it.
    Identity,
    /// -x
    Neg,
    /// |x|
    Abs,
    /// -1, 0 or 1.
    Sign,
    /// The greatest integer not above x.
    Floor,
    /// The least integer not below x.
    Ceil,
    /// The nearest integer, halves to even.
    Round,
    /// √x, correctly rounded.
    Sqrt,
    /// 1 / x, correctly rounded.
    Reciprocal,
    /// eˣ
    Exp,
    /// ln x
    Log,
    /// sin x
    Sin,
    /// cos x
    Cos,
    /// tan x
    Tan,
    /// The arc sine; NaN beyond ±1.
    Asin,
    /// The arc cosine; NaN beyond ±1.
    Acos,
    /// The arc tangent.
    Atan,
    /// sinh x
    Sinh,
    /// cosh x
    Cosh,
    /// tanh x
    Tanh,
    /// The inverse of sinh.
    Asinh,
    /// The inverse of cosh; NaN below 1.
    Acosh,
    /// The inverse of tanh; NaN beyond ±1.
    Atanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// The error function.
    Erf,
    /// 0.5·x · (1 + erf(x·√½))
    Gelu,
    /// 0.5·x · (1 + tanh(√(2/π) · (x + 0.044715·x³)))
    GeluTanh,
    /// x · sigmoid(x)
    Silu,
    /// ln(1 + eˣ), in the form max(x, 0) + ln(1 + e⁻|ˣ|).
    Softplus,
    /// x · tanh(softplus(x))
    Mish,
    /// x / (1 + |x|)
    Softsign,
    /// max(x, 0)
    Relu,
    /// x, or alpha·x below zero.
    LeakyRelu(f32),
    /// x, or alpha · (eˣ - 1) below zero.
    Elu(f32),
    /// gamma · x, or gamma · alpha · (eˣ - 1) below zero.
    Selu {
        /// What x goes to, far below zero, before it is scaled.
        alpha: f32,
        /// Scales all.
        gamma: f32,
    },
    /// x, or alpha · (e^(x / alpha) - 1) below zero; alpha is above zero.
    Celu(f32),
    /// x above the threshold, 0 elsewhere.
    ThresholdedRelu(f32),
    /// x - bias above lambda, x + bias below -lambda, 0 between.
    Shrink {
        /// Half of the gap.
        lambda: f32,
        /// How far what lies outside moves.
        bias: f32,
    },
    /// min(max(alpha·x + beta, 0), 1), the multiply-add fused.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at zero.
        beta: f32,
    },
    /// x · min(max(x/6 + 0.5, 0), 1), the multiply-add fused.
    HardSwish,
    /// min(max(x, low), high)
    Clip {
        /// The least value.
        low: f32,
        /// The greatest value.
        high: f32,
    },
}

/// What an operation does to lanes. What is read is flushed only where that could show in what is stored.
pub(crate) trait Function: Copy {
    /// No result has a sign, so that storing it is simpler.
    const SIGNLESS: bool = false;

    fn of<V: Lanes>(self, x: V) -> V;
}

/// A type for each operation on lanes, so that loops are specialised. Not closures: those would not be compiled for the
/// kernels' features.
macro_rules! functions {
    ($($name:ident { $($parameter:ident),* }: $($signless:literal)? |$x:ident| $value:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name { $($parameter: f32),* }

        impl Function for $name {
            $(const SIGNLESS: bool = $signless;)?

            #[inline(always)]
            fn of<V: Lanes>(self, $x: V) -> V {
                let Self { $($parameter),* } = self;
                $value
            }
        }
    )*};
}

functions! {
    Identity {}: |x| x;
    Neg {}: |x| x.negated();
    Abs {}: |x| x.abs();
    Sign {}: |x| sign(x.element());
    Floor {}: |x| x.element().floor();
    Ceil {}: |x| x.element().ceil();
    Round {}: |x| x.round();
    Sqrt {}: |x| x.element().root();
    Reciprocal {}: |x| V::splat(1.0) / x.element();
    Exp {}: true |x| exp(x);
    Log {}: |x| log(x.element());
    Asin {}: |x| asin(x.element());
    Acos {}: |x| acos(x.element());
    Atan {}: |x| atan(x.element());
    Sinh {}: |x| sinh(x.element());
    Cosh {}: true |x| cosh(x);
    Tanh {}: |x| tanh(x);
    Asinh {}: |x| asinh(x.element());
    Acosh {}: |x| acosh(x.element());
    Atanh {}: |x| atanh(x.element());
    Sigmoid {}: true |x| sigmoid(x);
    Erf {}: |x| erf(x.element());
    Gelu {}: |x| gelu(x);
    GeluTanh {}: |x| gelu_tanh(x);
    Silu {}: |x| silu(x);
    Softplus {}: true |x| softplus(x);
    Mish {}: |x| mish(x);
    Softsign {}: |x| x / (V::splat(1.0) + x.abs());
    Relu {}: true |x| x.at_least(V::splat(0.0));
    HardSwish {}: |x| hard_swish(x);
    LeakyRelu { alpha }: |x| V::pick(x.less(V::splat(0.0)), V::splat(alpha) * x.element(), x);
    Elu { alpha }: |x| elu(x.element(), alpha);
    Celu { alpha }: |x| celu(x.element(), alpha);
    ThresholdedRelu { alpha }: |x| V::pick(V::splat(alpha).less(x.element()), x, V::splat(0.0));
    Selu { alpha, gamma }: |x| V::splat(gamma) * elu(x.element(), alpha);
    Shrink { lambda, bias }: |x| shrink(x.element(), lambda, bias);
    HardSigmoid { alpha, beta }: true |x| between(V::fused(V::splat(alpha), x.element(), V::splat(beta)), 0.0, 1.0);
    Clip { low, high }: |x| between(x.element(), low, high);
    Nothing {}: |_x| V::splat(f32::NAN);
}

/// Binds `$f` to the operation and evaluates `$body`. The angles, whose reduction takes wide integers, are functions of
/// single floats: `$one`.
macro_rules! with_unary {
    ($operation:expr, $fused:ty, $f:ident => $body:expr, $one:ident => $single:expr) => {{
        macro_rules! body {
            ($function:expr) => {{
                let $f = $function;
                $body
            }};
        }
        macro_rules! single {
            ($function:expr) => {{
                let $one = $function;
                $single
            }};
        }
        match $operation {
            Unary::Identity => body!(Identity {}),
            Unary::Neg => body!(Neg {}),
            Unary::Abs => body!(Abs {}),
            Unary::Sign => body!(Sign {}),
            Unary::Floor => body!(Floor {}),
            Unary::Ceil => body!(Ceil {}),
            Unary::Round => body!(Round {}),
            Unary::Sqrt => body!(Sqrt {}),
            Unary::Reciprocal => body!(Reciprocal {}),
            Unary::Exp => body!(Exp {}),
            Unary::Log => body!(Log {}),
            Unary::Asin => body!(Asin {}),
            Unary::Acos => body!(Acos {}),
            Unary::Atan => body!(Atan {}),
            Unary::Sinh => body!(Sinh {}),
            Unary::Cosh => body!(Cosh {}),
            Unary::Tanh => body!(Tanh {}),
            Unary::Asinh => body!(Asinh {}),
            Unary::Acosh => body!(Acosh {}),
            Unary::Atanh => body!(Atanh {}),
            Unary::Sigmoid => body!(Sigmoid {}),
            Unary::Erf => body!(Erf {}),
            Unary::Gelu => body!(Gelu {}),
            Unary::GeluTanh => body!(GeluTanh {}),
            Unary::Silu => body!(Silu {}),
            Unary::Softplus => body!(Softplus {}),
            Unary::Mish => body!(Mish {}),
            Unary::Softsign => body!(Softsign {}),
            Unary::Relu => body!(Relu {}),
            Unary::HardSwish => body!(HardSwish {}),
            Unary::LeakyRelu(alpha) => body!(LeakyRelu { alpha }),
            Unary::Elu(alpha) => body!(Elu { alpha }),
            Unary::Celu(alpha) => body!(Celu { alpha }),
            Unary::ThresholdedRelu(alpha) => body!(ThresholdedRelu { alpha }),
            Unary::Selu { alpha, gamma } => body!(Selu { alpha, gamma }),
            Unary::Shrink { lambda, bias } => body!(Shrink { lambda, bias }),
            Unary::HardSigmoid { alpha, beta } => body!(HardSigmoid { alpha, beta }),
            Unary::Clip { low, high } if low.is_nan() || high.is_nan() => body!(Nothing {}),
            Unary::Clip { low, high } => body!(Clip { low, high }),
            Unary::Sin => single!(sin::<$fused>),
            Unary::Cos => single!(cos::<$fused>),
            Unary::Tan => single!(tan::<$fused>),
        }
    }};
}

impl Unary {
    /// The definition: what is stored for `x`.
    pub fn of(self, x: f32) -> f32 {
        let x = element(x);
        with_unary!(self, Soft, f => f.of(One::<Soft>::new(x)).stored().value(), f => stored(f(x)))
    }

    /// What is computed of what was read, before it is stored, of operations that are a few instructions; none of others.
    #[inline(always)]
    pub(crate) fn short<V: Lanes>(self, x: V) -> Option<V> {
        Some(match self {
            Self::Identity => Identity {}.of(x),
            Self::Neg => Neg {}.of(x),
            Self::Abs => Abs {}.of(x),
            Self::Relu => Relu {}.of(x),
            Self::HardSwish => HardSwish {}.of(x),
            Self::LeakyRelu(alpha) => LeakyRelu { alpha }.of(x),
            Self::HardSigmoid { alpha, beta } => HardSigmoid { alpha, beta }.of(x),
            Self::Clip { low, high } if !low.is_nan() && !high.is_nan() => Clip { low, high }.of(x),
            _ => return None,
        })
    }

    /// What is computed of what was read, before it is stored. None of those that are functions of single floats.
    pub(crate) fn over<V: Lanes>(self, x: V) -> Option<V> {
        with_unary!(self, Soft, f => Some(f.of(x)), _one => None)
    }
}

/// An operation on two numbers; flushing and NaNs as for [`Unary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a · b
    Mul,
    /// a / b, correctly rounded.
    Div,
    /// The greater by integer keys; NaN if either is.
    Max,
    /// The lesser by integer keys; NaN if either is.
    Min,
    /// a to the power of b, with C's special cases; b = 2 is a · a exactly.
    Pow,
    /// a, or a · b where a is below zero.
    Prelu,
    /// What is left of a after whole multiples of b, with a's sign, exactly: C's `fmod`.
    Remainder,
}

macro_rules! with_binary {
    ($operation:expr, $fused:ty, $f:ident => $body:expr) => {{
        macro_rules! body {
            ($function:expr) => {{
                let $f = $function;
                $body
            }};
        }
        match $operation {
            Binary::Add => body!(|a: f32, b: f32| a + b),
            Binary::Sub => body!(|a: f32, b: f32| a - b),
            Binary::Mul => body!(|a: f32, b: f32| a * b),
            Binary::Div => body!(|a: f32, b: f32| a / b),
            Binary::Max => body!(greater),
            Binary::Min => body!(lesser),
            Binary::Pow => body!(|a: f32, b: f32| pow(One::<$fused>::new(a), One::new(b)).value()),
            Binary::Remainder => body!(|a: f32, b: f32| a % b),
            Binary::Prelu => body!(|a: f32, b: f32| if a < 0.0 { a * b } else { a }),
        }
    }};
}

impl Binary {
    /// The definition: what is stored for `a` and `b`.
    pub fn of(self, a: f32, b: f32) -> f32 {
        with_binary!(self, Soft, f => stored(f(element(a), element(b))))
    }

    /// What is computed of what was read, before it is stored. None of those that look at bits.
    pub(crate) fn over<V: Lanes>(self, a: V, b: V) -> Option<V> {
        match self {
            Self::Add => Some(a + b),
            Self::Sub => Some(a - b),
            Self::Mul => Some(a * b),
            Self::Div => Some(a / b),
            Self::Pow => Some(pow(a, b)),
            Self::Prelu => Some(V::pick(a.less(V::splat(0.0)), a * b, a)),
            Self::Max | Self::Min | Self::Remainder => None,
        }
    }
}

/// Applies an operation to a stream. Each is a function of its own, compiled once for each instruction set, however many
/// places apply activations: all of them in one would take the compiler minutes.
pub(crate) struct MapUnary<'a>(pub Unary, pub Stream<'a>);

impl Work for MapUnary<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(operation, stream) = self;
        with_unary!(operation, I::Fused, f => I::enter(MapLanes(f, stream)), f => I::enter(MapSingles(f, stream)));
    }
}

struct MapLanes<'a, F>(F, Stream<'a>);

impl<F: Function> Work for MapLanes<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        self.1.map::<I::Wide, _>(self.0);
    }
}

struct MapSingles<'a, F>(F, Stream<'a>);

impl<F: Fn(f32) -> f32> Work for MapSingles<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(f, stream) = self;
        stream.each(|x| stored(f(element(x))));
    }
}

/// A tensor as read by a broadcast: a stride for each dimension of the result, 0 where it repeats.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// Elements from one index to the next, for each dimension.
    pub strides: &'a [usize],
}

impl Strided<'_> {
    pub(crate) fn check(&self, what: &'static str, shape: &[usize]) -> Result<(), NumericsError> {
        expect_length(what, self.strides.len(), shape.len())?;
        let mut last = 0usize;
        for (&size, &stride) in shape.iter().zip(self.strides) {
            let reach = stride.checked_mul(size.saturating_sub(1)).ok_or(NumericsError::Overflow(what))?;
            last = last.checked_add(reach).ok_or(NumericsError::Overflow(what))?;
        }
        let (expected, found) = (last + 1, self.data.len());
        if shape.contains(&0) || last < found { Ok(()) } else { Err(NumericsError::Length { what, expected, found }) }
    }
}

impl Processor {
    /// `out[i] = operation(input[i])`.
    pub fn unary(&self, operation: Unary, input: &[f32], out: &mut [f32]) -> Result<(), NumericsError> {
        expect_length("the result", out.len(), input.len())?;
        let piece = self.piece(out.len(), 16, PIECE);
        self.pool().chunks(out, piece, |i, out| {
            let start = i * piece;
            self.run(MapUnary(operation, Stream::between(&input[start..start + out.len()], out)));
        });
        Ok(())
    }

    /// `out[i…] = operation(a[i…], b[i…])` for every index of `shape`; `out` is contiguous.
    pub fn binary(
        &self,
        operation: Binary,
        shape: &[usize],
        a: Strided<'_>,
        b: Strided<'_>,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        a.check("the left operand", shape)?;
        b.check("the right operand", shape)?;
        let both = Step::Binary(operation, [Source::Operand(0), Source::Operand(1)]);
        self.sequence(&Sequence::new(2, &[both])?, shape, &[a, b], out)
    }
}
