//! This machine's processor: every operator runs on it, and it is the definition for other devices.

mod group; // element-wise nodes as one, perhaps behind a product

use std::sync::{Arc, Mutex, PoisonError};

use poai_numerics::{Kernels, NumericsError, Processor};

use super::{Device, Group, Kernel, KernelError};
use crate::tensor::{Block, elements};
use crate::{DType, Node, Op, OpError, Tensor, TensorMut};

/// A processor: kernels, threads, and memory that computations leave behind for the next.
#[derive(Clone)]
pub struct Cpu {
    processor: Arc<Processor>,
    free: Arc<Mutex<Vec<Block>>>,
}

/// Blocks of memory that are kept for use again; more are given back to the system.
const FREE_BLOCKS: usize = 64;
/// Smaller ones are not kept: the allocator is as fast with those.
const LEAST_BYTES: usize = 16 * 1024;

impl Cpu {
    /// A processor with these kernels and this many threads.
    ///
    /// # Errors
    /// If this machine has no such kernels, or no so many threads.
    pub fn new(kernels: Kernels, threads: usize) -> Result<Self, NumericsError> {
        Ok(Self { processor: Arc::new(Processor::new(kernels, threads)?), free: Arc::default() })
    }

    /// What computes.
    pub fn processor(&self) -> &Processor {
        &self.processor
    }

    /// Memory for a result. What is in it is unspecified: every element must be written.
    ///
    /// # Errors
    /// If its size cannot be counted.
    pub fn allocate(&self, dtype: DType, shape: &[usize]) -> Result<TensorMut, OpError> {
        let bytes = elements(shape).map(|elements| elements * dtype.bytes());
        let bytes = bytes.ok_or_else(|| OpError::new(format!("a result of shape {shape:?} is beyond any memory")))?;
        if bytes < LEAST_BYTES {
            return Ok(TensorMut::of(dtype, shape, Block::zeros(bytes)));
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = |block: &Block| block.capacity_bytes() >= bytes && block.capacity_bytes() / 2 <= bytes;
        let block = free.iter().rposition(fitting).map(|place| free.swap_remove(place));
        Ok(TensorMut::of(dtype, shape, block.unwrap_or_else(|| Block::zeros(bytes))))
    }
}

impl Device for Cpu {
    fn name(&self) -> String {
        format!("cpu ({}, {} threads)", self.processor.kernels(), self.processor.threads())
    }

    fn prepare(&self, node: &Node, constants: &[Option<&Tensor>]) -> Result<Box<dyn Kernel>, OpError> {
        let prepared = node.op.operation().prepare(self, constants)?;
        Ok(prepared.unwrap_or_else(|| Box::new(Plain { cpu: self.clone(), op: node.op.clone() })))
    }

    fn prepare_group(&self, group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        Some(Box::new(group::Steps::new(self, None, group)?))
    }

    fn prepare_following(&self, product: &Node, group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        Some(Box::new(group::Steps::new(self, Some(product), group)?))
    }

    fn release(&self, value: Tensor) {
        let Some(block) = value.into_block().filter(|block| block.capacity_bytes() >= LEAST_BYTES) else { return };
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < FREE_BLOCKS {
            free.push(block);
        }
    }
}

/// An operator without anything made ready.
struct Plain {
    cpu: Cpu,
    op: Op,
}

impl Kernel for Plain {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(self.op.operation().run(&self.cpu, inputs)?)
    }
}
