//! `wasi:nn/inference`.

use std::collections::BTreeSet;
use std::sync::Arc;

use poai_graph::{Budget, Tensor};
use poai_objects::codec;
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::bindings::wasi::nn::errors::ErrorCode;
use super::super::bindings::wasi::nn::inference;
use super::super::memory::Memory;
use super::super::meter::cost;
use super::super::stop::Stop;
use super::errors::{Failure, NnError};
use super::loading::NnGraph;
use super::manifest::{Arguments, Results};
use super::tensors::NnTensor;
use super::{COMPUTE, NAMED_TENSORS};
use crate::execution::float_control;
use crate::models::Model;

/// A model that a guest computes with. It has no state: a computation follows from its inputs alone.
pub struct NnContext(pub(super) NnGraph);

/// Tensors by their names in a model.
pub(super) type Named = Vec<(String, NnTensor)>;

/// What a computation cost in fuel, and what came of it.
pub(super) type Performed = (u64, Result<Named, Failure>);

impl Guest {
    /// Takes the tensors out of their handles, computes, and puts the results behind new ones.
    fn compute_named(
        &mut self,
        context: &Resource<NnContext>,
        inputs: Vec<(String, Resource<NnTensor>)>,
    ) -> Result<Vec<(String, Resource<NnTensor>)>, Failure> {
        self.meter.charge(cost::ENTRY.saturating_mul(inputs.len() as u64))?;
        self.meter.charge_bytes(inputs.iter().map(|(name, _)| name.len() as u64).sum())?;
        let graph = self.handles.get(context)?.0.clone();
        let taken = inputs.into_iter().map(|(name, handle)| Ok((name, self.handles.take(handle)?)));
        let inputs = taken.collect::<Result<Named, Stop>>()?;
        let outputs = self.compute_traced(&graph.model, inputs)?;
        self.meter.charge(cost::ENTRY.saturating_mul(outputs.len() as u64))?;
        self.meter.charge_bytes(outputs.iter().map(|(name, _)| name.len() as u64).sum())?;
        let handles = outputs.into_iter().map(|(name, tensor)| Ok((name, self.handles.push(tensor)?)));
        handles.collect()
    }

    /// One effect of the run, whether the model has results or an error for its inputs. Inputs that no computation begins
    /// with are none.
    fn compute_traced(&mut self, model: &Arc<Model>, mut inputs: Named) -> Result<Named, Failure> {
        let operands = operands(model, &inputs)?;
        let called_at = self.meter.spent();
        self.charge_digests(&inputs)?;
        let arguments = codec::encode(&Arguments::of(model.id, &mut inputs));
        let call = self.effects.call(called_at, &arguments);
        let budget = Budget { fuel: self.meter.left().unsigned_abs(), memory_bytes: self.nn.memory.left_bytes() };
        let names = inputs.iter().map(|(name, _)| name.clone());
        let computation = Computation { model: Arc::clone(model), operands: names.zip(operands).collect(), budget };
        // They no longer count when the results take memory.
        drop(inputs);
        let (fuel, mut answer) = match self.recall(&call, &computation)? {
            Some(recalled) => recalled,
            None => computation.perform(&self.nn.memory),
        };
        if let Err(Failure::Stop(Stop::OutOfFuel)) = answer {
            // One more than there is: the run costs exactly its limit.
            self.meter.charge(budget.fuel.saturating_add(1))?;
        }
        self.meter.charge(fuel)?;
        if let Ok(outputs) = &answer {
            self.charge_digests(outputs)?;
        }
        if let Some(results) = Results::of(fuel, &mut answer) {
            let outputs = answer.as_deref().unwrap_or_default();
            let tensors = outputs.iter().map(|(_, tensor)| tensor.shared_bytes());
            self.effects.hand_out(&self.host, tensors)?;
            self.effects.record(&self.host, COMPUTE, &call, [arguments, codec::encode(&results)])?;
        }
        answer
    }

    /// Charges for hashing tensors, before that is done.
    fn charge_digests(&mut self, tensors: &Named) -> Result<(), Stop> {
        let fuel = tensors.iter().fold(0, |fuel: u64, (_, tensor)| fuel.saturating_add(tensor.digest_fuel()));
        self.meter.charge(fuel)
    }
}

/// A computation that can begin, on whatever thread.
#[derive(Clone)]
pub(super) struct Computation {
    model: Arc<Model>,
    operands: Vec<(String, Tensor)>,
    /// What the run has left.
    pub(super) budget: Budget,
}

impl Computation {
    /// Computes. What comes of it is held in `memory`.
    pub(super) fn perform(&self, memory: &Arc<Memory>) -> Performed {
        let operands: Vec<_> = self.operands.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        let mut budget = self.budget;
        let computed = self.model.session.run(&operands, &mut budget);
        // A device's driver may have changed how this thread calculates.
        float_control::reset();
        let answer = computed.map_err(Failure::from).and_then(|tensors| named_results(&self.model, memory, tensors));
        (self.budget.fuel.saturating_sub(budget.fuel), answer)
    }
}

/// Computed tensors by the names that the model has for them, if the run has room for them.
fn named_results(model: &Model, memory: &Arc<Memory>, tensors: Vec<Tensor>) -> Result<Named, Failure> {
    let graph = model.session.graph();
    let named = graph
        .outputs
        .iter()
        .zip(tensors)
        .map(|(id, tensor)| Ok((graph.value(*id).name.clone(), NnTensor::computed(memory, tensor)?)));
    named.collect()
}

/// The inputs as the model takes them, if it has inputs of their names.
fn operands(model: &Model, inputs: &[(String, NnTensor)]) -> Result<Vec<Tensor>, Failure> {
    let invalid = |reason: String| Failure::refused(ErrorCode::InvalidArgument, reason);
    if inputs.len() > NAMED_TENSORS {
        return Err(invalid(format!("{} inputs, and a model has at most {NAMED_TENSORS}", inputs.len())));
    }
    let graph = model.session.graph();
    let (mut seen, mut operands) = (BTreeSet::new(), Vec::with_capacity(inputs.len()));
    for (name, tensor) in inputs {
        let declared = graph.inputs.iter().map(|id| graph.value(*id)).find(|value| value.name == *name);
        let declared = declared.ok_or_else(|| invalid(format!("the model has no input {name:?}")))?;
        if !seen.insert(name) {
            return Err(invalid(format!("the input {name:?} is given twice")));
        }
        operands.push(tensor.as_input(declared.fact.as_ref())?);
    }
    Ok(operands)
}

impl inference::Host for Guest {}

impl inference::HostGraphExecutionContext for Guest {
    fn compute(
        &mut self,
        context: Resource<NnContext>,
        inputs: Vec<(String, Resource<NnTensor>)>,
    ) -> wasmtime::Result<Result<Vec<(String, Resource<NnTensor>)>, Resource<NnError>>> {
        let computed = self.compute_named(&context, inputs);
        self.answer(computed)
    }

    fn drop(&mut self, context: Resource<NnContext>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(context)?)
    }
}
