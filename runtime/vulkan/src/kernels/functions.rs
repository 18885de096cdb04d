//! The element-wise operations of numerics as functions of WGSL, to the bit.
//!
//! Polynomials are not written here: numerics' own definition writes them, line by line
//! ([`poai_numerics::formula`]). What is made of bits (quotients, roots, remainders, the reduction of angles) is in WGSL
//! beside this, in integers.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use poai_numerics::formula::{Formula, Line, Primitive, TWO_OVER_PI};
use poai_numerics::step::{canonical, element, operand, soft_fused, stored};
use poai_numerics::{Binary, Unary};

use super::{Step, with_rules};

/// An operation without parameters, under the name that shaders call it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is numerics' operation of its name")]
pub enum Function {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
    Max,
    Min,
    Neg,
    Abs,
    Sign,
    Floor,
    Ceil,
    Round,
    /// Towards zero.
    Trunc,
    Sqrt,
    Exp,
    Log,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    /// docs/compute.md's `fma`: a step of a chain, whose addend has no digits below 2⁻¹²⁶.
    Fma,
}

/// How a function comes to be.
enum Making {
    Unary(Unary),
    Binary(Binary),
    /// An expression of `a`, or of `a` and `b`, as they are read.
    Written(usize, &'static str),
    /// An expression of `a`, `b` and `c` as they are given.
    Whole(&'static str),
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 31] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Rem,
        Self::Pow,
        Self::Max,
        Self::Min,
        Self::Neg,
        Self::Abs,
        Self::Sign,
        Self::Floor,
        Self::Ceil,
        Self::Round,
        Self::Trunc,
        Self::Sqrt,
        Self::Exp,
        Self::Log,
        Self::Sin,
        Self::Cos,
        Self::Tan,
        Self::Asin,
        Self::Acos,
        Self::Atan,
        Self::Sinh,
        Self::Cosh,
        Self::Tanh,
        Self::Asinh,
        Self::Acosh,
        Self::Atanh,
        Self::Fma,
    ];

