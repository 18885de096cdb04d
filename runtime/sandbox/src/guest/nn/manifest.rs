//! What the trace says of a computation: canonical DAG-CBOR that names every tensor by the CID of its elements' bytes.
//!
//! So an effect is small, whatever its tensors are, and a replay that differs tells which of them differs.

use cid::Cid;
use serde::Serialize;

use super::super::meter::Meter;
use super::super::stop::Stop;
use super::tensors::NnTensor;

/// The function's name in effects.
pub(super) const COMPUTE: &str = "wasi:nn/inference@0.2.0-rc-2024-10-28#[method]graph-execution-context.compute";

/// Model and inputs.
#[derive(Serialize)]
pub(super) struct Arguments {
    model: Cid,
    inputs: Vec<Entry>,
}

/// Results, or the error's code.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Results {
    Outputs(Vec<Entry>),
    Error(&'static str),
}

/// One named tensor.
#[derive(Serialize)]
pub(super) struct Entry {
    name: String,
    #[serde(rename = "type")]
    ty: &'static str,
    dimensions: Vec<u32>,
    /// Raw, sha2-256.
    data: Cid,
}

impl Arguments {
    /// Hashes the inputs that were not hashed before.
    pub(super) fn of(model: Cid, inputs: &mut [(String, NnTensor)], meter: &mut Meter) -> Result<Self, Stop> {
        Ok(Self { model, inputs: entries(inputs, meter)? })
    }
}

impl Results {
    /// Hashes the outputs.
    pub(super) fn of(outputs: &mut [(String, NnTensor)], meter: &mut Meter) -> Result<Self, Stop> {
        entries(outputs, meter).map(Self::Outputs)
    }
}

fn entries(tensors: &mut [(String, NnTensor)], meter: &mut Meter) -> Result<Vec<Entry>, Stop> {
    let entry = |(name, tensor): &mut (String, NnTensor)| {
        Ok(Entry {
            name: name.clone(),
            ty: tensor.type_name(),
            dimensions: tensor.dimensions().to_vec(),
            data: tensor.digest(meter)?,
        })
    };
    tensors.iter_mut().map(entry).collect()
}
