//! `wasi:nn/inference`.

use std::collections::BTreeSet;

use poai_graph::{Budget, RunError, Tensor};
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::bindings::wasi::nn::errors::ErrorCode;
use super::super::bindings::wasi::nn::inference;
use super::super::meter::cost;
use super::super::stop::Stop;
use super::NAMED_TENSORS;
use super::errors::{self, Failure, NnError};
use super::loading::NnGraph;
use super::manifest::{Arguments, Results};
use super::tensors::NnTensor;
use crate::execution::float_control;
use crate::models::Model;

/// A model that a guest computes with. It has no state: a computation follows from its inputs alone.
pub struct NnContext(pub(super) NnGraph);

type Named = Vec<(String, NnTensor)>;

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
    fn compute_traced(&mut self, model: &Model, mut inputs: Named) -> Result<Named, Failure> {
        let operands = operands(model, &inputs)?;
        let fuel = self.meter.spent();
        let arguments = Arguments::of(model.id, &mut inputs, &mut self.meter)?;
        let names = inputs.iter().map(|(name, _)| name.as_str());
        let computed = self.compute(model, &names.zip(operands).collect::<Vec<_>>());
        // Their memory is free again before the results take some.
        drop(inputs);
        let named = computed.and_then(|tensors| self.named_results(model, tensors));
        match named {
            Ok(mut outputs) => {
                let results = Results::of(&mut outputs, &mut self.meter)?;
                self.nn.record(&self.host, fuel, &arguments, &results)?;
                Ok(outputs)
            }
            Err(Failure::Refused { code, reason }) => {
                self.nn.record(&self.host, fuel, &arguments, &Results::Error(errors::name(code)))?;
                Err(Failure::Refused { code, reason })
            }
            Err(Failure::Stop(stop)) => Err(stop.into()),
        }
    }

    /// Charges what the model costs, and holds the run's memory limit.
    fn compute(&mut self, model: &Model, operands: &[(&str, Tensor)]) -> Result<Vec<Tensor>, Failure> {
        let fuel = self.meter.left().unsigned_abs();
        let mut budget = Budget { fuel, memory_bytes: self.nn.memory.left_bytes() };
        let computed = model.session.run(operands, &mut budget);
        // A device's driver may have changed how this thread calculates.
        float_control::reset();
        if let Err(RunError::OutOfFuel(_)) = computed {
            // One more than there is: the run costs exactly its limit.
            self.meter.charge(fuel.saturating_add(1))?;
        }
        self.meter.charge(fuel.saturating_sub(budget.fuel))?;
        Ok(computed?)
    }

    fn named_results(&self, model: &Model, tensors: Vec<Tensor>) -> Result<Named, Failure> {
        let graph = model.session.graph();
        let named = graph
            .outputs
            .iter()
            .zip(tensors)
            .map(|(id, tensor)| Ok((graph.value(*id).name.clone(), NnTensor::computed(&self.nn.memory, tensor)?)));
        named.collect()
    }
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
