//! Pooling under sliding windows.

use poai_numerics::step::{element, greater, stored};
use poai_numerics::{Axis, Binary, Pooling, Strided, Unary};

use super::frame::{Frame, Padding, span, window};
use super::layout::{Images, Layout};
use super::{Image, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, narrowed, needed};
use crate::tensor::elements;
use crate::{Cost, Cpu, DType, Dim, Element, Fact, OpError, Tensor};

/// A pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// What it makes of the elements under a window.
    pub kind: PoolKind,
    /// How the window slides.
    pub frame: Frame,
    /// A last place whose window reaches beyond the padding counts, if it begins before that ends.
    pub ceiling: bool,
    /// How images and result lie in memory.
    pub layout: Layout,
}

/// What a pool makes of the elements under a window.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolKind {
    /// The greatest.
    Max,
    /// The greatest, and where it lies: the place in the tensor, as ONNX lays it out, of the first among equals.
    MaxWithPlaces {
        /// Places count down the columns of an image, not along its rows.
        column_major: bool,
    },
    /// Their mean; what lies in padding counts as 0, or not at all.
    Average {
        /// Padding counts.
        with_padding: bool,
    },
    /// Their norm: the sum of powers, in the order of the taps, and its root.
    Norm(Power),
}

/// The p of a norm: `(Σ |x|ᵖ)^(1/p)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power(f32);

/// Reads the attribute p of a norm.
pub(super) fn import_power(source: &mut Source<'_>) -> Result<Power, OpError> {
    match source.int("p")?.unwrap_or(2) {
        power @ 1..=1024 => Ok(Power(power as f32)),
        other => Err(OpError::new(format!("a norm of power {other} is outside of 1 to 1024"))),
    }
}

impl Power {
    #[cfg(test)]
    pub(super) fn new(power: f32) -> Self {
        Self(power)
    }

    pub(super) fn is(self, power: f32) -> bool {
        self.0 == power
    }

    /// |x|ᵖ for each.
    pub(super) fn raised(self, cpu: &Cpu, values: &[f32]) -> Result<Vec<f32>, OpError> {
        let mut sizes = vec![0.0; values.len()];
        cpu.processor().unary(Unary::Abs, values, &mut sizes)?;
        self.to_the(cpu, self.0, &mut sizes)?;
        Ok(sizes)
    }

    /// The root of each.
    pub(super) fn take_root(self, cpu: &Cpu, values: &mut [f32]) -> Result<(), OpError> {
        if self.is(2.0) {
            let squares = values.to_vec();
            return Ok(cpu.processor().unary(Unary::Sqrt, &squares, values)?);
        }
        self.to_the(cpu, 1.0 / self.0, values)
    }

    fn to_the(self, cpu: &Cpu, exponent: f32, values: &mut [f32]) -> Result<(), OpError> {
        if exponent == 1.0 {
            return Ok(());
        }
        let bases = values.to_vec();
        let (base, exponent) = (Strided { data: &bases, strides: &[1] }, Strided { data: &[exponent], strides: &[0] });
        Ok(cpu.processor().binary(Binary::Pow, &[bases.len()], base, exponent, values)?)
    }
}

/// Reads MaxPool.
pub(super) fn import_max(source: &mut Source<'_>) -> Result<Image, OpError> {
    let column_major = source.flag("storage_order")?;
    let kind = if source.output_count() > 1 { PoolKind::MaxWithPlaces { column_major } } else { PoolKind::Max };
    read(source, kind)
}

/// Reads AveragePool.
pub(super) fn import_average(source: &mut Source<'_>) -> Result<Image, OpError> {
    let with_padding = source.flag("count_include_pad")?;
    read(source, PoolKind::Average { with_padding })
}

/// Reads LpPool.
pub(super) fn import_norm(source: &mut Source<'_>) -> Result<Image, OpError> {
    let kind = PoolKind::Norm(import_power(source)?);
    read(source, kind)
}