    /// Its name in WGSL: `n_` and the operation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "n_add",
            Self::Sub => "n_sub",
            Self::Mul => "n_mul",
            Self::Div => "n_div",
            Self::Rem => "n_rem",
            Self::Pow => "n_pow",
            Self::Max => "n_max",
            Self::Min => "n_min",
            Self::Neg => "n_neg",
            Self::Abs => "n_abs",
            Self::Sign => "n_sign",
            Self::Floor => "n_floor",
            Self::Ceil => "n_ceil",
            Self::Round => "n_round",
            Self::Trunc => "n_trunc",
            Self::Sqrt => "n_sqrt",
            Self::Exp => "n_exp",
            Self::Log => "n_log",
            Self::Sin => "n_sin",
            Self::Cos => "n_cos",
            Self::Tan => "n_tan",
            Self::Asin => "n_asin",
            Self::Acos => "n_acos",
            Self::Atan => "n_atan",
            Self::Sinh => "n_sinh",
            Self::Cosh => "n_cosh",
            Self::Tanh => "n_tanh",
            Self::Asinh => "n_asinh",
            Self::Acosh => "n_acosh",
            Self::Atanh => "n_atanh",
            Self::Fma => "n_fma",
        }
    }

    /// How many numbers it takes.
    #[must_use]
    pub fn operands(self) -> usize {
        match self.making() {
            Making::Unary(_) => 1,
            Making::Binary(_) => 2,
            Making::Written(operands, _) => operands,
            Making::Whole(_) => 3,
        }
    }

    /// What it gives for the first of these numbers, as many as it takes: the definition.
    #[must_use]
    pub fn of(self, operands: [f32; 3]) -> f32 {
        let [a, b, c] = operands;
        match (self, self.making()) {
            (_, Making::Unary(operation)) => operation.of(a),
            (_, Making::Binary(operation)) => operation.of(a, b),
            (Self::Rem, _) => Binary::Remainder.of(a, b),
            (Self::Max, _) => Binary::Max.of(a, b),
            (Self::Min, _) => Binary::Min.of(a, b),
            (Self::Sin, _) => Unary::Sin.of(a),
            (Self::Cos, _) => Unary::Cos.of(a),
            (Self::Tan, _) => Unary::Tan.of(a),
            (Self::Trunc, _) => stored(element(a).trunc()),
            _ => canonical(soft_fused(operand(a), operand(b), addend(c))),
        }
    }

    fn making(self) -> Making {
        match self {
            Self::Add => Making::Binary(Binary::Add),
            Self::Sub => Making::Binary(Binary::Sub),
            Self::Mul => Making::Binary(Binary::Mul),
            Self::Div => Making::Binary(Binary::Div),
            Self::Pow => Making::Binary(Binary::Pow),
            Self::Rem => Making::Written(2, "remainder(a, b)"),
            Self::Max => Making::Written(2, "greater(a, b)"),
            Self::Min => Making::Written(2, "lesser(a, b)"),
            Self::Trunc => Making::Written(1, "truncated(a)"),
            Self::Sin => Making::Written(1, "sine(a)"),
            Self::Cos => Making::Written(1, "cosine(a)"),
            Self::Tan => Making::Written(1, "tangent(a)"),
            Self::Fma => Making::Whole("one_nan(checked_step(operand_of(a), operand_of(b), addend(c)))"),
            Self::Neg => Making::Unary(Unary::Neg),
            Self::Abs => Making::Unary(Unary::Abs),
            Self::Sign => Making::Unary(Unary::Sign),
            Self::Floor => Making::Unary(Unary::Floor),
            Self::Ceil => Making::Unary(Unary::Ceil),
            Self::Round => Making::Unary(Unary::Round),
            Self::Sqrt => Making::Unary(Unary::Sqrt),
            Self::Exp => Making::Unary(Unary::Exp),
            Self::Log => Making::Unary(Unary::Log),
            Self::Asin => Making::Unary(Unary::Asin),
            Self::Acos => Making::Unary(Unary::Acos),
            Self::Atan => Making::Unary(Unary::Atan),
            Self::Sinh => Making::Unary(Unary::Sinh),
            Self::Cosh => Making::Unary(Unary::Cosh),
            Self::Tanh => Making::Unary(Unary::Tanh),
            Self::Asinh => Making::Unary(Unary::Asinh),
            Self::Acosh => Making::Unary(Unary::Acosh),
            Self::Atanh => Making::Unary(Unary::Atanh),
        }
    }

    fn source(self) -> String {
        let name = self.name();
        match self.making() {
            Making::Unary(operation) => unary(name, operation),
            Making::Binary(operation) => {
                let formula = Formula::of_binary(operation).expect("it is made of floats");
                element_wise(name, &formula)
            }
            Making::Written(1, value) => {
                format!("fn {name}(x0: f32) -> f32 {{ let a = flushed(x0); return bitcast<f32>(stored({value})); }}\n")
            }
            Making::Written(_, value) => format!(
                "fn {name}(x0: f32, x1: f32) -> f32 {{
                    let a = flushed(x0); let b = flushed(x1); return bitcast<f32>(stored({value}));\n}}\n"
            ),
            Making::Whole(value) => format!("fn {name}(a: f32, b: f32, c: f32) -> f32 {{ return {value}; }}\n"),
        }
    }
}

/// A number without its digits below 2⁻¹²⁶, which no sum of a chain has.
fn addend(c: f32) -> f32 {
    const WHOLE_DIGITS: u32 = 24;
    let exponent = c.to_bits() >> 23 & 0xff;
    let below = WHOLE_DIGITS.saturating_sub(exponent);
    if exponent == 0 { 0.0 } else { f32::from_bits(c.to_bits() >> below << below) }
}

/// WGSL of these functions, and of all that they are made of: each takes f32, and gives f32 as it is stored. In the
/// names that are declared no letter is upper case but in constants, and none begins with `task_`.
#[must_use]
pub fn source(step: Step, functions: &BTreeSet<Function>) -> String {
    source_with(step.source(), functions)
}

/// The same with any step.
pub(crate) fn source_with(step: &str, functions: &BTreeSet<Function>) -> String {
    let angles = [Function::Sin, Function::Cos, Function::Tan].iter().any(|angle| functions.contains(angle));
    let mut source = with_rules(step, &primitives(angles));
    functions.iter().for_each(|function| source.push_str(&function.source()));
    source
}

