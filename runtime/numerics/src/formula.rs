//! Operations, written down as lines for whoever computes them elsewhere.
//!
//! Functions are written once, over [`Lanes`]. [`Recorded`] is a number that does not compute but notes what is asked of
//! it, so that the definition itself writes the lines: there is no second copy of any polynomial.

use std::cell::RefCell;
use std::mem;

pub use crate::functions::angle::TWO_OVER_PI;

use crate::elementwise::{Binary, Unary};
use crate::functions::angle::{angle, near_cosine, near_sine};
use crate::lanes::{Lanes, operators};

/// What a line does with results of earlier lines. `docs/numerics.md` and `lanes.rs` say what each is to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a · b
    Mul,
    /// a / b, correctly rounded.
    Div,
    /// a · b + c, rounded once.
    Fused,
    /// √a, correctly rounded.
    Root,
    /// The greatest integer not above a.
    Floor,
    /// The least integer not below a.
    Ceil,
    /// The nearest integer, halves to even.
    Round,
    /// |a|
    Abs,
    /// -a
    Negated,
    /// a, which has no sign, with the sign of b.
    WithSignOf,
    /// b where a is below it; NaN stays.
    AtLeast,
    /// b where a is above it; NaN stays.
    AtMost,
    /// Whether a < b: false where either is NaN.
    Less,
    /// b where the truth a holds, else c.
    Pick,
    /// a · 2ⁿ for a in [½, 2) or NaN, n from -125 to 129; b is n + 1.5·2²³.
    TimesPower,
    /// The mantissa of a positive normal number, in [√½, √2).
    Mantissa,
    /// The exponent that belongs to it.
    Exponent,
    /// +0 below 2⁻¹⁰⁰, else a.
    Element,
    /// +0 below 2⁻⁴⁰, else a.
    Operand,
    /// The one NaN for every NaN, else a.
    Canonical,
}

/// A line of a formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// An operand by its number, already flushed as element-wise operations read it.
    Operand(usize),
    /// A number.
    Constant(f32),
    /// A primitive of the results of earlier lines, by their numbers.
    Does(Primitive, Vec<usize>),
}

/// Lines in order: what is computed of operands that were read, before the result is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    /// The lines.
    pub lines: Vec<Line>,
    /// The line whose result is the formula's.
    pub result: usize,
}

impl Formula {
    /// An operation on one number. None of sine, cosine and tangent, which begin with integers wider than a float:
    /// [`Formula::angle`] and what follows are their parts.
    #[must_use]
    pub fn of_unary(operation: Unary) -> Option<Self> {
        recorded(|| operation.over(operand(0)))
    }

    /// An operation on two numbers. None of the greater, the lesser and the remainder, which are made of bits.
    #[must_use]
    pub fn of_binary(operation: Binary) -> Option<Self> {
        recorded(|| operation.over(operand(0), operand(1)))
    }

    /// The angle that is a fraction, at most ½, of a quarter turn.
    #[must_use]
    pub fn angle() -> Self {
        always(angle)
    }

    /// The sine of an angle up to π/4.
    #[must_use]
    pub fn near_sine() -> Self {
        always(near_sine)
    }

    /// The cosine of an angle up to π/4.
    #[must_use]
    pub fn near_cosine() -> Self {
        always(near_cosine)
    }
}

thread_local! {
    /// What was noted of the formula that this thread records.
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// The number of a line.
#[derive(Clone, Copy)]
struct Recorded(usize);

fn note(line: Line) -> Recorded {
    LINES.with_borrow_mut(|lines| {
        lines.push(line);
        Recorded(lines.len() - 1)
    })
}

fn operand(number: usize) -> Recorded {
    note(Line::Operand(number))
}

fn done<const N: usize>(primitive: Primitive, operands: [Recorded; N]) -> Recorded {
    note(Line::Does(primitive, operands.map(|Recorded(line)| line).to_vec()))
}

fn recorded(write: impl FnOnce() -> Option<Recorded>) -> Option<Formula> {
    LINES.with_borrow_mut(Vec::clear);
    let result = write();
    let lines = LINES.with_borrow_mut(mem::take);
    result.map(|Recorded(result)| Formula { lines, result })
}

fn always(function: fn(Recorded) -> Recorded) -> Formula {
    recorded(|| Some(function(operand(0)))).expect("there is a result")
}

operators!([] Recorded, a, b:
    done(Primitive::Add, [a, b]),
    done(Primitive::Sub, [a, b]),
    done(Primitive::Mul, [a, b]),
    done(Primitive::Div, [a, b]));

/// Methods of one primitive each.
macro_rules! primitives {
    ($($name:ident($($other:ident),*) = $primitive:ident;)*) => {$(
        fn $name(self $(, $other: Self)*) -> Self {
            done(Primitive::$primitive, [self $(, $other)*])
        }
    )*};
}

impl Lanes for Recorded {
    type Mask = Self;

    fn splat(x: f32) -> Self {
        note(Line::Constant(x))
    }

    fn fused(a: Self, b: Self, c: Self) -> Self {
        done(Primitive::Fused, [a, b, c])
    }

    fn pick(mask: Self, yes: Self, no: Self) -> Self {
        done(Primitive::Pick, [mask, yes, no])
    }

    fn split(self) -> (Self, Self) {
        (done(Primitive::Mantissa, [self]), done(Primitive::Exponent, [self]))
    }

    primitives! {
        root() = Root;
        floor() = Floor;
        ceil() = Ceil;
        round() = Round;
        abs() = Abs;
        negated() = Negated;
        with_sign_of(other) = WithSignOf;
        at_least(low) = AtLeast;
        at_most(high) = AtMost;
        less(other) = Less;
        times_power(rounded) = TimesPower;
        element() = Element;
        operand() = Operand;
        canonical() = Canonical;
    }
}

#[cfg(test)]
mod tests; // read back, number by number
