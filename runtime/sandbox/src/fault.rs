/// Why an attempt came to no claim: the host's doing, not the guest's. The run goes elsewhere.
///
/// This is an allow-list: only poai's own code raises it. Whatever a guest can cause is an
/// [`Outcome`](poai_objects::Outcome), or a refusal before it starts.
#[derive(Debug, thiserror::Error)]
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
    /// An accelerator went away.
    #[error("the device {device} was lost")]
    DeviceLost {
        /// Its name.
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
    /// An output could not be stored.
    #[error("an output could not be stored: {reason}")]
    Storage {
        /// What stands in the way.
        reason: String,
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
