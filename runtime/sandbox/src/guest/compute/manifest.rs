//! What the trace says of a dispatch: canonical DAG-CBOR that names every buffer by the CID of its bytes.

use cid::Cid;
use poai_compute::Limits;
use poai_objects::{DecodeLimits, codec};
use serde::{Deserialize, Serialize};

use super::super::bindings::poai::compute::kernels::Error;
use super::errors;

/// The function's name in effects.
pub(super) const DISPATCH: &str = "poai:compute/kernels@0.1.0#[method]kernel.dispatch";

/// Kernel, buffers and workgroups.
#[derive(Serialize)]
pub(super) struct Arguments<'a> {
    /// Of its source: raw, sha2-256.
    pub(super) kernel: Cid,
    pub(super) entry_point: &'a str,
    pub(super) bindings: Vec<Entry>,
    pub(super) workgroups: [u32; 3],
}

/// One buffer before the dispatch.
#[derive(Serialize)]
pub(super) struct Entry {
    /// Raw, sha2-256.
    pub(super) data: Cid,
    /// Bytes of an invocation's slice; 0 of a buffer that is only read, or of atomics.
    pub(super) stride: u32,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Results {
    /// What its invocations cost.
    pub(super) fuel: u64,
    pub(super) answer: Answer,
}

/// The buffers that were written, in order, or the error's name.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Answer {
    Written(Vec<Cid>),
    Error(String),
}

/// What recorded results may be.
const LIMITS: DecodeLimits = DecodeLimits { bytes: 4_096, depth: 4, links: Limits::BINDINGS };

impl Results {
    /// Recorded results, if they are any that a dispatch could have made.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        codec::decode_value(bytes, &LIMITS, "results").ok()
    }
}

impl Answer {
    pub(super) fn error(error: Error) -> Self {
        Self::Error(errors::name(error).to_owned())
    }
}
