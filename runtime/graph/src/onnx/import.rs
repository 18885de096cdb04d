//! From the messages of an ONNX file to a graph.

mod attribute; // attributes of nodes
mod call; // calls of the file's own functions
mod node; // nodes

use std::collections::{BTreeMap, HashMap};

use super::Beside;
use super::declared::declared;
use super::function::Functions;
use super::order::order;
use super::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto};
use super::scope::{Body, Scope, resolve};
use super::tensor::Tensors;
use crate::graph::{Graph, ValueId};
use crate::inspect::Unsupported;
use crate::limits::within;
use crate::{DType, Fact, Inspection, ModelError, ModelLimits, OpError, Tensor};

/// Versions of the file format whose meaning is known.
const FORMATS: std::ops::RangeInclusive<i64> = 3..=14;

/// Reads a model's graph.
pub(crate) fn graph(model: ModelProto, beside: &dyn Beside, limits: &ModelLimits) -> Result<Graph, ModelError> {
    let (mut importer, proto) = Importer::new(model, beside, limits)?;
    Ok(importer.graph(proto, &[])?.graph)
}

/// Reads a model as far as it is built, and notes the rest.
pub(crate) fn inspect(model: ModelProto, beside: &dyn Beside, limits: &ModelLimits) -> Result<Inspection, ModelError> {
    let (mut importer, proto) = Importer::new(model, beside, limits)?;
    importer.notes = Some(Notes::default());
    let graph = importer.graph(proto, &[])?.graph;
    let Notes { operators, constants, constant_bytes, unsupported } = importer.notes.unwrap_or_default();
    Ok(Inspection { operators, constants, constant_bytes, unsupported, ..Inspection::of(&graph) })
}

/// ONNX's own domain has two names.
fn domain(name: String) -> String {
    if name == "ai.onnx" { String::new() } else { name }
}

/// An operator's name, with its domain if that is not ONNX's own.
fn qualified(domain: &str, operator: &str) -> String {
    if domain.is_empty() { operator.to_owned() } else { format!("{domain}.{operator}") }
}

fn opsets(protos: Vec<OperatorSetIdProto>) -> BTreeMap<String, i64> {
    protos.into_iter().map(|set| (domain(set.domain), set.version)).collect()
}

struct Importer<'a> {
    limits: &'a ModelLimits,
    tensors: Tensors<'a>,
    functions: Functions,
    /// Versions of domains of operators: the model's, or those of the function that is being called.
    opsets: BTreeMap<String, i64>,
    /// The graphs that are being read, each a body within the one before it.
    scopes: Vec<Scope>,
    /// The nodes that call the functions that are being read, each within the one before it.
    calls: Vec<String>,
    /// Nodes and values of all graphs so far, and bytes of the functions called.
    nodes: usize,
    values: usize,
    expanded_bytes: usize,
    /// Where what is not built is noted; without it, that ends the import.
    notes: Option<Notes>,
}

/// What an inspection finds on the way.
#[derive(Default)]
struct Notes {
    operators: BTreeMap<String, usize>,
    constants: usize,
    constant_bytes: u64,
    unsupported: Vec<Unsupported>,
}

impl<'a> Importer<'a> {
    fn new(
        model: ModelProto,
        beside: &'a dyn Beside,
        limits: &'a ModelLimits,
    ) -> Result<(Self, GraphProto), ModelError> {
        if !FORMATS.contains(&model.ir_version) {
            let (oldest, newest) = FORMATS.into_inner();
            let found = model.ir_version;
            return Err(ModelError::Malformed(format!("it is of IR version {found}; {oldest} to {newest} are read")));
        }
        let proto = model.graph.ok_or_else(|| ModelError::Malformed("it has no graph".into()))?;
        let importer = Self {
            limits,
            tensors: Tensors::new(beside, limits),
            functions: Functions::new(model.functions, domain),
            opsets: opsets(model.opset_import),
            scopes: Vec::new(),
            calls: Vec::new(),
            nodes: 0,
            values: 0,
            expanded_bytes: 0,
            notes: None,
        };
        Ok((importer, proto))
    }

    /// Reads a graph. `given` are the types of what a body is given: its inputs need not declare them.
    fn graph(&mut self, proto: GraphProto, given: &[Option<DType>]) -> Result<Body, ModelError> {
        within("bodies within bodies", self.scopes.len(), self.limits.nesting)?;
        let scope = Scope::new(self.declarations(&proto));
        self.scopes.push(scope);
        let filled = self.fill(proto, given);
        let scope = self.scopes.pop().expect("pushed above");
        filled.map(|()| scope.body)
    }

    /// Reads a graph into the innermost scope.
    fn fill(&mut self, proto: GraphProto, given: &[Option<DType>]) -> Result<(), ModelError> {
        if !proto.sparse_initializer.is_empty() {
            let reason = OpError::unsupported("sparse initializers");
            let read = Err(ModelError::Value { value: proto.name, reason });
            self.or_noted(read, &[])?;
        }
        for tensor in proto.initializer {
            let read = self.initializer(&tensor);
            self.or_noted(read, &[tensor.name])?;
        }
        for (place, input) in proto.input.into_iter().enumerate() {
            let read = self.input(&input, given.get(place).copied().flatten());
            self.or_noted(read, &[input.name])?;
        }
        self.nodes(proto.node)?;
        for output in &proto.output {
            let read = self.output(output);
            self.or_noted(read, &[])?;
        }
        Ok(())
    }

