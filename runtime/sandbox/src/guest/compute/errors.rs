use poai_compute::{DispatchError, KernelError};

use super::super::Guest;
use super::super::stop::Stop;
use super::wit::Error;
use crate::{Fault, Level};

/// Why a call does not succeed.
pub(super) enum Failure {
    /// The guest's to handle. The reason is for whoever watches.
    Refused { error: Error, reason: String },
    /// The run's end.
    Stop(Stop),
}

impl Failure {
    pub(super) fn refused(error: Error, reason: impl Into<String>) -> Self {
        Self::Refused { error, reason: reason.into() }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        let case = match error {
            KernelError::TooLarge { .. } => Error::TooLarge,
            KernelError::Invalid(_) | KernelError::NoEntryPoint(_) => Error::InvalidKernel,
            KernelError::Unsupported { .. } => Error::Unsupported,
            KernelError::NoThread(reason) => return Self::Stop(Stop::Fault(Fault::HostMemory { reason })),
        };
        Self::refused(case, error.to_string())
    }
}

impl From<DispatchError> for Failure {
    fn from(error: DispatchError) -> Self {
        let case = match error {
            DispatchError::Bindings | DispatchError::BufferSize | DispatchError::Stride => Error::InvalidBindings,
            DispatchError::Workgroups => Error::TooLarge,
            DispatchError::Race | DispatchError::Mixture => Error::Race,
            DispatchError::Divergence => Error::Divergence,
            DispatchError::OutOfFuel => return Self::Stop(Stop::OutOfFuel),
        };
        Self::refused(case, error.to_string())
    }
}

/// An error's name in the interface.
pub(super) fn name(error: Error) -> &'static str {
    match error {
        Error::InvalidKernel => "invalid-kernel",
        Error::Unsupported => "unsupported",
        Error::TooLarge => "too-large",
        Error::Misaligned => "misaligned",
        Error::OutOfBounds => "out-of-bounds",
        Error::InvalidBindings => "invalid-bindings",
        Error::Race => "race",
        Error::Divergence => "divergence",
    }
}

impl Guest {
    /// What a call of `poai:compute` comes to: a value, an error, or the run's end.
    pub(super) fn compute_answer<T>(&mut self, result: Result<T, Failure>) -> wasmtime::Result<Result<T, Error>> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(Failure::Stop(stop)) => Err(stop.into()),
            Err(Failure::Refused { error, reason }) => {
                self.words.log(&self.host, Level::Warn, &format!("poai-compute: {}: {reason}", name(error)))?;
                Ok(Err(error))
            }
        }
    }
}
