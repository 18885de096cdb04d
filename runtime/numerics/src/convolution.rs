//! Convolution of channels-last images.
//!
//! Each element of a result is one chain of fused steps in the order (kh, kw, c_in), terms in padding skipped. That is
//! the chain of a product of patches with the filter as a matrix, so it runs on the kernels of [`matmul`](crate::matmul);
//! filters of one channel a group run on channels side by side.

use std::ops::Range;

use crate::elementwise::Unary;
use crate::error::{NumericsError, count, expect_length, expect_positive};
use crate::isa::{Isa, Work};
use crate::lanes::Register;
use crate::matmul::{Epilogue, LeftRows, Matrices, Packed, Patches, Product};
use crate::processor::Processor;
use crate::sequence::Following;
use crate::step::{Fused, canonical, operand};
use crate::window::{Axis, Window};

/// Elements of rows that are finished together, while a cache holds them.
const NEAR: usize = 8192;
/// Elements below which a second thread is not worth waking.
const PIECE: usize = 16_384;

/// What is done to each element of a convolution, in this order; see [`Epilogue`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ConvolutionEpilogue<'a> {
    /// Added, a number for each channel of the result.
    pub bias: Option<&'a [f32]>,
    /// Added, a number for each element of the result.
    pub residual: Option<&'a [f32]>,
    /// Applied to all of that.
    pub activation: Option<Unary>,
    /// Replaces the result at last.
    pub following: Option<&'a Following<'a>>,
}

impl<'a> ConvolutionEpilogue<'a> {
    /// As that of a product.
    pub(crate) fn of_product(self) -> Epilogue<'a> {
        let Self { bias, residual, activation, following } = self;
        Epilogue { scale: None, bias, residual, activation, following }
    }
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
        let depthwise = group_channels == 1 && results == groups;
        let weights = if depthwise && weights.iter().all(|weight| weight.is_finite()) {
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
        let window = &if direction == Direction::Gather { lying(window) } else { *window };
        let places = convolution_places(window, direction)?;
        expect_length("the filter's taps", filter.taps, window.taps())?;
        expect_length("the filter's channels", filter.channels, window.channels)?;
        expect_length("the images", input.len(), window.elements()?)?;
        let elements = count("the result", &[window.images, places[0], places[1], filter.results])?;
        expect_length("the result", out.len(), elements)?;
        let epilogue = epilogue.of_product();
        epilogue.check(out.len(), filter.results)?;
        if out.is_empty() {
            return Ok(());
        }
        match &filter.weights {
            Weights::Depthwise(weights) => {
                let inside = if direction == Direction::Gather { window.width.inside(places[1]) } else { 0..0 };
                let depthwise = Depthwise { window, direction, places, inside, weights, epilogue, input };
                let row = places[1] * window.channels;
                let least = PIECE / window.taps();
                self.lines(out, row, least, |first, out| self.run(DepthwiseRows(&depthwise, first, out)));
            }
            Weights::Groups(packed) if direction != Direction::Gather && is_apart(window, places) => {
                self.convolve_apart(window, packed, input, out);
                let piece = self.piece(out.len(), filter.results, PIECE);
                self.pool().chunks(out, piece, |i, out| self.run(Finish(&epilogue, filter.results, i * piece, out)));
            }
            Weights::Groups(packed) if packed.iter().all(Packed::is_finite) => {
                self.convolve_groups(window, direction, places, packed, &epilogue, input, out);
            }
            Weights::Groups(packed) => {
                convolve_skipping(window, direction, places, packed, input, out);
                self.run(Finish(&epilogue, filter.results, 0, out));
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
                left: patches.rows(),
                right: packed[i % groups].view(),
                rows,
                start: i / groups * rows * each * groups + i % groups * each,
                stride: each * groups,
                first_column: i % groups * each,
            })
            .collect();
        self.run_products(&products, epilogue, out);
    }

    /// Transposed windows that do not overlap: of each tap, each line of pixels is multiplied by the tap's matrix.
    fn convolve_apart(&self, window: &Window, packed: &[Packed], input: &[f32], out: &mut [f32]) {
        let Window { channels, height, width, .. } = *window;
        let (groups, each) = (packed.len(), packed[0].columns());
        let (group_channels, results) = (channels / groups, each * groups);
        let mut products = Vec::with_capacity(window.images * height.input * window.taps() * groups);
        for (line, pixels) in input.chunks_exact(width.input * channels).enumerate() {
            for (tap, group) in (0..window.taps()).flat_map(|tap| (0..groups).map(move |group| (tap, group))) {
                let (down, across) = (tap / width.kernel, tap % width.kernel);
                let line = line * height.kernel + down;
                let first = (line * width.input * width.kernel + across) * results + group * each;
                let data = &pixels[group * group_channels..];
                products.push(Product {
                    left: LeftRows::Matrix { data, row_stride: channels, column_stride: 1 },
                    right: packed[group].view().steps(tap * group_channels..(tap + 1) * group_channels),
                    rows: width.input,
                    start: first,
                    stride: width.kernel * results,
                    first_column: 0,
                });
            }
        }
        self.run_products(&products, &Epilogue::default(), out);
    }
}

