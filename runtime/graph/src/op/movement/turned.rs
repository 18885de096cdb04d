//! Axes in another order that products read where they lie: attention's queries, keys and values.

use std::mem;
use std::sync::{Arc, OnceLock};

use super::walk::Walk;
use crate::op::operand::strides;
use crate::tensor::Distant;
use crate::{Cpu, DType, Device, Tensor};

/// A transposed tensor, laid out when somebody reads its elements in order.
pub(in crate::op) struct Turned {
    cpu: Cpu,
    source: Tensor,
    /// Which axis of the source each axis is.
    order: Vec<usize>,
    shape: Vec<usize>,
    laid_out: OnceLock<Tensor>,
}

impl Turned {
    /// Whether a product could read a tensor in this order of its axes as quickly as if it were laid out: its matrices
    /// have rows or columns that are contiguous.
    pub(super) fn serves(source: &Tensor, order: &[usize]) -> bool {
        let last = order.len() - 1;
        let contiguous = order.iter().rev().take(2).any(|&axis| axis == last);
        order.len() > 2 && contiguous && source.dtype() == DType::F32 && !source.is_empty() && !source.is_distant()
    }

    /// The tensor, of this shape.
    pub(super) fn tensor(cpu: &Cpu, source: &Tensor, order: Vec<usize>, shape: &[usize]) -> Tensor {
        let (cpu, source) = (cpu.clone(), source.clone());
        let turned = Self { cpu, source, order, shape: shape.to_vec(), laid_out: OnceLock::new() };
        Tensor::distant(DType::F32, shape, Arc::new(turned))
    }

    /// What a tensor is that nobody read in order yet, and that has its own shape still.
    pub(in crate::op) fn of(tensor: &Tensor) -> Option<&Self> {
        tensor.kept_by::<Self>().filter(|turned| turned.laid_out.get().is_none() && turned.shape == tensor.shape())
    }

    /// The elements as they lie.
    pub(in crate::op) fn source(&self) -> &Tensor {
        &self.source
    }

    /// The step along each axis through the elements as they lie.
    pub(in crate::op) fn strides(&self) -> Vec<usize> {
        let own = strides(self.source.shape());
        self.order.iter().map(|&axis| own[axis]).collect()
    }

    fn lay_out(&self) -> Tensor {
        let walk = Walk::over(self.source.shape()).permuted(&self.order);
        walk.read(&self.cpu, &self.source, &self.shape).expect("its elements were counted when it was made")
    }
}

impl Distant for Turned {
    fn bytes(&self) -> &[u8] {
        self.laid_out.get_or_init(|| self.lay_out()).bytes()
    }
}

/// Its memory serves again.
impl Drop for Turned {
    fn drop(&mut self) {
        let source = mem::replace(&mut self.source, Tensor::scalar(0.0f32));
        [Some(source), self.laid_out.take()].into_iter().flatten().for_each(|tensor| self.cpu.release(tensor));
    }
}