/// WGSL of what the lines of formulas call, and of what is made of bits.
pub(super) fn primitives(angles: bool) -> String {
    let mut source = concat!(include_str!("lanes.wgsl"), include_str!("quotient.wgsl")).to_owned();
    if angles {
        source.push_str(&format!("const TURN = array<u32, {}>(", TWO_OVER_PI.len()));
        TWO_OVER_PI.iter().for_each(|word| write!(source, "{word:#x}u, ").expect("a string takes all"));
        source.push_str(");\n");
        for (name, part) in
            [("angle", Formula::angle()), ("near_sine", Formula::near_sine()), ("near_cosine", Formula::near_cosine())]
        {
            source.push_str(&lines(name, &part, ["", ""], ["", ""]));
        }
        source.push_str(include_str!("angle.wgsl"));
    }
    source
}

/// Functions that neither flush what they read nor what they give.
pub(super) fn bare(functions: &[(&str, Unary)]) -> String {
    let source = |(name, operation): &(&str, Unary)| {
        lines(name, &Formula::of_unary(*operation).expect("it is made of floats"), ["", ""], ["", ""])
    };
    functions.iter().map(source).collect()
}

/// A function of one number with its parameters written into it.
fn unary(name: &str, operation: Unary) -> String {
    element_wise(name, &Formula::of_unary(operation).expect("it is made of floats"))
}

/// A formula whose operands are read, and whose result is stored, as element-wise operations do.
fn element_wise(name: &str, formula: &Formula) -> String {
    lines(name, formula, ["flushed(", ")"], ["bitcast<f32>(stored(", "))"])
}

/// A formula as a function: what is put around its operands, and around its result.
fn lines(name: &str, formula: &Formula, read: [&str; 2], stored: [&str; 2]) -> String {
    let operands: BTreeSet<usize> = formula
        .lines
        .iter()
        .filter_map(|line| if let Line::Operand(place) = line { Some(*place) } else { None })
        .collect();
    let parameters: Vec<String> = operands.iter().map(|place| format!("x{place}: f32")).collect();
    let mut source = format!("fn {name}({}) -> f32 {{\n", parameters.join(", "));
    for (place, line) in formula.lines.iter().enumerate() {
        let value = match line {
            Line::Constant(_) => continue,
            Line::Operand(operand) => format!("{}x{operand}{}", read[0], read[1]),
            Line::Does(primitive, operands) => {
                call(*primitive, &operands.iter().map(|operand| value(formula, *operand)).collect::<Vec<_>>())
            }
        };
        writeln!(source, "let v{place} = {value};").expect("a string takes all");
    }
    writeln!(source, "return {}{}{};\n}}", stored[0], value(formula, formula.result), stored[1])
        .expect("a string takes all");
    source
}

/// A line's value where another reads it: constants are written out there.
fn value(formula: &Formula, line: usize) -> String {
    match formula.lines[line] {
        Line::Constant(number) => format!("literal({:#x}u)", number.to_bits()),
        _ => format!("v{line}"),
    }
}

fn call(primitive: Primitive, operands: &[String]) -> String {
    let function = match primitive {
        Primitive::Add => return operands.join(" + "),
        Primitive::Sub => return operands.join(" - "),
        Primitive::Mul => return operands.join(" * "),
        Primitive::Less => return operands.join(" < "),
        Primitive::Div => "quotient",
        Primitive::Fused => "checked_step",
        Primitive::Root => "root",
        Primitive::Floor => "floored",
        Primitive::Ceil => "ceiled",
        Primitive::Round => "rounded",
        Primitive::Abs => "magnitude",
        Primitive::Negated => "negated",
        Primitive::WithSignOf => "with_sign_of",
        Primitive::AtLeast => "at_least",
        Primitive::AtMost => "at_most",
        Primitive::Pick => "choose",
        Primitive::TimesPower => "times_power",
        Primitive::Mantissa => "mantissa",
        Primitive::Exponent => "exponent",
        Primitive::Element => "flushed",
        Primitive::Operand => "operand_of",
        Primitive::Canonical => "one_nan",
    };
    format!("{function}({})", operands.join(", "))
}
