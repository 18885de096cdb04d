//! A graph, prepared for a device, and its computations.

mod body; // the bodies of branches and loops at work
mod group; // element-wise nodes that are computed together
mod layers; // a tensor as a row of smaller ones
mod needs; // constants that somebody still reads
mod plan; // nodes in order, each with its kernel and the values that die with it

use std::collections::BTreeMap;
use std::sync::Arc;

use self::plan::Plan;
use crate::budget::Account;
use crate::rewrite::rewrite;
use crate::{Budget, Device, Dim, Fact, Graph, ModelError, RunError, Tensor};

/// A graph whose nodes a device has made ready. Serves any number of computations, one after the other or at once.
pub struct Session {
    plan: Plan,
    device: Arc<dyn Device>,
}

impl Session {
    /// Rewrites a graph to a faster one of the same bits, and has a device prepare its nodes. The rewritten graph is
    /// the same for every device, so what a computation costs is too.
    ///
    /// # Errors
    /// If an operator's constants make no sense.
    pub fn new(graph: Graph, device: Arc<dyn Device>) -> Result<Self, ModelError> {
        let plan = Plan::new(rewrite(graph)?, &*device)?;
        Ok(Self { plan, device })
    }

    /// The graph as it is computed.
    pub fn graph(&self) -> &Graph {
        self.plan.graph()
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
        let graph = self.graph();
        let known = |name: &str| graph.inputs.iter().any(|id| graph.value(*id).name == name);
        if let Some((name, _)) = inputs.iter().find(|(name, _)| !known(name)) {
            return Err(RunError::UnknownInput((*name).to_owned()));
        }
        let mut sizes = BTreeMap::new();
        let given = graph.inputs.iter().map(|id| {
            let value = graph.value(*id);
            let tensor = inputs.iter().find(|(name, _)| *name == value.name);
            let (_, tensor) = tensor.ok_or_else(|| RunError::MissingInput(value.name.clone()))?;
            check_input(&value.name, value.fact.as_ref(), tensor, &mut sizes)?;
            Ok(tensor.clone())
        });
        let given = given.collect::<Result<Vec<_>, _>>()?;
        let results = self.plan.run(&*self.device, given, &mut Account::new(budget));
        // What lies on the device is brought here before the device is asked whether it could bring everything.
        results.iter().flatten().for_each(|output| {
            output.bytes();
        });
        self.device.failure().map_or(results, |reason| Err(RunError::Device(reason)))
    }
}

/// An input must have the declared type and sizes; a named dimension must be of one size wherever it stands.
fn check_input(
    name: &str,
    declared: Option<&Fact>,
    tensor: &Tensor,
    sizes: &mut BTreeMap<Arc<str>, usize>,
) -> Result<(), RunError> {
    let Some(declared) = declared else { return Ok(()) };
    let mut fits = |(dim, &size): (&Dim, &usize)| match dim {
        Dim::Size(declared) => *declared == size,
        Dim::Named(name) => *sizes.entry(name.clone()).or_insert(size) == size,
        Dim::Unknown => true,
    };
    let shape_fits = declared
        .shape
        .as_ref()
        .is_none_or(|dims| dims.len() == tensor.shape().len() && dims.iter().zip(tensor.shape()).all(&mut fits));
    if declared.dtype == tensor.dtype() && shape_fits {
        return Ok(());
    }
    Err(RunError::Input {
        name: name.to_owned(),
        found_dtype: tensor.dtype(),
        found: tensor.shape().to_vec(),
        expected: declared.to_string(),
    })
}
