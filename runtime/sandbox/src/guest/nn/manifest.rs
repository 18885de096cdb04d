//! What the trace says of a computation: canonical DAG-CBOR that names every tensor by the CID of its elements' bytes.
//!
//! So an effect is small, whatever its tensors are, and a replay that differs tells which of them differs.

use cid::Cid;
use poai_objects::DecodeLimits;
use poai_objects::codec;
use serde::{Deserialize, Serialize};

use super::NAMED_TENSORS;
use super::computing::Named;
use super::errors::{self, Failure};
use super::tensors::NnTensor;
use crate::sink::EFFECT_BYTES;

/// What recorded results may be: what an effect can have.
const LIMITS: DecodeLimits = DecodeLimits { bytes: EFFECT_BYTES, depth: 8, links: NAMED_TENSORS };

/// The function's name in effects.
pub(super) const COMPUTE: &str = "wasi:nn/inference@0.2.0-rc-2024-10-28#[method]graph-execution-context.compute";

/// Model and inputs.
#[derive(Serialize)]
pub(super) struct Arguments {
    model: Cid,
    inputs: Vec<Entry>,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Results {
    /// What its operators cost: with it, a replay need not compute what it is told.
    pub(super) fuel: u64,
    pub(super) answer: Answer,
}

/// Outputs, or the error's code.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Answer {
    Outputs(Vec<Entry>),
    Error(String),
}

/// One named tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) ty: String,
    pub(super) dimensions: Vec<u32>,
    /// Raw, sha2-256.
    pub(super) data: Cid,
}

impl Arguments {
    /// Hashes the inputs that were not hashed before.
    pub(super) fn of(model: Cid, inputs: &mut [(String, NnTensor)]) -> Self {
        Self { model, inputs: entries(inputs) }
    }
}

impl Results {
    /// Hashes the outputs. None if the run ended inside: that is no result.
    pub(super) fn of(fuel: u64, answer: &mut Result<Named, Failure>) -> Option<Self> {
        let answer = match answer {
            Ok(outputs) => Answer::Outputs(entries(outputs)),
            Err(Failure::Refused { code, .. }) => Answer::Error(errors::name(*code).to_owned()),
            Err(Failure::Stop(_)) => return None,
        };
        Some(Self { fuel, answer })
    }

    /// Recorded results, if they are any that [`Results::of`] could have made.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        codec::decode_value(bytes, &LIMITS, "results").ok()
    }
}

fn entries(tensors: &mut [(String, NnTensor)]) -> Vec<Entry> {
    let entry = |(name, tensor): &mut (String, NnTensor)| Entry {
        name: name.clone(),
        ty: tensor.type_name().to_owned(),
        dimensions: tensor.dimensions().to_vec(),
        data: tensor.digest(),
    };
    tensors.iter_mut().map(entry).collect()
}
