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
use std::num::NonZeroUsize;
use std::sync::Arc;

pub use computing::NnContext;
pub use errors::NnError;
pub use loading::NnGraph;
use manifest::COMPUTE;
use poai_objects::{InputName, Model};
use recomputing::Recomputing;
pub use tensors::NnTensor;

use super::memory::Memory;
use crate::Fault;
use crate::models::Models;

/// Named tensors that a model takes or gives, at most.
const NAMED_TENSORS: usize = 512;

/// What a run has of models.
pub(crate) struct Nn {
    /// The program's, by name.
    named: Arc<BTreeMap<InputName, Model>>,
    models: Arc<Models>,
    memory: Arc<Memory>,
    /// Of a replay that has something to compute again.
    recomputing: Option<Recomputing>,
}

impl Nn {
    pub(crate) fn new(named: Arc<BTreeMap<InputName, Model>>, models: Arc<Models>, memory: Arc<Memory>) -> Self {
        Self { named, models, memory, recomputing: None }
    }

    /// What runs a task's kernels besides the processor.
    pub(crate) fn device_for_kernels(&self) -> Option<Arc<dyn poai_compute::Device>> {
        self.models.device_for_kernels()
    }

    /// Threads of the processor that compute.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.models.threads()
    }

    /// Waits for what is being computed again. Gives the first effect that came out otherwise.
    pub(crate) fn end_recomputing(&mut self) -> Result<Option<u64>, Fault> {
        self.recomputing.take().map_or(Ok(None), Recomputing::finish)
    }
}
