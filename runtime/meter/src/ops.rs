//! What one instruction costs, and whether it can trap.

use wasmparser::Operator;

use crate::CostTable;

/// The static cost of an instruction in fuel, without what depends on run-time lengths and without its callee.
pub(crate) fn cost_of(op: &Operator<'_>, costs: &CostTable) -> u64 {
    use Operator::*;
    let cost = match op {
        Block { .. } | Loop { .. } | Else | End | Nop | Drop | Unreachable => 0,
        Br { .. } | BrIf { .. } | If { .. } | Return => costs.branch,
        BrTable { .. } => costs.branch_table,
        Call { .. } | ReturnCall { .. } => costs.call,
        CallIndirect { .. } | ReturnCallIndirect { .. } => costs.call_indirect,
        TableGet { .. } | TableSet { .. } | RefFunc { .. } => costs.table,
        op if is_bulk(op) => costs.bulk,
        op if accesses_memory(op) => costs.memory,
        I32DivS | I32DivU | I32RemS | I32RemU | I64DivS | I64DivU | I64RemS | I64RemU | F32Div | F64Div | F32Sqrt
        | F64Sqrt | F32x4Div | F64x2Div | F32x4Sqrt | F64x2Sqrt => costs.divide,
        _ => costs.simple,
    };
    u64::from(cost)
}

/// Whether the instruction makes a value that was not there before.
pub(crate) fn computes(op: &Operator<'_>) -> bool {
    use Operator::*;
    !matches!(
        op,
        Block { .. }
            | Loop { .. }
            | If { .. }
            | Else
            | End
            | Nop
            | Drop
            | Unreachable
            | Br { .. }
            | BrIf { .. }
            | BrTable { .. }
            | Return
            | Call { .. }
            | ReturnCall { .. }
            | CallIndirect { .. }
            | ReturnCallIndirect { .. }
            | LocalGet { .. }
            | LocalSet { .. }
            | LocalTee { .. }
            | GlobalGet { .. }
            | GlobalSet { .. }
            | I32Const { .. }
            | I64Const { .. }
            | F32Const { .. }
            | F64Const { .. }
            | V128Const { .. }
    )
}

/// Whether the instruction can end the run by itself. A direct call cannot: its callee stores before it traps.
pub(crate) fn can_trap(op: &Operator<'_>) -> bool {
    use Operator::*;
    match op {
        Unreachable | CallIndirect { .. } | ReturnCallIndirect { .. } | TableGet { .. } | TableSet { .. } => true,
        I32DivS | I32DivU | I32RemS | I32RemU | I64DivS | I64DivU | I64RemS | I64RemU => true,
        I32TruncF32S | I32TruncF32U | I32TruncF64S | I32TruncF64U | I64TruncF32S | I64TruncF32U | I64TruncF64S
        | I64TruncF64U => true,
        op => is_bulk(op) || accesses_memory(op),
    }
}

/// Whether the instruction's work depends on a length known only when it runs.
pub(crate) fn is_bulk(op: &Operator<'_>) -> bool {
    use Operator::*;
    matches!(
        op,
        MemoryCopy { .. }
            | MemoryFill { .. }
            | MemoryInit { .. }
            | MemoryGrow { .. }
            | TableCopy { .. }
            | TableFill { .. }
            | TableInit { .. }
            | TableGrow { .. }
    )
}

fn accesses_memory(op: &Operator<'_>) -> bool {
    use Operator::*;
    matches!(
        op,
        I32Load { .. }
            | I64Load { .. }
            | F32Load { .. }
            | F64Load { .. }
            | I32Load8S { .. }
            | I32Load8U { .. }
            | I32Load16S { .. }
            | I32Load16U { .. }
            | I64Load8S { .. }
            | I64Load8U { .. }
            | I64Load16S { .. }
            | I64Load16U { .. }
            | I64Load32S { .. }
            | I64Load32U { .. }
            | I32Store { .. }
            | I64Store { .. }
            | F32Store { .. }
            | F64Store { .. }
            | I32Store8 { .. }
            | I32Store16 { .. }
            | I64Store8 { .. }
            | I64Store16 { .. }
            | I64Store32 { .. }
            | V128Load { .. }
            | V128Load8x8S { .. }
            | V128Load8x8U { .. }
            | V128Load16x4S { .. }
            | V128Load16x4U { .. }
            | V128Load32x2S { .. }
            | V128Load32x2U { .. }
            | V128Load8Splat { .. }
            | V128Load16Splat { .. }
            | V128Load32Splat { .. }
            | V128Load64Splat { .. }
            | V128Load32Zero { .. }
            | V128Load64Zero { .. }
            | V128Store { .. }
            | V128Load8Lane { .. }
            | V128Load16Lane { .. }
            | V128Load32Lane { .. }
            | V128Load64Lane { .. }
            | V128Store8Lane { .. }
            | V128Store16Lane { .. }
            | V128Store32Lane { .. }
            | V128Store64Lane { .. }
    )
}
