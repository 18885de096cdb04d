use std::os::unix::fs::FileExt;

use super::super::Guest;
use super::super::stop::Stop;
use super::computing::{Computation, Named, Performed};
use super::errors::{self, Failure};
use super::manifest::{Answer, Entry, Results};
use super::recomputing::Job;
use super::tensors::NnTensor;
use crate::sink::TENSOR_BYTES;
use crate::{Call, Fault};

impl Guest {
    /// What is recorded of a call, if the run is a replay. What cannot have come of any
    /// computation that the run can pay is not taken: computed, it comes out otherwise, and the traces part here.
    pub(super) fn recall(&mut self, call: &Call, computation: &Computation) -> Result<Option<Performed>, Stop> {
        let Some(recalled) = self.host.recall(*call)? else { return Ok(None) };
        let room = self.nn.memory.left_bytes();
        let Some(results) = Results::read(&recalled.results) else { return Ok(None) };
        if results.fuel > computation.budget.fuel {
            return Ok(None);
        }
        let answer = match results.answer {
            Answer::Outputs(entries) => match self.recalled_outputs(&entries)? {
                Some(outputs) => Ok(outputs),
                None => return Ok(None),
            },
            Answer::Error(name) => match errors::named(&name) {
                Some(code) => Err(Failure::refused(code, "recalled, not computed")),
                None => return Ok(None),
            },
        };
        if recalled.recompute {
            let job = Job { index: call.index, computation: computation.clone(), room, expected: recalled.results };
            self.nn.recompute(job)?;
        }
        Ok(Some((results.fuel, answer)))
    }

    fn recalled_outputs(&self, entries: &[Entry]) -> Result<Option<Named>, Stop> {
        let mut outputs = Named::with_capacity(entries.len());
        for entry in entries {
            let bytes = self.recalled_bytes(entry)?;
            let Some(tensor) = NnTensor::recalled(&self.nn.memory, &entry.ty, &entry.dimensions, bytes) else {
                return Ok(None);
            };
            outputs.push((entry.name.clone(), tensor));
        }
        Ok(Some(outputs))
    }

    /// A tensor's elements: whoever handed out the block has verified it.
    fn recalled_bytes(&self, entry: &Entry) -> Result<Vec<u8>, Stop> {
        let unreadable =
            |reason: String| Stop::Fault(Fault::Content { reason: format!("a recorded tensor: {reason}") });
        let block = self.host.block(entry.data)?;
        let length = usize::try_from(block.bytes).ok().filter(|length| *length <= TENSOR_BYTES);
        let mut bytes = vec![0; length.ok_or_else(|| unreadable(format!("it has {} bytes", block.bytes)))?];
        block.file.read_exact_at(&mut bytes, block.offset).map_err(|error| unreadable(error.to_string()))?;
        Ok(bytes)
    }
}
