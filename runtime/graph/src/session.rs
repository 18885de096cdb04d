//! A graph, prepared for a device, and its computations.

use std::sync::Arc;

use crate::graph::ValueId;
use crate::{Budget, Cost, Device, Fact, Graph, Kernel, ModelError, RunError, Tensor};

/// A graph whose nodes a device has made ready. Serves any number of computations, one after the other or at once.
pub struct Session {
    graph: Graph,
    kernels: Vec<Box<dyn Kernel>>,
    device: Arc<dyn Device>,
}

impl Session {
    /// Rewrites a graph to a faster one of the same bits, and has a device prepare its nodes.
    ///
    /// # Errors
    /// If an operator's constants make no sense.
    pub fn new(graph: Graph, device: Arc<dyn Device>) -> Result<Self, ModelError> {
        let prepare = |node: &crate::Node| {
            let constants: Vec<_> = node.inputs.iter().map(|id| id.and_then(|id| graph.constants.get(&id))).collect();
            let kernel = device.prepare(node, &constants);
            kernel.map_err(|reason| ModelError::Node { node: node.name.clone(), reason })
        };
        let kernels = graph.nodes.iter().map(prepare).collect::<Result<_, _>>()?;
        Ok(Self { graph, kernels, device })
    }

    /// The graph as it is computed.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where it is computed.
    pub fn device(&self) -> &dyn Device {
        &*self.device
    }

    /// Computes the outputs, in the graph's order, from named inputs. What it cost is taken from `budget`, on errors
    /// too.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run(&self, inputs: &[(&str, Tensor)], budget: &mut Budget) -> Result<Vec<Tensor>, RunError> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.graph.values.len()];
        for (id, tensor) in &self.graph.constants {
            values[id.index()] = Some(tensor.clone());
        }
        for (name, tensor) in inputs {
            let found = self.graph.inputs.iter().find(|id| self.graph.value(**id).name == *name);
            let id = found.ok_or_else(|| RunError::UnknownInput((*name).to_owned()))?;
            values[id.index()] = Some(tensor.clone());
        }
        let missing = self.graph.inputs.iter().find(|id| values[id.index()].is_none());
        if let Some(id) = missing {
            return Err(RunError::MissingInput(self.graph.value(*id).name.clone()));
        }
        for (node, kernel) in self.graph.nodes.iter().zip(&self.kernels) {
            let operands: Vec<_> = node.inputs.iter().map(|id| id.and_then(|id| values[id.index()].as_ref())).collect();
            charge(node, &operands, budget)?;
            let results = kernel.run(&operands).map_err(|error| error.at(node))?;
            for (id, result) in node.outputs.iter().zip(results) {
                if let Some(id) = id {
                    values[id.index()] = Some(result);
                }
            }
        }
        let taken = |id: &ValueId| values[id.index()].clone().expect("a graph's outputs are computed");
        Ok(self.graph.outputs.iter().map(taken).collect())
    }
}

fn charge(node: &crate::Node, operands: &[Option<&Tensor>], budget: &mut Budget) -> Result<(), RunError> {
    let facts: Vec<_> = operands.iter().map(|tensor| tensor.map(Fact::of)).collect();
    let facts: Vec<_> = facts.iter().map(Option::as_ref).collect();
    let operation = node.op.operation();
    let results = operation.infer(&facts);
    let results = results.map_err(|reason| RunError::Node { node: node.name.clone(), reason })?;
    let cost: Cost = operation.cost(&facts, &results);
    budget.fuel = budget.fuel.checked_sub(cost.fuel()).ok_or_else(|| {
        budget.fuel = 0;
        RunError::OutOfFuel(node.name.clone())
    })?;
    Ok(())
}
