//! Regions of images as images of one size.
//!
//! Operands: images, regions (left, top, right, bottom), and the image that each lies in. Coordinates are computed in
//! f64, weights rounded to f32. A sample is a chain over y of chains over x; a bin is the mean of its samples, summed
//! from +0 in their order, or the greatest of their four weighted elements.

use poai_numerics::Binary;
use poai_numerics::step::{element, greater, stored};

use super::grid::{Taps, sample};
use super::layout::{Images, Layout};
use super::{Image, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, integers, needed, same_type};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// RoiAlign.
#[derive(Clone, Debug, PartialEq)]
pub struct RoiAlign {
    /// The greatest, not the mean.
    pub greatest: bool,
    /// Height and width of the results.
    pub sides: [usize; 2],
    /// Samples of a bin along each side; as many as it has elements if 0.
    pub samples: usize,
    /// From the regions' coordinates to the images'.
    pub scale: f32,
    /// Coordinates are those of pixels' edges, and a region may be smaller than a pixel.
    pub half_pixel: bool,
}

/// No bin has more samples along a side.
const SAMPLES_LIMIT: f64 = 256.0;

/// Reads RoiAlign.
pub(super) fn import(source: &mut Source<'_>) -> Result<Image, OpError> {
    let greatest = match source.text("mode")?.as_deref() {
        None | Some("avg") => false,
        Some("max") => true,
        Some(other) => return Err(OpError::new(format!("mode is {other}"))),
    };
    // Before operator set 16 there was one way alone.
    let half_pixel = match source.text("coordinate_transformation_mode")?.as_deref() {
        None => source.opset() >= 16,
        Some("half_pixel") => true,
        Some("output_half_pixel") => false,
        Some(other) => return Err(OpError::new(format!("coordinate_transformation_mode is {other}"))),
    };
    let sides = [source.int("output_height")?.unwrap_or(1), source.int("output_width")?.unwrap_or(1)];
    let sides = super::frame::sizes("a side", 1, &sides)?;
    let samples = source.int("sampling_ratio")?.unwrap_or(0);
    let samples = usize::try_from(samples).ok().filter(|&samples| samples as f64 <= SAMPLES_LIMIT);
    let samples = samples.ok_or_else(|| OpError::new("sampling_ratio is outside of 0 to 256"))?;
    let scale = source.float("spatial_scale")?.unwrap_or(1.0);
    Ok(Image::RoiAlign(RoiAlign { greatest, sides: [sides[0], sides[1]], samples, scale, half_pixel }))
}

/// The samples of each bin along a side, as elements with their weights.
type Side = Vec<Vec<Option<Taps>>>;

impl RoiAlign {
    /// A region's side, cut into bins.
    fn side(&self, [start, end]: [f32; 2], bins: usize, size: usize) -> Result<Side, OpError> {
        let (scale, offset) = (f64::from(self.scale), if self.half_pixel { 0.5 } else { 0.0 });
        let [start, end] = [start, end].map(|edge| f64::from(edge) * scale - offset);
        let length = if self.half_pixel { end - start } else { (end - start).max(1.0) };
        let bin = length / bins as f64;
        let samples = if self.samples > 0 { self.samples as f64 } else { bin.ceil() };
        if !(samples <= SAMPLES_LIMIT && start.is_finite()) {
            return Err(OpError::new(format!("a region from {start} to {end} has too many samples")));
        }
        let samples = samples.max(0.0) as usize;
        let at =
            |place: usize, sample: usize| start + place as f64 * bin + (sample as f64 + 0.5) * bin / samples as f64;
        let bins = (0..bins).map(|place| (0..samples).map(|sample| taps(at(place, sample), size)).collect());
        Ok(bins.collect())
    }

    /// What becomes of a bin.
    fn bin(&self, plane: &[f32], width: usize, down: &[Option<Taps>], across: &[Option<Taps>]) -> f32 {
        let mut best = None;
        let mut sum = 0.0;
        for (y, x) in down.iter().flat_map(|y| across.iter().map(move |x| (y, x))) {
            let (Some(y), Some(x)) = (y, x) else {
                best = Some(best.map_or(0.0, |best| greater(best, 0.0)));
                continue;
            };
            if self.greatest {
                for (&(row, down), &(column, across)) in y.iter().flat_map(|y| x.iter().map(move |x| (y, x))) {
                    let weighted = Binary::Mul.of(plane[row * width + column], Binary::Mul.of(down, across));
                    best = Some(best.map_or(weighted, |best| greater(best, weighted)));
                }
            } else {
                sum += element(sample(plane, &[y.clone(), x.clone()], &[width, 1], 0));
            }
        }
        if self.greatest {
            return stored(best.unwrap_or(0.0));
        }
        stored(sum / (down.len() * across.len()).max(1) as f32)
    }
}

/// Two neighbours on the line; nothing if the place is more than one element outside.
fn taps(place: f64, size: usize) -> Option<Taps> {
    if !(-1.0..=size as f64).contains(&place) || size == 0 {
        return None;
    }
    let place = place.clamp(0.0, (size - 1) as f64);
    let (low, share) = (place.floor() as usize, place - place.floor());
    let high = (low + 1).min(size - 1);
    Some(vec![(low, (1.0 - share) as f32), (high, share as f32)])
}

