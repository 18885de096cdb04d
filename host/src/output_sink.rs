//! A run's outputs, into the store as they come: the sandbox's [`Sink`].

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use poai_objects::{Claim, Effect, Link, Object, OutputName, RunId, TraceRoot, TraceWriter};
use poai_sandbox::{Fault, Finished, Sink, Word};
use poai_store::unixfs::FileWriter;
use poai_store::{InUse, RAW, Store, StoreError, Verified};

use crate::recording::put_list;
use crate::shelf::Shelf;

/// Outputs being written. Nothing of them counts until [`OutputSink::claim`].
pub(crate) struct OutputSink<S> {
    store: Store,
    in_use: InUse,
    say: S,
    outputs: BTreeMap<OutputName, FileWriter<Store>>,
    trace: TraceWriter,
    /// Bytes of results' tensors to keep.
    tensor_bytes: u64,
    tensors: BTreeSet<Cid>,
}

/// What a run came to, in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) claim: Claim,
    /// Leads to the effects' recorded tensors, if there are any. Nothing else does.
    pub(crate) tensors: Option<Cid>,
}

impl<S: FnMut(Word)> OutputSink<S> {
    /// A sink that holds what it writes by `in_use`, and hands the guest's words to `say`. It keeps `tensor_bytes` of
    /// what effects result in.
    pub(crate) fn new(store: Store, in_use: &InUse, tensor_bytes: u64, say: S) -> Self {
        Self {
            store,
            in_use: in_use.clone(),
            say,
            outputs: BTreeMap::new(),
            trace: TraceWriter::default(),
            tensor_bytes,
            tensors: BTreeSet::new(),
        }
    }

    /// Ends the outputs that the run has, and makes the claim. Pinning its receipt makes all of it durable.
    pub(crate) fn claim(mut self, run: RunId, finished: Finished) -> Result<Written, Fault> {
        let mut outputs = BTreeMap::new();
        for name in &finished.outputs {
            let writer = self.outputs.remove(name).ok_or_else(|| Fault::WorkerDied {
                reason: format!("it named the output {name}, and never sent it"),
            })?;
            let written = writer.finish().map_err(|error| storage(&error))?;
            let link = Link::try_from(written.cid).map_err(|error| Fault::Storage { reason: error.to_string() })?;
            outputs.insert(name.clone(), link);
        }
        self.end_trace(&finished.trace)?;
        let claim = Claim { run, outcome: finished.outcome, outputs, fuel: finished.fuel, trace: finished.trace.id() };
        self.in_use.hold_dag(claim.id().cid());
        self.store.put_object(&claim).map_err(|failure| Fault::Storage { reason: failure.message })?;
        Ok(Written { claim, tensors: self.list_tensors()? })
    }

    fn list_tensors(&self) -> Result<Option<Cid>, Fault> {
        if self.tensors.is_empty() {
            return Ok(None);
        }
        let tensors: Vec<Cid> = self.tensors.iter().copied().collect();
        let list = put_list(&self.store, &tensors).map_err(|error| storage(&error))?;
        self.in_use.hold_dag(&list);
        Ok(Some(list))
    }

    /// The trace that the worker reports must be that of the effects that came from it.
    fn end_trace(&mut self, reported: &TraceRoot) -> Result<(), Fault> {
        let (root, last) = std::mem::take(&mut self.trace).finish();
        if root != *reported {
            return Err(Fault::WorkerDied { reason: "its trace is not that of its effects".into() });
        }
        let kept = last.map_or(Ok(()), |chunk| self.store.put_object(&chunk).map(drop));
        kept.and_then(|()| self.store.put_object(&root))
            .map_err(|failure| Fault::Storage { reason: failure.message })?;
        Ok(())
    }
}

