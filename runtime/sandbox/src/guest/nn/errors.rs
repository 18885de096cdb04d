//! `wasi:nn/errors`.

use poai_graph::{ModelError, OpError, RunError};
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::bindings::wasi::nn::errors::{self, ErrorCode};
use super::super::stop::Stop;
use crate::{Fault, Level};

/// An error that a guest holds.
pub struct NnError(ErrorCode);

/// Why a call does not succeed.
pub(super) enum Failure {
    /// The guest's to handle. The reason is for whoever watches.
    Refused { code: ErrorCode, reason: String },
    /// The run's end.
    Stop(Stop),
}

impl Failure {
    pub(super) fn refused(code: ErrorCode, reason: impl Into<String>) -> Self {
        Self::Refused { code, reason: reason.into() }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        let code = match error {
            ModelError::TooLarge { .. } => ErrorCode::TooLarge,
            ModelError::Unsupported { .. }
            | ModelError::Node { reason: OpError::Unsupported(_), .. }
            | ModelError::Value { reason: OpError::Unsupported(_), .. } => ErrorCode::UnsupportedOperation,
            ModelError::Malformed(_) | ModelError::Node { .. } | ModelError::Value { .. } => ErrorCode::InvalidEncoding,
        };
        Self::refused(code, error.to_string())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let code = match error {
            RunError::UnknownInput(_) | RunError::MissingInput(_) | RunError::Input { .. } => {
                ErrorCode::InvalidArgument
            }
            RunError::Node { reason: OpError::Wrong(_), .. } => ErrorCode::RuntimeError,
            RunError::Node { reason: OpError::Unsupported(_), .. } => ErrorCode::UnsupportedOperation,
            RunError::OutOfMemory { .. } => ErrorCode::TooLarge,
            RunError::OutOfFuel(_) => return Self::Stop(Stop::OutOfFuel),
            RunError::Device(device) => return Self::Stop(Stop::Fault(Fault::DeviceLost { device })),
        };
        Self::refused(code, error.to_string())
    }
}

/// All that a guest reads of an error: the same text for the same code on every host.
fn text(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidArgument => "an argument does not fit the model",
        ErrorCode::InvalidEncoding => "the bytes are no model of a known encoding",
        ErrorCode::Timeout => "the operation timed out",
        ErrorCode::RuntimeError => "the model cannot compute these inputs",
        ErrorCode::UnsupportedOperation => "the operation is not supported",
        ErrorCode::TooLarge => "the model, a tensor or the computation is too large",
        ErrorCode::NotFound => "the program has no model of this name",
        ErrorCode::Security => "the operation is not permitted",
        ErrorCode::Unknown => "the operation failed",
    }
}

/// A code's name in wasi-nn.
pub(super) fn name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidArgument => "invalid-argument",
        ErrorCode::InvalidEncoding => "invalid-encoding",
        ErrorCode::Timeout => "timeout",
        ErrorCode::RuntimeError => "runtime-error",
        ErrorCode::UnsupportedOperation => "unsupported-operation",
        ErrorCode::TooLarge => "too-large",
        ErrorCode::NotFound => "not-found",
        ErrorCode::Security => "security",
        ErrorCode::Unknown => "unknown",
    }
}

/// The code of a name.
pub(super) fn named(found: &str) -> Option<ErrorCode> {
    use ErrorCode as E;
    let codes = [
        E::InvalidArgument,
        E::InvalidEncoding,
        E::Timeout,
        E::RuntimeError,
        E::UnsupportedOperation,
        E::TooLarge,
        E::NotFound,
        E::Security,
        E::Unknown,
    ];
    codes.into_iter().find(|code| name(*code) == found)
}

impl Guest {
    /// What a call of `wasi:nn` comes to: a value, a handle of an error, or the run's end.
    pub(super) fn answer<T>(&mut self, result: Result<T, Failure>) -> wasmtime::Result<Result<T, Resource<NnError>>> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(Failure::Stop(stop)) => Err(stop.into()),
            Err(Failure::Refused { code, reason }) => {
                self.words.log(&self.host, Level::Warn, &format!("wasi-nn: {}: {reason}", name(code)))?;
                Ok(Err(self.handles.push(NnError(code))?))
            }
        }
    }
}

impl errors::Host for Guest {}

impl errors::HostError for Guest {
    fn code(&mut self, error: Resource<NnError>) -> wasmtime::Result<ErrorCode> {
        Ok(self.handles.get(&error)?.0)
    }

    fn data(&mut self, error: Resource<NnError>) -> wasmtime::Result<String> {
        let text = text(self.handles.get(&error)?.0);
        self.meter.charge_bytes(text.len() as u64)?;
        Ok(text.to_owned())
    }

    fn drop(&mut self, error: Resource<NnError>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(error)?)
    }
}