fn read(source: &mut Source<'_>, kind: PoolKind) -> Result<Image, OpError> {
    let ceiling = source.flag("ceil_mode")?;
    let frame = Frame::import(source)?;
    if frame.kernel.is_empty() {
        return Err(OpError::new("a pool needs a kernel_shape"));
    }
    Ok(Image::Pool(Pool { kind, frame, ceiling, layout: Layout::ChannelsFirst }))
}

impl Pool {
    /// A side's axis, and how many places it has.
    fn side(&self, side: usize, input: usize) -> Result<(Axis, usize), OpError> {
        let axis = self.frame.axis(side, input, self.frame.kernel[side])?;
        let places = axis.places()?;
        // SAME_UPPER and SAME_LOWER say the number of places by themselves.
        let may_reach_beyond = self.ceiling && matches!(self.frame.padding, Padding::Explicit(_));
        let begins_inside = places * axis.stride < axis.before + input;
        let room = (axis.before + input + axis.behind).checked_sub(span(&axis));
        let is_cut = room.is_some_and(|room| room % axis.stride > 0);
        Ok((axis, places + usize::from(may_reach_beyond && begins_inside && is_cut)))
    }

    fn results(&self, images: &Images<Dim>) -> Result<Images<Dim>, OpError> {
        self.frame.check(images.sides.len(), 3)?;
        let places = images.sides.iter().enumerate().map(|(side, dim)| match dim {
            Dim::Size(input) => Ok(Dim::Size(self.side(side, *input)?.1)),
            _ => Ok(Dim::Unknown),
        });
        Ok(Images { sides: places.collect::<Result<_, OpError>>()?, ..images.clone() })
    }
}

impl Operation for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max | PoolKind::MaxWithPlaces { .. } => "MaxPool",
            PoolKind::Average { .. } => "AveragePool",
            PoolKind::Norm(_) => "LpPool",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let input = needed(inputs, 0, "X")?;
        if !matches!(self.kind, PoolKind::Max | PoolKind::MaxWithPlaces { .. }) {
            float_type(input.dtype)?;
        }
        let result = match &input.shape {
            None => Fact::of_type(input.dtype),
            Some(shape) => Fact::new(input.dtype, self.layout.join(&self.results(&self.layout.split(shape)?)?)),
        };
        Ok(match self.kind {
            PoolKind::MaxWithPlaces { .. } => vec![result.clone(), Fact { dtype: DType::I64, ..result }],
            _ => vec![result],
        })
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let taps = self.frame.kernel.iter().fold(1, |taps: u64, &kernel| taps.saturating_mul(kernel as u64));
        let read = inputs[0].map_or(0, Fact::elements);
        Cost { multiply_adds: 0, elements: outputs[0].elements().saturating_mul(taps).saturating_add(read) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let input = needed(inputs, 0, "X")?;
        let images = self.layout.split(input.shape())?;
        let sides = images.sides.iter().enumerate().map(|(side, &input)| self.side(side, input));
        let (axes, places): (Vec<Axis>, Vec<usize>) = sides.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let results = Images { sides: places, ..images.clone() };
        let sliding = Sliding { axes, layout: self.layout, images, results };
        match self.kind {
            PoolKind::Max if sliding.is_flat() && float_type(input.dtype()).is_ok() => {
                Ok(vec![sliding.pool(cpu, Pooling::Max, input)?])
            }
            PoolKind::Average { with_padding } if sliding.is_flat() => {
                let pooling = if with_padding { Pooling::AverageWithPadding } else { Pooling::Average };
                Ok(vec![sliding.pool(cpu, pooling, input)?])
            }
            PoolKind::Average { with_padding } => Ok(vec![sliding.average(cpu, with_padding, input)?]),
            PoolKind::Max => Ok(sliding.greatest(cpu, input, false)?.into_iter().take(1).collect()),
            PoolKind::MaxWithPlaces { column_major } => sliding.greatest(cpu, input, column_major),
            PoolKind::Norm(power) => Ok(vec![sliding.norm(cpu, power, input)?]),
        }
    }
}

