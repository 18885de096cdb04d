//! Elements that are moved on the device: Gather and Concat.

use std::sync::Arc;

use poai_graph::op::movement::gather::Gather;
use poai_graph::op::movement::join::Concat;
use poai_graph::{DType, KernelError, Tensor};

use super::Accelerator;
use super::node::{word, words};
use super::resident::{Operand, Resident, resident};
use super::staying::There;
use super::steps::FEW;
use crate::device::Compute;
use crate::kernels::{Place, Program, Read, Target};

impl There for Gather {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let Some(&[Some(data), Some(indices)]) = inputs.first_chunk() else { return Ok(None) };
        let Some(there) = resident(accelerator, data).filter(|_| indices.len() <= FEW) else { return Ok(None) };
        let shape = self.shape(data.shape(), indices.shape())?;
        let (size, part, places) = self.parts(data.shape(), indices)?;
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let Some(count) = count.filter(|&count| count > 0 && accelerator.holds(count)) else { return Ok(None) };
        let [part, size, several, count] = [part, size, places.len(), count].map(word);
        let read = Read {
            place: Place::Left,
            numbers: Vec::new(),
            start: 0,
            axes: vec![[part, 1], [several, 0], [count / part / several, size * part]],
            table: Some((1, places.into_iter().map(|place| word(place) * part).collect())),
        };
        let result = accelerator.operate(&Program::copy(), count, &[read], [there.buffer(); 2])?;
        Ok(Some(vec![Resident::tensor(accelerator, &shape, result)]))
    }
}

impl There for Concat {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let operands: Option<Vec<&Tensor>> = inputs.iter().copied().collect();
        let Some(operands) = operands.filter(|operands| operands.iter().all(|operand| operand.dtype() == DType::F32))
        else {
            return Ok(None);
        };
        // As long as less has to be sent than would have to be brought.
        let lies = |operand: &&Tensor| resident(accelerator, operand).is_some();
        let elements =
            |there| operands.iter().filter(|operand| lies(operand) == there).map(|operand| operand.len()).sum();
        let [there, here]: [usize; 2] = [elements(true), elements(false)];
        if there == 0 || here > there || !accelerator.holds(there + here) {
            return Ok(None);
        }
        let (turns, shape) = self.turns(&operands.iter().map(|operand| operand.shape()).collect::<Vec<_>>())?;
        let Some([turns, all]) = words([turns, there + here]) else { return Ok(None) };
        let (pitch, mut begin) = (all / turns, 0);
        let result = accelerator.device.unwritten(there + here)?;
        for operand in operands.into_iter().filter(|operand| !operand.is_empty()) {
            let count = word(operand.len());
            let target = Target { row: count / turns, pitch, begin };
            accelerator.place(&*Operand::new(accelerator, operand)?, count, &result, target)?;
            begin += target.row;
        }
        Ok(Some(vec![Resident::tensor(accelerator, &shape, result)]))
    }
}
