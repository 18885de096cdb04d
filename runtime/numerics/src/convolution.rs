//! Convolution of channels-last images.
//!
//! Each element of a result is one chain of fused steps in the order (kh, kw, c_in), terms in padding skipped. That is
//! the chain of a product of patches with the filter as a matrix, so it runs on the kernels of [`matmul`](crate::matmul);
//! filters of one channel a group run on channels side by side.

use crate::elementwise::Unary;
use crate::error::{NumericsError, count, expect_length, expect_positive};
use crate::isa::{Isa, Work};
use crate::lanes::Lanes;
use crate::matmul::{Epilogue, LeftRows, Matrices, Packed, Patches, Product};
use crate::processor::Processor;
use crate::step::{Fused, canonical, operand};
use crate::window::Window;

/// What is done to each element of a convolution, in this order; see [`Epilogue`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ConvolutionEpilogue<'a> {
    /// Added, a number for each channel of the result.
    pub bias: Option<&'a [f32]>,
    /// Added, a number for each element of the result.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Option<Unary>,
}

/// How a filter meets the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Each element of the result gathers a patch.
    Gather,
    /// Each element of the image spreads over a patch (ConvTranspose).
    Spread {
        /// Added to the end of the result's height and width.
        extra: [usize; 2],
    },
}

/// A filter, packed.
#[derive(Clone)]
pub struct Filter {
    weights: Weights,
    taps: usize,
    channels: usize,
    results: usize,
}

#[derive(Clone)]
enum Weights {
    /// A matrix for each group: (kh, kw, c_in) × c_out.
    Groups(Vec<Packed>),
    /// One channel a group and one result each: taps × channels, small ones +0.
    Depthwise(Vec<f32>),
}

impl Filter {
    /// Packs weights laid out (kh·kw, c_in of a group, c_out), where c_out counts the groups one after the other.
    pub fn new(
        taps: usize,
        channels: usize,
        results: usize,
        groups: usize,
        weights: &[f32],
    ) -> Result<Self, NumericsError> {
        expect_positive("the number of groups", groups)?;
        expect_positive("the number of channels", channels)?;
        for (what, value) in [("the number of channels", channels), ("the number of results", results)] {
            if value % groups != 0 {
                return Err(NumericsError::Parameter { what, value, rule: "is no multiple of the groups" });
            }
        }
        let group_channels = channels / groups;
        expect_length("the filter", weights.len(), count("the filter", &[taps, group_channels, results])?)?;
        let finite = weights.iter().all(|weight| weight.is_finite());
        let weights = if group_channels == 1 && results == groups && finite {
            Weights::Depthwise(weights.iter().copied().map(operand).collect())
        } else {
            let each = results / groups;
            let packed = (0..groups).map(|group| {
                let starts = [group * each];
                let matrix = Matrices { data: weights, starts: &starts, row_stride: results, column_stride: 1 };
                Packed::new(taps * group_channels, each, matrix)
            });
            Weights::Groups(packed.collect::<Result<_, _>>()?)
        };
        Ok(Self { weights, taps, channels, results })
    }

    /// Channels of the result.
    pub fn results(&self) -> usize {
        self.results
    }
}

/// Places of a convolution's result: height and width.
pub fn convolution_places(window: &Window, direction: Direction) -> Result<[usize; 2], NumericsError> {
    match direction {
        Direction::Gather => Ok([window.height.places()?, window.width.places()?]),
        Direction::Spread { extra } => Ok([window.height.spread(extra[0])?, window.width.spread(extra[1])?]),
    }
}

impl Processor {
    /// Convolves `input` (images, height, width, channels) into `out` (images, places, results).
    pub fn convolve(
        &self,
        window: &Window,
        direction: Direction,
        filter: &Filter,
        epilogue: ConvolutionEpilogue<'_>,
        input: &[f32],
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        let places = convolution_places(window, direction)?;
        expect_length("the filter's taps", filter.taps, window.taps())?;
        expect_length("the filter's channels", filter.channels, window.channels)?;
        expect_length("the images", input.len(), window.elements()?)?;
        let elements = count("the result", &[window.images, places[0], places[1], filter.results])?;
        expect_length("the result", out.len(), elements)?;
        let ConvolutionEpilogue { bias, residual, activation } = epilogue;
        let epilogue = Epilogue { scale: None, bias, residual, activation };
        epilogue.check(out.len(), filter.results)?;
        if out.is_empty() {
            return Ok(());
        }
        match &filter.weights {
            Weights::Depthwise(weights) => {
                let depthwise = Depthwise { window, direction, places, weights, epilogue, input };
                let row = places[1] * window.channels;
                self.pool().chunks(out, row, |index, out| self.run(DepthwiseRow(&depthwise, index, out)));
            }
            Weights::Groups(packed) if packed.iter().all(Packed::is_finite) => {
                self.convolve_groups(window, direction, places, packed, &epilogue, input, out);
            }
            Weights::Groups(packed) => {
                convolve_skipping(window, direction, places, packed, input, out);
                self.run(Finish(&epilogue, filter.results, out));
            }
        }
        Ok(())
    }

