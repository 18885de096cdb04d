use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Effect, Fuel, TraceRoot, TraceWriter};

use super::host::Host;
use super::stop::Stop;
use crate::Call;

/// The run's trace: every accelerated call, in order.
#[derive(Default)]
pub(crate) struct Effects {
    trace: TraceWriter,
}

impl Effects {
    /// The next effect, as far as it is known before its results are.
    pub(crate) fn call(&self, fuel: Fuel, arguments: &[u8]) -> Call {
        Call { index: self.trace.count(), fuel, arguments: cid_of(RAW, arguments) }
    }

    /// Adds an effect to the trace, and hands it out. Whoever takes it keeps the trace's chunks.
    pub(crate) fn record(
        &mut self,
        host: &Host,
        function: &str,
        call: &Call,
        [arguments, results]: [Vec<u8>; 2],
    ) -> Result<(), Stop> {
        if self.trace.is_full() {
            return Err(Stop::Abi { rule: "a run has at most 16,777,216 computations" });
        }
        let results_id = cid_of(RAW, &results);
        let effect =
            Effect { function: function.into(), fuel: call.fuel, arguments: call.arguments, results: results_id };
        self.trace.push(effect.clone());
        host.effect(effect, arguments, results)
    }

    /// The trace; afterwards there is none.
    pub(crate) fn end(&mut self) -> TraceRoot {
        std::mem::take(&mut self.trace).finish().0
    }
}
