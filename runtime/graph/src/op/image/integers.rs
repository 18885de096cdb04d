//! Convolution of bytes: exact.
//!
//! ConvInteger's operands: images, weights, perhaps their zero points; its results are 32-bit sums. QLinearConv's:
//! images, weights and result, each with scale and zero point, perhaps a bias of 32-bit integers; its results are bytes.

use std::borrow::Cow;

use poai_numerics::{Bytes, IntegerFilter, Range, ZeroPoints};

use super::convolution::{Convolution, Turned};
use super::{Image, Operation};
use crate::onnx::Source;
use crate::op::operand::{given, needed};
use crate::tensor::elements;
use crate::{Cost, Cpu, DType, Dim, Fact, Kernel, KernelError, OpError, Tensor};

/// A convolution of bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerConvolution {
    /// Windows, groups and layout: those of the same convolution of floats.
    pub convolution: Convolution,
    /// Sums are made bytes again (QLinearConv).
    pub requantised: bool,
}

/// Reads ConvInteger.
pub(super) fn import(source: &mut Source<'_>) -> Result<Image, OpError> {
    let convolution = Convolution::import(source)?;
    Ok(Image::IntegerConvolution(IntegerConvolution { convolution, requantised: false }))
}

/// Reads QLinearConv.
pub(super) fn import_requantised(source: &mut Source<'_>) -> Result<Image, OpError> {
    let convolution = Convolution::import(source)?;
    Ok(Image::IntegerConvolution(IntegerConvolution { convolution, requantised: true }))
}

/// The operands' places.
struct Places {
    images_zero: usize,
    weights: usize,
    weights_zero: usize,
}

/// The places of QLinearConv's other operands.
const IMAGES_SCALE: usize = 1;
const WEIGHTS_SCALE: usize = 4;
const RESULT_SCALE: usize = 6;
const RESULT_ZERO: usize = 7;
const BIAS: usize = 8;

/// A tensor's bytes.
fn bytes(tensor: &Tensor) -> Result<Bytes<'_>, OpError> {
    match tensor.dtype() {
        DType::U8 => Ok(Bytes::Unsigned(tensor.slice()?)),
        DType::I8 => Ok(Bytes::Signed(tensor.slice()?)),
        other => Err(OpError::new(format!("{other} elements are no bytes"))),
    }
}

/// Zero points as numbers; 0 if there are none.
fn zeros(tensor: Option<&Tensor>) -> Result<Vec<i32>, OpError> {
    let Some(tensor) = tensor else { return Ok(vec![0]) };
    let bytes = bytes(tensor)?;
    Ok((0..bytes.len()).map(|index| bytes.at(index)).collect())
}

/// The one element of a list that could have more.
fn single<T: Copy>(what: &str, list: &[T]) -> Result<T, OpError> {
    match list {
        [one] => Ok(*one),
        more => Err(OpError::unsupported(format!("{} {what}, where one is for all", more.len()))),
    }
}

fn byte_type(what: &str, fact: &Fact) -> Result<(), OpError> {
    match fact.dtype {
        DType::U8 | DType::I8 => Ok(()),
        other => Err(OpError::new(format!("{what} are {other}, which are no bytes"))),
    }
}

impl IntegerConvolution {
    fn operands(&self) -> Places {
        match self.requantised {
            false => Places { images_zero: 2, weights: 1, weights_zero: 3 },
            true => Places { images_zero: 2, weights: 3, weights_zero: 5 },
        }
    }

    fn filter(&self, inputs: &[Option<&Tensor>]) -> Result<IntegerFilter, OpError> {
        let places = self.operands();
        let weights = needed(inputs, places.weights, "weights")?;
        let list = zeros(given(inputs, places.weights_zero))?;
        let zeros = if let [zero] = list[..] { ZeroPoints::One(zero) } else { ZeroPoints::Each(&list) };
        let groups = self.convolution.groups;
        Ok(match bytes(weights)? {
            Bytes::Unsigned(values) => {
                let Turned { taps, channels, results, values } = self.convolution.turned(weights.shape(), values)?;
                IntegerFilter::new(taps, channels, results, groups, Bytes::Unsigned(&values), zeros)?
            }
            Bytes::Signed(values) => {
                let Turned { taps, channels, results, values } = self.convolution.turned(weights.shape(), values)?;
                IntegerFilter::new(taps, channels, results, groups, Bytes::Signed(&values), zeros)?
            }
        })
    }

