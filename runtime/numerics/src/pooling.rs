//! Pooling and resizing of channels-last images.

use std::ops::Range;

use crate::error::{NumericsError, count, expect_length, expect_positive};
use crate::isa::{Isa, Work};
use crate::lanes::{One, Register, Several};
use crate::processor::Processor;
use crate::step::{Fused, canonical, element, stored};
use crate::window::Window;

/// Elements to read below which a second thread is not worth waking.
const PIECE: usize = 16_384;
/// Elements that one of a resized image is made of.
const CORNERS: usize = 4;

/// What a window makes of the elements under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// The greatest, by integer keys; NaN if any is; -∞ of none.
    Max,
    /// The sum in the order (kh, kw), from +0, divided by how many there are.
    Average,
    /// The same, divided by all taps that lie on the image or its padding.
    AverageWithPadding,
}

struct PoolRow<'a> {
    pooling: Pooling,
    window: &'a Window,
    /// Places of a row whose taps all lie between the image's sides.
    inside: Range<usize>,
    input: &'a [f32],
    image: usize,
    y: usize,
    out: &'a mut [f32],
}

impl Work for PoolRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { pooling, window, inside, input, image, y, out } = self;
        let channels = window.channels;
        let places = out.len() / channels.max(1);
        let mut starts = Vec::with_capacity(window.taps());
        let mut x = 0;
        while x < places {
            // Where each tap that does not lie in padding finds its pixel.
            starts.clear();
            for tap in 0..window.taps() {
                let (down, across) = (tap / window.width.kernel, tap % window.width.kernel);
                if let Some((y, x)) = window.height.gathered(y, down).zip(window.width.gathered(x, across)) {
                    starts.push(((image * window.height.input + y) * window.width.input + x) * channels);
                }
            }
            let divisor = match pooling {
                Pooling::Max => 1.0,
                Pooling::Average => starts.len() as f32,
                Pooling::AverageWithPadding => (within(&window.height, y) * within(&window.width, x)) as f32,
            };
            // From there to the last place inside, all taps move on alike.
            let alike = if inside.contains(&x) { inside.end - x } else { 1 };
            for (turn, out) in out[x * channels..].chunks_exact_mut(channels).take(alike).enumerate() {
                let input = input.get(turn * window.width.stride * channels..).unwrap_or_default();
                pool::<I>(pooling, input, &starts, divisor, out);
            }
            x += alike;
        }
    }
}

/// Registers side by side: sixty-four channels.
type Four<I> = Several<<I as Isa>::Sixteen, 4>;

/// One place's channels.
#[inline(always)]
fn pool<I: Isa>(pooling: Pooling, input: &[f32], starts: &[usize], divisor: f32, out: &mut [f32]) {
    let mut channel = 0;
    while out.len() - channel >= <Four<I>>::COUNT {
        pool_lanes::<Four<I>>(pooling, input, starts, divisor, channel, out);
        channel += <Four<I>>::COUNT;
    }
    while out.len() - channel >= I::Sixteen::COUNT {
        pool_lanes::<I::Sixteen>(pooling, input, starts, divisor, channel, out);
        channel += I::Sixteen::COUNT;
    }
    for channel in channel..out.len() {
        pool_lanes::<One<I::Fused>>(pooling, input, starts, divisor, channel, out);
    }
}

/// Some channels side by side.
#[inline(always)]
fn pool_lanes<V: Register>(
    pooling: Pooling,
    input: &[f32],
    starts: &[usize],
    divisor: f32,
    channel: usize,
    out: &mut [f32],
) {
    let result = if pooling == Pooling::Max {
        let mut greatest = V::splat(f32::NEG_INFINITY);
        for start in starts {
            // What counts as 0 may be made 0 at last: the greatest stays the greatest.
            greatest = greatest.greater(V::read(&input[start + channel..]));
        }
        greatest
    } else {
        let mut sum = V::splat(0.0);
        for start in starts {
            sum = sum + V::read(&input[start + channel..]).element();
        }
        sum / V::splat(divisor)
    };
    result.stored().write(&mut out[channel..]);
}

/// Taps at `place` that lie on the padded image.
fn within(axis: &crate::window::Axis, place: usize) -> usize {
    let padded = axis.before + axis.input + axis.behind;
    (0..axis.kernel).filter(|tap| place * axis.stride + tap * axis.dilation < padded).count()
}

