use poai_objects::{Effect, OutputName};
use serde::{Deserialize, Serialize};

use crate::Fault;

/// Where a run's outputs, effects and words go, as they come.
pub trait Sink {
    /// Adds bytes to an output. The first call for a name, with no bytes, creates it.
    fn output(&mut self, name: &OutputName, bytes: &[u8]) -> Result<(), Fault>;

    /// One accelerated call, with the bytes that its digests name.
    fn effect(&mut self, effect: &Effect, arguments: &[u8], results: &[u8]) -> Result<(), Fault>;

    /// Advisory words: never part of a claim, and nothing of them comes back to the guest.
    fn word(&mut self, word: Word);
}

/// What a guest says to whoever watches. Control characters are gone already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Word {
    /// A line of log; a plain program's stderr is `info`.
    Log {
        /// How urgent.
        level: Level,
        /// The line, without its end.
        message: String,
    },
    /// How far the run is.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all, if known.
        total: Option<u64>,
        /// What is being done.
        what: String,
    },
}

/// A log line's urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Step by step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What anybody may want to know.
    Info,
    /// Something is odd.
    Warn,
    /// Something went wrong.
    Error,
}
