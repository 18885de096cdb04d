use poai_objects::{Effect, OutputName};
use serde::{Deserialize, Serialize};

use crate::Fault;

/// Bytes of one effect's arguments, and likewise of its results: they name what they are about by CID.
pub(crate) const EFFECT_BYTES: usize = 1 << 20;
/// Bytes of one result's tensor that a sink is given: those of a block. A larger one is not kept.
pub(crate) const TENSOR_BYTES: usize = 2 << 20;
/// What a tensor counts for besides its own bytes, of those that a sink wants: so they are not too many.
pub(crate) const FOR_EACH_TENSOR: u64 = 4_096;

/// Where a run's outputs, effects and words go, as they come.
pub trait Sink {
    /// Adds bytes to an output. The first call for a name, with no bytes, creates it.
    fn output(&mut self, name: &OutputName, bytes: &[u8]) -> Result<(), Fault>;

    /// One accelerated call, with the bytes that its digests name.
    fn effect(&mut self, effect: &Effect, arguments: &[u8], results: &[u8]) -> Result<(), Fault>;

    /// Bytes of results' tensors that it wants to have of one run, each counted as 4,096 more; by default none.
    fn tensor_bytes(&self) -> u64 {
        0
    }

    /// A tensor that the next effect's results name. All of them come, or none.
    fn tensor(&mut self, _bytes: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

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
