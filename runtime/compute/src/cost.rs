//! What instructions cost: part of the engine. A word, a lane and a jump are [`UNIT`]; functions cost more. The executor does
//! what a unit of fuel pays for in about a nanosecond, as wasm's meter has it.

use crate::arithmetic::{Binary, Ternary, Unary};
use crate::program::Op;

/// Fuel of the least instruction.
pub(crate) const UNIT: u32 = 2;
/// What a dispatch costs besides its workgroups, for each register that invocations have at the same time, and each word of
/// workgroup memory.
pub(crate) const DISPATCH_WORD: u64 = 1;
/// What an invocation costs besides what it does: its registers are made ready.
pub(crate) const INVOCATION: u64 = 32;
/// What a workgroup costs besides its invocations, for each word of its memory that is zeroed.
pub(crate) const WORKGROUP_WORD: u64 = 1;
/// A turn of a loop, besides what is done in it.
pub(crate) const TURN: u32 = UNIT;

/// What an instruction costs.
pub(crate) fn of(op: &Op) -> u32 {
    UNIT * units(op)
}

fn units(op: &Op) -> u32 {
    match op {
        Op::Charge(_) => 0,
        Op::Jump(_) | Op::JumpIf { .. } | Op::JumpUnless { .. } | Op::Length { .. } | Op::End => 1,
        Op::Copy { words, .. } | Op::Splat { words, .. } | Op::Select { words, .. } => 1 + u32::from(*words) / 4,
        Op::Load { words, .. } | Op::Store { words, .. } => 1 + u32::from(*words),
        Op::Address { .. } => 2,
        // It reads, computes and writes.
        Op::Atomic { .. } => 4,
        Op::Barrier => 16,
        Op::Unary { op, lanes, .. } => u32::from(*lanes) * unary(*op),
        Op::Binary { op, lanes, .. } => u32::from(*lanes) * binary(*op),
        Op::Ternary { op: Ternary::Fma, lanes, .. } => u32::from(*lanes) * 2,
        Op::Ternary { op: Ternary::Select, lanes, .. } | Op::Holds { lanes, .. } => u32::from(*lanes),
    }
}

fn unary(op: Unary) -> u32 {
    use Unary as U;
    match op {
        U::Sqrt => 8,
        U::Exp | U::Log | U::Tanh | U::Atan => 32,
        U::Sin | U::Cos | U::Asin | U::Acos | U::Sinh | U::Cosh => 48,
        U::Tan | U::Asinh | U::Acosh | U::Atanh => 64,
        _ => 1,
    }
}

fn binary(op: Binary) -> u32 {
    use Binary as B;
    match op {
        B::Divide | B::DivideSigned | B::DivideUnsigned | B::RemainderSigned | B::RemainderUnsigned => 8,
        // The exact remainder takes a step for each bit of the quotient.
        B::Remainder => 128,
        B::Pow => 96,
        _ => 1,
    }
}