impl Operation for RoiAlign {
    fn name(&self) -> &'static str {
        "RoiAlign"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (input, regions) = (needed(inputs, 0, "X")?, needed(inputs, 1, "rois")?);
        let places = needed(inputs, 2, "batch_indices")?;
        float_type(input.dtype)?;
        same_type(input, regions)?;
        let Some(shape) = &input.shape else { return Ok(vec![Fact::of_type(input.dtype)]) };
        let images = Layout::ChannelsFirst.split(shape)?;
        if images.sides.len() != 2 {
            return Err(OpError::new(format!("regions of images of {} sides", images.sides.len())));
        }
        let count = match regions.shape.as_deref() {
            None => Dim::Unknown,
            Some([count, Dim::Size(4)]) => count.clone(),
            Some([count, Dim::Named(_) | Dim::Unknown]) => count.clone(),
            Some(other) => return Err(OpError::new(format!("regions of rank {}, or not of 4 numbers", other.len()))),
        };
        if let (Some(count), Some(places)) = (count.size(), places.sizes())
            && places != [count]
        {
            return Err(OpError::new(format!("{count} regions lie in images of shape {places:?}")));
        }
        let result = Images { count, channels: images.channels, sides: self.sides.map(Dim::Size).to_vec() };
        Ok(vec![Fact::new(input.dtype, Layout::ChannelsFirst.join(&result))])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Samples of a bin where their number follows from the region.
        const USUAL: u64 = 4;
        let samples = if self.samples > 0 { (self.samples * self.samples) as u64 } else { USUAL };
        let read = inputs[0].map_or(0, Fact::elements);
        let each = samples.saturating_mul(4);
        Cost { multiply_adds: 0, elements: outputs[0].elements().saturating_mul(each).saturating_add(read) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (input, regions) = (needed(inputs, 0, "X")?, needed(inputs, 1, "rois")?);
        let places = integers(needed(inputs, 2, "batch_indices")?)?;
        let images = Layout::ChannelsFirst.split(input.shape())?;
        let &[height, width] = &images.sides[..] else { return Err(OpError::new("regions of no images")) };
        let results = Images { count: places.len(), channels: images.channels, sides: self.sides.to_vec() };
        let (values, regions) = (floats(input)?, floats(regions)?);
        let (plane, pixels) = (height * width, self.sides[0] * self.sides[1]);
        let shape = Layout::ChannelsFirst.join(&results);
        let result = float_result(cpu, input.dtype(), &shape, |out| {
            let blocks = out.chunks_exact_mut((images.channels * pixels).max(1));
            for ((region, place), out) in regions.chunks_exact(4).zip(&places).zip(blocks) {
                let image = usize::try_from(*place).ok().filter(|&image| image < images.count);
                let image = image.ok_or_else(|| OpError::new(format!("a region lies in image {place}")))?;
                let down = self.side([region[1], region[3]], self.sides[0], height)?;
                let across = self.side([region[0], region[2]], self.sides[1], width)?;
                for (channel, out) in out.chunks_exact_mut(pixels).enumerate() {
                    let values = &values[(image * images.channels + channel) * plane..][..plane];
                    let bins = down.iter().flat_map(|down| across.iter().map(move |across| (down, across)));
                    for (out, (down, across)) in out.iter_mut().zip(bins) {
                        *out = self.bin(values, width, down, across);
                    }
                }
            }
            Ok(())
        })?;
        Ok(vec![result])
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::results;
    use super::*;

    fn align(greatest: bool) -> RoiAlign {
        RoiAlign { greatest, sides: [1, 2], samples: 1, scale: 1.0, half_pixel: true }
    }

    /// By hand: bins of one sample in their middles, at y = ½, and x = ½ and 1½ (elements' centres are whole numbers).
    #[test]
    fn bins_of_a_small_image() {
        let image = Tensor::new::<f32>(&[1, 1, 2, 3], &[1., 2., 3., 4., 5., 6.]);
        let region = Tensor::new::<f32>(&[1, 4], &[0.5, 0.5, 2.5, 1.5]);
        let place = Tensor::new::<i64>(&[1], &[0]);
        let expected = Tensor::new::<f32>(&[1, 1, 1, 2], &[3.0, 4.0]);
        assert_eq!(results(&align(false), &[&image, &region, &place]), Ok(vec![expected]));
        let expected = Tensor::new::<f32>(&[1, 1, 1, 2], &[1.25, 1.5]);
        assert_eq!(results(&align(true), &[&image, &region, &place]), Ok(vec![expected]));
        for (region, place) in [([0.0, 0.0, 1.0, 1.0], 1i64), ([0.0, 0.0, 1.0, 1.0], -1), ([f32::NAN, 0., 1., 1.], 0)] {
            let (region, place) = (Tensor::new(&[1, 4], &region), Tensor::new(&[1], &[place]));
            assert!(results(&align(false), &[&image, &region, &place]).is_err());
        }
    }
}
