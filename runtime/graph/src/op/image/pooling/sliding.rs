//! A window that slides over images: what lies under it, and what is made of that.

use poai_numerics::step::{element, greater, stored};
use poai_numerics::{Axis, Pooling};

use super::super::frame::window;
use super::super::layout::{Images, Layout};
use super::super::power::Power;
use crate::op::operand::{float_result, floats, narrowed};
use crate::tensor::elements;
use crate::{Cpu, DType, Element, OpError, Tensor};

/// A window over images of known sizes.
pub(super) struct Sliding {
    /// One for each side.
    pub(super) axes: Vec<Axis>,
    pub(super) layout: Layout,
    pub(super) images: Images<usize>,
    pub(super) results: Images<usize>,
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
    pub(super) fn shape(&self) -> Vec<usize> {
        self.layout.join(&self.results)
    }

    /// Height and width of the result.
    pub(super) fn places(&self) -> [usize; 2] {
        match self.results.sides[..] {
            [height, width] => [height, width],
            _ => [1, self.results.pixels()],
        }
    }

    pub(super) fn pool(&self, cpu: &Cpu, pooling: Pooling, input: &Tensor) -> Result<Tensor, OpError> {
        let window = window(&self.images, &self.axes);
        let values = self.layout.to_channels_last(&self.images, floats(input)?);
        float_result(cpu, input.dtype(), &self.shape(), |out| {
            self.layout.write_channels_last(&self.results, out, |out| {
                Ok(cpu.processor().pool_images(pooling, &window, self.places(), &values, out)?)
            })
        })
    }

    /// One or two sides, which numerics pools.
    pub(super) fn is_flat(&self) -> bool {
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
    pub(super) fn average(&self, cpu: &Cpu, with_padding: bool, input: &Tensor) -> Result<Tensor, OpError> {
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
    pub(super) fn greatest(&self, cpu: &Cpu, input: &Tensor, column_major: bool) -> Result<Vec<Tensor>, OpError> {
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

    pub(super) fn norm(&self, cpu: &Cpu, power: Power, input: &Tensor) -> Result<Tensor, OpError> {
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
