use bytes::Bytes;
use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Effect, Fuel, TraceRoot, TraceWriter};

use super::host::Host;
use super::stop::Stop;
use crate::Call;
use crate::sink::{FOR_EACH_TENSOR, TENSOR_BYTES};

/// The run's trace: every accelerated call, in order.
pub(crate) struct Effects {
    trace: TraceWriter,
    /// Bytes of results' tensors and buffers that the caller still wants.
    tensor_bytes: u64,
}

impl Effects {
    pub(crate) fn new(tensor_bytes: u64) -> Self {
        Self { trace: TraceWriter::default(), tensor_bytes }
    }

    /// Hands out what the next effect's results name, if the caller still wants as many bytes.
    pub(crate) fn hand_out(&mut self, host: &Host, tensors: impl IntoIterator<Item = Bytes>) -> Result<(), Stop> {
        let (mut left, mut wanted) = (self.tensor_bytes, Vec::new());
        for tensor in tensors {
            let rest = left.checked_sub((tensor.len() as u64).saturating_add(FOR_EACH_TENSOR));
            let Some(rest) = rest.filter(|_| tensor.len() <= TENSOR_BYTES) else { return Ok(()) };
            left = rest;
            wanted.push(tensor);
        }
        self.tensor_bytes = left;
        wanted.into_iter().try_for_each(|tensor| host.tensor(tensor))
    }

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