    /// Reads nodes, in an order in which they can be computed.
    fn nodes(&mut self, protos: Vec<NodeProto>) -> Result<(), ModelError> {
        self.nodes = self.nodes.saturating_add(protos.len());
        within("nodes", self.nodes, self.limits.nodes)?;
        let order = order(&protos).map_err(|index| ModelError::Node {
            node: self.node_name(&protos[index]),
            reason: OpError::new("it needs its own result"),
        })?;
        let mut protos: Vec<_> = protos.into_iter().map(Some).collect();
        for index in order {
            let proto = protos[index].take().expect("an order has each node once");
            let outputs = if self.notes.is_some() { proto.output.clone() } else { Vec::new() };
            let read = self.node(proto);
            self.or_noted(read, &outputs)?;
        }
        Ok(())
    }

    /// Notes what is not built and lets it pass, if notes are made, and also what follows from its absence. Of the values
    /// that would have come of it nothing is known then but what is declared.
    fn or_noted(&mut self, read: Result<(), ModelError>, values: &[String]) -> Result<(), ModelError> {
        let (Err(error), Some(Notes { unsupported, .. })) = (&read, &mut self.notes) else { return read };
        match error {
            ModelError::Unsupported { node, op, reason } => {
                unsupported.push(Unsupported { node: node.clone(), op: op.clone(), reason: reason.clone() });
            }
            ModelError::Value { value, reason: OpError::Unsupported(reason) } => {
                unsupported.push(Unsupported { node: value.clone(), op: "value".into(), reason: reason.clone() });
            }
            ModelError::Node { .. } | ModelError::Value { .. } if !unsupported.is_empty() => {}
            _ => return read,
        }
        for name in values.iter().filter(|name| !name.is_empty()) {
            let scope = self.scope();
            if scope.find(name).is_none() {
                let fact = scope.declared(name).cloned();
                self.define(name, fact)?;
            }
        }
        Ok(())
    }

    /// What is declared of the values that nodes make. Only a help, so that what is not understood is left out.
    fn declarations(&self, proto: &GraphProto) -> HashMap<String, Fact> {
        let values = proto.value_info.iter().chain(&proto.output);
        values.filter_map(|value| Some((value.name.clone(), declared(value, self.limits).ok()??))).collect()
    }

    fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("a graph is being read")
    }

    /// Counts a value and looks at its name.
    fn admit(&mut self, name: &str) -> Result<(), ModelError> {
        self.limits.name(name)?;
        self.values += 1;
        within("values", self.values, self.limits.values)
    }

    fn define(&mut self, name: &str, fact: Option<Fact>) -> Result<ValueId, ModelError> {
        self.admit(name)?;
        self.scope().define(name, fact).ok_or_else(|| twice(name))
    }

    fn define_constant(&mut self, name: &str, tensor: Tensor) -> Result<ValueId, ModelError> {
        self.admit(name)?;
        if let Some(notes) = &mut self.notes {
            notes.constants += 1;
            notes.constant_bytes = notes.constant_bytes.saturating_add(tensor.bytes().len() as u64);
        }
        self.scope().define_constant(name, tensor).ok_or_else(|| twice(name))
    }

    fn initializer(&mut self, proto: &TensorProto) -> Result<(), ModelError> {
        let tensor = self.tensors.read(proto);
        let tensor = tensor.map_err(|reason| ModelError::Value { value: proto.name.clone(), reason })?;
        self.define_constant(&proto.name, tensor).map(drop)
    }

    /// What the caller gives. An input that is an initializer too is a constant: that is how older files list weights;
    /// in newer ones the initializer is what the input is if it is not given.
    fn input(&mut self, proto: &ValueInfoProto, given: Option<DType>) -> Result<(), ModelError> {
        let scope = self.scope();
        if scope.find(&proto.name).is_some_and(|id| scope.body.graph.constants.contains_key(&id)) {
            return Ok(());
        }
        let fact = declared(proto, self.limits)?.or_else(|| given.map(Fact::of_type));
        if fact.is_none() && self.scopes.len() == 1 {
            return Err(ModelError::Value { value: proto.name.clone(), reason: OpError::new("it has no type") });
        }
        let id = self.define(&proto.name, fact)?;
        self.scope().body.graph.inputs.push(id);
        Ok(())
    }

    fn output(&mut self, proto: &ValueInfoProto) -> Result<(), ModelError> {
        let wrong = |reason| ModelError::Value { value: proto.name.clone(), reason: OpError::new(reason) };
        let id = self.resolve(&proto.name)?.ok_or_else(|| wrong("an output that nothing makes".into()))?;
        let said = declared(proto, self.limits)?;
        let graph = &mut self.scope().body.graph;
        if let (Some(known), Some(said)) = (&graph.value(id).fact, said)
            && known.dtype != said.dtype
        {
            return Err(wrong(format!("it is declared as {} and made as {}", said.dtype, known.dtype)));
        }
        graph.outputs.push(id);
        Ok(())
    }

    /// The value of a name in the graph that is being read, captured from around it if need be.
    fn resolve(&mut self, name: &str) -> Result<Option<ValueId>, ModelError> {
        if let Some(id) = self.scope().find(name) {
            return Ok(Some(id));
        }
        self.admit(name)?;
        Ok(resolve(&mut self.scopes, name))
    }

    /// What errors call a node: its name, or its operator and first result; in a function behind the call's.
    fn node_name(&self, proto: &NodeProto) -> String {
        let mut name = self.calls.last().map_or_else(String::new, |call| format!("{call}/"));
        if proto.name.is_empty() {
            name += &format!("{} {}", proto.op_type, proto.output.first().map_or("", String::as_str));
        } else {
            name += &proto.name;
        }
        name
    }
}

fn twice(name: &str) -> ModelError {
    ModelError::Value { value: name.to_owned(), reason: OpError::new("it is defined twice") }
}
