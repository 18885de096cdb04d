//! Atomics ask for no order of other accesses: barriers make that. naga 26 names the memory that an order would be of, and
//! then no order, which Vulkan does not allow.

use rspirv::dr::{Instruction, Module, Operand};
use rspirv::spirv::{Op, Word};

/// Makes the semantics of every atomic instruction those of no order.
pub(super) fn relax(module: &mut Module) {
    let Some(semantics) = module.all_inst_iter().find_map(semantics) else { return };
    let constant = module.types_global_values.iter().find(|value| value.result_id == Some(semantics));
    let kind = constant.and_then(|constant| constant.result_type);
    let relaxed = next_id(module);
    let zero = Instruction::new(Op::Constant, kind, Some(relaxed), vec![Operand::LiteralBit32(0)]);
    module.types_global_values.push(zero);
    for instruction in module.all_inst_iter_mut().filter(|instruction| is_atomic(instruction)) {
        for operand in &mut instruction.operands {
            if let Operand::IdMemorySemantics(semantics) = operand {
                *semantics = relaxed;
            }
        }
    }
}

fn semantics(instruction: &Instruction) -> Option<Word> {
    let semantics = |operand: &Operand| if let Operand::IdMemorySemantics(id) = operand { Some(*id) } else { None };
    instruction.operands.iter().filter(|_| is_atomic(instruction)).find_map(semantics)
}

fn is_atomic(instruction: &Instruction) -> bool {
    matches!(
        instruction.class.opcode,
        Op::AtomicLoad
            | Op::AtomicStore
            | Op::AtomicIAdd
            | Op::AtomicSMin
            | Op::AtomicUMin
            | Op::AtomicSMax
            | Op::AtomicUMax
            | Op::AtomicAnd
            | Op::AtomicOr
            | Op::AtomicXor
    )
}

fn next_id(module: &mut Module) -> Word {
    let header = module.header.as_mut().expect("a module that was read has a header");
    header.bound += 1;
    header.bound - 1
}
