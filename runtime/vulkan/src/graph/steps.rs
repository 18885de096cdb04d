//! Element-wise nodes on a device, where an operand of theirs lies there already.

use std::sync::Arc;

use poai_graph::{Group, Grouped, Kernel, KernelError, Tensor};

use super::Accelerator;
use super::node::word;
use super::resident::{Operand, Resident, resident};
use crate::device::Compute;
use crate::kernels::{Place, Program, Read};

/// Numbers of an operand that are written into a program instead of a buffer of their own.
pub(super) const FEW: usize = 4096;

/// A group of nodes, or one, as a program.
pub(super) struct Steps<D: Compute> {
    accelerator: Arc<Accelerator<D>>,
    grouped: Grouped,
    program: Program,
    /// The same on the processor.
    here: Box<dyn Kernel>,
}

impl<D: Compute> Steps<D> {
    /// The group on the device or, from its operands' places, on the processor; none if the device has no such program.
    pub(super) fn new(
        accelerator: &Arc<Accelerator<D>>,
        group: &Group<'_>,
        here: impl FnOnce() -> Option<Box<dyn Kernel>>,
    ) -> Option<Self> {
        let grouped = group.operations()?;
        let program = Program::new(&grouped.steps)?;
        Some(Self { accelerator: Arc::clone(accelerator), grouped, program, here: here()? })
    }

    /// The result, if the device takes such operands.
    fn operate(&self, operands: &[&Tensor]) -> Result<Option<Tensor>, KernelError> {
        let there = |operand: &&&Tensor| resident(&self.accelerator, operand).is_some();
        let large: Vec<&Tensor> =
            operands.iter().filter(|operand| there(operand) || operand.len() > FEW).copied().collect();
        if !operands.iter().any(|operand| there(&operand)) || large.len() > 2 {
            return Ok(None);
        }
        let Some(shape) = self.grouped.shape(None, operands)? else { return Ok(None) };
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let Some(count) = count else { return Ok(None) };
        if count == 0
            || !self.accelerator.holds(count)
            || large.iter().any(|tensor| !self.accelerator.holds(tensor.len()))
        {
            return Ok(None);
        }
        let reads: Vec<Read> = operands
            .iter()
            .map(|operand| {
                let place = large.iter().position(|large| std::ptr::eq(*large, *operand));
                let numbers =
                    || operand.get::<f32>().unwrap_or_default().iter().map(|number| number.to_bits()).collect();
                Read {
                    place: place.map_or(Place::Program, |place| [Place::Left, Place::Right][place]),
                    numbers: if place.is_none() { numbers() } else { Vec::new() },
                    start: 0,
                    axes: axes(operand.shape(), &shape),
                    table: None,
                }
            })
            .collect();
        let buffers =
            large.iter().map(|tensor| Operand::new(&self.accelerator, tensor)).collect::<Result<Vec<_>, _>>()?;
        let first = buffers.first().expect("one lies there");
        let both = [&**first, &**buffers.last().expect("one lies there")];
        let result = self.accelerator.operate(&self.program, word(count), &reads, both)?;
        Ok(Some(Resident::tensor(&self.accelerator, &shape, result)))
    }
}

impl<D: Compute> Kernel for Steps<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        let operands: Option<Vec<&Tensor>> = self.grouped.operands.iter().map(|operand| inputs[*operand]).collect();
        let floats =
            operands.filter(|operands| operands.iter().all(|operand| operand.dtype() == poai_graph::DType::F32));
        if let Some(operands) = floats
            && let Some(result) = self.operate(&operands)?
        {
            return Ok(vec![result]);
        }
        self.here.run(inputs)
    }

    fn needs_constant(&self, operand: usize) -> bool {
        self.here.needs_constant(operand)
    }
}

/// Sizes and steps from the innermost axis outwards: the step is 0 where an operand repeats.
pub(super) fn axes(own: &[usize], shape: &[usize]) -> Vec<[u32; 2]> {
    let mut step = 1;
    let own = own.iter().rev().copied().chain(std::iter::repeat(1));
    merged(shape.iter().rev().zip(own).map(|(&size, own)| {
        let here = if own == 1 { 0 } else { step };
        step *= own;
        [word(size), word(here)]
    }))
}

/// The same axes, as few as possible.
pub(super) fn merged(axes: impl Iterator<Item = [u32; 2]>) -> Vec<[u32; 2]> {
    let mut merged: Vec<[u32; 2]> = Vec::new();
    for [size, step] in axes.filter(|[size, _]| *size != 1) {
        match merged.last_mut() {
            Some([inner, inner_step]) if step == inner.wrapping_mul(*inner_step) => *inner *= size,
            _ => merged.push([size, step]),
        }
    }
    merged
}
