//! WGSL in, SPIR-V out that means the same arithmetic on every driver.
//!
//! naga reads and validates the source; indices out of range read zero and write nothing; workgroup memory starts as
//! zeros. Then every float instruction is marked [`NoContraction`](exact), because a driver may otherwise fuse, split
//! or reorder it, and the float controls that the device declares are asked for. Where it has an instruction for the
//! [fused step](fused), that takes the place of GLSL's `fma`.

mod atomics; // what atomics ask for
mod error; // why a shader is refused
mod exact; // the pass over SPIR-V
mod fused; // the fused step's own instruction
mod translate; // naga

#[cfg(test)]
mod tests; // read back from the words

pub use error::ShaderError;
pub use exact::FloatControls;

/// Bytes of WGSL that one shader may have: with them the stack that naga needs is bounded.
pub const SOURCE_LIMIT: usize = 64 << 10;
/// Bytes of WGSL that were written for a task's kernel, whose expressions are short.
pub const TASK_SOURCE_LIMIT: usize = 1 << 20;
/// Bytes that a type of fixed size may have: every invocation may have variables of it.
pub const TYPE_LIMIT: u64 = 64 << 10;
/// Bytes of workgroup memory: what every device of Vulkan offers.
pub const WORKGROUP_LIMIT: u64 = 16 << 10;
/// Storage buffers that one shader may have: what every device of Vulkan 1.2 offers is four.
pub const BINDINGS_LIMIT: u32 = 4;
/// Storage buffers of a task's kernel, which a device need not have: its own eight, and two of ours.
pub const TASK_BINDINGS_LIMIT: u32 = 10;

/// What a shader may have, and what is done to it.
struct Rules {
    source_bytes: usize,
    bindings: u32,
    /// Whether workgroup memory is set to zeros here, or by the shader itself.
    zeroes: bool,
    /// Whether there may be atomics. naga checks no index of memory that has any: the shader does.
    atomics: bool,
}

const OURS: Rules = Rules { source_bytes: SOURCE_LIMIT, bindings: BINDINGS_LIMIT, zeroes: true, atomics: false };
const TASKS: Rules =
    Rules { source_bytes: TASK_SOURCE_LIMIT, bindings: TASK_BINDINGS_LIMIT, zeroes: false, atomics: true };

/// A compute shader with one entry point, whose buffers are the bindings 0, 1, … of group 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shader {
    words: Vec<u32>,
    /// The same with GLSL's `fma`, if the words have `OpFmaKHR`.
    twin: Option<Vec<u32>>,
    controls: FloatControls,
    entry: String,
    bindings: u32,
}

impl Shader {
    /// Translates WGSL for a device with these float controls.
    ///
    /// # Errors
    /// A source that is too long, is not valid WGSL, or has not the one entry point and the bindings of a [`Shader`].
    pub fn new(source: &str, controls: FloatControls) -> Result<Self, ShaderError> {
        translate::translate(source, &OURS)?.marked(controls)
    }

    /// As [`Shader::new`], of a text that was written for a task's kernel: it may be longer, sets its workgroup memory to
    /// zeros itself, and where it has atomics it checks its indices itself.
    ///
    /// # Errors
    /// As [`Shader::new`].
    pub fn of_task(source: &str, controls: FloatControls) -> Result<Self, ShaderError> {
        translate::translate(source, &TASKS)?.marked(controls)
    }

    /// The same without the marks, and of the controls with the fused step alone: a driver may compute what it likes.
    /// Only the proof wants that, to see it happen.
    ///
    /// # Errors
    /// As [`Shader::new`].
    pub fn undecorated(source: &str, controls: FloatControls) -> Result<Self, ShaderError> {
        translate::translate(source, &OURS)?
            .with_step(FloatControls { fused: controls.fused, ..FloatControls::default() })
    }

    fn marked(self, controls: FloatControls) -> Result<Self, ShaderError> {
        Self { words: exact::exact(&self.words, controls)?, ..self }.with_step(controls)
    }

    /// These words, for which those controls were asked, with the instruction for the fused step if it is one of them.
    fn with_step(self, controls: FloatControls) -> Result<Self, ShaderError> {
        let fused = if controls.fused { fused::fused(&self.words)? } else { None };
        Ok(match fused {
            Some(words) => Self { words, twin: Some(self.words), controls, ..self },
            None => Self { controls, ..self },
        })
    }

    /// The words of the module.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Words of the same interface, without instructions that are younger than readers of SPIR-V.
    #[must_use]
    pub fn readable(&self) -> &[u32] {
        self.twin.as_ref().unwrap_or(&self.words)
    }

    /// What it asks of a device.
    #[must_use]
    pub fn controls(&self) -> FloatControls {
        self.controls
    }

    /// The entry point's name.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// How many storage buffers a dispatch must bring.
    #[must_use]
    pub fn bindings(&self) -> u32 {
        self.bindings
    }
}