/// A window over images of known sizes.
struct Sliding {
    /// One for each side.
    axes: Vec<Axis>,
    layout: Layout,
    images: Images<usize>,
    results: Images<usize>,
}

/// A place of the result, its element there, and the elements under the window there, `first + pixel · step` for each pixel.
struct Under<'a> {
    place: usize,
    element: usize,
    first: usize,
    step: usize,
    pixels: &'a [usize],
}

impl Sliding {
    fn shape(&self) -> Vec<usize> {
        self.layout.join(&self.results)
    }

    /// Height and width of the result.
    fn places(&self) -> [usize; 2] {
        match self.results.sides[..] {
            [height, width] => [height, width],
            _ => [1, self.results.pixels()],
        }
    }

    fn pool(&self, cpu: &Cpu, pooling: Pooling, input: &Tensor) -> Result<Tensor, OpError> {
        let window = window(&self.images, &self.axes);
        let values = self.layout.to_channels_last(&self.images, floats(input)?);
        float_result(cpu, input.dtype(), &self.shape(), |out| {
            self.layout.write_channels_last(&self.results, out, |out| {
                Ok(cpu.processor().pool_images(pooling, &window, self.places(), &values, out)?)
            })
        })
    }

    /// One or two sides, which numerics pools.
    fn is_flat(&self) -> bool {
        self.axes.len() <= 2
    }

