//! `wasi:nn`: models that a guest loads, and their computations.
//!
//! A guest reads of an error no more than one fixed text for each code: what exactly is wrong, which may name nodes of a
//! model, goes to whoever watches the run. Every computation is an effect of the run's trace.

mod computing; // wasi:nn/inference
mod errors; // wasi:nn/errors
mod loading; // wasi:nn/graph
mod manifest; // what the trace says of a computation
mod recall; // results that an earlier execution computed
mod recomputing; // results computed again, beside the guest
mod tensors; // wasi:nn/tensor

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
pub use computing::NnContext;
pub use errors::NnError;
pub use loading::NnGraph;
use manifest::COMPUTE;
use poai_objects::{InputName, Model};
use recomputing::Recomputing;
pub use tensors::NnTensor;

use super::host::Host;
use super::memory::Memory;
use super::stop::Stop;
use crate::Fault;
use crate::models::Models;
use crate::sink::{FOR_EACH_TENSOR, TENSOR_BYTES};

/// Named tensors that a model takes or gives, at most.
const NAMED_TENSORS: usize = 512;

/// What a run has of models.
pub(crate) struct Nn {
    /// The program's, by name.
    named: Arc<BTreeMap<InputName, Model>>,
    models: Arc<Models>,
    memory: Arc<Memory>,
    /// Bytes of results' tensors that the caller still wants.
    tensor_bytes: u64,
    /// Of a replay that has something to compute again.
    recomputing: Option<Recomputing>,
}

impl Nn {
    pub(crate) fn new(
        named: Arc<BTreeMap<InputName, Model>>,
        models: Arc<Models>,
        memory: Arc<Memory>,
        tensor_bytes: u64,
    ) -> Self {
        Self { named, models, memory, tensor_bytes, recomputing: None }
    }

    /// Waits for what is being computed again. Gives the first effect that came out otherwise.
    pub(crate) fn end_recomputing(&mut self) -> Result<Option<u64>, Fault> {
        self.recomputing.take().map_or(Ok(None), Recomputing::finish)
    }

    /// Hands out the tensors that the next effect's results name, as far as they are wanted.
    fn hand_out(&mut self, host: &Host, outputs: &[(String, NnTensor)]) -> Result<(), Stop> {
        self.wanted(outputs).into_iter().try_for_each(|tensor| host.tensor(tensor))
    }

    /// The outputs' elements, if the caller still wants as many.
    fn wanted(&mut self, outputs: &[(String, NnTensor)]) -> Vec<Bytes> {
        let mut left = self.tensor_bytes;
        for (_, tensor) in outputs {
            let bytes = tensor.bytes().len();
            let rest = left.checked_sub((bytes as u64).saturating_add(FOR_EACH_TENSOR));
            let Some(rest) = rest.filter(|_| bytes <= TENSOR_BYTES) else { return Vec::new() };
            left = rest;
        }
        self.tensor_bytes = left;
        outputs.iter().map(|(_, tensor)| tensor.shared_bytes()).collect()
    }
}
