//! Operators from integers to integers, of com.microsoft: each is DequantizeLinear, the operator on f32, QuantizeLinear.

use poai_numerics::{Reduction, Unary};

use super::granularity::Parameters;
use super::linear;
use crate::op::Operation as _;
use crate::op::elementwise::{Arithmetic, Elementwise};
use crate::op::operand::{axis, broadcast_dims, given, needed, same_type};
use crate::{Cpu, DType, Dim, Fact, OpError, Tensor};

/// What is computed on f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Between {
    /// Operands A and B, each with its scale and zero point, and those of the result.
    Arithmetic(Arithmetic),
    /// Operand X, its scale and zero point, and those of the result. The others that have one X take the same.
    Function(Unary),
    /// The exponentials of rows, each divided by the sum of its row.
    Softmax {
        /// Where rows begin.
        axis: i64,
        /// Whether a row is all that lies from the axis on, not only the axis itself.
        flat: bool,
    },
    /// The mean of each channel of an image.
    GlobalAveragePool {
        /// Channels are the last axis, not the second.
        channels_last: bool,
    },
    /// Scale and zero point of the result, then each operand with its own.
    Concat {
        /// The axis on which operands follow each other.
        axis: i64,
    },
}

impl Between {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Arithmetic(Arithmetic::Mul) => "QLinearMul",
            Self::Arithmetic(_) => "QLinearAdd",
            Self::Function(Unary::Sigmoid) => "QLinearSigmoid",
            Self::Function(_) => "QLinearLeakyRelu",
            Self::Softmax { .. } => "QLinearSoftmax",
            Self::GlobalAveragePool { .. } => "QLinearGlobalAveragePool",
            Self::Concat { .. } => "QLinearConcat",
        }
    }

    pub(super) fn infer(self, inputs: &[Option<&Fact>]) -> Result<Fact, OpError> {
        let x = needed(inputs, if matches!(self, Self::Concat { .. }) { 2 } else { 0 }, "X")?;
        if !matches!(x.dtype, DType::U8 | DType::I8) {
            return Err(OpError::new(format!("{} of {} elements", self.name(), x.dtype)));
        }
        self.scale_places(inputs.len()).iter().try_for_each(|&place| check_scale(x.dtype, inputs, place))?;
        let Some(shape) = &x.shape else { return Ok(Fact::of_type(x.dtype)) };
        match self {
            Self::Arithmetic(_) => {
                let other = needed(inputs, 3, "B")?;
                same_type(x, other)?;
                match &other.shape {
                    Some(other) => Ok(Fact::new(x.dtype, broadcast_dims(shape, other)?)),
                    None => Ok(Fact::of_type(x.dtype)),
                }
            }
            Self::Function(_) => Ok(Fact::new(x.dtype, shape.clone())),
            Self::Softmax { axis: first, flat } => {
                let first = axis(first, shape.len())?;
                if !flat && first + 1 != shape.len() {
                    return Err(OpError::unsupported("QLinearSoftmax along any but the last axis"));
                }
                Ok(Fact::new(x.dtype, shape.clone()))
            }
            Self::GlobalAveragePool { channels_last } => {
                let channels = channel_axis(shape.len(), channels_last)?;
                let size = |(place, dim): (usize, &Dim)| {
                    if place == 0 || place == channels { dim.clone() } else { Dim::Size(1) }
                };
                Ok(Fact::new(x.dtype, shape.iter().enumerate().map(size)))
            }
            Self::Concat { axis: along } => infer_concat(x.dtype, shape, along, inputs),
        }
    }

    /// Where scales stand among so many operands; a zero point may stand behind each.
    fn scale_places(self, count: usize) -> Vec<usize> {
        match self {
            Self::Arithmetic(_) => vec![1, 4, 6],
            Self::Function(_) | Self::Softmax { .. } | Self::GlobalAveragePool { .. } => vec![1, 3],
            Self::Concat { .. } => std::iter::once(0).chain(parts(count).map(|part| part + 1)).collect(),
        }
    }

    pub(super) fn run(self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Tensor, OpError> {
        let x = || floats(cpu, inputs, 0);
        match self {
            Self::Arithmetic(operation) => {
                let operation = Elementwise::Arithmetic(operation);
                let sum = operation.run(cpu, &[Some(&x()?), Some(&floats(cpu, inputs, 3)?)])?;
                integers(cpu, &sum[0], needed(inputs, 0, "A")?.dtype(), inputs, 6)
            }
            Self::Function(function) => by_table(cpu, function, inputs),
            Self::Softmax { axis: first, flat } => {
                let x = x()?;
                let first = axis(first, x.shape().len())?;
                let row = if flat { &x.shape()[first..] } else { &x.shape()[x.shape().len() - 1..] };
                let row = if x.is_empty() { 1 } else { row.iter().product() };
                let mut shares = cpu.allocate(DType::F32, x.shape())?;
                cpu.processor().softmax_from(row, x.slice()?, shares.slice_mut())?;
                integers(cpu, &shares.freeze(), needed(inputs, 0, "X")?.dtype(), inputs, 3)
            }
            Self::GlobalAveragePool { channels_last } => {
                let means = channel_means(cpu, &x()?, channels_last)?;
                integers(cpu, &means, needed(inputs, 0, "X")?.dtype(), inputs, 3)
            }
            Self::Concat { axis } => concat(cpu, axis, inputs),
        }
    }
}

