//! What an executor recorded of a run's effects: kept beside its trace, and recalled by a replay that samples it.

use std::sync::{Mutex, MutexGuard};

use cid::Cid;
use poai_objects::codec::{self, DAG_CBOR};
use poai_objects::{Claim, ClaimId, Effect, Object, Sample, TraceChunk, TraceRoot};
use poai_sandbox::{Call, Fault, Recalled, Recording};
use poai_store::{Store, StoreError, Verified};

use crate::errors::Failure;
use crate::shelf::Shelf;

/// Links of one block that lists content to be kept or fetched: fewer than the store follows in one.
const LISTED: usize = 16_384;
/// Effects whose indices an answer tells; of a larger sample, the first.
const TOLD: usize = 1_024;

/// Makes one block that leads to all of these: to keep them by one pin, and to fetch them at once.
pub(crate) fn put_list(store: &Store, cids: &[Cid]) -> Result<Cid, StoreError> {
    let put = |links: &[Cid]| -> Result<Cid, StoreError> {
        let list = Verified::of(DAG_CBOR, codec::encode(&links))?;
        store.put_lazily(&list)?;
        Ok(*list.cid())
    };
    let lists = cids.chunks(LISTED).map(put).collect::<Result<Vec<_>, _>>()?;
    put(&lists)
}

/// A claim's recorded results, of which a sample is computed again.
#[derive(Debug)]
pub(crate) struct StoreRecording {
    store: Store,
    claim: ClaimId,
    trace: TraceRoot,
    sample: Sample,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The chunk last used, by its number.
    chunk: Option<(usize, TraceChunk)>,
    tally: Tally,
}

/// What a replay did with the effects of a claim's trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Computed: chosen, or not recorded.
    pub(crate) recomputed: u64,
    /// The first of them.
    pub(crate) indices: Vec<u64>,
    /// Computed since their results are not at hand.
    pub(crate) unrecorded: u64,
    /// Taken as they are recorded.
    pub(crate) taken: u64,
}

impl StoreRecording {
    /// The recording of a claim whose trace is here.
    pub(crate) fn new(store: Store, claim: &Claim, sample: Sample) -> Result<Self, Failure> {
        let trace = store.object::<TraceRoot>(claim.trace)?;
        Ok(Self { store, claim: claim.id(), trace, sample, state: Mutex::default() })
    }

    /// Effects of the claim's trace.
    pub(crate) fn effects(&self) -> u64 {
        self.trace.count
    }

    pub(crate) fn sample(&self) -> Sample {
        self.sample
    }

    pub(crate) fn tally(&self) -> Tally {
        self.state().tally.clone()
    }

    /// The tensors that the trace's results name, and that are not here.
    pub(crate) fn missing(&self) -> Result<Vec<Cid>, Failure> {
        let mut missing = Vec::new();
        for chunk in &self.trace.chunks {
            for effect in self.store.object::<TraceChunk>(*chunk)?.effects {
                let Some((_, tensors)) = self.results(&effect)? else { continue };
                for tensor in tensors {
                    if !self.store.has(&tensor)? {
                        missing.push(tensor);
                    }
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        Ok(missing)
    }

    /// An effect's results, and the tensors that they name.
    fn results(&self, effect: &Effect) -> Result<Option<(Verified, Vec<Cid>)>, StoreError> {
        let Some(results) = self.store.get(&effect.results)? else { return Ok(None) };
        // Whatever is no DAG-CBOR names nothing, and no replay makes it.
        let tensors = poai_store::links(&Cid::new_v1(DAG_CBOR, *effect.results.hash()), results.bytes());
        Ok(tensors.ok().map(|tensors| (results, tensors)))
    }

    fn effect(&self, state: &mut State, index: u64) -> Result<Option<Effect>, Fault> {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let (number, inside) = (place / TraceChunk::EFFECTS, place % TraceChunk::EFFECTS);
        let Some(id) = self.trace.chunks.get(number) else { return Ok(None) };
        if state.chunk.as_ref().is_none_or(|(kept, _)| *kept != number) {
            let chunk = self.store.object::<TraceChunk>(*id);
            state.chunk = Some((number, chunk.map_err(|failure| Fault::Content { reason: failure.message })?));
        }
        Ok(state.chunk.as_ref().and_then(|(_, chunk)| chunk.effects.get(inside)).cloned())
    }

    /// What is recorded of an effect, if all of it is at hand.
    fn recorded(&self, effect: &Effect) -> Result<Option<(Verified, Vec<Cid>)>, StoreError> {
        let Some((results, tensors)) = self.results(effect)? else { return Ok(None) };
        for tensor in &tensors {
            if !self.store.has(tensor)? {
                return Ok(None);
            }
        }
        Ok(Some((results, tensors)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl Recording for StoreRecording {
    fn recall(&self, call: &Call) -> Result<Option<Recalled>, Fault> {
        let mut state = self.state();
        let Some(effect) = self.effect(&mut state, call.index)? else { return Ok(None) };
        // Where the calls part, what follows is computed: it is another run than the one that was recorded.
        let recorded = if effect.fuel == call.fuel && effect.arguments == call.arguments {
            self.recorded(&effect).map_err(|error| Fault::Content { reason: error.to_string() })?
        } else {
            None
        };
        let recompute = self.sample.has(&self.claim, self.trace.count, call.index);
        state.tally.count(call.index, recorded.is_some(), recompute);
        Ok(recorded.map(|(results, tensors)| Recalled { results: results.bytes().to_vec(), tensors, recompute }))
    }
}

impl Tally {
    fn count(&mut self, index: u64, is_recorded: bool, is_chosen: bool) {
        if is_recorded && !is_chosen {
            self.taken += 1;
            return;
        }
        self.recomputed += 1;
        self.unrecorded += u64::from(!is_recorded);
        if self.indices.len() < TOLD {
            self.indices.push(index);
        }
    }
}
