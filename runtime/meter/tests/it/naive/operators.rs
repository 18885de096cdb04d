//! What the rules say of single instructions.

use wasmparser::{FunctionBody, Operator};

/// The instructions of a body, and whether some path leads to each. An `else` or `end` belongs to its block.
pub(super) fn live_ops<'a>(body: &FunctionBody<'a>) -> Vec<(Operator<'a>, bool)> {
    let mut live = vec![true];
    body.get_operators_reader()
        .unwrap()
        .into_iter()
        .map(|op| {
            let op = op.unwrap();
            let here = match op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    let here = *live.last().unwrap();
                    live.push(here);
                    here
                }
                Operator::Else => {
                    let around = live[live.len() - 2];
                    *live.last_mut().unwrap() = around;
                    around
                }
                Operator::End => {
                    live.pop();
                    // After the function's own end nothing is asked.
                    live.last().copied().unwrap_or(true)
                }
                Operator::Br { .. }
                | Operator::BrTable { .. }
                | Operator::Return
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::Unreachable => std::mem::replace(live.last_mut().unwrap(), false),
                _ => *live.last().unwrap(),
            };
            (op, here)
        })
        .collect()
}

fn name(op: &Operator<'_>) -> String {
    format!("{op:?}").split([' ', '{', '(']).next().unwrap().to_owned()
}

/// Whether an instruction makes a value that was not there before.
pub(super) fn computes(op: &Operator<'_>) -> bool {
    use Operator::*;
    match op {
        LocalGet { .. } | LocalSet { .. } | LocalTee { .. } | GlobalGet { .. } | GlobalSet { .. } => false,
        I32Const { .. } | I64Const { .. } | F32Const { .. } | F64Const { .. } | V128Const { .. } => false,
        Br { .. } | BrIf { .. } | BrTable { .. } | If { .. } | Return => false,
        Call { .. } | ReturnCall { .. } | CallIndirect { .. } | ReturnCallIndirect { .. } => false,
        op => cost(op) > 0,
    }
}

pub(super) fn cost(op: &Operator<'_>) -> i64 {
    let name = name(op);
    match name.as_str() {
        "Block" | "Loop" | "Else" | "End" | "Nop" | "Drop" | "Unreachable" => 0,
        "Br" | "BrIf" | "If" | "Return" => 1,
        "BrTable" => 3,
        "Call" | "ReturnCall" => 4,
        "CallIndirect" | "ReturnCallIndirect" => 8,
        "TableGet" | "TableSet" | "RefFunc" => 4,
        _ if bulk_kind(op).is_some() => 16,
        name if name.contains("Load") || name.contains("Store") => 2,
        name if name.contains("Div") || name.contains("Rem") || name.contains("Sqrt") => 8,
        _ => 1,
    }
}

pub(super) enum Bulk {
    Bytes,
    Elements,
    GrowPages,
    GrowElements,
}

pub(super) fn bulk_kind(op: &Operator<'_>) -> Option<Bulk> {
    Some(match name(op).as_str() {
        "MemoryCopy" | "MemoryFill" | "MemoryInit" => Bulk::Bytes,
        "TableCopy" | "TableFill" | "TableInit" => Bulk::Elements,
        "MemoryGrow" => Bulk::GrowPages,
        "TableGrow" => Bulk::GrowElements,
        _ => return None,
    })
}

/// How many frames out a branch goes, for each place that it may go to.
pub(super) fn targets(op: &Operator<'_>, frames: usize) -> Vec<usize> {
    match op {
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => vec![*relative_depth as usize],
        Operator::BrTable { targets } => {
            let mut all: Vec<usize> = targets.targets().map(|target| target.unwrap() as usize).collect();
            all.push(targets.default() as usize);
            all
        }
        Operator::Return | Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => vec![frames - 1],
        _ => vec![],
    }
}
