//! Graphs on a device: a [`poai_graph::Device`] that takes over nodes of the processor.
//!
//! [`Accelerator`] is an open device whose proof it passed, with its kernels compiled; [`Vulkan`] is it over a
//! processor. It takes products and convolutions of f32, and hands every other node to the processor. Tensors lie in the processor's
//! memory between nodes: operands go to the device and results come back, explicitly, while constant weights stay
//! there. What the device reports is a fault of this host, never a result.

mod convolution; // Conv
mod node; // what device and processor share of a node
mod product; // MatMul and Gemm

use std::sync::Arc;

use poai_graph::op::image::Image;
use poai_graph::op::product::Product;
use poai_graph::{Cpu, Device, Group, Kernel, KernelError, Node, Op, OpError, Tensor};
use poai_numerics::float_environment;

use crate::device::{Compute, DeviceError};
use crate::kernels::{self, Terms};
use crate::proof::Verdict;
use crate::spirv::Shader;

/// Why a device does not compute graphs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceleratorError {
    /// It did not pass its proof.
    #[error("the device has not passed its proof, and serves nothing")]
    Unproven,
    /// It failed, or its driver.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// An open device that has passed its proof, with all kernels compiled: no shader is compiled later.
pub struct Accelerator<D: Compute> {
    device: D,
    product: D::Kernel,
    convolution: D::Kernel,
    least: u64,
}

impl<D: Compute> Accelerator<D> {
    /// Compiles the kernels, with the fused step that the proof has found exact, and runs each once, because drivers may
    /// compile late. Nodes of fewer than `least` fused steps stay on the processor: moving their operands would take
    /// longer.
    ///
    /// # Errors
    /// [`AcceleratorError::Unproven`] for the verdict on a device that serves nothing; a failing device.
    pub fn new(device: D, verdict: &Verdict, least: u64) -> Result<Self, AcceleratorError> {
        let step = verdict.step.ok_or(AcceleratorError::Unproven)?;
        let controls = device.description().features.controls();
        let kernel =
            |source: String| device.kernel(&Shader::new(&source, controls).expect("our own shaders are valid"));
        let (product, convolution) = (kernel(kernels::matmul(step))?, kernel(kernels::convolution(step))?);
        let accelerator = Self { device, product, convolution, least };
        let one = accelerator.upload(&[1.0])?;
        for patches in [None, Some([[1; 4], [1; 4], [0, 0, 1, 1]])] {
            accelerator.multiply(&Terms { patches, ..Terms::one([1; 3]) }, &one, &one, &mut [0.0])?;
        }
        Ok(accelerator)
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.device.description().name
    }

    /// Whether an operand of so many numbers fits into a buffer, also where several share one.
    fn holds(&self, numbers: usize) -> bool {
        numbers <= self.device.largest_buffer() / 4
    }

    /// Numbers in the device's memory.
    fn upload(&self, numbers: &[f32]) -> Result<D::Buffer, DeviceError> {
        self.upload_words(bytemuck::cast_slice(numbers))
    }

    fn upload_words(&self, words: &[u32]) -> Result<D::Buffer, DeviceError> {
        let buffer = self.device.buffer(words.len())?;
        self.device.write(&buffer, words)?;
        Ok(buffer)
    }

    /// Computes products, and reads them back.
    fn multiply(
        &self,
        terms: &Terms<'_>,
        left: &D::Buffer,
        right: &D::Buffer,
        out: &mut [f32],
    ) -> Result<(), DeviceError> {
        let multiplied = self.multiplied(terms, left, right, out);
        // A driver may have changed how this thread calculates.
        float_environment::reset();
        multiplied
    }

    fn multiplied(
        &self,
        terms: &Terms<'_>,
        left: &D::Buffer,
        right: &D::Buffer,
        out: &mut [f32],
    ) -> Result<(), DeviceError> {
        let groups = terms.groups().ok_or_else(|| DeviceError::Refused("products of too many tiles".to_owned()))?;
        let of_patches = terms.patches.is_some();
        let terms = self.upload_words(&terms.words())?;
        let result = self.device.buffer(out.len())?;
        let kernel = if of_patches { &self.convolution } else { &self.product };
        self.device.run(kernel, &[left, right, &terms, &result], groups)?;
        out.copy_from_slice(bytemuck::cast_slice(&self.device.read(&result)?));
        Ok(())
    }
}

/// A device that computes graphs together with a processor.
pub struct Vulkan<D: Compute> {
    accelerator: Arc<Accelerator<D>>,
    cpu: Cpu,
}

impl<D: Compute> Vulkan<D> {
    /// The device, and the processor for all that it does not take.
    pub fn new(accelerator: Arc<Accelerator<D>>, cpu: Cpu) -> Self {
        Self { accelerator, cpu }
    }
}

impl<D: Compute> Device for Vulkan<D> {
    fn name(&self) -> String {
        format!("{}, {}", self.accelerator.name(), self.cpu.name())
    }

    fn prepare(&self, node: &Node, constants: &[Option<&Tensor>]) -> Result<Box<dyn Kernel>, OpError> {
        let Self { accelerator, cpu } = self;
        let taken: Option<Box<dyn Kernel>> = match &node.op {
            Op::Product(Product::MatMul(op)) => {
                let product = product::Product::new(accelerator, cpu, node, op, constants);
                product.map(|product| Box::new(product) as _)
            }
            Op::Image(Image::Convolution(op)) => {
                let convolution = convolution::Convolution::new(accelerator, cpu, node, op, constants);
                convolution.map(|convolution| Box::new(convolution) as _)
            }
            _ => None,
        };
        taken.map_or_else(|| cpu.prepare(node, constants), Ok)
    }

    fn prepare_group(&self, group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        self.cpu.prepare_group(group)
    }

    fn release(&self, value: Tensor) {
        self.cpu.release(value);
    }
}

impl From<DeviceError> for KernelError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error.to_string())
    }
}

#[cfg(test)]
mod tests; // failures, and what is too small
