//! Images read where a grid says.
//!
//! Operands: images, and for each place of the result its coordinates in them, x first, from -1 to 1. Coordinates are
//! computed in f64, and each axis' weights rounded to f32. An element is a chain over the first axis of chains over the
//! next, terms of weight 0 and outside of the image left out; the nearest is copied.

use poai_numerics::step::{canonical, operand, soft_fused};

use super::layout::{Images, Layout};
use super::{Image, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, needed, strides};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// GridSample.
#[derive(Clone, Debug, PartialEq)]
pub struct GridSample {
    /// What a place takes from its neighbours.
    pub sampling: Sampling,
    /// What lies outside of the image.
    pub outside: Outside,
    /// -1 and 1 are the centres of the outermost elements, not their edges.
    pub align_corners: bool,
}

/// What a place takes from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// The nearest; halves go to the even one.
    Nearest,
    /// Two along each axis.
    Linear,
    /// Four along each axis, of the cubic of coefficient -¾.
    Cubic,
}

/// What lies outside of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zeros,
    /// The outermost elements.
    Border,
    /// The image, mirrored at its border.
    Reflection,
}

/// An axis' elements and their weights.
pub(super) type Taps = Vec<(usize, f32)>;

/// Reads GridSample.
pub(super) fn import(source: &mut Source<'_>) -> Result<Image, OpError> {
    let sampling = match source.text("mode")?.as_deref() {
        None | Some("linear" | "bilinear") => Sampling::Linear,
        Some("nearest") => Sampling::Nearest,
        Some("cubic" | "bicubic") => Sampling::Cubic,
        Some(other) => return Err(OpError::new(format!("mode is {other}"))),
    };
    let outside = match source.text("padding_mode")?.as_deref() {
        None | Some("zeros") => Outside::Zeros,
        Some("border") => Outside::Border,
        Some("reflection") => Outside::Reflection,
        Some(other) => return Err(OpError::new(format!("padding_mode is {other}"))),
    };
    Ok(Image::GridSample(GridSample { sampling, outside, align_corners: source.flag("align_corners")? }))
}

/// A coordinate between two borders, mirrored at them as often as it takes.
fn reflected(x: f64, [low, high]: [f64; 2]) -> f64 {
    let length = high - low;
    if length <= 0.0 || !x.is_finite() {
        return low;
    }
    let beyond = (x - low).rem_euclid(2.0 * length);
    low + if beyond > length { 2.0 * length - beyond } else { beyond }
}

impl GridSample {
    /// What an axis of `size` elements gives at a coordinate.
    fn taps(&self, coordinate: f32, size: usize) -> Taps {
        let (length, n) = (size as f64, f64::from(coordinate));
        let last = length - 1.0;
        let borders = if self.align_corners { [0.0, last] } else { [-0.5, length - 0.5] };
        let x = if self.align_corners { (n + 1.0) / 2.0 * last } else { ((n + 1.0) * length - 1.0) / 2.0 };
        let x = if self.sampling == Sampling::Nearest { x.round_ties_even() } else { x };
        let x = match self.outside {
            Outside::Border => x.clamp(0.0, last),
            Outside::Reflection if !(borders[0]..=borders[1]).contains(&x) => reflected(x, borders),
            _ => x,
        };
        let (base, weights) = match self.sampling {
            Sampling::Nearest => (x, vec![1.0]),
            Sampling::Linear => (x.floor(), vec![1.0 - (x - x.floor()), x - x.floor()]),
            Sampling::Cubic => (x.floor() - 1.0, cubic(x - x.floor())),
        };
        let at = |(i, weight): (usize, f64)| {
            let place = base + i as f64;
            let inside = (0.0..=last).contains(&place);
            let place = match self.outside {
                _ if inside => place,
                Outside::Zeros => return None,
                Outside::Border => place.clamp(0.0, last),
                Outside::Reflection => reflected(place, borders).clamp(0.0, last),
            };
            // What is no number, or outside of any image, is read nowhere.
            (weight != 0.0 && place.is_finite()).then_some((place as usize, weight as f32))
        };
        weights.into_iter().enumerate().filter_map(at).collect()
    }
}

/// The weights of four neighbours, `x` behind the second of them.
fn cubic(x: f64) -> Vec<f64> {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    vec![far(x + 1.0), near(x), near(1.0 - x), far(2.0 - x)]
}

/// Chains of chains over the taps of each axis.
pub(super) fn sample(values: &[f32], taps: &[Taps], steps: &[usize], offset: usize) -> f32 {
    let (Some((first, others)), Some((step, steps))) = (taps.split_first(), steps.split_first()) else {
        return values[offset];
    };
    let term = |sum, &(index, weight): &(usize, f32)| {
        soft_fused(operand(sample(values, others, steps, offset + index * step)), operand(weight), sum)
    };
    canonical(first.iter().fold(0.0, term))
}

