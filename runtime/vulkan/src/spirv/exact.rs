//! The pass that leaves a driver no choice: what each float instruction computes is what IEEE 754 says of it alone.

use std::collections::HashSet;

use rspirv::binary::Assemble;
use rspirv::dr::{Instruction, Module, Operand};
use rspirv::spirv::{Capability, Decoration, ExecutionMode, Op, Word};

use super::{ShaderError, atomics};

/// What a device promises of f32 when asked, and is therefore asked (`VK_KHR_shader_float_controls`,
/// `VK_KHR_shader_fma`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FloatControls {
    /// `shaderRoundingModeRTEFloat32`: rounding to nearest, ties to even.
    pub nearest_even: bool,
    /// `shaderSignedZeroInfNanPreserveFloat32`: -0, infinities and NaN are not optimised away.
    pub special_values: bool,
    /// `shaderFmaFloat32`: an instruction that is a fused multiply-add by its specification.
    pub fused: bool,
}

impl FloatControls {
    /// Whether all that `wanted` has is here.
    #[must_use]
    pub fn include(self, wanted: Self) -> bool {
        let Self { nearest_even, special_values, fused } = wanted;
        (self.nearest_even || !nearest_even) && (self.special_values || !special_values) && (self.fused || !fused)
    }
}

/// Marks every float operation and conversion of a module, and asks for the float controls.
pub(super) fn exact(words: &[u32], controls: FloatControls) -> Result<Vec<u32>, ShaderError> {
    let mut module = rspirv::dr::load_words(words).map_err(|error| ShaderError::Translation(error.to_string()))?;
    atomics::relax(&mut module);
    forbid_contraction(&mut module);
    ask(&mut module, controls)?;
    Ok(module.assemble())
}

fn forbid_contraction(module: &mut Module) {
    let floats = float_types(module);
    let of_floats = |instruction: &&Instruction| match instruction.class.opcode {
        Op::ExtInst => instruction.result_type.is_some_and(|kind| floats.contains(&kind)),
        opcode => computes_with_floats(opcode),
    };
    let marks: Vec<_> =
        module.all_inst_iter().filter(of_floats).filter_map(|instruction| instruction.result_id).map(mark).collect();
    module.annotations.extend(marks);
}

fn mark(id: Word) -> Instruction {
    let operands = vec![Operand::IdRef(id), Operand::Decoration(Decoration::NoContraction)];
    Instruction::new(Op::Decorate, None, None, operands)
}

/// Float types, and vectors and matrices of them.
fn float_types(module: &Module) -> HashSet<Word> {
    let mut floats = HashSet::new();
    // A type stands behind those that it is made of.
    for kind in &module.types_global_values {
        let of_floats = match (kind.class.opcode, kind.operands.first()) {
            (Op::TypeFloat, _) => true,
            (Op::TypeVector | Op::TypeMatrix, Some(Operand::IdRef(element))) => floats.contains(element),
            _ => false,
        };
        if let (true, Some(id)) = (of_floats, kind.result_id) {
            floats.insert(id);
        }
    }
    floats
}

/// Conversions too: a driver was seen to fold f32 → f64 → f32 across unrolled steps.
fn computes_with_floats(opcode: Op) -> bool {
    matches!(
        opcode,
        Op::FNegate
            | Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::FRem
            | Op::FMod
            | Op::VectorTimesScalar
            | Op::MatrixTimesScalar
            | Op::VectorTimesMatrix
            | Op::MatrixTimesVector
            | Op::MatrixTimesMatrix
            | Op::OuterProduct
            | Op::Dot
            | Op::ConvertFToU
            | Op::ConvertFToS
            | Op::ConvertSToF
            | Op::ConvertUToF
            | Op::FConvert
            | Op::QuantizeToF16
    )
}

fn ask(module: &mut Module, controls: FloatControls) -> Result<(), ShaderError> {
    let wanted = [
        (controls.nearest_even, Capability::RoundingModeRTE, ExecutionMode::RoundingModeRTE),
        (controls.special_values, Capability::SignedZeroInfNanPreserve, ExecutionMode::SignedZeroInfNanPreserve),
    ];
    let entry = module.entry_points.first().and_then(|entry| entry.operands.get(1)).cloned();
    let entry = entry.ok_or_else(|| ShaderError::Translation("the module has no entry point".to_owned()))?;
    let mut asked = false;
    for (_, capability, mode) in wanted.into_iter().filter(|&(wanted, ..)| wanted) {
        asked = true;
        module.capabilities.push(Instruction::new(Op::Capability, None, None, vec![Operand::Capability(capability)]));
        let operands = vec![entry.clone(), Operand::ExecutionMode(mode), Operand::LiteralBit32(32)];
        module.execution_modes.push(Instruction::new(Op::ExecutionMode, None, None, operands));
    }
    if asked {
        let name = Operand::LiteralString("SPV_KHR_float_controls".to_owned());
        module.extensions.push(Instruction::new(Op::Extension, None, None, vec![name]));
    }
    Ok(())
}