/// An error unless there is a scale at a place among the operands, and no zero point of another type behind it.
fn check_scale(dtype: DType, inputs: &[Option<&Fact>], place: usize) -> Result<(), OpError> {
    let scale = needed(inputs, place, "scale")?;
    if scale.dtype != DType::F32 {
        return Err(OpError::new(format!("a scale of {}", scale.dtype)));
    }
    match given(inputs, place + 1).filter(|zero| zero.dtype != dtype) {
        Some(zero) => Err(OpError::new(format!("{dtype} elements have a zero point of {}", zero.dtype))),
        None => Ok(()),
    }
}

/// A scale at a place among the operands, and the zero point behind it.
fn parameters<'a>(inputs: &[Option<&'a Tensor>], place: usize) -> Result<Parameters<'a>, OpError> {
    Parameters::single((needed(inputs, place, "scale")?, given(inputs, place + 1)))
}

/// The operand at a place, which has its scale and zero point behind it, as f32.
fn floats(cpu: &Cpu, inputs: &[Option<&Tensor>], place: usize) -> Result<Tensor, OpError> {
    linear::to_floats(cpu, needed(inputs, place, "X")?, &parameters(inputs, place + 1)?, DType::F32)
}

/// A result, with the scale and zero point at a place among the operands.
fn integers(
    cpu: &Cpu,
    result: &Tensor,
    dtype: DType,
    inputs: &[Option<&Tensor>],
    place: usize,
) -> Result<Tensor, OpError> {
    linear::to_integers(cpu, result, &parameters(inputs, place)?, dtype)
}

/// A function of bytes has 256 values.
fn by_table(cpu: &Cpu, function: Unary, inputs: &[Option<&Tensor>]) -> Result<Tensor, OpError> {
    let x = needed(inputs, 0, "X")?;
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let all = Tensor::from_bytes(x.dtype(), &[bytes.len()], bytes.into())?;
    let all = linear::to_floats(cpu, &all, &parameters(inputs, 1)?, DType::F32)?;
    let values = Elementwise::Function(function).run(cpu, &[Some(&all)])?;
    let table = integers(cpu, &values[0], x.dtype(), inputs, 3)?;
    let mut result = cpu.allocate(x.dtype(), x.shape())?;
    let table = table.bytes();
    result.bytes_mut().iter_mut().zip(x.bytes()).for_each(|(out, &x)| *out = table[usize::from(x)]);
    Ok(result.freeze())
}

