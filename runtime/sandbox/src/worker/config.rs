use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::code_cache::{CodeCacheLimits, LocalKey};
use crate::layers::Layer;

/// How a home runs its workers.
#[derive(Clone, Debug)]
pub struct WorkersConfig {
    /// The program that serves as a worker: it must call [`serve`](super::serve) and nothing before it.
    pub executable: PathBuf,
    /// Its arguments, for instance `worker`.
    pub args: Vec<OsString>,
    /// All of its environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where compiled code is kept. Created if missing; only this process writes there.
    pub code_cache: PathBuf,
    /// What authenticates compiled code: whoever lacks it cannot forge an entry.
    pub local_key: LocalKey,
    /// The layers without which no worker is used. The others may be absent, with a warning.
    pub require: BTreeSet<Layer>,
    /// How many, how long, how much.
    pub limits: WorkersLimits,
}

impl WorkersConfig {
    /// Default limits, no layer required, an empty environment.
    pub fn new(executable: PathBuf, args: Vec<OsString>, code_cache: PathBuf, local_key: LocalKey) -> Self {
        Self {
            executable,
            args,
            environment: Vec::new(),
            code_cache,
            local_key,
            require: BTreeSet::new(),
            limits: WorkersLimits::default(),
        }
    }
}

/// The limits of a home's workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkersLimits {
    /// Attempts under way at once, each in a worker of its own.
    pub running: usize,
    /// Attempts that wait for one of those to end; beyond it they are turned away at once.
    pub waiting: usize,
    /// Workers kept warm between runs, over all programs; the one longest unused makes room.
    pub warm: usize,
    /// Workers kept ready for no program yet, so that a new program need not wait for a process.
    pub blank: usize,
    /// Runs that one worker serves before it is replaced.
    pub runs_per_worker: u32,
    /// Bytes of private memory that one run worker may use beyond what it sets aside when it starts: its guest's,
    /// 256 MiB of stack, and what the runtime needs. A run that is allowed more fails here as a fault, and may go on elsewhere.
    pub worker_memory_bytes: u64,
    /// Bytes of private memory that one compilation may use, counted likewise.
    pub compile_memory_bytes: u64,
    /// Bytes of one program's compiled code.
    pub code_bytes: u64,
    /// How long one compilation may take.
    pub compile_time: Duration,
    /// How long a program that took more than this host compiles is turned away with that answer, at once: a compile
    /// bomb costs its limit once, not at every ask.
    pub compile_again: Duration,
    /// How long an attempt may take in its worker.
    pub watchdog: Duration,
    /// How long a new worker may take to say hello: milliseconds, but a machine under load may start a process
    /// late, and a run is not to fault for that.
    pub hello_time: Duration,
    /// How long a worker may take to load compiled code.
    pub load_time: Duration,
    /// The compiled-code cache.
    pub code_cache: CodeCacheLimits,
}

impl Default for WorkersLimits {
    fn default() -> Self {
        Self {
            running: 4,
            waiting: 1_024,
            warm: 8,
            blank: 1,
            runs_per_worker: 1_000,
            worker_memory_bytes: 6 << 30,
            compile_memory_bytes: 4 << 30,
            code_bytes: 1 << 30,
            compile_time: Duration::from_secs(300),
            compile_again: Duration::from_secs(6 * 3_600),
            watchdog: Duration::from_secs(4 * 3_600),
            hello_time: Duration::from_secs(120),
            load_time: Duration::from_secs(60),
            code_cache: CodeCacheLimits::default(),
        }
    }
}
