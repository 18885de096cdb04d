//! Operations on one number, or on two, at a time.
//!
//! An operation's meaning is one expression in [`Unary`] or [`Binary`]; the oracle evaluates it with the software
//! step, number by number, the fast paths with the processor's, a vector at a time.

use crate::error::{NumericsError, count, expect_length};
use crate::functions::{cos, erf, exp, log, pow, sigmoid, sin, tanh};
use crate::isa::{Isa, Work};
use crate::processor::Processor;
use crate::step::{Fused, Soft, element, greater, lesser, stored};

/// Elements below which a second thread is not worth waking.
const PIECE: usize = 16_384;
/// The most dimensions of a broadcast.
pub const RANK_LIMIT: usize = 16;

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
    /// tanh x
    Tanh,
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

/// ln(1 + x) for x in [0, 1], right in its last places near zero too.
#[inline(always)]
fn log_of_one_more<F: Fused>(x: f32) -> f32 {
    let sum = 1.0 + x;
    log::<F>(sum) + (x - (sum - 1.0)) / sum
}

#[inline(always)]
fn softplus<F: Fused>(x: f32) -> f32 {
    greater(x, 0.0) + log_of_one_more::<F>(exp::<F>(-x.abs()))
}

/// eˣ - 1 for x up to 0, by the tangent, which does not cancel.
#[inline(always)]
fn exp_less_one<F: Fused>(x: f32) -> f32 {
    let tangent = tanh::<F>(0.5 * lesser(x, 0.0));
    2.0 * tangent / (1.0 - tangent)
}

#[inline(always)]
fn between(x: f32, low: f32, high: f32) -> f32 {
    lesser(greater(x, low), high)
}

#[inline(always)]
fn gelu<F: Fused>(x: f32) -> f32 {
    (0.5 * x) * (1.0 + erf::<F>(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
fn gelu_tanh<F: Fused>(x: f32) -> f32 {
    /// √(2/π)
    const SCALE: f32 = 0.797_884_6;
    let cubic = F::fused(0.044_715 * (x * x), x, x);
    (0.5 * x) * (1.0 + tanh::<F>(SCALE * cubic))
}

#[inline(always)]
fn sign(x: f32) -> f32 {
    let value = if x > 0.0 { 1.0 } else { x };
    if x < 0.0 { -1.0 } else { value }
}

/// Binds `$f` to the operation and evaluates `$body`, once for each operation, so that loops in it are specialised.
macro_rules! with_unary {
    ($operation:expr, $fused:ty, $f:ident => $body:expr) => {{
        macro_rules! body {
            ($function:expr) => {{
                let $f = $function;
                $body
            }};
        }
        match $operation {
            Unary::Identity => body!(|x: f32| x),
            Unary::Neg => body!(|x: f32| -x),
            Unary::Abs => body!(|x: f32| x.abs()),
            Unary::Sign => body!(sign),
            Unary::Floor => body!(|x: f32| x.floor()),
            Unary::Ceil => body!(|x: f32| x.ceil()),
            Unary::Round => body!(|x: f32| x.round_ties_even()),
            Unary::Sqrt => body!(|x: f32| x.sqrt()),
            Unary::Reciprocal => body!(|x: f32| 1.0 / x),
            Unary::Exp => body!(exp::<$fused>),
            Unary::Log => body!(log::<$fused>),
            Unary::Sin => body!(sin::<$fused>),
            Unary::Cos => body!(cos::<$fused>),
            Unary::Tanh => body!(tanh::<$fused>),
            Unary::Sigmoid => body!(sigmoid::<$fused>),
            Unary::Erf => body!(erf::<$fused>),
            Unary::Gelu => body!(gelu::<$fused>),
            Unary::GeluTanh => body!(gelu_tanh::<$fused>),
            Unary::Silu => body!(|x: f32| x * sigmoid::<$fused>(x)),
            Unary::Softplus => body!(softplus::<$fused>),
            Unary::Mish => body!(|x: f32| x * tanh::<$fused>(softplus::<$fused>(x))),
            Unary::Softsign => body!(|x: f32| x / (1.0 + x.abs())),
            Unary::Relu => body!(|x: f32| greater(x, 0.0)),
            Unary::LeakyRelu(alpha) => body!(|x: f32| if x < 0.0 { alpha * x } else { x }),
            Unary::Elu(alpha) => body!(|x: f32| if x < 0.0 { alpha * exp_less_one::<$fused>(x) } else { x }),
            Unary::HardSigmoid { alpha, beta } => {
                body!(|x: f32| between(<$fused>::fused(alpha, x, beta), 0.0, 1.0))
            }
            Unary::HardSwish => body!(|x: f32| x * between(<$fused>::fused(1.0 / 6.0, x, 0.5), 0.0, 1.0)),
            Unary::Clip { low, high } => body!(|x: f32| between(x, low, high)),
        }
    }};
}

impl Unary {
    /// The definition: what is stored for `x`.
    pub fn of(self, x: f32) -> f32 {
        with_unary!(self, Soft, f => stored(f(element(x))))
    }

    /// In place.
    #[inline(always)]
    pub(crate) fn map<I: Isa>(self, values: &mut [f32]) {
        with_unary!(self, I::Fused, f => for value in values { *value = stored(f(element(*value))) });
    }

    #[inline(always)]
    fn map_from<I: Isa>(self, values: &[f32], out: &mut [f32]) {
        with_unary!(self, I::Fused, f => for (value, out) in values.iter().zip(out) {
            *out = stored(f(element(*value)));
        });
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
            Binary::Pow => body!(pow::<$fused>),
            Binary::Prelu => body!(|a: f32, b: f32| if a < 0.0 { a * b } else { a }),
        }
    }};
}

impl Binary {
    /// The definition: what is stored for `a` and `b`.
    pub fn of(self, a: f32, b: f32) -> f32 {
        with_binary!(self, Soft, f => stored(f(element(a), element(b))))
    }

    /// `out[i] = f(a[i · a_step], b[i · b_step])`; steps of 0 and 1 become vectors.
    #[inline(always)]
    fn map<I: Isa>(self, (a, a_step): (&[f32], usize), (b, b_step): (&[f32], usize), out: &mut [f32]) {
        with_binary!(self, I::Fused, f => match (a_step, b_step) {
            (1, 1) => for ((a, b), out) in a.iter().zip(b).zip(out) {
                *out = stored(f(element(*a), element(*b)));
            },
            (1, 0) => {
                let b = element(b[0]);
                for (a, out) in a.iter().zip(out) {
                    *out = stored(f(element(*a), b));
                }
            }
            (0, 1) => {
                let a = element(a[0]);
                for (b, out) in b.iter().zip(out) {
                    *out = stored(f(a, element(*b)));
                }
            }
            _ => for (i, out) in out.iter_mut().enumerate() {
                *out = stored(f(element(a[i * a_step]), element(b[i * b_step])));
            },
        });
    }
}

struct MapUnary<'a>(Unary, &'a [f32], &'a mut [f32]);

impl Work for MapUnary<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        self.0.map_from::<I>(self.1, self.2);
    }
}