/// Whether each place of a transposed window's result is reached by one tap of one pixel.
fn is_apart(window: &Window, places: [usize; 2]) -> bool {
    let apart = |axis: &Axis, places| {
        let plain = axis.kernel == axis.stride && axis.dilation == 1 && axis.before == 0;
        plain && places == axis.input * axis.kernel
    };
    apart(&window.height, places[0]) && apart(&window.width, places[1])
}

/// A window over a column of pixels as one over a row of them, along which tiles can slide: they lie in memory alike.
fn lying(window: &Window) -> Window {
    let Window { height, width, .. } = *window;
    let column = width == Axis { stride: width.stride, dilation: width.dilation, ..Axis::POINT };
    if column { Window { height: width, width: height, ..*window } } else { *window }
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

/// An epilogue of its own, of whole rows of so many columns, which lie at some place in the result.
struct Finish<'a>(&'a Epilogue<'a>, usize, usize, &'a mut [f32]);

impl Work for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(epilogue, columns, start, out) = self;
        epilogue.complete::<I>(out, start, columns);
    }
}

struct Depthwise<'a> {
    window: &'a Window,
    direction: Direction,
    places: [usize; 2],
    /// Places of a row whose taps all lie between the image's sides.
    inside: Range<usize>,
    weights: &'a [f32],
    epilogue: Epilogue<'a>,
    input: &'a [f32],
}

/// Rows of the result's places, from one on.
struct DepthwiseRows<'a>(&'a Depthwise<'a>, usize, &'a mut [f32]);

impl Work for DepthwiseRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(depthwise, first, out) = self;
        let row = depthwise.places[1] * depthwise.window.channels;
        let some = (NEAR / row).max(1);
        for (index, out) in out.chunks_mut(some * row).enumerate() {
            let first = first + index * some;
            for (r, out) in out.chunks_mut(row).enumerate() {
                depthwise.row::<I>(first + r, out);
            }
            depthwise.epilogue.complete::<I>(out, first * row, depthwise.window.channels);
        }
    }
}

impl Depthwise<'_> {
    /// One row of the result's places.
    #[inline(always)]
    fn row<I: Isa>(&self, index: usize, out: &mut [f32]) {
        let (window, channels) = (self.window, self.window.channels);
        let (image, y) = (index / self.places[0], index % self.places[0]);
        let mut taps = Vec::with_capacity(window.taps());
        let mut x = 0;
        while x < self.places[1] {
            // Where each tap that does not lie in padding finds its pixel and its weights.
            taps.clear();
            for tap in 0..window.taps() {
                if let Some((y, x)) = source(window, self.direction, y, x, tap) {
                    let start = ((image * window.height.input + y) * window.width.input + x) * channels;
                    taps.push((start, &self.weights[tap * channels..][..channels]));
                }
            }
            // From there to the last place inside, all taps move on alike.
            let alike = if self.inside.contains(&x) { self.inside.end - x } else { 1 };
            for (turn, sums) in out[x * channels..].chunks_exact_mut(channels).take(alike).enumerate() {
                depthwise::<I>(&self.input[turn * window.width.stride * channels..], &taps, sums);
            }
            x += alike;
        }
    }
}

/// The chains of one pixel's channels over its taps.
#[inline(always)]
fn depthwise<I: Isa>(input: &[f32], taps: &[(usize, &[f32])], sums: &mut [f32]) {
    let mut channel = 0;
    while sums.len() - channel >= I::Wide::COUNT {
        depthwise_lanes::<I::Wide>(input, taps, channel, sums);
        channel += I::Wide::COUNT;
    }
    while sums.len() - channel >= I::Sixteen::COUNT {
        depthwise_lanes::<I::Sixteen>(input, taps, channel, sums);
        channel += I::Sixteen::COUNT;
    }
    for (channel, sum) in sums.iter_mut().enumerate().skip(channel) {
        let chain = |sum, &(start, weights): &(usize, &[f32])| {
            I::Fused::fused(operand(input[start + channel]), weights[channel], sum)
        };
        *sum = canonical(taps.iter().fold(0.0, chain));
    }
}

/// Those of some channels side by side.
#[inline(always)]
fn depthwise_lanes<V: Register>(input: &[f32], taps: &[(usize, &[f32])], channel: usize, sums: &mut [f32]) {
    let mut sum = V::splat(0.0);
    for &(start, weights) in taps {
        let value = V::read(&input[start + channel..]).operand();
        sum = V::fused(value, V::read(&weights[channel..]), sum);
    }
    sum.canonical().write(&mut sums[channel..]);
}
