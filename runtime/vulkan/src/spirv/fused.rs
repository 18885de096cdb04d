//! `OpFmaKHR` in place of GLSL's `fma`: a multiply-add that is rounded once by its specification, `SPV_KHR_fma`.
//!
//! It works on words, as rspirv's grammar is older than the instruction.

use super::ShaderError;

/// Words in front of the first instruction: magic number, version, generator, bound of the ids, schema.
const HEADER: usize = 5;
/// Opcodes of SPIR-V 1.6 (3.52, "Instructions").
const EXTENSION: u32 = 10;
const EXT_INST_IMPORT: u32 = 11;
const EXT_INST: u32 = 12;
const CAPABILITY: u32 = 17;
/// `OpFmaKHR`: its words are type, result, and three operands.
const FMA_KHR: u32 = 4427;
/// The capability that declares it.
const FMA_CAPABILITY: u32 = 6030;
/// The extension that it belongs to.
const FMA_EXTENSION: &str = "SPV_KHR_fma";
/// The set of extended instructions, and the number of `Fma` in it.
const GLSL: &str = "GLSL.std.450";
const GLSL_FMA: u32 = 50;

/// The same module with `OpFmaKHR` for every `Fma`; none if it has none.
pub(super) fn fused(words: &[u32]) -> Result<Option<Vec<u32>>, ShaderError> {
    let malformed = || ShaderError::Translation("the module is not whole".to_owned());
    let (header, mut rest) = words.split_at_checked(HEADER).ok_or_else(malformed)?;
    let (mut capabilities, mut extensions, mut body) = (header.to_vec(), Vec::new(), Vec::new());
    let mut glsl = None;
    let mut found = false;
    while let [first, ..] = *rest {
        let length = usize::try_from(first >> 16).ok().filter(|&length| length > 0).ok_or_else(malformed)?;
        let (instruction, behind) = rest.split_at_checked(length).ok_or_else(malformed)?;
        rest = behind;
        // Capabilities come first in a module, and extensions second.
        match (first & 0xffff, &instruction[1..]) {
            (CAPABILITY, _) => capabilities.extend(instruction),
            (EXTENSION, _) => extensions.extend(instruction),
            (EXT_INST, &[kind, result, set, GLSL_FMA, a, b, c]) if Some(set) == glsl => {
                found = true;
                body.extend(instruction_of(FMA_KHR, &[kind, result, a, b, c]));
            }
            (opcode, operands) => {
                if let (EXT_INST_IMPORT, [set, name @ ..]) = (opcode, operands)
                    && *name == literal(GLSL)
                {
                    glsl = Some(*set);
                }
                body.extend(instruction);
            }
        }
    }
    if !found {
        return Ok(None);
    }
    capabilities.extend(instruction_of(CAPABILITY, &[FMA_CAPABILITY]));
    extensions.extend(instruction_of(EXTENSION, &literal(FMA_EXTENSION)));
    Ok(Some([capabilities, extensions, body].concat()))
}

/// An instruction: the number of its words and its opcode share the first.
fn instruction_of(opcode: u32, operands: &[u32]) -> Vec<u32> {
    let length = u32::try_from(operands.len() + 1).expect("instructions are short");
    [&[length << 16 | opcode], operands].concat()
}

/// Text with at least one zero behind it, four bytes a word.
fn literal(text: &str) -> Vec<u32> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(text.len() / 4 * 4 + 4, 0);
    bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [u32; HEADER] = [0x0723_0203, 0x0001_0300, 28, 20, 0];
    /// `OpCapability Shader`, with its length, as the specification writes it.
    const SHADER: [u32; 2] = [0x0002_0011, 1];
    /// `%1 = OpExtInstImport "GLSL.std.450"`.
    const IMPORT: [u32; 6] = [0x0006_000b, 1, 0x4c53_4c47, 0x6474_732e, 0x3035_342e, 0];
    /// `%9 = OpExtInst %2 %1 Fma %6 %7 %8`.
    const FMA: [u32; 8] = [0x0008_000c, 2, 9, 1, 50, 6, 7, 8];
    /// `%10 = OpExtInst %2 %1 Sqrt %9`.
    const SQRT: [u32; 6] = [0x0006_000c, 2, 10, 1, 31, 9];
    /// `OpExtension "SPV_KHR_float_controls"`.
    const CONTROLS: [u32; 7] =
        [0x0007_000a, 0x5f56_5053, 0x5f52_484b, 0x616f_6c66, 0x6f63_5f74, 0x6f72_746e, 0x0000_736c];

    #[test]
    fn every_fma_becomes_the_instruction_with_its_capability_and_extension() {
        let module = [&HEAD[..], &SHADER, &CONTROLS, &IMPORT, &FMA, &SQRT].concat();
        let expected = [
            &HEAD[..],
            &SHADER,
            // OpCapability FMAKHR
            &[0x0002_0011, 6030],
            &CONTROLS,
            // OpExtension "SPV_KHR_fma"
            &[0x0004_000a, 0x5f56_5053, 0x5f52_484b, 0x0061_6d66],
            &IMPORT,
            // %9 = OpFmaKHR %2 %6 %7 %8
            &[0x0006_114b, 2, 9, 6, 7, 8],
            &SQRT,
        ];
        assert_eq!(fused(&module), Ok(Some(expected.concat())));
    }

    #[test]
    fn a_module_without_one_is_left_as_it_is() {
        // Another set's 50 is another instruction.
        let other = [0x0008_000c, 2, 9, 5, 50, 6, 7, 8];
        for module in [&[&HEAD[..], &SHADER, &IMPORT, &SQRT].concat(), &[&HEAD[..], &IMPORT, &other].concat()] {
            assert_eq!(fused(module), Ok(None));
        }
    }

    #[test]
    fn torn_modules_are_refused() {
        for module in [&HEAD[..3], &[&HEAD[..], &FMA[..7]].concat(), &[&HEAD[..], &[0x0000_000c]].concat()] {
            assert_eq!(fused(module), Err(ShaderError::Translation("the module is not whole".to_owned())));
        }
    }
}
