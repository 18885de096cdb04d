//! Calls of functions that the file itself defines: the function's nodes stand in the call's place.

use super::{Importer, opsets, twice};
use crate::graph::ValueId;
use crate::limits::within;
use crate::onnx::function::Function;
use crate::onnx::proto::NodeProto;
use crate::onnx::scope::Names;
use crate::{ModelError, OpError};

impl Importer<'_> {
    /// Adds a function's nodes to the graph that is being read. Names within it are its own.
    pub(super) fn call(&mut self, name: String, function: &Function, call: &NodeProto) -> Result<(), ModelError> {
        within("functions within functions", self.calls.len(), self.limits.nesting)?;
        self.expanded_bytes = self.expanded_bytes.saturating_add(function.expanded_bytes(call));
        within("bytes of functions, as often as they are called,", self.expanded_bytes, self.limits.file_bytes)?;
        let wrong = |reason| ModelError::at(&name, &function.proto.name, reason);
        let nodes = function.nodes(call).map_err(wrong)?;
        let operands = self.operands(&name, &call.input)?;
        let known = function.proto.input.iter().zip(&operands).filter_map(|(name, id)| Some((name.clone(), (*id)?)));

        let around = self.scope().replace_names(Names::of_function(known));
        let own_opsets = opsets(function.proto.opset_import.clone());
        let outer_opsets = std::mem::replace(&mut self.opsets, own_opsets);
        self.calls.push(name.clone());
        let results = self.nodes(nodes).and_then(|()| self.results(function, call));
        self.calls.pop();
        self.opsets = outer_opsets;
        self.scope().replace_names(around);

        for (id, result) in results?.into_iter().zip(&call.output) {
            let Some(id) = id else { continue };
            if operands.contains(&Some(id)) {
                return Err(wrong(OpError::unsupported("a function whose result is its operand")));
            }
            self.admit(result)?;
            self.scope().rename(id, result).ok_or_else(|| twice(result))?;
        }
        Ok(())
    }

    /// The values of those results of a function that are asked for.
    fn results(&mut self, function: &Function, call: &NodeProto) -> Result<Vec<Option<ValueId>>, ModelError> {
        let asked = call.output.iter().zip(&function.proto.output);
        asked
            .map(|(outer, inner)| {
                if outer.is_empty() {
                    return Ok(None);
                }
                let found = self.resolve(inner)?;
                found.map(Some).ok_or_else(|| ModelError::Value {
                    value: outer.clone(),
                    reason: OpError::new(format!("nothing in its function makes {inner}")),
                })
            })
            .collect()
    }
}