    /// Patches of each image and group times the group's matrix.
    #[expect(clippy::too_many_arguments, reason = "a convolution with its shape resolved")]
    fn convolve_groups(
        &self,
        window: &Window,
        direction: Direction,
        places: [usize; 2],
        packed: &[Packed],
        epilogue: &Epilogue<'_>,
        input: &[f32],
        out: &mut [f32],
    ) {
        let groups = packed.len();
        let group_channels = window.channels / groups;
        let each = packed[0].columns();
        let image = input.len() / window.images;
        let rows = places[0] * places[1];
        let patches: Vec<Patches<'_>> = (0..window.images * groups)
            .map(|i| Patches {
                image: &input[i / groups * image..(i / groups + 1) * image],
                window,
                transposed: direction != Direction::Gather,
                columns: places[1],
                first_channel: i % groups * group_channels,
                group_channels,
            })
            .collect();
        let products: Vec<Product<'_>> = patches
            .iter()
            .enumerate()
            .map(|(i, patches)| Product {
                left: LeftRows::Patches(patches),
                right: packed[i % groups].view(),
                rows,
                start: i / groups * rows * each * groups + i % groups * each,
                stride: each * groups,
                first_column: i % groups * each,
            })
            .collect();
        self.run_products(&products, epilogue, out);
    }
}

fn source(window: &Window, direction: Direction, y: usize, x: usize, tap: usize) -> Option<(usize, usize)> {
    let (down, across) = (tap / window.width.kernel, tap % window.width.kernel);
    match direction {
        Direction::Gather => window.height.gathered(y, down).zip(window.width.gathered(x, across)),
        Direction::Spread { .. } => window.height.spread_from(y, down).zip(window.width.spread_from(x, across)),
    }
}

/// For filters with infinite or NaN weights, where a skipped term is not a term of zero. Rare, so not fast.
fn convolve_skipping(
    window: &Window,
    direction: Direction,
    places: [usize; 2],
    packed: &[Packed],
    input: &[f32],
    out: &mut [f32],
) {
    let groups = packed.len();
    let (group_channels, each) = (window.channels / groups, packed[0].columns());
    for (index, out) in out.iter_mut().enumerate() {
        let (place, result) = (index / (each * groups), index % (each * groups));
        let (x, y, image) = (place % places[1], place / places[1] % places[0], place / (places[0] * places[1]));
        let group = result / each;
        let mut sum = 0.0;
        for tap in 0..window.taps() {
            let Some((y, x)) = source(window, direction, y, x, tap) else { continue };
            let start = ((image * window.height.input + y) * window.width.input + x) * window.channels;
            for channel in 0..group_channels {
                let weight = packed[group].at(tap * group_channels + channel, result % each);
                let value = operand(input[start + group * group_channels + channel]);
                sum = crate::step::soft_fused(value, weight, sum);
            }
        }
        *out = canonical(sum);
    }
}

/// An epilogue of its own.
struct Finish<'a>(&'a Epilogue<'a>, usize, &'a mut [f32]);

impl Work for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(epilogue, columns, out) = self;
        for (i, row) in out.chunks_mut(columns).enumerate() {
            epilogue.finish::<I>(row, i * columns, 0);
        }
    }
}

struct Depthwise<'a> {
    window: &'a Window,
    direction: Direction,
    places: [usize; 2],
    weights: &'a [f32],
    epilogue: Epilogue<'a>,
    input: &'a [f32],
}

/// One row of the result's places.
struct DepthwiseRow<'a>(&'a Depthwise<'a>, usize, &'a mut [f32]);

impl Work for DepthwiseRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(all, index, out) = self;
        let (window, channels) = (all.window, all.window.channels);
        let (image, y) = (index / all.places[0], index % all.places[0]);
        let mut taps = Vec::with_capacity(window.taps());
        for (x, sums) in out.chunks_mut(channels).enumerate() {
            // Where each tap that does not lie in padding finds its pixel and its weights.
            taps.clear();
            for tap in 0..window.taps() {
                if let Some((y, x)) = source(window, all.direction, y, x, tap) {
                    let start = ((image * window.height.input + y) * window.width.input + x) * channels;
                    taps.push((&all.input[start..start + channels], &all.weights[tap * channels..][..channels]));
                }
            }
            depthwise::<I>(&taps, sums);
            if !all.epilogue.is_empty() {
                all.epilogue.finish::<I>(sums, (index * all.places[1] + x) * channels, 0);
            }
        }
    }
}

/// The chains of one pixel's channels over its taps.
#[inline(always)]
fn depthwise<I: Isa>(taps: &[(&[f32], &[f32])], sums: &mut [f32]) {
    let whole = sums.len() / I::Wide::COUNT * I::Wide::COUNT;
    for channel in (0..whole).step_by(I::Wide::COUNT) {
        let mut sum = I::Wide::splat(0.0);
        for (values, weights) in taps {
            let value = I::Wide::read(&values[channel..]).operand();
            sum = I::Wide::fused(value, I::Wide::read(&weights[channel..]), sum);
        }
        sum.canonical().write(&mut sums[channel..]);
    }
    let mut channel = whole;
    while sums.len() - channel >= I::Sixteen::COUNT {
        let mut sum = I::Sixteen::splat(0.0);
        for (values, weights) in taps {
            let value = I::Sixteen::read(&values[channel..]).operand();
            sum = I::Sixteen::fused(value, I::Sixteen::read(&weights[channel..]), sum);
        }
        sum.canonical().write(&mut sums[channel..]);
        channel += I::Sixteen::COUNT;
    }
    for (channel, sum) in sums.iter_mut().enumerate().skip(channel) {
        let chain = |sum, (values, weights): &(&[f32], &[f32])| {
            I::Fused::fused(operand(values[channel]), weights[channel], sum)
        };
        *sum = canonical(taps.iter().fold(0.0, chain));
    }
}
