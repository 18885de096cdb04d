//! Axes in another order: Transpose.

use super::moved;
use super::turned::Turned;
use super::walk::Walk;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axes, needed};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// Axis i of the result is axis `order[i]` of the operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Transpose {
    /// Each axis once; from the last to the first if not given.
    pub order: Option<Vec<i64>>,
}

impl Transpose {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { order: source.ints("perm")? })
    }

    /// The axes of the operand in the result's order.
    ///
    /// # Errors
    /// If it is no order of `rank` axes.
    pub fn axes(&self, rank: usize) -> Result<Vec<usize>, OpError> {
        let Some(order) = &self.order else { return Ok((0..rank).rev().collect()) };
        if order.len() != rank {
            return Err(OpError::new(format!("{order:?} orders {} axes, and there are {rank}", order.len())));
        }
        axes(order, rank)
    }
}

impl Operation for Transpose {
    fn name(&self) -> &'static str {
        "Transpose"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let shape = data.shape.as_ref().map(|shape| {
            let order = self.axes(shape.len())?;
            Ok::<Vec<Dim>, OpError>(order.into_iter().map(|axis| shape[axis].clone()).collect())
        });
        Ok(vec![Fact { dtype: data.dtype, shape: shape.transpose()?, value: None }])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let order = self.axes(data.shape().len())?;
        let shape: Vec<usize> = order.iter().map(|&axis| data.shape()[axis]).collect();
        // Axes of one element can stand anywhere: where the others keep their order, nothing moves.
        let moving: Vec<usize> = order.iter().copied().filter(|&axis| data.shape()[axis] != 1).collect();
        if moving.is_sorted() {
            return Ok(vec![data.reshaped(&shape)?]);
        }
        if Turned::serves(data, &order) {
            return Ok(vec![Turned::tensor(cpu, data, order, &shape)]);
        }
        Ok(vec![Walk::over(data.shape()).permuted(&order).read(cpu, data, &shape)?])
    }
}
