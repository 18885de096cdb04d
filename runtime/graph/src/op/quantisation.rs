//! Between floats and integers.

use super::{Op, Operation};
use crate::onnx::Source;
use crate::{Cpu, Fact, OpError, Tensor};

/// The operators of this family.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantisation {}

/// Reads a node, if its operator belongs here.
pub(super) fn import(_source: &mut Source<'_>) -> Result<Option<Op>, OpError> {
    Ok(None)
}

impl Operation for Quantisation {
    fn name(&self) -> &'static str {
        match *self {}
    }

    fn infer(&self, _inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        match *self {}
    }

    fn run(&self, _cpu: &Cpu, _inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        match *self {}
    }
}
