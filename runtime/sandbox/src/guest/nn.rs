//! `wasi:nn`: models that a guest loads, and their computations.
//!
//! A guest reads of an error no more than one fixed text for each code: what exactly is wrong, which may name nodes of a
//! model, goes to whoever watches the run. Every computation is an effect of the run's trace.

mod computing; // wasi:nn/inference
mod errors; // wasi:nn/errors
mod loading; // wasi:nn/graph
mod manifest; // what the trace says of a computation
mod tensors; // wasi:nn/tensor

use std::collections::BTreeMap;
use std::sync::Arc;

pub use computing::NnContext;
pub use errors::NnError;
pub use loading::NnGraph;
use manifest::{Arguments, COMPUTE, Results};
use poai_objects::codec::{self, RAW, cid_of};
use poai_objects::{Effect, Fuel, InputName, Model, TraceRoot, TraceWriter};
pub use tensors::NnTensor;

use super::host::Host;
use super::memory::Memory;
use super::stop::Stop;
use crate::models::Models;

/// Named tensors that a model takes or gives, at most.
const NAMED_TENSORS: usize = 512;

/// What a run has of models.
pub(crate) struct Nn {
    /// The program's, by name.
    named: Arc<BTreeMap<InputName, Model>>,
    models: Arc<Models>,
    memory: Arc<Memory>,
    trace: TraceWriter,
}

impl Nn {
    pub(crate) fn new(named: Arc<BTreeMap<InputName, Model>>, models: Arc<Models>, memory: Arc<Memory>) -> Self {
        Self { named, models, memory, trace: TraceWriter::default() }
    }

    pub(crate) fn end_trace(&mut self) -> TraceRoot {
        std::mem::take(&mut self.trace).finish().0
    }

    /// Adds an effect to the trace, and hands it out. Whoever takes it keeps the trace's chunks.
    fn record(&mut self, host: &Host, fuel: Fuel, arguments: &Arguments, results: &Results) -> Result<(), Stop> {
        if self.trace.is_full() {
            return Err(Stop::Abi { rule: "a run has at most 16,777,216 computations" });
        }
        let (arguments, results) = (codec::encode(arguments), codec::encode(results));
        let effect = Effect {
            function: COMPUTE.into(),
            fuel,
            arguments: cid_of(RAW, &arguments),
            results: cid_of(RAW, &results),
        };
        self.trace.push(effect.clone());
        host.effect(effect, arguments, results)
    }
}
