use cid::{Cid, Version};
use serde::{Deserialize, Serialize};

use crate::codec::{RAW, at_most, hash_flaw, plain_text};
use crate::{Fuel, Object, ObjectError, TraceChunkId, TraceId};

/// One accelerated call of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// The function's name, with its interface and version.
    pub function: String,
    /// The fuel spent when the call was made.
    pub fuel: Fuel,
    /// The CID (raw, sha2-256) of the arguments' bytes.
    pub arguments: Cid,
    /// The CID (raw, sha2-256) of the results' bytes.
    pub results: Cid,
}

impl Effect {
    /// Bytes of a function's name.
    pub const MAX_FUNCTION_BYTES: usize = 256;
}

fn check_payload_cid(cid: &Cid) -> Result<(), ObjectError> {
    let flaw = if cid.version() != Version::V1 || cid.codec() != RAW {
        Some("it is not a CIDv1 of a raw block")
    } else {
        hash_flaw(cid)
    };
    match flaw {
        Some(reason) => Err(ObjectError::UnsuitableCid { cid: Box::new(*cid), what: "an effect's payload", reason }),
        None => Ok(()),
    }
}

/// Up to [`TraceChunk::EFFECTS`] consecutive effects, one block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceChunk {
    /// In the order of the calls.
    pub effects: Vec<Effect>,
}

impl TraceChunk {
    /// Effects in every chunk but the last.
    pub const EFFECTS: usize = 1_024;
}

impl Object for TraceChunk {
    const KIND: &'static str = "poai/trace-chunk";
    const VERSION: u64 = 1;
    type Id = TraceChunkId;

    fn validate(&self) -> Result<(), ObjectError> {
        at_most(Self::KIND, "effects", self.effects.len(), Self::EFFECTS)?;
        for effect in &self.effects {
            plain_text(Self::KIND, "function bytes", &effect.function, Effect::MAX_FUNCTION_BYTES)?;
            check_payload_cid(&effect.arguments)?;
            check_payload_cid(&effect.results)?;
        }
        if !self.effects.is_sorted_by_key(|effect| effect.fuel) {
            let reason = "its effects' fuel falls, and fuel is only ever spent".into();
            return Err(ObjectError::Malformed { kind: Self::KIND, reason });
        }
        Ok(())
    }
}

/// The root of a trace: how many effects there were, and their chunks in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceRoot {
    /// All effects of the run.
    pub count: u64,
    /// The chunks' CIDs.
    pub chunks: Vec<TraceChunkId>,
}

impl TraceRoot {
    /// Chunks of one trace, so that its root is one block: 16 million effects.
    pub const MAX_CHUNKS: usize = 16_384;
}

impl Object for TraceRoot {
    const KIND: &'static str = "poai/trace";
    const VERSION: u64 = 1;
    type Id = TraceId;

    fn validate(&self) -> Result<(), ObjectError> {
        at_most(Self::KIND, "chunks", self.chunks.len(), Self::MAX_CHUNKS)?;
        if self.count.div_ceil(TraceChunk::EFFECTS as u64) != self.chunks.len() as u64 {
            return Err(ObjectError::Malformed {
                kind: Self::KIND,
                reason: "its count and its chunks do not agree".into(),
            });
        }
        Ok(())
    }
}

/// A trace being written: effects go in, full chunks come out.
#[derive(Clone, Debug, Default)]
pub struct TraceWriter {
    root: TraceRoot,
    open: TraceChunk,
}

impl TraceWriter {
    /// Whether the trace has all the effects that a root can hold; [`TraceWriter::push`] must not
    /// be called then.
    pub fn is_full(&self) -> bool {
        self.root.count >= (TraceRoot::MAX_CHUNKS * TraceChunk::EFFECTS) as u64
    }

    /// The effects so far: the number of the next one.
    pub fn count(&self) -> u64 {
        self.root.count
    }

    /// Adds an effect; gives back a chunk when it is full, to be stored.
    pub fn push(&mut self, effect: Effect) -> Option<TraceChunk> {
        self.root.count += 1;
        self.open.effects.push(effect);
        (self.open.effects.len() == TraceChunk::EFFECTS).then(|| self.close())
    }

    /// The root, and the last chunk if there is one that is not full.
    pub fn finish(mut self) -> (TraceRoot, Option<TraceChunk>) {
        let last = (!self.open.effects.is_empty()).then(|| self.close());
        (self.root, last)
    }

    fn close(&mut self) -> TraceChunk {
        let chunk = std::mem::take(&mut self.open);
        self.root.chunks.push(chunk.id());
        chunk
    }
}