    /// Calls `visit` with each element of the result, in the order of places.
    fn each(&self, mut visit: impl FnMut(Under<'_>)) {
        let channels = self.images.channels;
        if self.images.count == 0 || channels == 0 {
            return;
        }
        let (source, target) = (self.images.pixels(), self.results.pixels());
        for place in 0..target {
            let pixels = self.pixels_under(place);
            for (image, channel) in (0..self.images.count).flat_map(|i| (0..channels).map(move |c| (i, c))) {
                let plane = image * channels + channel;
                let (element, first, step) = match self.layout {
                    Layout::ChannelsFirst => (plane * target + place, plane * source, 1),
                    Layout::ChannelsLast => {
                        ((image * target + place) * channels + channel, image * source * channels + channel, channels)
                    }
                };
                visit(Under { place, element, first, step, pixels: &pixels });
            }
        }
    }

    /// The place along each side.
    fn along(&self, mut place: usize) -> Vec<usize> {
        let mut along = vec![0; self.axes.len()];
        for (along, size) in along.iter_mut().zip(&self.results.sides).rev() {
            (*along, place) = (place % size, place / size);
        }
        along
    }

    /// The pixels under the window at a place, in the order of its taps.
    fn pixels_under(&self, place: usize) -> Vec<usize> {
        let mut pixels = vec![0];
        for (axis, along) in self.axes.iter().zip(self.along(place)) {
            let indices: Vec<usize> = (0..axis.kernel).filter_map(|tap| axis.gathered(along, tap)).collect();
            pixels = pixels
                .into_iter()
                .flat_map(|pixel| indices.iter().map(move |index| pixel * axis.input + index))
                .collect();
        }
        pixels
    }

    /// The mean, in the order of the taps, of any number of sides.
    fn average(&self, cpu: &Cpu, with_padding: bool, input: &Tensor) -> Result<Tensor, OpError> {
        let values = floats(input)?;
        float_result(cpu, input.dtype(), &self.shape(), |out| {
            self.each(|under| {
                let terms = under.pixels.iter().map(|pixel| element(values[under.first + pixel * under.step]));
                let sum = terms.fold(0.0, |sum, term| sum + term);
                let count = if with_padding { self.taps_on_padded(under.place) } else { under.pixels.len() };
                out[under.element] = stored(sum / count as f32);
            });
            Ok(())
        })
    }

    /// Taps at a place that lie on the image or its padding.
    fn taps_on_padded(&self, place: usize) -> usize {
        let on = |(axis, along): (&Axis, usize)| {
            let padded = axis.before + axis.input + axis.behind;
            (0..axis.kernel).filter(|tap| along * axis.stride + tap * axis.dilation < padded).count()
        };
        self.axes.iter().zip(self.along(place)).map(on).product()
    }

    /// The greatest elements, and their places.
    fn greatest(&self, cpu: &Cpu, input: &Tensor, column_major: bool) -> Result<Vec<Tensor>, OpError> {
        macro_rules! of {
            ($type:ty, $least:expr, $greater:expr) => {{
                let mut result = cpu.allocate(input.dtype(), &self.shape())?;
                let values = input.slice::<$type>()?;
                let places = self.greatest_of(cpu, values, column_major, $least, $greater, result.slice_mut())?;
                Ok(vec![result.freeze(), places])
            }};
        }
        match input.dtype() {
            DType::F32 | DType::F16 | DType::Bf16 => self.greatest_floats(cpu, input, column_major),
            DType::F64 => of!(f64, f64::NEG_INFINITY, |a: f64, b: f64| match a.partial_cmp(&b) {
                None => f64::NAN,
                Some(std::cmp::Ordering::Less) => b,
                Some(_) => a,
            }),
            DType::I8 => of!(i8, i8::MIN, i8::max),
            DType::I16 => of!(i16, i16::MIN, i16::max),
            DType::I32 => of!(i32, i32::MIN, i32::max),
            DType::I64 => of!(i64, i64::MIN, i64::max),
            DType::U8 | DType::Bool => of!(u8, u8::MIN, u8::max),
            DType::U16 => of!(u16, u16::MIN, u16::max),
            DType::U32 => of!(u32, u32::MIN, u32::max),
            DType::U64 => of!(u64, u64::MIN, u64::max),
        }
    }

    fn greatest_floats(&self, cpu: &Cpu, input: &Tensor, column_major: bool) -> Result<Vec<Tensor>, OpError> {
        let values = floats(input)?;
        let count = elements(&self.shape()).ok_or_else(|| OpError::new("the result is beyond any memory"))?;
        let mut wide = vec![0.0; count];
        let join = |best: f32, value: f32| greater(best, element(value));
        let places = self.greatest_of(cpu, &values, column_major, f32::NEG_INFINITY, join, &mut wide)?;
        wide.iter_mut().for_each(|value| *value = stored(*value));
        Ok(vec![narrowed(cpu, input.dtype(), &self.shape(), &wide)?, places])
    }

    /// Fills `out` with the greatest elements, and gives the places of the first that were not below any other: -1
    /// where the window has none.
    fn greatest_of<T: Element>(
        &self,
        cpu: &Cpu,
        values: &[T],
        column_major: bool,
        least: T,
        greater: impl Fn(T, T) -> T,
        out: &mut [T],
    ) -> Result<Tensor, OpError> {
        let mut places = cpu.allocate(DType::I64, &self.shape())?;
        let to = places.slice_mut::<i64>();
        let (sides, columns) = (&self.images.sides, column_steps(&self.images.sides));
        self.each(|under| {
            let (mut best, mut place) = (least, None);
            for &pixel in under.pixels {
                let next = greater(best, values[under.first + pixel * under.step]);
                if place.is_none() || bytemuck::bytes_of(&next) != bytemuck::bytes_of(&best) {
                    place = Some(pixel);
                }
                best = next;
            }
            out[under.element] = best;
            let counted = |pixel| if column_major { by_columns(pixel, sides, &columns) } else { pixel };
            to[under.element] = place.map_or(-1, |pixel| (self.plane(&under) + counted(pixel)) as i64);
        });
        Ok(places.freeze())
    }

    /// Where the element's image and channel begin, as ONNX lays them out.
    fn plane(&self, under: &Under<'_>) -> usize {
        let (pixels, channels) = (self.images.pixels(), self.images.channels);
        match self.layout {
            Layout::ChannelsFirst => under.first,
            Layout::ChannelsLast => {
                let (image, channel) = (under.first / (pixels * channels), under.first % channels);
                (image * channels + channel) * pixels
            }
        }
    }

    fn norm(&self, cpu: &Cpu, power: Power, input: &Tensor) -> Result<Tensor, OpError> {
        let powers = power.raised(cpu, &floats(input)?)?;
        float_result(cpu, input.dtype(), &self.shape(), |out| {
            self.each(|under| {
                let terms = under.pixels.iter().map(|pixel| element(powers[under.first + pixel * under.step]));
                out[under.element] = stored(terms.fold(0.0, |sum, term| sum + term));
            });
            power.take_root(cpu, out)
        })
    }
}

/// Steps between neighbours along each side, the first side contiguous.
fn column_steps(sides: &[usize]) -> Vec<usize> {
    sides.iter().scan(1, |step, &size| Some(std::mem::replace(step, *step * size))).collect()
}

/// A pixel's place where the first side is contiguous.
fn by_columns(mut pixel: usize, sides: &[usize], steps: &[usize]) -> usize {
    let mut place = 0;
    for (size, step) in sides.iter().zip(steps).rev() {
        place += pixel % size * step;
        pixel /= size;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::super::trial::{results, turned};
    use super::*;

    fn pool(kind: PoolKind, kernel: &[usize], pads: &[[usize; 2]]) -> Pool {
        let padding = Padding::Explicit(pads.to_vec());
        let frame = Frame { kernel: kernel.to_vec(), padding, ..Frame::default() };
        Pool { kind, frame, ceiling: false, layout: Layout::ChannelsFirst }
    }

    fn image() -> Tensor {
        let values: Vec<f32> = (1..=25).map(|value| value as f32).collect();
        Tensor::new(&[1, 1, 5, 5], &values)
    }

    /// Expected values are those of ONNX's documentation (maxpool_2d_precomputed_strides and its kin).
    #[test]
    fn pools_of_the_documentation() {
        let strided = |kind| {
            let mut pool = pool(kind, &[2, 2], &[]);
            pool.frame.strides = vec![2, 2];
            pool
        };
        let max = Tensor::new::<f32>(&[1, 1, 2, 2], &[7., 9., 17., 19.]);
        let mean = Tensor::new::<f32>(&[1, 1, 2, 2], &[4., 6., 14., 16.]);
        assert_eq!(results(&strided(PoolKind::Max), &[&image()]), Ok(vec![max.clone()]));
        assert_eq!(results(&strided(PoolKind::Average { with_padding: false }), &[&image()]), Ok(vec![mean]));
        for (column_major, places) in [(false, [6, 8, 16, 18]), (true, [6, 16, 8, 18])] {
            let places = Tensor::new::<i64>(&[1, 1, 2, 2], &places);
            let pool = strided(PoolKind::MaxWithPlaces { column_major });
            assert_eq!(results(&pool, &[&image()]), Ok(vec![max.clone(), places]));
        }
        let padded = pool(PoolKind::Average { with_padding: true }, &[5, 5], &[[2, 2], [2, 2]]);
        let result = &results(&padded, &[&image()]).unwrap()[0];
        // (1 + 2 + 3 + 6 + 7 + 8 + 11 + 12 + 13) / 25, and the whole image's sum by 25 in the middle.
        assert_eq!((result.get::<f32>().unwrap()[0], result.get::<f32>().unwrap()[12]), (2.52, 13.0));
    }

    #[test]
    fn a_ceiling_adds_a_place_that_begins_inside() {
        let values: Vec<f32> = (1..=16).map(|value| value as f32).collect();
        let input = Tensor::new(&[1, 1, 4, 4], &values);
        let mut pool = pool(PoolKind::Max, &[3, 3], &[]);
        pool.frame.strides = vec![2, 2];
        pool.ceiling = true;
        let expected = Tensor::new::<f32>(&[1, 1, 2, 2], &[11., 12., 15., 16.]);
        assert_eq!(results(&pool, &[&input]), Ok(vec![expected]));
        // One place of stride 2 over a single element; a second would begin in the padding behind.
        let narrow = Tensor::new::<f32>(&[1, 1, 1], &[5.0]);
        pool.frame =
            Frame { kernel: vec![1], strides: vec![2], padding: Padding::Explicit(vec![[0, 1]]), ..Frame::default() };
        assert_eq!(results(&pool, &[&narrow]), Ok(vec![narrow]));
    }

    #[test]
    fn layouts_and_widths_agree() {
        let values: Vec<f32> = (0..2 * 3 * 5 * 4).map(|i| ((i * 37) % 61) as f32 - 30.0).collect();
        let first = Tensor::new(&[2, 3, 5, 4], &values);
        for kind in [
            PoolKind::Max,
            PoolKind::MaxWithPlaces { column_major: false },
            PoolKind::Average { with_padding: false },
            PoolKind::Average { with_padding: true },
            PoolKind::Norm(Power(3.0)),
        ] {
            let pool = pool(kind, &[3, 2], &[[1, 0], [1, 1]]);
            let expected = results(&pool, &[&first]).unwrap();
            let last = Pool { layout: Layout::ChannelsLast, ..pool.clone() };
            let found = results(&last, &[&turned(&first)]).unwrap();
            assert_eq!(found, expected.iter().map(turned).collect::<Vec<_>>(), "{pool:?}");
        }
        let bytes: Vec<i8> = values.iter().map(|&value| value as i8).collect();
        let pool = pool(PoolKind::Max, &[2, 2], &[]);
        let wide = results(&pool, &[&first]).unwrap();
        let expected: Vec<i8> = wide[0].get::<f32>().unwrap().iter().map(|&value| value as i8).collect();
        let found = results(&pool, &[&Tensor::new(&[2, 3, 5, 4], &bytes)]).unwrap();
        assert_eq!(found[0].get::<i8>().unwrap(), expected);
    }

    #[test]
    fn norms_take_powers_and_roots() {
        let input = Tensor::new::<f32>(&[1, 1, 4], &[3.0, -4.0, 0.0, 2.0]);
        for (power, expected) in [(1.0, [7.0, 4.0, 2.0]), (2.0, [5.0, 4.0, 2.0])] {
            let pool = pool(PoolKind::Norm(Power(power)), &[2], &[]);
            assert_eq!(results(&pool, &[&input]), Ok(vec![Tensor::new::<f32>(&[1, 1, 3], &expected)]));
        }
    }

    /// A third side of one element changes nothing, and four sides are too many.
    #[test]
    fn a_third_side_is_pooled_alike() {
        let values: Vec<f32> = (0..2 * 5 * 4).map(|i| ((i * 37) % 61) as f32 - 30.0).collect();
        let flat = Tensor::new(&[1, 2, 5, 4], &values);
        let deep = flat.reshaped(&[1, 2, 1, 5, 4]).unwrap();
        for kind in [
            PoolKind::Max,
            PoolKind::MaxWithPlaces { column_major: true },
            PoolKind::Average { with_padding: false },
            PoolKind::Average { with_padding: true },
            PoolKind::Norm(Power(2.0)),
        ] {
            let expected = results(&pool(kind.clone(), &[3, 2], &[[1, 0], [1, 1]]), &[&flat]).unwrap();
            let found = results(&pool(kind, &[1, 3, 2], &[[0, 0], [1, 0], [1, 1]]), &[&deep]).unwrap();
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found.reshaped(expected.shape()), Ok(expected));
            }
        }
        let fact = Fact::new(DType::F32, [1, 1, 2, 2, 2, 2]);
        let found = pool(PoolKind::Max, &[2, 2, 2, 2], &[]).infer(&[Some(&fact)]);
        assert!(matches!(found, Err(OpError::Unsupported(_))));
    }
}
