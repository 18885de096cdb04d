//! Nodes.

use super::attribute::constant;
use super::{Importer, domain, qualified};
use crate::graph::{Node, ValueId};
use crate::onnx::Source;
use crate::onnx::declared::refine;
use crate::onnx::proto::NodeProto;
use crate::op::Operation;
use crate::{Fact, ModelError, Op, OpError};

/// Versions of ONNX's own operators whose meaning is known.
const OPERATOR_SETS: std::ops::RangeInclusive<i64> = 7..=28;
/// The domain of the operators that ONNX Runtime adds.
const MICROSOFT: &str = "com.microsoft";

impl Importer<'_> {
    /// Adds a node to the graph that is being read.
    pub(super) fn node(&mut self, mut proto: NodeProto) -> Result<(), ModelError> {
        let name = self.node_name(&proto);
        for name in [&proto.name, &proto.op_type, &proto.domain] {
            self.limits.name(name)?;
        }
        let domain = domain(std::mem::take(&mut proto.domain));
        if let Some(function) = self.functions.called(&domain, &proto) {
            return self.call(name, &function, &proto);
        }
        let operator = qualified(&domain, &proto.op_type);
        if let Some(notes) = &mut self.notes {
            *notes.operators.entry(operator.clone()).or_default() += 1;
        }
        let at = |reason| ModelError::at(&name, &operator, reason);
        let opset = self.opset(&domain).map_err(at)?;
        let inputs = self.operands(&name, &proto.input)?;
        let attributes = self.attributes(proto.attribute, &inputs, &at)?;
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

    pub(super) fn operands(&mut self, node: &str, names: &[String]) -> Result<Vec<Option<ValueId>>, ModelError> {
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

    /// Adds a node whose results' types and shapes follow from its operands', as far as those are known.
    fn push(&mut self, node: Node) -> Result<(), OpError> {
        let in_body = self.scopes.len() > 1;
        let scope = self.scope();
        let graph = &scope.body.graph;
        let known = node.inputs.iter().flatten().all(|&id| graph.value(id).fact.is_some());
        let facts: Vec<_> = node.inputs.iter().map(|id| id.and_then(|id| graph.value(id).fact.as_ref())).collect();
        let inferred = if known { inferred(node.op.operation(), &facts, in_body)? } else { Vec::new() };
        if known && inferred.len() < node.outputs.len() {
            let (made, asked) = (inferred.len(), node.outputs.len());
            return Err(OpError::new(format!("{asked} results are asked for, and it makes {made}")));
        }
        for (index, id) in node.outputs.iter().enumerate() {
            let Some(id) = *id else { continue };
            let declared = scope.declared(&scope.body.graph.value(id).name);
            let fact = match (inferred.get(index).cloned(), declared) {
                (Some(mut fact), Some(declared)) => {
                    refine(&mut fact, declared);
                    Some(fact)
                }
                (fact, declared) => fact.or_else(|| declared.cloned()),
            };
            scope.body.graph.values[id.index()].fact = fact;
        }
        scope.body.graph.nodes.push(node);
        Ok(())
    }
}

/// Types and shapes of results. A node of a body may be one that never runs: models ask for ranks and sizes and branch,
/// and the other branch does not fit. So there it is enough that it makes sense for operands of such types.
fn inferred(operation: &dyn Operation, facts: &[Option<&Fact>], in_body: bool) -> Result<Vec<Fact>, OpError> {
    let inferred = operation.infer(facts);
    if !in_body || !matches!(inferred, Err(OpError::Wrong(_))) {
        return inferred;
    }
    let types: Vec<_> = facts.iter().map(|fact| fact.map(|fact| Fact::of_type(fact.dtype))).collect();
    operation.infer(&types.iter().map(Option::as_ref).collect::<Vec<_>>())
}