    fn compute(&self, cpu: &Cpu, filter: &IntegerFilter, inputs: &[Option<&Tensor>]) -> Result<Tensor, OpError> {
        let (places, layout) = (self.operands(), self.convolution.layout);
        let (input, weights) = (needed(inputs, 0, "images")?, needed(inputs, places.weights, "weights")?);
        let images = layout.split(input.shape())?;
        let known = |shape: &[usize]| -> Vec<Dim> { shape.iter().map(|&size| Dim::Size(size)).collect() };
        let results = self.convolution.places(&layout.split(&known(input.shape()))?, &known(weights.shape()))?;
        let shape: Option<Vec<usize>> = layout.join(&results).iter().map(Dim::size).collect();
        let shape = shape.expect("operands are known, so their convolution is");
        let results = layout.split(&shape)?;
        let (window, _) = self.convolution.window(&images, &weights.shape()[2..])?;
        let zero = single("zero points of the images", &zeros(given(inputs, places.images_zero))?)?;
        let convolve = |sums: &mut [i32]| -> Result<(), OpError> {
            let processor = cpu.processor();
            match bytes(input)? {
                Bytes::Unsigned(values) => {
                    let turned = layout.to_channels_last(&images, Cow::Borrowed(values));
                    processor.convolve_integer(&window, filter, Bytes::Unsigned(&turned), zero, sums)?;
                }
                Bytes::Signed(values) => {
                    let turned = layout.to_channels_last(&images, Cow::Borrowed(values));
                    processor.convolve_integer(&window, filter, Bytes::Signed(&turned), zero, sums)?;
                }
            }
            Ok(())
        };
        if !self.requantised {
            let mut result = cpu.allocate(DType::I32, &shape)?;
            layout.write_channels_last(&results, result.slice_mut::<i32>(), convolve)?;
            return Ok(result.freeze());
        }
        let count = elements(&shape).ok_or_else(|| OpError::new("the result is beyond any memory"))?;
        let mut sums = vec![0; count];
        convolve(&mut sums)?;
        self.requantise(cpu, inputs, (&shape, results.channels), &mut sums)
    }

    /// Sums, channels last, to bytes.
    fn requantise(
        &self,
        cpu: &Cpu,
        inputs: &[Option<&Tensor>],
        (shape, channels): (&[usize], usize),
        sums: &mut [i32],
    ) -> Result<Tensor, OpError> {
        let layout = self.convolution.layout;
        if let Some(bias) = given(inputs, BIAS) {
            let bias = bias.slice::<i32>()?;
            for pixel in sums.chunks_exact_mut(channels.max(1)) {
                pixel.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = sum.wrapping_add(*bias));
            }
        }
        let scale = |index, what| needed(inputs, index, what)?.slice::<f32>();
        let images = single("scales of the images", scale(IMAGES_SCALE, "x_scale")?)?;
        let result = single("scales of the result", scale(RESULT_SCALE, "y_scale")?)?;
        let weights = scale(WEIGHTS_SCALE, "w_scale")?;
        let of = |channel: usize| weights[if weights.len() == 1 { 0 } else { channel }];
        let scales: Vec<f32> = (0..channels).map(|channel| images * of(channel) / result).collect();
        let zero = needed(inputs, RESULT_ZERO, "y_zero_point")?;
        let range = if zero.dtype() == DType::U8 { Range::Unsigned } else { Range::Signed };
        let zero_point = single("zero points of the result", &zeros(Some(zero))?)?;
        let mut out = cpu.allocate(zero.dtype(), shape)?;
        if !sums.is_empty() {
            layout.write_channels_last(&layout.split(shape)?, out.bytes_mut(), |out| {
                Ok(cpu.processor().requantise(range, &scales, zero_point, sums, out)?)
            })?;
        }
        Ok(out.freeze())
    }
}

