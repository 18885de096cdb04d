//! Runs that one host after the other came to no claim on: they are sent to no other for a while.

use poai_net::PeerId;
use poai_objects::RunId;

use super::Node;
use crate::clock;
use crate::errors::{Failure, Kind};
use crate::records::{Faults, HostFault, MAX_FAULTS};

impl Node {
    /// Fails for a run that is quarantined. Whoever wants no known answer lifts that.
    pub(super) fn check_quarantine(&self, run: RunId, known_answers_do: bool) -> Result<(), Failure> {
        if !known_answers_do {
            return self.records.forget_faults(run);
        }
        self.end_if_quarantined(&self.records.faults(run)?)
    }

    /// Remembers that a host took a run and came to no claim; fails if it was one too many.
    pub(super) fn count_fault(&self, run: RunId, host: PeerId, reason: String) -> Result<(), Failure> {
        let fault = HostFault { host: host.to_string(), reason, at_ms: clock::now_ms() };
        self.end_if_quarantined(&self.records.add_fault(run, fault, self.quarantine_ms())?)
    }

    fn end_if_quarantined(&self, faults: &Faults) -> Result<(), Failure> {
        let Some(until_ms) = faults.quarantined_until_ms(clock::now_ms(), self.quarantine_ms()) else { return Ok(()) };
        let message = format!(
            "the run is quarantined: {MAX_FAULTS} hosts came to no claim ({}), so that it is sent to no other before {}",
            faults.words(),
            clock::words(until_ms)
        );
        Err(Failure::new(Kind::HostFault, message).hint(
            "the run itself may be what breaks them: try it with --on local, or send it all the same with --no-cache",
        ))
    }

    fn quarantine_ms(&self) -> u64 {
        self.config.network.quarantine_s.saturating_mul(1_000)
    }
}
