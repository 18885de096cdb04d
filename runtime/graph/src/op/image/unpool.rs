//! Elements put back where MaxPool found them.
//!
//! Operands: what was pooled, the places that MaxPool gave, perhaps the result's shape. All else is 0. Where a place
//! stands twice, the last element counts.

use super::frame::{Frame, Padding, span};
use super::layout::{Images, Layout};
use super::{Image, Operation};
use crate::onnx::Source;
use crate::op::operand::{given, integers, needed, strides};
use crate::{Cpu, DType, Dim, Fact, OpError, Tensor};

/// MaxUnpool.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxUnpool {
    /// The window that was pooled under.
    pub frame: Frame,
}

const SHAPE: usize = 2;

/// Reads MaxUnpool.
pub(super) fn import(source: &mut Source<'_>) -> Result<Image, OpError> {
    let frame = Frame::import(source)?;
    if frame.kernel.is_empty() || !matches!(frame.padding, Padding::Explicit(_)) {
        return Err(OpError::new("a pool is undone by its kernel_shape and pads"));
    }
    Ok(Image::MaxUnpool(MaxUnpool { frame }))
}

impl MaxUnpool {
    /// What was pooled, as far as places speak of it.
    fn natural(&self, images: &Images<Dim>) -> Result<Images<Dim>, OpError> {
        self.frame.check(images.sides.len(), 3)?;
        let side = |(side, dim): (usize, &Dim)| {
            let Dim::Size(input) = dim else { return Ok(Dim::Unknown) };
            let axis = self.frame.axis(side, *input, self.frame.kernel[side])?;
            let whole = input.saturating_sub(1) * axis.stride + span(&axis);
            let size = whole.checked_sub(axis.before + axis.behind);
            size.map(Dim::Size).ok_or_else(|| OpError::new("its padding is larger than what was pooled"))
        };
        let sides = images.sides.iter().enumerate().map(side).collect::<Result<_, OpError>>()?;
        Ok(Images { sides, ..images.clone() })
    }
}

fn asked(shape: &Tensor) -> Result<Vec<usize>, OpError> {
    let size = |&size: &i64| usize::try_from(size).map_err(|_| OpError::new(format!("a size is {size}")));
    integers(shape)?.iter().map(size).collect()
}

impl Operation for MaxUnpool {
    fn name(&self) -> &'static str {
        "MaxUnpool"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (input, places) = (needed(inputs, 0, "X")?, needed(inputs, 1, "I")?);
        if places.dtype != DType::I64 {
            return Err(OpError::new(format!("{} elements are no places", places.dtype)));
        }
        let Some(shape) = &input.shape else { return Ok(vec![Fact::of_type(input.dtype)]) };
        if let (Some(left), Some(right)) = (input.sizes(), places.sizes())
            && left != right
        {
            return Err(OpError::new(format!("elements of shape {left:?} have places of shape {right:?}")));
        }
        let natural = Layout::ChannelsFirst.join(&self.natural(&Layout::ChannelsFirst.split(shape)?)?);
        let result = match given(inputs, SHAPE) {
            None => natural,
            Some(Fact { value: None, .. }) => vec![Dim::Unknown; shape.len()],
            Some(Fact { value: Some(shape), .. }) => {
                let sizes = asked(shape)?;
                let fits = natural.iter().zip(&sizes).all(|(dim, &size)| dim.size().is_none_or(|least| least <= size));
                if sizes.len() != natural.len() || !fits {
                    return Err(OpError::new(format!("what was pooled does not fit into {sizes:?}")));
                }
                sizes.into_iter().map(Dim::Size).collect()
            }
        };
        Ok(vec![Fact::new(input.dtype, result)])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (input, places) = (needed(inputs, 0, "X")?, needed(inputs, 1, "I")?);
        let known: Vec<Dim> = input.shape().iter().map(|&size| Dim::Size(size)).collect();
        let natural = self.natural(&Layout::ChannelsFirst.split(&known)?)?;
        let natural: Vec<usize> = Layout::ChannelsFirst.join(&natural).iter().filter_map(Dim::size).collect();
        let shape = given(inputs, SHAPE).map_or_else(|| Ok(natural.clone()), asked)?;
        let mut result = cpu.allocate(input.dtype(), &shape)?;
        let width = input.dtype().bytes();
        let (from, to) = (input.bytes(), result.bytes_mut());
        to.fill(0);
        let (steps, wide_steps) = (strides(&natural), strides(&shape));
        for (element, &place) in from.chunks_exact(width).zip(places.slice::<i64>()?) {
            let outside = || OpError::new(format!("place {place} lies outside of {natural:?}"));
            let mut rest = usize::try_from(place).map_err(|_| outside())?;
            let mut offset = 0;
            for ((size, step), wide_step) in natural.iter().zip(&steps).zip(&wide_steps) {
                let index = rest.checked_div(*step).filter(|index| index < size).ok_or_else(outside)?;
                offset += index * wide_step;
                rest %= step;
            }
            to[offset * width..][..width].copy_from_slice(element);
        }
        Ok(vec![result.freeze()])
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::results;
    use super::*;

    /// ONNX's documentation: maxunpool_export_with_output_shape, and without.
    #[test]
    fn elements_go_where_they_came_from() {
        let frame = Frame { kernel: vec![2, 2], strides: vec![2, 2], ..Frame::default() };
        let unpool = MaxUnpool { frame };
        let input = Tensor::new::<f32>(&[1, 1, 2, 2], &[5., 6., 7., 8.]);
        let places = Tensor::new::<i64>(&[1, 1, 2, 2], &[5, 7, 13, 15]);
        let expected = [0., 0., 0., 0., 0., 5., 0., 6., 0., 0., 0., 0., 0., 7., 0., 8.];
        assert_eq!(results(&unpool, &[&input, &places]), Ok(vec![Tensor::new::<f32>(&[1, 1, 4, 4], &expected)]));
        let shape = Tensor::new::<i64>(&[4], &[1, 1, 5, 5]);
        let found = results(&unpool, &[&input, &places, &shape]).unwrap().remove(0);
        let values = found.get::<f32>().unwrap();
        assert_eq!([values[6], values[8], values[16], values[18]], [5., 6., 7., 8.]);
        assert_eq!(values.iter().filter(|value| **value != 0.0).count(), 4);
        for wild in [-1, 16, i64::MAX] {
            let places = Tensor::new::<i64>(&[1, 1, 2, 2], &[5, 7, 13, wild]);
            assert!(results(&unpool, &[&input, &places]).is_err());
        }
    }
}
