//! WGSL in, SPIR-V out that means the same arithmetic on every driver.
//!
//! naga reads and validates the source; indices out of range read zero and write nothing; workgroup memory starts as
//! zeros. Then every float instruction is marked [`NoContraction`](exact), because a driver may otherwise fuse, split
//! or reorder it, and the float controls that the device declares are asked for.

mod error; // why a shader is refused
mod exact; // the pass over SPIR-V
mod translate; // naga

#[cfg(test)]
mod tests; // read back from the words

pub use error::ShaderError;
pub use exact::FloatControls;

/// Bytes of WGSL that one shader may have: with them the stack that naga needs is bounded.
pub const SOURCE_LIMIT: usize = 64 << 10;
/// Bytes that a type of fixed size may have: every invocation may have variables of it.
pub const TYPE_LIMIT: u64 = 64 << 10;
/// Bytes of workgroup memory: what every device of Vulkan offers.
pub const WORKGROUP_LIMIT: u64 = 16 << 10;
/// Storage buffers that one shader may have: what every device of Vulkan 1.2 offers is four.
pub const BINDINGS_LIMIT: u32 = 4;

/// A compute shader with one entry point, whose buffers are the bindings 0, 1, … of group 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shader {
    words: Vec<u32>,
    entry: String,
    bindings: u32,
}

impl Shader {
    /// Translates WGSL for a device with these float controls.
    ///
    /// # Errors
    /// A source that is too long, is not valid WGSL, or has not the one entry point and the bindings of a [`Shader`].
    pub fn new(source: &str, controls: FloatControls) -> Result<Self, ShaderError> {
        let shader = translate::translate(source)?;
        Ok(Self { words: exact::exact(&shader.words, controls)?, ..shader })
    }

    /// The same without the pass: a driver may compute what it likes. Only the proof wants that, to see it happen.
    ///
    /// # Errors
    /// As [`Shader::new`].
    pub fn undecorated(source: &str) -> Result<Self, ShaderError> {
        translate::translate(source)
    }

    /// The words of the module.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words
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
