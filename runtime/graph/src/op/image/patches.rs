//! Patches added up to an image.
//!
//! Operands: columns (image, channel and tap, place), the image's sides, the patches' sides. An element is the sum from +0
//! of what patches have there, in the order of their taps.

use poai_numerics::Axis;
use poai_numerics::step::{element, stored};

use super::frame::{Frame, Padding, sizes};
use super::{Image, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, integers, needed, strides};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// Col2Im.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnsToImage {
    /// How patches slide; their sides are an operand.
    pub frame: Frame,
}

const SIDES: usize = 1;
const PATCH: usize = 2;

/// Reads Col2Im.
pub(super) fn import(source: &mut Source<'_>) -> Result<Image, OpError> {
    let frame = Frame::import(source)?;
    Ok(Image::ColumnsToImage(ColumnsToImage { frame }))
}

/// How patches lie over an image.
struct Patches {
    axes: Vec<Axis>,
    places: Vec<usize>,
    /// Taps of a patch, and places of patches.
    taps: usize,
    count: usize,
}

fn all(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(1, usize::saturating_mul)
}

impl ColumnsToImage {
    fn patches(&self, sides: &Tensor, patch: &Tensor) -> Result<Patches, OpError> {
        let (sides, patch) = (integers(sides)?, integers(patch)?);
        let (sides, patch) = (sizes("a side", 0, &sides)?, sizes("a patch's side", 1, &patch)?);
        let lists = [
            self.frame.strides.len(),
            self.frame.dilations.len(),
            match &self.frame.padding {
                Padding::Explicit(pads) => pads.len(),
                _ => return Err(OpError::unsupported("padding that is computed")),
            },
        ];
        if sides.len() != patch.len() || lists.iter().any(|&list| list != 0 && list != sides.len()) {
            return Err(OpError::new("its sides, patches, strides, dilations and pads are of different ranks"));
        }
        let axes = sides.iter().zip(&patch).enumerate();
        let axes: Vec<Axis> =
            axes.map(|(side, (&size, &kernel))| self.frame.axis(side, size, kernel)).collect::<Result<_, _>>()?;
        let places: Vec<usize> = axes.iter().map(Axis::places).collect::<Result<_, _>>()?;
        let (taps, count) = (all(patch), all(places.iter().copied()));
        Ok(Patches { axes, places, taps, count })
    }
}

impl Operation for ColumnsToImage {
    fn name(&self) -> &'static str {
        "Col2Im"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let input = needed(inputs, 0, "input")?;
        float_type(input.dtype)?;
        let (sides, patch) = (needed(inputs, SIDES, "image_shape")?, needed(inputs, PATCH, "block_shape")?);
        let (Some(sides), Some(patch), Some(shape)) = (&sides.value, &patch.value, &input.shape) else {
            return Ok(vec![Fact::of_type(input.dtype)]);
        };
        let patches = self.patches(sides, patch)?;
        let [images, columns, places] = &shape[..] else {
            return Err(OpError::new(format!("columns of rank {}", shape.len())));
        };
        let channels = columns.size().map(|columns| (columns / patches.taps, columns % patches.taps));
        if channels.is_some_and(|(_, rest)| rest != 0) || places.size().is_some_and(|places| places != patches.count) {
            let (taps, count) = (patches.taps, patches.count);
            return Err(OpError::new(format!("{columns} × {places} are no {count} patches of {taps} taps")));
        }
        let channels = channels.map_or(Dim::Unknown, |(channels, _)| Dim::Size(channels));
        let sides = patches.axes.iter().map(|axis| Dim::Size(axis.input));
        Ok(vec![Fact::new(input.dtype, [images.clone(), channels].into_iter().chain(sides))])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let read = inputs[0].map_or(0, Fact::elements).saturating_mul(2);
        Cost { multiply_adds: 0, elements: outputs[0].elements().saturating_add(read) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let input = needed(inputs, 0, "input")?;
        let patches = self.patches(needed(inputs, SIDES, "image_shape")?, needed(inputs, PATCH, "block_shape")?)?;
        let &[images, columns, _] = input.shape() else {
            return Err(OpError::new(format!("columns of rank {}", input.shape().len())));
        };
        let sides: Vec<usize> = patches.axes.iter().map(|axis| axis.input).collect();
        let shape: Vec<usize> = [images, columns / patches.taps].into_iter().chain(sides.iter().copied()).collect();
        let (steps, plane) = (strides(&sides), all(sides));
        let values = floats(input)?;
        let image = float_result(cpu, input.dtype(), &shape, |out| {
            out.fill(0.0);
            if patches.count == 0 {
                return Ok(());
            }
            for (row, values) in values.chunks_exact(patches.count).enumerate() {
                let (channel, tap) = (row / patches.taps, row % patches.taps);
                let out = &mut out[channel * plane..(channel + 1) * plane];
                for (place, value) in values.iter().enumerate() {
                    if let Some(offset) = patches.offset(place, tap, &steps) {
                        out[offset] += element(*value);
                    }
                }
            }
            out.iter_mut().for_each(|sum| *sum = stored(*sum));
            Ok(())
        })?;
        Ok(vec![image])
    }
}

impl Patches {
    /// The element of the image under a tap of a patch; none in padding.
    fn offset(&self, mut place: usize, mut tap: usize, steps: &[usize]) -> Option<usize> {
        let mut offset = 0;
        for (side, axis) in self.axes.iter().enumerate().rev() {
            offset += axis.gathered(place % self.places[side], tap % axis.kernel)? * steps[side];
            place /= self.places[side];
            tap /= axis.kernel;
        }
        Some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::results;
    use super::*;

    #[test]
    fn patches_that_overlap_add_up() {
        let numbers = |list: &[i64]| Tensor::new(&[list.len()], list);
        let columns = Tensor::new::<f32>(&[1, 2, 3], &[1., 2., 3., 10., 20., 30.]);
        let add = ColumnsToImage { frame: Frame::default() };
        // Taps 1, 2, 3 begin at 0, 1, 2; taps 10, 20, 30 one behind.
        let expected = Tensor::new::<f32>(&[1, 1, 1, 4], &[1., 12., 23., 30.]);
        assert_eq!(results(&add, &[&columns, &numbers(&[1, 4]), &numbers(&[1, 2])]), Ok(vec![expected]));
        for (sides, patch) in [([1, 5], [1, 2]), ([1, 4], [1, 3]), ([1, -4], [1, 2]), ([1, 4], [1, 0])] {
            assert!(results(&add, &[&columns, &numbers(&sides), &numbers(&patch)]).is_err());
        }
    }
}