impl Operation for GridSample {
    fn name(&self) -> &'static str {
        "GridSample"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (input, grid) = (needed(inputs, 0, "X")?, needed(inputs, 1, "grid")?);
        float_type(input.dtype)?;
        float_type(grid.dtype)?;
        let (Some(shape), Some(places)) = (&input.shape, &grid.shape) else {
            return Ok(vec![Fact::of_type(input.dtype)]);
        };
        let images = Layout::ChannelsFirst.split(shape)?;
        let [count, sides @ .., coordinates] = &places[..] else {
            return Err(OpError::new("a grid without dimensions"));
        };
        let differs = |dim: &Dim, size: usize| dim.size().is_some_and(|found| found != size);
        let other_count = images.count.size().is_some_and(|size| differs(count, size));
        if sides.len() != images.sides.len() || differs(coordinates, images.sides.len()) || other_count {
            return Err(OpError::new("the grid is for other images"));
        }
        let result = Images { sides: sides.to_vec(), ..images };
        Ok(vec![Fact::new(input.dtype, Layout::ChannelsFirst.join(&result))])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let axes = inputs[0].and_then(Fact::rank).map_or(2, |rank| rank.saturating_sub(2)) as u32;
        let taps = match self.sampling {
            Sampling::Nearest => 1,
            Sampling::Linear => 2u64.saturating_pow(axes),
            Sampling::Cubic => 4u64.saturating_pow(axes),
        };
        let read = inputs.iter().flatten().map(|fact| fact.elements()).fold(0, u64::saturating_add);
        Cost { multiply_adds: 0, elements: outputs[0].elements().saturating_mul(taps).saturating_add(read) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (input, grid) = (needed(inputs, 0, "X")?, needed(inputs, 1, "grid")?);
        let images = Layout::ChannelsFirst.split(input.shape())?;
        let axes = images.sides.len();
        let sides = grid.shape()[1..=axes].to_vec();
        let results = Images { sides, ..images.clone() };
        let (values, coordinates, steps) = (floats(input)?, floats(grid)?, strides(&images.sides));
        let (source, target) = (images.pixels(), results.pixels());
        let shape = Layout::ChannelsFirst.join(&results);
        let result = float_result(cpu, input.dtype(), &shape, |out| {
            for (place, coordinates) in coordinates.chunks_exact(axes).enumerate() {
                let sides = images.sides.iter().zip(coordinates.iter().rev());
                let taps: Vec<Taps> = sides.map(|(&size, &coordinate)| self.taps(coordinate, size)).collect();
                let (image, pixel) = (place / target, place % target);
                for plane in image * images.channels..(image + 1) * images.channels {
                    out[plane * target + pixel] = match self.sampling {
                        Sampling::Nearest => nearest(&values, &taps, &steps, plane * source),
                        _ => sample(&values, &taps, &steps, plane * source),
                    };
                }
            }
            Ok(())
        })?;
        Ok(vec![result])
    }
}

/// The one element that the taps lead to; 0 if it lies outside.
fn nearest(values: &[f32], taps: &[Taps], steps: &[usize], start: usize) -> f32 {
    let offset = taps.iter().zip(steps).try_fold(start, |offset, (taps, step)| Some(offset + taps.first()?.0 * step));
    offset.map_or(0.0, |offset| values[offset])
}

#[cfg(test)]
mod tests {
    use super::super::trial::results;
    use super::*;

    fn sampled(sampling: Sampling, outside: Outside, align_corners: bool) -> Vec<f32> {
        let image = Tensor::new::<f32>(&[1, 1, 2, 2], &[1., 2., 3., 4.]);
        // The middle, a corner of the image, its outermost edge, and far outside.
        let grid = Tensor::new::<f32>(&[1, 1, 4, 2], &[0., 0., -0.5, -0.5, -1., -1., 9., 0.]);
        let found = results(&GridSample { sampling, outside, align_corners }, &[&image, &grid]).unwrap();
        found[0].get::<f32>().unwrap().to_vec()
    }

    /// Worked out by hand: edges of pixels at -1 and 1, so centres at -½ and ½; aligned, centres at -1 and 1.
    #[test]
    fn places_of_a_small_image() {
        assert_eq!(sampled(Sampling::Linear, Outside::Zeros, false), [2.5, 1.0, 0.25, 0.0]);
        assert_eq!(sampled(Sampling::Linear, Outside::Border, false), [2.5, 1.0, 1.0, 3.0]);
        assert_eq!(sampled(Sampling::Linear, Outside::Zeros, true), [2.5, 1.75, 1.0, 0.0]);
        assert_eq!(sampled(Sampling::Nearest, Outside::Zeros, false), [1.0, 1.0, 1.0, 0.0]);
        assert_eq!(sampled(Sampling::Cubic, Outside::Border, false)[..2], [2.5, 1.0]);
    }

    #[test]
    fn coordinates_are_mirrored_as_often_as_it_takes() {
        for (x, expected) in [(-0.25, -0.25), (-0.75, -0.25), (1.75, 1.25), (3.5, -0.5), (-4.25, -0.25)] {
            assert_eq!(reflected(x, [-0.5, 1.5]), expected, "{x}");
        }
        assert_eq!(reflected(f64::INFINITY, [0.0, 1.0]), 0.0);
        assert_eq!(reflected(7.0, [0.0, 0.0]), 0.0);
    }

    #[test]
    fn coordinates_that_are_no_numbers_read_nothing() {
        let image = Tensor::new::<f32>(&[1, 1, 1, 2], &[1., 2.]);
        let grid = Tensor::new::<f32>(&[1, 1, 2, 2], &[f32::NAN, 0., f32::INFINITY, 0.]);
        for outside in [Outside::Zeros, Outside::Border, Outside::Reflection] {
            let sample = GridSample { sampling: Sampling::Cubic, outside, align_corners: false };
            assert!(results(&sample, &[&image, &grid]).is_ok());
        }
    }
}
