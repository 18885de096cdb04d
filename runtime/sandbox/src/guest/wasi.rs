//! The virtual WASI 0.2: every answer follows from the run.

mod cli; // arguments, environment, exit, standard streams, no terminal
mod clocks; // fuel and sleep
mod filesystem; // /in and /out
mod numbers; // random numbers
mod paths; // what a path means
mod polling; // readiness: everything but a timer is ready
mod streams; // bytes in and out

pub use filesystem::{Descriptor, Listing};
pub use polling::Pollable;
pub use streams::{InputStream, IoError, OutputStream};

use super::bindings::wasi::filesystem::types::ErrorCode;
use super::stop::Stop;

/// Why a file system call does not succeed: the guest's to handle, or the run's end.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    #[error("{0}")]
    Code(ErrorCode),
    #[error(transparent)]
    Stop(#[from] Stop),
}

impl From<ErrorCode> for FsError {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

/// Why a stream gives or takes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum StreamFailure {
    #[error("the stream has ended")]
    Closed,
    #[error("{0}")]
    Failed(ErrorCode),
    #[error(transparent)]
    Stop(#[from] Stop),
}

impl From<ErrorCode> for StreamFailure {
    fn from(code: ErrorCode) -> Self {
        Self::Failed(code)
    }
}
