//! Products of bytes on a device, and what is made of them: sums, floats, or bytes again.

use std::sync::Arc;

use poai_graph::op::elementwise::Elementwise;
use poai_graph::op::product::{ByteRows, IntegerMatMul, Made};
use poai_graph::{Cpu, DType, Kernel, KernelError, Node, Tensor};
use poai_numerics::{Binary, Range, Reduction, dynamic_scale};

use super::Accelerator;
use super::node::{Shared, word, words};
use super::resident::{Operand, Resident, resident};
use super::staying::There;
use crate::device::{Compute, DeviceError};
use crate::kernels::{Integers, Place, Program, Quantised, Read, Reduced, Scales};

/// A product with constant weights.
pub(super) struct IntegerProduct<D: Compute> {
    shared: Shared<D>,
    op: IntegerMatMul,
    layout: Integers,
    /// The weights there, or why they are not.
    weights: Result<D::Buffer, DeviceError>,
}

impl<D: Compute> IntegerProduct<D> {
    /// None if the device could take no such node.
    pub(super) fn new(
        accelerator: &Arc<Accelerator<D>>,
        cpu: &Cpu,
        node: &Node,
        op: &IntegerMatMul,
        constants: &[Option<&Tensor>],
    ) -> Option<Self> {
        let (layout, words) = Integers::new(&op.weights(node, constants)?, accelerator.device.largest_buffer())?;
        let weights = accelerator.device.filled(&words);
        Some(Self { shared: Shared::new(accelerator, cpu, node, constants), op: op.clone(), layout, weights })
    }

    /// The result, if the device takes such a product.
    fn multiply(&self, inputs: &[Option<&Tensor>]) -> Result<Option<Tensor>, KernelError> {
        let accelerator = &self.shared.accelerator;
        let (Some(left), Some(given)) = (inputs.first().copied().flatten(), self.op.rows(inputs)?) else {
            return Ok(None);
        };
        let elements: usize = given.shape.iter().product();
        let Some([rows, results]) = words([given.rows, elements]) else { return Ok(None) };
        let Some(groups) = self.layout.groups(rows).filter(|_| results > 0 && !left.is_empty()) else {
            return Ok(None);
        };
        let ByteRows { zeros, shape, made, .. } = given;
        let Some(Quantity { bytes, signed, scale, zeros }) = quantity(accelerator, left, zeros)? else {
            return Ok(None);
        };
        if let Made::Bytes { scales, .. } = &made
            && !Quantised::Sums(scales).taken()
        {
            return Ok(None);
        }
        let floats = match &made {
            Made::Floats { left, right, bias } => {
                let left = left.or(scale).expect("what is quantised has a scale");
                let right = right.iter().map(|&right| Binary::Mul.of(left, right)).collect::<Vec<_>>();
                Some((right, bias.as_deref()))
            }
            Made::Sums | Made::Bytes { .. } => None,
        };
        let scales = floats.as_ref().map(|(scales, bias)| Scales { scales, bias: *bias });
        let terms = self.layout.words(rows, signed, &zeros, scales);
        let weights = self.weights.as_ref().map_err(Clone::clone)?;
        let sums =
            accelerator.multiply_integers(&terms, [&bytes, weights], results, (groups, self.layout.work(rows)))?;
        let (dtype, buffer) = match made {
            Made::Floats { .. } => (DType::F32, sums),
            Made::Sums => (DType::I32, sums),
            Made::Bytes { scales, zero, range } => {
                let dtype = if range == Range::Signed { DType::I8 } else { DType::U8 };
                (dtype, accelerator.quantise(Quantised::Sums(&scales), &sums, results, (zero, range))?)
            }
        };
        Ok(Some(Resident::of(accelerator, dtype, &shape, buffer)))
    }
}

impl<D: Compute> Kernel for IntegerProduct<D> {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        if self.shared.takes(inputs)?
            && let Some(result) = self.multiply(inputs)?
        {
            return Ok(vec![result]);
        }
        self.shared.on_the_processor(inputs)
    }
}