fn channel_axis(rank: usize, channels_last: bool) -> Result<usize, OpError> {
    if rank < 3 {
        return Err(OpError::new(format!("an image of {rank} dimensions")));
    }
    Ok(if channels_last { rank - 1 } else { 1 })
}

fn channel_means(cpu: &Cpu, x: &Tensor, channels_last: bool) -> Result<Tensor, OpError> {
    let shape = x.shape();
    let channels = channel_axis(shape.len(), channels_last)?;
    let kept = |place| place == 0 || place == channels;
    let result: Vec<usize> = (0..shape.len()).map(|place| if kept(place) { shape[place] } else { 1 }).collect();
    let pixels = (0..shape.len()).filter(|&place| !kept(place)).map(|place| shape[place]);
    // An image without pixels has means that are no numbers; sizes beside a 0 need not fit anywhere.
    let pixels = pixels.fold(1usize, usize::saturating_mul);
    let sizes = if channels_last {
        [shape[0], pixels, shape[channels]]
    } else {
        [shape[0].saturating_mul(shape[1]), pixels, 1]
    };
    let mut means = cpu.allocate(DType::F32, &result)?;
    cpu.processor().reduce(Reduction::Mean, sizes, x.slice()?, means.slice_mut())?;
    Ok(means.freeze())
}

/// The places of the operands that are concatenated.
fn parts(count: usize) -> impl Iterator<Item = usize> {
    (2..count).step_by(3)
}

fn infer_concat(dtype: DType, first: &[Dim], along: i64, inputs: &[Option<&Fact>]) -> Result<Fact, OpError> {
    let along = axis(along, first.len())?;
    let mut result = first.to_vec();
    let mut length = Some(0usize);
    for place in parts(inputs.len()) {
        let part = needed(inputs, place, "X")?;
        if part.dtype != dtype {
            return Err(OpError::new(format!("{dtype} and {} elements are concatenated", part.dtype)));
        }
        let Some(shape) = &part.shape else { return Ok(Fact::of_type(dtype)) };
        let fits = |place: usize| match (&first[place], &shape[place]) {
            (Dim::Size(size), Dim::Size(other)) => size == other,
            _ => true,
        };
        if shape.len() != first.len() || !(0..first.len()).all(|place| place == along || fits(place)) {
            return Err(OpError::new("operands of other sizes than the first are concatenated"));
        }
        length = length.zip(shape[along].size()).and_then(|(length, size)| length.checked_add(size));
        for (known, dim) in result.iter_mut().zip(shape).filter(|(known, _)| known.size().is_none()) {
            *known = dim.clone();
        }
    }
    result[along] = length.map_or(Dim::Unknown, Dim::Size);
    Ok(Fact::new(dtype, result))
}

fn concat(cpu: &Cpu, along: i64, inputs: &[Option<&Tensor>]) -> Result<Tensor, OpError> {
    let result = parameters(inputs, 0)?;
    let part = |place| {
        let x = needed(inputs, place, "X")?;
        linear::to_integers(cpu, &floats(cpu, inputs, place)?, &result, x.dtype())
    };
    let parts: Vec<Tensor> = parts(inputs.len()).map(part).collect::<Result<_, OpError>>()?;
    let first = parts.first().ok_or_else(|| OpError::new("nothing is concatenated"))?;
    let mut shape = first.shape().to_vec();
    let along = axis(along, shape.len())?;
    shape[along] = parts.iter().map(|part| part.shape()[along]).fold(0, usize::saturating_add);
    let mut result = cpu.allocate(first.dtype(), &shape)?;
    if !shape.contains(&0) {
        let outside: usize = shape[..along].iter().product();
        let mut rest = result.bytes_mut();
        for row in 0..outside {
            for bytes in parts.iter().map(Tensor::bytes) {
                let length = bytes.len() / outside;
                let (place, behind) = rest.split_at_mut(length);
                place.copy_from_slice(&bytes[row * length..(row + 1) * length]);
                rest = behind;
            }
        }
    }
    Ok(result.freeze())
}
