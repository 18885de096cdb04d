//! Results that stay in a device's memory until somebody reads them.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use poai_graph::{DType, Distant, Tensor};

use super::Accelerator;
use super::node::word;
use super::steps::merged;
use crate::device::{Compute, DeviceError};
use crate::kernels::{Place, Program, Read};

/// A result in the memory of the device that computed it.
pub(super) struct Resident<D: Compute> {
    accelerator: Arc<Accelerator<D>>,
    dtype: DType,
    buffer: D::Buffer,
    words: usize,
    /// The same here, once somebody has read it.
    here: OnceLock<Vec<u32>>,
}

impl<D: Compute> Resident<D> {
    /// A tensor of f32, which lie in the buffer.
    pub(super) fn tensor(accelerator: &Arc<Accelerator<D>>, shape: &[usize], buffer: D::Buffer) -> Tensor {
        Self::of(accelerator, DType::F32, shape, buffer)
    }

    /// A tensor of elements of 32 bits, or of bytes, which lie in the buffer.
    pub(super) fn of(accelerator: &Arc<Accelerator<D>>, dtype: DType, shape: &[usize], buffer: D::Buffer) -> Tensor {
        let words = (shape.iter().product::<usize>() * dtype.bytes()).div_ceil(4);
        let resident = Self { accelerator: Arc::clone(accelerator), dtype, buffer, words, here: OnceLock::new() };
        Tensor::distant(dtype, shape, Arc::new(resident))
    }

    /// What keeps a tensor of any type in this device's memory, if that is where it lies.
    pub(super) fn keeping<'a>(accelerator: &Arc<Accelerator<D>>, tensor: &'a Tensor) -> Option<&'a Self> {
        tensor.kept_by().filter(|resident: &&Self| Arc::ptr_eq(&resident.accelerator, accelerator))
    }

    /// Where it lies.
    pub(super) fn buffer(&self) -> &D::Buffer {
        &self.buffer
    }
}

impl<D: Compute> Distant for Resident<D> {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.here.get_or_init(|| self.accelerator.fetch(&self.buffer, self.words)))
    }

    fn walked(&self, start: isize, axes: &[(usize, isize)], shape: &[usize]) -> Option<Tensor> {
        let elements = shape.iter().try_fold(1usize, |elements, &size| elements.checked_mul(size))?;
        if elements == 0 || self.dtype.bytes() != 4 || !self.accelerator.holds(elements) {
            return None;
        }
        // A step backwards is one modulo 2³².
        let axes = merged(axes.iter().rev().map(|&(size, step)| [word(size), step as u32]));
        let read = Read { place: Place::Left, numbers: Vec::new(), start: start as u32, axes, table: None };
        match self.accelerator.operate(&Program::copy(), word(elements), &[read], [&self.buffer; 2]) {
            Ok(buffer) => Some(Self::of(&self.accelerator, self.dtype, shape, buffer)),
            Err(error) => {
                self.accelerator.failure.get_or_init(|| error);
                None
            }
        }
    }
}

/// A tensor's numbers, of 32 bits or bytes, in the device's memory: where they are already, or sent there.
pub(super) enum Operand<'a, D: Compute> {
    There(&'a D::Buffer),
    Sent(D::Buffer),
}

impl<'a, D: Compute> Operand<'a, D> {
    pub(super) fn new(accelerator: &Arc<Accelerator<D>>, numbers: &'a Tensor) -> Result<Self, DeviceError> {
        match Resident::keeping(accelerator, numbers) {
            Some(resident) => Ok(Self::There(&resident.buffer)),
            None => Ok(Self::Sent(accelerator.send(numbers.bytes())?)),
        }
    }

    /// A buffer of its own.
    pub(super) fn owned(self, accelerator: &Accelerator<D>) -> Result<D::Buffer, DeviceError> {
        match self {
            Self::There(buffer) => accelerator.device.copied(buffer),
            Self::Sent(buffer) => Ok(buffer),
        }
    }
}

impl<D: Compute> Deref for Operand<'_, D> {
    type Target = D::Buffer;

    fn deref(&self) -> &D::Buffer {
        match self {
            Self::There(buffer) => buffer,
            Self::Sent(buffer) => buffer,
        }
    }
}

/// What keeps a tensor of f32 in this device's memory, if that is where it lies.
pub(super) fn resident<'a, D: Compute>(
    accelerator: &Arc<Accelerator<D>>,
    tensor: &'a Tensor,
) -> Option<&'a Resident<D>> {
    Resident::keeping(accelerator, tensor).filter(|resident| resident.dtype == DType::F32)
}
