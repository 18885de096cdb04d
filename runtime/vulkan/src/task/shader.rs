use std::collections::BTreeSet;
use std::fmt::Write as _;

use poai_compute::arithmetic::{Binary, Ternary, Unary};
use poai_compute::{Lowered, Operation};

use crate::kernels::Step;
use crate::kernels::functions::{self, Function};

/// What operations on words are in WGSL, each under its name: those on integers, comparisons and conversions.
const WORDS: &str = include_str!("words.wgsl");

/// A kernel with all that it calls.
pub(crate) fn source(step: Step, lowered: &Lowered) -> String {
    let floats = || lowered.operations.iter().filter_map(|operation| Some((*operation, function(*operation)?)));
    let wanted: BTreeSet<Function> = floats().map(|(_, function)| function).collect();
    let mut source = functions::source(step, &wanted);
    source.push_str(WORDS);
    for (operation, function) in floats() {
        let parameters = ["a", "b", "c"];
        let parameters = &parameters[..function.operands()];
        let declared: Vec<_> = parameters.iter().map(|name| format!("{name}: u32")).collect();
        let given: Vec<_> = parameters.iter().map(|name| format!("bitcast<f32>({name})")).collect();
        let (name, call) = (operation.name(), function.name());
        let (declared, given) = (declared.join(", "), given.join(", "));
        let _ = writeln!(source, "fn {name}({declared}) -> u32 {{ return bitcast<u32>({call}({given})); }}");
    }
    source.push_str(&lowered.source);
    source
}

/// The function of floats that an operation is; none of one in `words.wgsl`.
fn function(operation: Operation) -> Option<Function> {
    Some(match operation {
        Operation::Unary(op) => unary(op)?,
        Operation::Binary(op) => binary(op)?,
        Operation::Ternary(Ternary::Fma) => Function::Fma,
        Operation::Ternary(Ternary::Select) => return None,
    })
}

fn unary(op: Unary) -> Option<Function> {
    Some(match op {
        Unary::Negate => Function::Neg,
        Unary::Abs => Function::Abs,
        Unary::Sign => Function::Sign,
        Unary::Floor => Function::Floor,
        Unary::Ceil => Function::Ceil,
        Unary::Round => Function::Round,
        Unary::Trunc => Function::Trunc,
        Unary::Sqrt => Function::Sqrt,
        Unary::Exp => Function::Exp,
        Unary::Log => Function::Log,
        Unary::Sin => Function::Sin,
        Unary::Cos => Function::Cos,
        Unary::Tan => Function::Tan,
        Unary::Asin => Function::Asin,
        Unary::Acos => Function::Acos,
        Unary::Atan => Function::Atan,
        Unary::Sinh => Function::Sinh,
        Unary::Cosh => Function::Cosh,
        Unary::Tanh => Function::Tanh,
        Unary::Asinh => Function::Asinh,
        Unary::Acosh => Function::Acosh,
        Unary::Atanh => Function::Atanh,
        _ => return None,
    })
}

fn binary(op: Binary) -> Option<Function> {
    Some(match op {
        Binary::Add => Function::Add,
        Binary::Subtract => Function::Sub,
        Binary::Multiply => Function::Mul,
        Binary::Divide => Function::Div,
        Binary::Remainder => Function::Rem,
        Binary::Min => Function::Min,
        Binary::Max => Function::Max,
        Binary::Pow => Function::Pow,
        _ => return None,
    })
}
