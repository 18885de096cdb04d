/// Why a source is no kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// It has more of something than is allowed.
    #[error("{what}: {found}, and {limit} are allowed")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many it has, or the first number that is too many.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// It is not WGSL.
    #[error("{0}")]
    Invalid(String),
    /// It is WGSL, but says something that kernels cannot.
    #[error("{what} is not for kernels{hint}", hint = .instead.map(|instead| format!(": {instead}")).unwrap_or_default())]
    Unsupported {
        /// What it says.
        what: String,
        /// What can be written in its place.
        instead: Option<&'static str>,
    },
    /// This machine has no thread for reading it: no property of the source.
    #[error("no thread for reading a kernel: {0}")]
    NoThread(String),
    /// It has no compute entry point of this name.
    #[error("there is no compute entry point {0:?}")]
    NoEntryPoint(String),
}

impl KernelError {
    /// What a kernel has too much of, if it finds a bug of the compiler.
    pub const COMPILER: &str = "kernels that the compiler gives up on";

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), instead: None }
    }

    pub(crate) fn instead(what: impl Into<String>, instead: &'static str) -> Self {
        Self::Unsupported { what: what.into(), instead: Some(instead) }
    }
}

/// How a dispatch ends that does not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// The bindings are not those that the kernel declares, in number or in access.
    #[error("the bindings are not those that the kernel declares")]
    Bindings,
    /// A buffer is smaller than what the kernel says of it.
    #[error("a buffer is smaller than its variable")]
    BufferSize,
    /// The slices that invocations own do not fit the workgroups, or there are too many of those.
    #[error("too many workgroups, or invocations")]
    Workgroups,
    /// A stride is zero, or that of a buffer of atomics is not.
    #[error("a stride is zero, or that of a buffer of atomics is not")]
    Stride,
    /// Two invocations reach the same word of workgroup memory, at least one writes it, and no barrier is between.
    #[error("invocations race for workgroup memory")]
    Race,
    /// A word of workgroup memory is changed by an atomic operation, and touched in another way, with no barrier between.
    #[error("an atomic operation meets another kind of access to a word of workgroup memory")]
    Mixture,
    /// Invocations of a workgroup wait at different barriers, or some have ended while others wait.
    #[error("invocations of a workgroup part at a barrier")]
    Divergence,
    /// The budget is used up.
    #[error("out of fuel")]
    OutOfFuel,
}
