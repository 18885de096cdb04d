//! What a model may ask for, before anything of it runs.

use crate::ModelError;

/// Limits of a model file. Part of the engine: a model that breaks one is refused everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// Bytes of the file without weights that lie outside it; protobuf ends at 2 GiB.
    pub file_bytes: usize,
    /// Fields of the file's messages, packed numbers as one: what decoding takes memory for.
    pub fields: usize,
    /// Operators, those of all bodies of branches and loops included.
    pub nodes: usize,
    /// Values, those of all bodies included.
    pub values: usize,
    /// Bodies within bodies.
    pub nesting: usize,
    /// Dimensions of a tensor.
    pub rank: usize,
    /// Bytes of a name.
    pub name_bytes: usize,
}

impl Default for ModelLimits {
    fn default() -> Self {
        Self {
            file_bytes: 2 << 30,
            fields: 8_000_000,
            nodes: 100_000,
            values: 400_000,
            nesting: 8,
            rank: 16,
            name_bytes: 1024,
        }
    }
}

impl ModelLimits {
    /// Looks at a name of the file, which errors may show to people.
    ///
    /// # Errors
    /// If it is too long, or has characters that steer a terminal.
    pub(crate) fn name(&self, name: &str) -> Result<(), ModelError> {
        within("bytes in a name", name.len(), self.name_bytes)?;
        if name.contains(char::is_control) {
            return Err(ModelError::Malformed(format!("control characters in the name {name:?}")));
        }
        Ok(())
    }
}

/// # Errors
/// If more was found than the limit allows.
pub(crate) fn within(what: &'static str, found: usize, limit: usize) -> Result<(), ModelError> {
    if found > limit { Err(ModelError::TooLarge { what, found, limit }) } else { Ok(()) }
}