impl Processor {
    /// Pools `input` (images, height, width, channels) into `out` (images, `places`, channels).
    ///
    /// `places` are usually those of the window's axes; one more a side is what ONNX's `ceil_mode` may add.
    pub fn pool_images(
        &self,
        pooling: Pooling,
        window: &Window,
        places: [usize; 2],
        input: &[f32],
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        for (axis, places) in [(window.height, places[0]), (window.width, places[1])] {
            let most = axis.places()? + 1;
            if places > most {
                return Err(NumericsError::Parameter { what: "a side's places", value: places, rule: "is too many" });
            }
        }
        expect_length("the images", input.len(), window.elements()?)?;
        let elements = count("the result", &[window.images, places[0], places[1], window.channels])?;
        expect_length("the result", out.len(), elements)?;
        let least = PIECE / window.taps().clamp(1, PIECE);
        self.each_line(out, places[1] * window.channels, least, |index, out| {
            let (image, y) = (index / places[0], index % places[0]);
            let inside = window.width.inside(places[1]);
            self.run(PoolRow { pooling, window, inside, input, image, y, out });
        });
        Ok(())
    }

    /// Resizes `input` (images, height, width, channels) along both axes.
    pub fn resize(
        &self,
        images: usize,
        channels: usize,
        height: &Resampling,
        width: &Resampling,
        input: &[f32],
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        expect_positive("the number of channels", channels)?;
        let elements = count("the images", &[images, height.input, width.input, channels])?;
        expect_length("the images", input.len(), elements)?;
        let elements = count("the result", &[images, height.taps.len(), width.taps.len(), channels])?;
        expect_length("the result", out.len(), elements)?;
        self.each_line(out, width.taps.len() * channels, PIECE / CORNERS, |index, out| {
            let (image, y) = (index / height.taps.len(), index % height.taps.len());
            self.run(ResizeRow { image, down: height.taps[y], height: height.input, width, channels, input, out });
        });
        Ok(())
    }
}

/// Two neighbours of a place in the input, and how much the second counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// The neighbour at or before it.
    pub first: usize,
    /// The neighbour behind it.
    pub second: usize,
    /// 0 is all of the first, 1 all of the second.
    pub weight: f32,
}

/// For each place along an axis of a result, where it lies in the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Resampling {
    input: usize,
    taps: Vec<Tap>,
}

impl Resampling {
    /// From coordinates in the input, as ONNX's modes give them: linear between the neighbours, the edge beyond.
    pub fn linear(input: usize, coordinates: &[f64]) -> Result<Self, NumericsError> {
        expect_positive("the input", input)?;
        let last = (input - 1) as f64;
        let taps = coordinates.iter().map(|&coordinate| {
            // NaN goes to 0 by the order of these comparisons.
            let inside = if coordinate > 0.0 { coordinate.min(last) } else { 0.0 };
            let first = inside.floor() as usize;
            Tap { first, second: (first + 1).min(input - 1), weight: (inside - inside.floor()) as f32 }
        });
        Ok(Self { input, taps: taps.collect() })
    }

    /// From the index of the nearest element, for each place.
    pub fn nearest(input: usize, indices: &[usize]) -> Result<Self, NumericsError> {
        if let Some(&value) = indices.iter().find(|&&index| index >= input) {
            return Err(NumericsError::Parameter { what: "an index", value, rule: "lies outside the input" });
        }
        Ok(Self { input, taps: indices.iter().map(|&i| Tap { first: i, second: i, weight: 0.0 }).collect() })
    }

    /// For each place of the result, where it lies.
    pub fn taps(&self) -> &[Tap] {
        &self.taps
    }
}

/// `a + weight · (b - a)`, the multiply-add fused; `a` itself, all its bits, where the weight is 0.
#[inline(always)]
pub(crate) fn between<F: Fused>(a: f32, b: f32, weight: f32) -> f32 {
    let mixed = stored(F::fused(weight, element(b) - element(a), element(a)));
    if weight == 0.0 { canonical(a) } else { mixed }
}

struct ResizeRow<'a> {
    image: usize,
    down: Tap,
    height: usize,
    width: &'a Resampling,
    channels: usize,
    input: &'a [f32],
    out: &'a mut [f32],
}

impl Work for ResizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { image, down, height, width, channels, input, out } = self;
        let pixel = |y: usize, x: usize| {
            let start = ((image * height + y) * width.input + x) * channels;
            &input[start..start + channels]
        };
        for (out, across) in out.chunks_mut(channels).zip(&width.taps) {
            let corners = [
                pixel(down.first, across.first),
                pixel(down.first, across.second),
                pixel(down.second, across.first),
                pixel(down.second, across.second),
            ];
            for (c, out) in out.iter_mut().enumerate() {
                let top = between::<I::Fused>(corners[0][c], corners[1][c], across.weight);
                let bottom = between::<I::Fused>(corners[2][c], corners[3][c], across.weight);
                *out = between::<I::Fused>(top, bottom, down.weight);
            }
        }
    }
}
