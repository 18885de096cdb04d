//! From the messages of an ONNX file to a graph.

use std::collections::{BTreeMap, HashMap};

use super::declared::{declared, refine};
use super::order::order;
use super::proto::{AttributeKind, AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use super::scope::{Body, Scope, resolve};
use super::tensor::Tensors;
use super::{Attribute, Beside, Source};
use crate::graph::{Graph, Node, ValueId};
use crate::inspect::Unsupported;
use crate::limits::within;
use crate::{Fact, Inspection, ModelError, ModelLimits, Op, OpError, Tensor};

/// Versions of the file format whose meaning is known.
const FORMATS: std::ops::RangeInclusive<i64> = 3..=14;
/// Versions of ONNX's own operators whose meaning is known.
const OPERATOR_SETS: std::ops::RangeInclusive<i64> = 7..=26;
/// The domain of the operators that ONNX Runtime adds.
const MICROSOFT: &str = "com.microsoft";

/// Reads a model's graph.
pub(crate) fn import(model: ModelProto, beside: &dyn Beside, limits: &ModelLimits) -> Result<Graph, ModelError> {
    let (mut importer, graph) = Importer::new(model, beside, limits)?;
    Ok(importer.graph(graph)?.graph)
}

/// Reads a model as far as it is built, and notes the rest.
pub(crate) fn inspect(model: ModelProto, beside: &dyn Beside, limits: &ModelLimits) -> Result<Inspection, ModelError> {
    let (mut importer, graph) = Importer::new(model, beside, limits)?;
    importer.notes = Some(Notes::default());
    let graph = importer.graph(graph)?.graph;
    let Notes { operators, unsupported } = importer.notes.unwrap_or_default();
    Ok(Inspection { operators, unsupported, ..Inspection::of(&graph) })
}

/// ONNX's own domain has two names.
fn domain(name: String) -> String {
    if name == "ai.onnx" { String::new() } else { name }
}

/// An operator's name, with its domain if that is not ONNX's own.
fn qualified(domain: &str, operator: &str) -> String {
    if domain.is_empty() { operator.to_owned() } else { format!("{domain}.{operator}") }
}

struct Importer<'a> {
    limits: &'a ModelLimits,
    tensors: Tensors<'a>,
    opsets: BTreeMap<String, i64>,
    /// The graphs that are being read, each a body within the one before it.
    scopes: Vec<Scope>,
    /// Nodes and values of all graphs so far.
    nodes: usize,
    values: usize,
    /// Where what is unsupported is noted; without it, it ends the import.
    notes: Option<Notes>,
}

