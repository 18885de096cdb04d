//! The life of a run in this process.

use poai_objects::{Fuel, Outcome, OutputName, Run, TraceRoot};

use crate::{Content, Fault, Loaded, Sink};

/// How a run ended: what a claim says, before the outputs have their CIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How the guest ended.
    pub outcome: Outcome,
    /// What it cost; exactly the limit if it ran out.
    pub fuel: Fuel,
    /// The outputs that the sink has whole, in the order of their names. Empty if the run trapped: whatever the sink
    /// was given is to be forgotten.
    pub outputs: Vec<OutputName>,
    /// The accelerated calls.
    pub trace: TraceRoot,
    /// Wall time inside the guest, microseconds: telemetry, never part of a claim.
    pub guest_us: u64,
}

/// Executes a run.
///
/// # Errors
/// A fault of this host; never anything that the guest did.
pub fn execute(loaded: &Loaded, run: &Run, content: &dyn Content, sink: &mut dyn Sink) -> Result<Finished, Fault> {
    let _ = (loaded, run, content, sink);
    Err(Fault::Unknown { reason: "the guest side is being written".into() })
}
