use std::fmt;

use poai_objects::EngineName;
use serde::{Deserialize, Serialize};

use crate::guest_text::one_line;

/// Why an attempt came to no claim: the host's doing, not the guest's. The run goes elsewhere.
///
/// This is an allow-list: only poai's own code raises it. Whatever a guest can cause is an
/// [`Outcome`](poai_objects::Outcome), or a refusal before it starts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The worker process ended, or broke its protocol.
    #[error("the worker died: {reason}")]
    WorkerDied {
        /// Its exit status or signal, or what it sent.
        reason: String,
    },
    /// The host cannot give the memory that the run's limits allow.
    #[error("this host is out of memory for the run: {reason}")]
    HostMemory {
        /// What could not be allocated.
        reason: String,
    },
    /// The program takes more to compile than this host gives: a compile bomb, or a small host.
    #[error("compiling the program took more than this host's limit of {allowed} {limit}")]
    Compile {
        /// What ran out.
        limit: CompileLimit,
        /// The limit's value.
        allowed: u64,
    },
    /// An accelerator failed, or its driver.
    #[error("a device failed: {device}")]
    DeviceLost {
        /// What it reported.
        device: String,
    },
    /// The attempt took longer than this host allows.
    #[error("the run took longer than {limit_ms} ms of this host's time")]
    Watchdog {
        /// The limit, milliseconds.
        limit_ms: u64,
    },
    /// The native stack overflowed before the metered one: a bug in the meter.
    #[error("the native stack overflowed")]
    NativeStack,
    /// An input is missing here, or could not be read.
    #[error("content is not available: {reason}")]
    Content {
        /// What is missing.
        reason: String,
    },
    /// An output, an effect or a model's file could not be stored.
    #[error("this host could not store what the run needs: {reason}")]
    Storage {
        /// What stands in the way.
        reason: String,
    },
    /// The run asks for the rules of another engine than this one.
    #[error("the run asks for {asked}, and this host is {}", EngineName::CURRENT)]
    WrongEngine {
        /// The engine that the run names.
        asked: EngineName,
    },
    /// Whoever asked for the run no longer wants it.
    #[error("the run was cancelled")]
    Cancelled,
    /// An error of no known class. A bug: nothing that a guest does may end here.
    #[error("an error of unknown class: {reason}")]
    Unknown {
        /// The engine's own words, for the log only.
        reason: String,
    },
}

impl Fault {
    /// The fault with its texts made fit to be shown, when a worker sent it.
    pub(crate) fn one_line(self) -> Self {
        match self {
            Self::WorkerDied { reason } => Self::WorkerDied { reason: one_line(&reason) },
            Self::HostMemory { reason } => Self::HostMemory { reason: one_line(&reason) },
            Self::DeviceLost { device } => Self::DeviceLost { device: one_line(&device) },
            Self::Content { reason } => Self::Content { reason: one_line(&reason) },
            Self::Storage { reason } => Self::Storage { reason: one_line(&reason) },
            Self::Unknown { reason } => Self::Unknown { reason: one_line(&reason) },
            Self::Compile { .. }
            | Self::Watchdog { .. }
            | Self::NativeStack
            | Self::WrongEngine { .. }
            | Self::Cancelled => self,
        }
    }
}

/// What a compile worker may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompileLimit {
    /// Milliseconds.
    Time,
    /// Bytes of the compiler's memory.
    Memory,
    /// Bytes of compiled code.
    Code,
}

impl fmt::Display for CompileLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "milliseconds",
            Self::Memory => "bytes of memory",
            Self::Code => "bytes of compiled code",
        })
    }
}
