use std::os::unix::fs::FileExt;

use cid::Cid;
use poai_compute::DispatchError;

use super::super::Guest;
use super::super::stop::Stop;
use super::dispatching::{Dispatched, is_written};
use super::errors;
use super::manifest::{Answer, Results};
use super::wit::{Binding, Error};
use crate::{Call, Fault};

impl Guest {
    /// What is recorded of a dispatch, if the run is a replay that need not compute it. What cannot have come of any
    /// dispatch that the run can pay is not taken: computed, it comes out otherwise, and the traces part here.
    pub(super) fn recall_dispatch(&mut self, call: &Call, bindings: &[Binding]) -> Result<Option<Dispatched>, Stop> {
        let Some(recalled) = self.host.recall(*call)?.filter(|recalled| !recalled.recompute) else { return Ok(None) };
        let left = self.meter.left().unsigned_abs();
        let Some(results) = Results::read(&recalled.results).filter(|results| results.fuel <= left) else {
            return Ok(None);
        };
        let written: Vec<&Binding> = bindings.iter().filter(|binding| is_written(binding)).collect();
        let done = match results.answer {
            Answer::Written(buffers) if buffers.len() == written.len() => {
                let mut words = Vec::with_capacity(buffers.len());
                for (binding, buffer) in written.iter().zip(buffers) {
                    let Some(read) = self.recalled_words(binding, buffer)? else { return Ok(None) };
                    words.push(read);
                }
                self.write_all(&written, words)?;
                Ok(())
            }
            Answer::Error(name) => {
                let known = [(Error::Race, DispatchError::Race), (Error::Divergence, DispatchError::Divergence)];
                let known = known.into_iter().find(|(error, _)| errors::name(*error) == name);
                let Some((_, error)) = known else { return Ok(None) };
                let mut zeros = Vec::with_capacity(written.len());
                for binding in &written {
                    zeros.push(vec![0; self.handles.get(&binding.buffer)?.shared().len()]);
                }
                self.write_all(&written, zeros)?;
                Err(error)
            }
            Answer::Written(_) => return Ok(None),
        };
        Ok(Some((results.fuel, done)))
    }

    fn write_all(&mut self, written: &[&Binding], words: Vec<Vec<u32>>) -> Result<(), Stop> {
        for (binding, words) in written.iter().zip(words) {
            let buffer = self.handles.get_mut(&binding.buffer)?;
            buffer.take();
            buffer.resident().forget();
            buffer.put_back(words);
        }
        Ok(())
    }

    /// A buffer's words, if the block has as many as the buffer: whoever handed it out has verified it.
    fn recalled_words(&self, binding: &Binding, id: Cid) -> Result<Option<Vec<u32>>, Stop> {
        let block = self.host.block(id)?;
        let mut words = vec![0; self.handles.get(&binding.buffer)?.shared().len()];
        let bytes = bytemuck::cast_slice_mut::<u32, u8>(&mut words);
        if bytes.len() as u64 != block.bytes {
            return Ok(None);
        }
        let unreadable = |reason: std::io::Error| Fault::Content { reason: format!("a recorded buffer: {reason}") };
        block.file.read_exact_at(bytes, block.offset).map_err(|error| Stop::Fault(unreadable(error)))?;
        Ok(Some(words))
    }
}