impl<S: FnMut(Word)> Sink for OutputSink<S> {
    fn output(&mut self, name: &OutputName, bytes: &[u8]) -> Result<(), Fault> {
        if !self.outputs.contains_key(name) {
            self.outputs.insert(name.clone(), FileWriter::new(self.store.clone(), &self.in_use));
        }
        let writer = self.outputs.get_mut(name).expect("it was put there");
        writer.append(bytes).map_err(|error| storage(&error))
    }

    fn effect(&mut self, effect: &Effect, arguments: &[u8], results: &[u8]) -> Result<(), Fault> {
        for (payload, named) in [(arguments, effect.arguments), (results, effect.results)] {
            let block = Verified::of(RAW, payload.to_vec()).map_err(|error| storage(&error))?;
            if *block.cid() != named {
                return Err(Fault::WorkerDied { reason: "an effect does not name its own bytes".into() });
            }
            self.in_use.hold_block(block.cid());
            self.store.put_lazily(&block).map_err(|error| storage(&error))?;
        }
        if let Some(chunk) = self.trace.push(effect.clone()) {
            self.in_use.hold_dag(chunk.id().cid());
            self.store.put_object(&chunk).map_err(|failure| Fault::Storage { reason: failure.message })?;
        }
        Ok(())
    }

    fn tensor_bytes(&self) -> u64 {
        self.tensor_bytes
    }

    fn tensor(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let block = Verified::of(RAW, bytes.to_vec()).map_err(|error| storage(&error))?;
        self.in_use.hold_block(block.cid());
        match self.store.put_lazily(&block) {
            Ok(()) => drop(self.tensors.insert(*block.cid())),
            // A run does not fail for what is kept for an audit: a replay computes what is not there.
            Err(error) => tracing::warn!(%error, "a result's tensor is not kept"),
        }
        Ok(())
    }

    fn word(&mut self, word: Word) {
        (self.say)(word);
    }
}

fn storage(error: &StoreError) -> Fault {
    Fault::Storage { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use poai_objects::codec::{DAG_CBOR, cid_of};
    use poai_objects::{Fuel, Outcome};
    use poai_sandbox::{Accelerated, Level};
    use poai_store::StoreLimits;

    use super::*;

    fn finished(outputs: &[&str]) -> Finished {
        Finished {
            outcome: Outcome::Ok,
            fuel: Fuel(7),
            outputs: outputs.iter().map(|name| name.parse().unwrap()).collect(),
            trace: TraceRoot::default(),
            first_difference: None,
            accelerated: Accelerated::default(),
            guest_us: 1,
        }
    }

    #[test]
    fn outputs_become_a_claim_and_words_pass_by() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
        let in_use = store.in_use();
        let mut words = Vec::new();
        let mut sink = OutputSink::new(store.clone(), &in_use, 0, |word| words.push(word));
        let run = cid_of(DAG_CBOR, b"run").try_into().unwrap();
        sink.output(&"a/b".parse().unwrap(), b"").unwrap();
        sink.output(&"a/b".parse().unwrap(), b"hello").unwrap();
        sink.output(&"forgotten".parse().unwrap(), b"x").unwrap();
        sink.word(Word::Log { level: Level::Info, message: "said".into() });
        let Written { claim, tensors } = sink.claim(run, finished(&["a/b"])).unwrap();
        assert_eq!(tensors, None);
        assert_eq!(claim.outputs.keys().map(OutputName::as_str).collect::<Vec<_>>(), ["a/b"]);
        assert_eq!(claim.outputs["a/b"].cid(), &cid_of(RAW, b"hello"));
        assert_eq!(store.object::<Claim>(claim.id()).unwrap(), claim);
        assert_eq!(words.len(), 1);
    }

    #[test]
    fn a_worker_that_names_what_it_never_sent_is_at_fault() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreLimits::default()).unwrap();
        let in_use = store.in_use();
        let sink = OutputSink::new(store, &in_use, 0, drop::<Word>);
        let run = cid_of(DAG_CBOR, b"run").try_into().unwrap();
        assert!(matches!(sink.claim(run, finished(&["ghost"])), Err(Fault::WorkerDied { .. })));
    }
}
