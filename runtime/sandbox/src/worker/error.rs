use std::io;
use std::path::PathBuf;

use poai_objects::EngineName;

use crate::Fault;
use crate::layers::{Layer, LayerState};

/// Why a home has no workers.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// The configured program cannot be started.
    #[error("{executable} cannot be started as a worker: {source}", executable = executable.display())]
    Spawn {
        /// The configured program.
        executable: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The configured program does not behave like a worker.
    #[error("the program that should be a worker is none: {reason}")]
    NoWorker {
        /// What it did instead.
        reason: String,
    },
    /// The worker is of another build.
    #[error("the worker speaks version {found} of the worker protocol, this program version {known}")]
    OtherProtocol {
        /// The worker's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The worker is of another engine.
    #[error("the worker is {found}, this program {known}")]
    OtherEngine {
        /// The worker's.
        found: EngineName,
        /// Ours.
        known: EngineName,
    },
    /// The configuration requires a layer that is not in force here.
    #[error("the required layer {layer} is {state}")]
    LayerMissing {
        /// Which.
        layer: Layer,
        /// Why.
        state: LayerState,
    },
    /// The directory of compiled code cannot be used.
    #[error("compiled code cannot be kept in {directory}: {source}", directory = directory.display())]
    CodeCache {
        /// Where it was to be.
        directory: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Whoever wanted the worker no longer does.
    #[error("cancelled")]
    Cancelled,
    /// This process has no thread or descriptor left.
    #[error("workers cannot be looked after: {0}")]
    System(#[from] io::Error),
}

/// Why an attempt has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The program breaks a static rule: on every host, always.
    #[error("refused ({rule}): {message}")]
    Refused {
        /// The rule's stable name.
        rule: String,
        /// For people.
        message: String,
    },
    /// This host's doing.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Too many attempts wait already.
    #[error("{waiting} runs wait already, the limit of this host")]
    Busy {
        /// [`WorkersLimits::waiting`](super::WorkersLimits::waiting).
        waiting: usize,
    },
}
