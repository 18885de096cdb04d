use super::{BINDINGS_LIMIT, SOURCE_LIMIT};

/// Why a shader is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShaderError {
    /// The source is over [`SOURCE_LIMIT`].
    #[error("the shader has {bytes} bytes, more than the {SOURCE_LIMIT} allowed")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// The source is not WGSL.
    #[error("the shader is not WGSL: {0}")]
    Syntax(String),
    /// The source is WGSL, but means nothing, or asks for what not every device has.
    #[error("the shader is not valid: {0}")]
    Invalid(String),
    /// Not exactly one compute entry point.
    #[error("the shader has {found} compute entry points and {others} others, where one and none are wanted")]
    EntryPoints {
        /// Compute entry points.
        found: usize,
        /// Those of other stages.
        others: usize,
    },
    /// A resource that is not one of the storage buffers 0, 1, … of group 0.
    #[error("the shader's variable {name:?} is not one of the storage buffers 0 to {} of group 0, in order", BINDINGS_LIMIT - 1)]
    Binding {
        /// The variable.
        name: String,
    },
    /// A type over [`TYPE_LIMIT`](super::TYPE_LIMIT), or more workgroup memory than
    /// [`WORKGROUP_LIMIT`](super::WORKGROUP_LIMIT).
    #[error("the shader has {bytes} bytes of one type, or of workgroup memory, where {limit} are allowed")]
    TooLarge {
        /// What it has.
        bytes: u64,
        /// What it may have.
        limit: u64,
    },
    /// The translation has no word for it.
    #[error("the shader cannot be translated to SPIR-V: {0}")]
    Translation(String),
    /// The translator panicked: a bug in it that the shader found.
    #[error("the shader's translator ended abnormally")]
    Crashed,
}