/// What an inspection finds on the way.
#[derive(Default)]
struct Notes {
    operators: BTreeMap<String, usize>,
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
        let graph = model.graph.ok_or_else(|| ModelError::Malformed("it has no graph".into()))?;
        let opsets = model.opset_import.into_iter().map(|set| (domain(set.domain), set.version)).collect();
        let tensors = Tensors::new(beside, limits.rank);
        Ok((Self { limits, tensors, opsets, scopes: Vec::new(), nodes: 0, values: 0, notes: None }, graph))
    }

    fn graph(&mut self, proto: GraphProto) -> Result<Body, ModelError> {
        within("bodies within bodies", self.scopes.len(), self.limits.nesting)?;
        self.nodes = self.nodes.saturating_add(proto.node.len());
        within("nodes", self.nodes, self.limits.nodes)?;
        if !proto.sparse_initializer.is_empty() {
            let reason = OpError::unsupported("sparse initializers");
            return Err(ModelError::Value { value: proto.name, reason });
        }
        let order = order(&proto.node).map_err(|index| ModelError::Node {
            node: node_name(&proto.node[index]),
            reason: OpError::new("it needs its own result"),
        })?;
        self.scopes.push(Scope::new(self.declarations(&proto)));
        for tensor in proto.initializer {
            self.initializer(&tensor)?;
        }
        for input in &proto.input {
            self.input(input)?;
        }
        let mut nodes: Vec<_> = proto.node.into_iter().map(Some).collect();
        for index in order {
            self.node_or_note(nodes[index].take().expect("an order has each node once"))?;
        }
        for output in &proto.output {
            self.output(output)?;
        }
        Ok(self.scopes.pop().expect("pushed above").body)
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
        within("bytes in a name", name.len(), self.limits.name_bytes)?;
        self.values += 1;
        within("values", self.values, self.limits.values)
    }

    fn define(&mut self, name: &str, fact: Option<Fact>) -> Result<ValueId, ModelError> {
        self.admit(name)?;
        self.scope().define(name, fact).ok_or_else(|| twice(name))
    }

    fn define_constant(&mut self, name: &str, tensor: Tensor) -> Result<ValueId, ModelError> {
        self.admit(name)?;
        self.scope().define_constant(name, tensor).ok_or_else(|| twice(name))
    }

    fn initializer(&mut self, proto: &TensorProto) -> Result<(), ModelError> {
        let tensor = self.tensors.read(proto);
        let tensor = tensor.map_err(|reason| ModelError::Value { value: proto.name.clone(), reason })?;
        self.define_constant(&proto.name, tensor).map(drop)
    }

    /// What the caller gives. An input that is an initializer too is a constant: that is how older files list weights;
    /// in newer ones the initializer is what the input is if it is not given.
    fn input(&mut self, proto: &ValueInfoProto) -> Result<(), ModelError> {
        if self.scope().find(&proto.name).is_some_and(|id| self.scope().body.graph.constants.contains_key(&id)) {
            return Ok(());
        }
        let fact = declared(proto, self.limits)?;
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

    /// Imports a node. What is unsupported of it is noted, if notes are made, and its results stay unknown.
    fn node_or_note(&mut self, proto: NodeProto) -> Result<(), ModelError> {
        let Some(notes) = &mut self.notes else { return self.node(proto) };
        *notes.operators.entry(qualified(&domain(proto.domain.clone()), &proto.op_type)).or_default() += 1;
        let (noted, depth, results) = (notes.unsupported.len(), self.scopes.len(), proto.output.clone());
        let error = match self.node(proto) {
            Err(error) => error,
            Ok(()) => return Ok(()),
        };
        let notes = self.notes.as_mut().expect("as above");
        match error {
            ModelError::Unsupported { node, op, reason } => notes.unsupported.push(Unsupported { node, op, reason }),
            // Its bodies lack what was noted in them.
            _ if notes.unsupported.len() > noted => {}
            error => return Err(error),
        }
        self.scopes.truncate(depth);
        for result in results.iter().filter(|result| !result.is_empty()) {
            let declared = self.scope().declared.get(result).cloned();
            if self.scope().find(result).is_none() {
                self.define(result, declared)?;
            }
        }
        Ok(())
    }

    fn node(&mut self, mut proto: NodeProto) -> Result<(), ModelError> {
        let name = node_name(&proto);
        within("bytes in a name", name.len(), self.limits.name_bytes)?;
        let domain = domain(std::mem::take(&mut proto.domain));
        let operator = qualified(&domain, &proto.op_type);
        let at = |reason| ModelError::at(&name, &operator, reason);
        let opset = self.opset(&domain).map_err(at)?;
        let inputs = self.operands(&name, &proto.input)?;
        let mut attributes = BTreeMap::new();
        for attribute in proto.attribute {
            within("bytes in a name", attribute.name.len(), self.limits.name_bytes)?;
            let name = attribute.name.clone();
            let value = self.attribute(attribute, &at)?;
            if attributes.insert(name.clone(), value).is_some() {
                return Err(at(OpError::new(format!("attribute {name} is there twice"))));
            }
        }
        if operator == "Constant" {
            let tensor = constant(attributes).map_err(at)?;
            let [output] = &proto.output[..] else { return Err(at(OpError::new("a constant is one result"))) };
            return self.define_constant(output, tensor).map(drop);
        }
        let outputs = proto.output.iter().map(|output| match output.as_str() {
            "" => Ok(None),
            output => self.define(output, None).map(Some),
        });
        let outputs = outputs.collect::<Result<_, _>>()?;
        let graph = &mut self.scope().body.graph;
        let source = &mut Source {
            graph,
            name: name.clone(),
            operator: proto.op_type,
            domain,
            opset,
            attributes,
            inputs,
            outputs,
        };
        let op = Op::import(source)?;
        if !source.attributes.is_empty() {
            let left: Vec<_> = source.attributes.keys().map(String::as_str).collect();
            return Err(at(OpError::unsupported(format!("attribute {}", left.join(", ")))));
        }
        let (inputs, outputs) = (std::mem::take(&mut source.inputs), std::mem::take(&mut source.outputs));
        self.push(Node { name: name.clone(), op, inputs, outputs }).map_err(at)
    }

    fn opset(&self, domain: &str) -> Result<i64, OpError> {
        let found = self.opsets.get(domain).copied();
        match domain {
            "" => {
                let version = found.ok_or_else(|| OpError::new("the model names no version of ONNX's operators"))?;
                let (oldest, newest) = OPERATOR_SETS.into_inner();
                if OPERATOR_SETS.contains(&version) {
                    return Ok(version);
                }
                let reason = format!("version {version} of ONNX's operators; {oldest} to {newest} are read");
                Err(OpError::unsupported(reason))
            }
            MICROSOFT => Ok(found.unwrap_or(1)),
            _ => Err(OpError::unsupported(format!("operators of {domain}"))),
        }
    }

    fn operands(&mut self, node: &str, names: &[String]) -> Result<Vec<Option<ValueId>>, ModelError> {
        let operand = |name: &String| {
            if name.is_empty() {
                return Ok(None);
            }
            let missing = || OpError::new(format!("its operand {name} is defined nowhere"));
            let found = self.resolve(name)?;
            found.map(Some).ok_or_else(|| ModelError::Node { node: node.to_owned(), reason: missing() })
        };
        names.iter().map(operand).collect()
    }

    fn attribute(
        &mut self,
        proto: AttributeProto,
        at: &dyn Fn(OpError) -> ModelError,
    ) -> Result<Attribute, ModelError> {
        let name = &proto.name;
        let lacking = || at(OpError::new(format!("attribute {name} has no value")));
        let text = |bytes: bytes::Bytes| {
            let text = String::from_utf8(bytes.into());
            text.map_err(|_| at(OpError::new(format!("attribute {name} is no UTF-8"))))
        };
        if !proto.ref_attr_name.is_empty() {
            return Err(at(OpError::new(format!("attribute {name} refers to a function's, and this is none"))));
        }
        match AttributeKind::try_from(proto.kind) {
            Ok(AttributeKind::Int) => Ok(Attribute::Int(proto.i)),
            Ok(AttributeKind::Float) => Ok(Attribute::Float(proto.f)),
            Ok(AttributeKind::String) => text(proto.s).map(Attribute::Text),
            Ok(AttributeKind::Ints) => Ok(Attribute::Ints(proto.ints)),
            Ok(AttributeKind::Floats) => Ok(Attribute::Floats(proto.floats)),
            Ok(AttributeKind::Strings) => {
                proto.strings.into_iter().map(text).collect::<Result<_, _>>().map(Attribute::Texts)
            }
            Ok(AttributeKind::Tensor) => {
                let tensor = self.tensors.read(&proto.t.ok_or_else(lacking)?);
                tensor.map(Attribute::Tensor).map_err(at)
            }
            Ok(AttributeKind::Graph) => {
                let body = self.graph(proto.g.ok_or_else(lacking)?)?;
                Ok(Attribute::Graph(Box::new(body)))
            }
            Ok(AttributeKind::Undefined) | Err(_) => Err(at(OpError::new(format!("attribute {name} has no type")))),
            Ok(kind) => Err(at(OpError::unsupported(format!("attribute {name} of type {kind:?}")))),
        }
    }

    /// Adds a node whose results' types and shapes follow from its operands', as far as those are known.
    fn push(&mut self, node: Node) -> Result<(), OpError> {
        let scope = self.scope();
        let graph = &mut scope.body.graph;
        let known = node.inputs.iter().flatten().all(|&id| graph.value(id).fact.is_some());
        let facts: Vec<_> = node.inputs.iter().map(|id| id.and_then(|id| graph.value(id).fact.as_ref())).collect();
        let inferred = if known { Some(node.op.operation().infer(&facts)?) } else { None };
        if let Some(inferred) = &inferred
            && inferred.len() < node.outputs.len()
        {
            let (made, asked) = (inferred.len(), node.outputs.len());
            return Err(OpError::new(format!("{asked} results are asked for, and it makes {made}")));
        }
        for (index, id) in node.outputs.iter().enumerate() {
            let Some(id) = *id else { continue };
            let declared = scope.declared.get(&graph.value(id).name);
            let mut fact = inferred.as_ref().map(|facts| facts[index].clone());
            match (&mut fact, declared) {
                (Some(fact), Some(declared)) => refine(fact, declared),
                (None, declared) => fact = declared.cloned(),
                (Some(_), None) => {}
            }
            graph.values[id.index()].fact = fact;
        }
        graph.nodes.push(node);
        Ok(())
    }
}