impl Operation for IntegerConvolution {
    fn name(&self) -> &'static str {
        if self.requantised { "QLinearConv" } else { "ConvInteger" }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let places = self.operands();
        let (input, weights) = (needed(inputs, 0, "images")?, needed(inputs, places.weights, "weights")?);
        byte_type("images", input)?;
        byte_type("weights", weights)?;
        let dtype = if self.requantised {
            let zero = needed(inputs, RESULT_ZERO, "y_zero_point")?;
            byte_type("zero points", zero)?;
            zero.dtype
        } else {
            DType::I32
        };
        let (Some(shape), Some(kernel)) = (&input.shape, &weights.shape) else {
            return Ok(vec![Fact::of_type(dtype)]);
        };
        let layout = self.convolution.layout;
        let results = self.convolution.places(&layout.split(shape)?, kernel)?;
        if let Dim::Size(channels) = results.channels {
            for (what, index) in [("scales", WEIGHTS_SCALE), ("numbers of a bias", BIAS)] {
                let sizes = given(inputs, index).filter(|_| self.requantised).and_then(Fact::sizes);
                let count = sizes
                    .map_or(channels, |sizes| sizes.iter().fold(1, |count: usize, &size| count.saturating_mul(size)));
                if count != channels && !(what == "scales" && count == 1) {
                    return Err(OpError::new(format!("{count} {what} meet {channels} results")));
                }
            }
        }
        Ok(vec![Fact::new(dtype, layout.join(&results))])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        self.convolution.products(given(inputs, 0), given(inputs, self.operands().weights), &outputs[0])
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        let places = self.operands();
        // A zero point that is there, but not constant, looks like one that is not there: only weights that come with a
        // constant one, or that can have none, are packed.
        let zero_is_known = given(constants, places.weights_zero).is_some() || constants.len() <= places.weights_zero;
        if given(constants, places.weights).is_none() || !zero_is_known {
            return Ok(None);
        }
        let filter = self.filter(constants)?;
        Ok(Some(Box::new(Prepared { cpu: cpu.clone(), convolution: self.clone(), filter })))
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let filter = self.filter(inputs)?;
        Ok(vec![self.compute(cpu, &filter, inputs)?])
    }
}

/// A convolution with its weights packed.
struct Prepared {
    cpu: Cpu,
    convolution: IntegerConvolution,
    filter: IntegerFilter,
}

impl Kernel for Prepared {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(vec![self.convolution.compute(&self.cpu, &self.filter, inputs)?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Frame, Padding};
    use super::super::layout::Layout;
    use super::super::trial::{results, results_of};
    use super::*;

    fn convolution(pads: &[[usize; 2]], requantised: bool) -> IntegerConvolution {
        let frame = Frame { padding: Padding::Explicit(pads.to_vec()), ..Frame::default() };
        let convolution =
            Convolution { frame, groups: 1, spread: None, activation: None, layout: Layout::ChannelsFirst };
        IntegerConvolution { convolution, requantised }
    }

    /// ONNX's documentation: convinteger_with_padding and without.
    #[test]
    fn sums_of_the_documentation() {
        let input = Tensor::new::<u8>(&[1, 1, 3, 3], &[2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let (weights, zero) = (Tensor::new::<u8>(&[1, 1, 2, 2], &[1, 1, 1, 1]), Tensor::scalar::<u8>(1));
        let bare = convolution(&[], false);
        let expected = Tensor::new::<i32>(&[1, 1, 2, 2], &[12, 16, 24, 28]);
        assert_eq!(results(&bare, &[&input, &weights, &zero]), Ok(vec![expected]));
        let padded = convolution(&[[1, 1], [1, 1]], false);
        let expected = [1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9];
        assert_eq!(
            results(&padded, &[&input, &weights, &zero]),
            Ok(vec![Tensor::new::<i32>(&[1, 1, 4, 4], &expected)])
        );
    }

    #[test]
    fn sums_become_bytes_by_a_scale_for_each_result() {
        let byte = |value: u8| Tensor::scalar::<u8>(value);
        let scale = |value: f32| Tensor::scalar::<f32>(value);
        let input = Tensor::new::<u8>(&[1, 1, 3], &[10, 20, 30]);
        let weights = Tensor::new::<i8>(&[2, 1, 1], &[2, -3]);
        let weight_scales = Tensor::new::<f32>(&[2], &[1.0, 0.5]);
        let weight_zeros = Tensor::new::<i8>(&[2], &[0, 1]);
        let bias = Tensor::new::<i32>(&[2], &[4, -100]);
        let inputs = [
            Some(&input),
            Some(&scale(0.5)),
            Some(&byte(10)),
            Some(&weights),
            Some(&weight_scales),
            Some(&weight_zeros),
            Some(&scale(2.0)),
            Some(&byte(7)),
            Some(&bias),
        ];
        // (x - 10) · 2 + 4 is 4, 24, 44; a quarter of it, halves to even, and 7: 8, 13, 18.
        // (x - 10) · -4 - 100 is -100, -140, -180; an eighth of it and 7 is below 0: -12 + 7, -18 + 7, -22 + 7.
        let expected = Tensor::new::<u8>(&[1, 2, 3], &[8, 13, 18, 0, 0, 0]);
        assert_eq!(results_of(&convolution(&[], true), &inputs), Ok(vec![expected]));
    }
}
