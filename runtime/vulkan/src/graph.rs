//! Graphs on a device: a [`poai_graph::Device`] that takes over nodes of the processor.
//!
//! [`Accelerator`] is an open device whose proof it passed, with its kernels compiled; [`Vulkan`] is it over a
//! processor. It takes products and convolutions of f32, and hands every other node to the processor. Constant weights
//! stay in the device's memory, and so do results until somebody reads them here. What the device reports is a fault of
//! this host, never a result.

mod accelerator; // an open device and its kernels
mod blocks; // products with weights in blocks
mod convolution; // Conv
mod integers; // products of bytes, quantisation
mod movement; // Gather and Concat
mod node; // what device and processor share of a node
mod product; // MatMul and Gemm
mod reduce; // axes and windows that become one number
mod remembered; // kernels that a proving process has compiled
mod resident; // results that stay there
mod rows; // softmax, norms
mod shaders; // every kernel's words
mod staying; // nodes that are computed where their operands lie
mod steps; // element-wise nodes

use std::sync::Arc;

use poai_graph::op::elementwise::Elementwise;
use poai_graph::op::image::Image;
use poai_graph::op::movement::Movement;
use poai_graph::op::product::{BitsMatMul, Product};
use poai_graph::op::quantisation::Quantisation;
use poai_graph::op::reduction::Reduction;
use poai_graph::{Cpu, DType, Device, Group, Kernel, KernelError, Node, Op, OpError, Tensor};

pub use accelerator::{Accelerator, AcceleratorError};
pub use remembered::{open, remember};
pub use shaders::Shaders;
use staying::There;

use crate::device::{Compute, DeviceError};

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

impl<D: Compute> Vulkan<D> {
    /// An operator that is computed where its operand lies.
    fn staying<T: There + Clone + 'static>(
        &self,
        op: &T,
        node: &Node,
        constants: &[Option<&Tensor>],
    ) -> Option<Box<dyn Kernel>> {
        let (accelerator, there) = (Arc::clone(&self.accelerator), op.clone());
        let here = self.cpu.prepare(node, constants).ok()?;
        Some(Box::new(staying::Staying { accelerator, there, here }))
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
            Op::Product(Product::BlockMatMul(op)) => {
                let weights = constants.get(1).copied().flatten().and_then(|weights| op.packed(weights).ok());
                let new = |weights| blocks::BlockProduct::new(accelerator, cpu, node, constants, &weights, None);
                weights.and_then(new).map(|product| Box::new(product) as _)
            }
            Op::Product(Product::Bits(op)) => match op.constant_blocks(node, constants) {
                Some(weights) => {
                    let bias = Some(BitsMatMul::BIAS);
                    let product = blocks::BlockProduct::new(accelerator, cpu, node, constants, &weights, bias);
                    product.map(|product| Box::new(product) as _)
                }
                None => {
                    let product = blocks::DequantisedProduct::new(accelerator, cpu, node, op, constants);
                    product.map(|product| Box::new(product) as _)
                }
            },
            Op::Product(Product::Integer(op)) => {
                let product = integers::IntegerProduct::new(accelerator, cpu, node, op, constants);
                product.map(|product| Box::new(product) as _)
            }
            Op::Quantisation(Quantisation::DynamicQuantise) => {
                self.staying(&integers::DynamicQuantise, node, constants)
            }
            Op::Elementwise(op @ Elementwise::Cast(DType::F32)) => self.staying(op, node, constants),
            Op::Image(Image::Convolution(op)) => {
                let convolution = convolution::Convolution::new(accelerator, cpu, node, op, constants);
                convolution.map(|convolution| Box::new(convolution) as _)
            }
            Op::Elementwise(_) => Group::of_one(node, constants).and_then(|group| {
                let steps = steps::Steps::new(accelerator, &group, || cpu.prepare(node, constants).ok());
                steps.map(|steps| Box::new(steps) as _)
            }),
            Op::Image(Image::GlobalPool(op)) => self.staying(op, node, constants),
            Op::Image(Image::Pool(op)) => self.staying(op, node, constants),
            Op::Reduction(Reduction::Reduce(op)) => self.staying(op, node, constants),
            Op::Movement(Movement::Gather(op)) => self.staying(op, node, constants),
            Op::Movement(Movement::Concat(op)) => self.staying(op, node, constants),
            Op::Reduction(Reduction::SkipLayerNormalization(op)) => self.staying(op, node, constants),
            Op::Reduction(Reduction::Softmax(op)) => self.staying(op, node, constants),
            Op::Reduction(Reduction::LayerNormalization(op)) => self.staying(op, node, constants),
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