fn twice(name: &str) -> ModelError {
    ModelError::Value { value: name.to_owned(), reason: OpError::new("it is defined twice") }
}

/// What errors call a node: its name, or its operator and first result.
fn node_name(proto: &NodeProto) -> String {
    if !proto.name.is_empty() {
        return proto.name.clone();
    }
    format!("{} {}", proto.op_type, proto.output.first().map_or("", String::as_str))
}

/// The one value that a `Constant` has, in whichever attribute.
fn constant(mut attributes: BTreeMap<String, Attribute>) -> Result<Tensor, OpError> {
    let (name, value) = attributes.pop_first().ok_or_else(|| OpError::new("a constant without a value"))?;
    if !attributes.is_empty() {
        return Err(OpError::new("a constant with more than one value"));
    }
    match (name.as_str(), value) {
        ("value", Attribute::Tensor(tensor)) => Ok(tensor),
        ("value_float", Attribute::Float(value)) => Ok(Tensor::scalar(value)),
        ("value_floats", Attribute::Floats(values)) => Ok(Tensor::new(&[values.len()], &values)),
        ("value_int", Attribute::Int(value)) => Ok(Tensor::scalar(value)),
        ("value_ints", Attribute::Ints(values)) => Ok(Tensor::new(&[values.len()], &values)),
        ("value_string" | "value_strings", _) => Err(OpError::unsupported("a constant of text")),
        (name, _) => Err(OpError::new(format!("a constant whose value is attribute {name}"))),
    }
}
