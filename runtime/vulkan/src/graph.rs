//! Graphs on a device: a [`poai_graph::Device`] that takes over nodes of the processor.
//!
//! [`Accelerator`] is an open device whose proof it passed, with its kernels compiled; [`Vulkan`] is it over a
//! processor. It takes products and convolutions of f32, and hands every other node to the processor. Constant weights
//! stay in the device's memory, and so do results until somebody reads them here. What the device reports is a fault of
//! this host, never a result.

mod convolution; // Conv
mod node; // what device and processor share of a node
mod product; // MatMul and Gemm
mod resident; // results that stay there
mod rows; // softmax, norms
mod steps; // element-wise nodes

use std::sync::{Arc, OnceLock};

use poai_graph::op::image::Image;
use poai_graph::op::product::Product;
use poai_graph::{Cpu, Device, Group, Kernel, KernelError, Node, Op, OpError, Tensor};
use poai_numerics::{Source, Step, Unary, float_environment};

use crate::device::{Compute, DeviceError};
use crate::kernels::{self, Patches, Place, Program, Read, Row, Rows, Terms, Tiling};
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
    program: D::Kernel,
    rows: D::Kernel,
    least: u64,
    /// Why a result could not be brought.
    failure: OnceLock<DeviceError>,
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
        let tiling = Tiling::of(device.description().kind);
        let kernel =
            |source: String| device.kernel(&Shader::new(&source, controls).expect("our own shaders are valid"));
        let (product, convolution) =
            (kernel(kernels::matmul(step, tiling))?, kernel(kernels::convolution(step, tiling))?);
        let (program, rows) = (kernel(kernels::program(step))?, kernel(kernels::rows(step))?);
        let accelerator = Self { device, product, convolution, program, rows, least, failure: OnceLock::new() };
        let one = accelerator.upload(&[1.0])?;
        let patches = Patches { window: [[1; 4], [1; 4], [0, 0, 1, 1]], channels: 1, results: 1 };
        for patches in [None, Some(patches)] {
            accelerator.multiply(
                &Terms { patches, ..Terms::one([1; 3]) },
                &one,
                &one,
                &accelerator.device.buffer(1)?,
            )?;
        }
        let identity = Program::new(&[Step::Unary(Unary::Identity, Source::Operand(0))]).expect("it is short");
        let read = Read::whole(Place::Left, 1);
        accelerator.operate(&identity, 1, &[read], [&one; 2])?;
        accelerator.reduce(&Rows { row: Row::Softmax, count: 1, length: 1 }, &one, 1)?;
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
        self.device.filled(bytemuck::cast_slice(numbers))
    }

    /// Computes products into a buffer, which holds the residual before if there is one.
    fn multiply(
        &self,
        terms: &Terms<'_>,
        left: &D::Buffer,
        right: &D::Buffer,
        result: &D::Buffer,
    ) -> Result<(), DeviceError> {
        let groups = terms.groups().ok_or_else(|| DeviceError::Refused("products of too many tiles".to_owned()))?;
        let kernel = if terms.patches.is_some() { &self.convolution } else { &self.product };
        let terms = self.device.shown(&terms.words())?;
        let done = self.device.run(kernel, &[left, right, &terms, result], groups);
        // A driver may have changed how this thread calculates.
        float_environment::reset();
        done
    }

    /// Does a program for each of `count` elements, whose operands lie in these buffers or in the program.
    fn operate(
        &self,
        program: &Program,
        count: u32,
        reads: &[Read],
        [left, right]: [&D::Buffer; 2],
    ) -> Result<D::Buffer, DeviceError> {
        /// Workgroups on one axis: what every device of Vulkan takes.
        const LIMIT: u32 = 65_535;
        let program = self.device.shown(&program.words(count, reads))?;
        let result = self.device.unwritten(count as usize)?;
        let groups = count.div_ceil(64);
        let done = self.device.run(
            &self.program,
            &[left, right, &program, &result],
            [groups.min(LIMIT), groups.div_ceil(LIMIT), 1],
        );
        float_environment::reset();
        done?;
        Ok(result)
    }

    /// Reduces rows of so many elements in all.
    fn reduce(&self, rows: &Rows<'_>, data: &D::Buffer, elements: usize) -> Result<D::Buffer, DeviceError> {
        let terms = self.device.shown(&rows.words())?;
        let result = self.device.unwritten(elements)?;
        let done = self.device.run(&self.rows, &[data, &terms, &result], rows.groups());
        float_environment::reset();
        done?;
        Ok(result)
    }

    /// The words of a buffer; zeros if the device does not bring them, which has then failed for good.
    fn fetch(&self, buffer: &D::Buffer, words: usize) -> Vec<u32> {
        let read = self.device.read(buffer);
        float_environment::reset();
        read.unwrap_or_else(|error| {
            self.failure.get_or_init(|| error);
            vec![0; words]
        })
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
            Op::Elementwise(_) => Group::of_one(node, constants).and_then(|group| {
                let steps = steps::Steps::new(accelerator, &group, || cpu.prepare(node, constants).ok());
                steps.map(|steps| Box::new(steps) as _)
            }),
            Op::Reduction(op) => {
                let rows = rows::RowKernel::new(accelerator, op, || cpu.prepare(node, constants).ok());
                rows.map(|rows| Box::new(rows) as _)
            }
            _ => None,
        };
        taken.map_or_else(|| cpu.prepare(node, constants), Ok)
    }

    fn prepare_group(&self, group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        let here = || self.cpu.prepare_group(group);
        match steps::Steps::new(&self.accelerator, group, here) {
            Some(steps) => Some(Box::new(steps)),
            None => here(),
        }
    }

    fn failure(&self) -> Option<String> {
        self.accelerator.failure.get().map(ToString::to_string)
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