struct MapBinary<'a>(Binary, (&'a [f32], usize), (&'a [f32], usize), &'a mut [f32]);

impl Work for MapBinary<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        self.0.map::<I>(self.1, self.2, self.3);
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
    fn check(&self, what: &'static str, shape: &[usize]) -> Result<(), NumericsError> {
        expect_length(what, self.strides.len(), shape.len())?;
        let mut last = 0usize;
        for (&size, &stride) in shape.iter().zip(self.strides) {
            let reach = stride.checked_mul(size.saturating_sub(1)).ok_or(NumericsError::Overflow(what))?;
            last = last.checked_add(reach).ok_or(NumericsError::Overflow(what))?;
        }
        let (expected, found) = (last + 1, self.data.len());
        if shape.contains(&0) || last < found { Ok(()) } else { Err(NumericsError::Length { what, expected, found }) }
    }

    fn offset(&self, mut index: usize, shape: &[usize]) -> usize {
        let mut offset = 0;
        for (&size, &stride) in shape.iter().zip(self.strides).rev() {
            offset += index % size * stride;
            index /= size;
        }
        offset
    }
}

impl Processor {
    /// `out[i] = operation(input[i])`.
    pub fn unary(&self, operation: Unary, input: &[f32], out: &mut [f32]) -> Result<(), NumericsError> {
        expect_length("the result", out.len(), input.len())?;
        let piece = self.piece(out.len(), 16, PIECE);
        self.pool().chunks(out, piece, |i, out| {
            let start = i * piece;
            self.run(MapUnary(operation, &input[start..start + out.len()], out));
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
        if shape.len() > RANK_LIMIT {
            return Err(NumericsError::Parameter { what: "the rank", value: shape.len(), rule: "is above 16" });
        }
        expect_length("the result", out.len(), count("the result", shape)?)?;
        a.check("the left operand", shape)?;
        b.check("the right operand", shape)?;
        if out.is_empty() {
            return Ok(());
        }
        let (outer, inner) = innermost(shape, a.strides, b.strides);
        let (row, a_step, b_step) = inner;
        let (outer_shape, a_outer, b_outer) = (
            &shape[..outer],
            Strided { data: a.data, strides: &a.strides[..outer] },
            Strided { data: b.data, strides: &b.strides[..outer] },
        );
        let piece = self.piece(out.len(), row, PIECE);
        self.pool().chunks(out, piece, |i, out| {
            for (j, out) in out.chunks_mut(row).enumerate() {
                // A piece is whole rows, or the whole of a result.
                let index = i * piece / row + j;
                let a = (&a.data[a_outer.offset(index, outer_shape)..], a_step);
                let b = (&b.data[b_outer.offset(index, outer_shape)..], b_step);
                self.run(MapBinary(operation, a, b, out));
            }
        });
        Ok(())
    }
}

/// How many dimensions stay outside, and the length and both steps of the loop that the others make.
fn innermost(shape: &[usize], a: &[usize], b: &[usize]) -> (usize, (usize, usize, usize)) {
    let Some(mut outer) = shape.len().checked_sub(1) else { return (0, (1, 1, 1)) };
    let (mut row, a_step, b_step) = (shape[outer], a[outer], b[outer]);
    while outer > 0 && a[outer - 1] == a_step * row && b[outer - 1] == b_step * row {
        outer -= 1;
        row *= shape[outer];
    }
    (outer, (row, a_step, b_step))
}