/// A left operand on the device.
struct Quantity<'a, D: Compute> {
    bytes: Operand<'a, D>,
    signed: bool,
    /// Of what was quantised on the way.
    scale: Option<f32>,
    zeros: Vec<i32>,
}

/// Bytes with their zero points, or floats that are quantised there. None of floats that no device takes.
fn quantity<'a, D: Compute>(
    accelerator: &Arc<Accelerator<D>>,
    left: &'a Tensor,
    zeros: Option<Vec<i32>>,
) -> Result<Option<Quantity<'a, D>>, KernelError> {
    if let Some(zeros) = zeros {
        let signed = left.dtype() == DType::I8;
        return Ok(Some(Quantity { bytes: Operand::new(accelerator, left)?, signed, scale: None, zeros }));
    }
    if left.dtype() != DType::F32 {
        return Ok(None);
    }
    let floats = Operand::new(accelerator, left)?;
    let Some((bytes, scale, zero)) = dynamically_quantised(accelerator, &floats, left.shape())? else {
        return Ok(None);
    };
    Ok(Some(Quantity { bytes: Operand::Sent(bytes), signed: false, scale: Some(scale), zeros: vec![zero] }))
}

/// Bytes over the range of some floats and zero, their scale and their zero point. Only the range is read here.
fn dynamically_quantised<D: Compute>(
    accelerator: &Accelerator<D>,
    floats: &D::Buffer,
    shape: &[usize],
) -> Result<Option<(D::Buffer, f32, i32)>, KernelError> {
    let columns = word(shape.last().copied().unwrap_or(1));
    let count = word(shape.iter().product());
    let mut range = [0.0f32; 2];
    for (reduction, end) in [Reduction::Min, Reduction::Max].into_iter().zip(&mut range) {
        // Column by column first, so that there is work for more than one row of invocations.
        let steps = [[1, count / columns, columns], [1, columns, 1]].map(|sizes| Reduced::new(reduction, sizes));
        let [Some(down), Some(across)] = steps else { return Ok(None) };
        let found = accelerator.reduce(&across, &accelerator.reduce(&down, floats)?)?;
        *end = f32::from_bits(accelerator.fetch(&found, 1)[0]);
    }
    let (scale, zero) = dynamic_scale(&range);
    let quantised = Quantised::Floats(scale);
    if !quantised.taken() {
        return Ok(None);
    }
    let bytes = accelerator.quantise(quantised, floats, count, (zero, Range::Unsigned))?;
    Ok(Some((bytes, scale, zero)))
}

/// DynamicQuantizeLinear.
#[derive(Clone)]
pub(super) struct DynamicQuantise;

impl There for DynamicQuantise {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let Some(data) = inputs.first().copied().flatten().filter(|data| !data.is_empty()) else { return Ok(None) };
        let Some(there) = resident(accelerator, data) else { return Ok(None) };
        let Some((bytes, scale, zero)) = dynamically_quantised(accelerator, there.buffer(), data.shape())? else {
            return Ok(None);
        };
        let zero = u8::try_from(zero).expect("a zero point is a byte");
        let bytes = Resident::of(accelerator, DType::U8, data.shape(), bytes);
        Ok(Some(vec![bytes, Tensor::scalar(scale), Tensor::scalar(zero)]))
    }
}

impl There for Elementwise {
    /// Sums as floats.
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let Some(sums) = inputs.first().copied().flatten().filter(|sums| sums.dtype() == DType::I32) else {
            return Ok(None);
        };
        let Some(there) = Resident::keeping(accelerator, sums).filter(|_| *self == Self::Cast(DType::F32)) else {
            return Ok(None);
        };
        let count = word(sums.len());
        let read = Read::whole(Place::Left, count);
        let floats = accelerator.operate(&Program::converted(), count, &[read], [there.buffer(); 2])?;
        Ok(Some(vec![Resident::of(accelerator, DType::F32, sums.shape(), floats)]))
    }
}
