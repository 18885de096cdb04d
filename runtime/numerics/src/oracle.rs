//! The definition, in scalar code: what every kernel's result has to equal, bit for bit.
//!
//! Read this with docs/numerics.md. Nothing here is fast, blocked or shared with the kernels but the operations on one
//! number: [`step`](crate::step), and [`Unary`] and [`Binary`], evaluated by the software step.

use crate::functions;
use crate::integer::{Bytes, ZeroPoints};
use crate::lanes::One;
use crate::matmul::{Epilogue, Matrices};
use crate::reduce::{LANES, Reduction};
use crate::rows::{Affine, Normalisation};
use crate::step::{Soft, canonical, element, greater, lesser, operand, soft_fused, stored};
use crate::window::Window;
use crate::{Binary, ConvolutionEpilogue, Direction, Pooling, Resampling};

fn exp(x: f32) -> f32 {
    functions::exp(One::<Soft>::new(x)).value()
}

fn log(x: f32) -> f32 {
    functions::log(One::<Soft>::new(x)).value()
}

/// One chain of fused steps from +0 over pairs of operands, in order.
pub fn chain(pairs: impl IntoIterator<Item = (f32, f32)>) -> f32 {
    let sum = pairs.into_iter().fold(0.0, |sum, (a, b)| soft_fused(operand(a), operand(b), sum));
    canonical(sum)
}

/// `epilogue(left · right)` for each pair of matrices.
pub fn matmul(
    [rows, depth, columns]: [usize; 3],
    left: Matrices<'_>,
    right: Matrices<'_>,
    epilogue: &Epilogue<'_>,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(left.starts.len() * rows * columns);
    for (&left_start, &right_start) in left.starts.iter().zip(right.starts) {
        for i in 0..rows {
            for j in 0..columns {
                let product = chain((0..depth).map(|k| {
                    let a = left.data[left_start + i * left.row_stride + k * left.column_stride];
                    let b = right.data[right_start + k * right.row_stride + j * right.column_stride];
                    (a, b)
                }));
                let position = out.len();
                out.push(finished(product, epilogue, position, j));
            }
        }
    }
    out
}

/// An element of a product after its epilogue: operations of their own, one after the other.
pub fn finished(product: f32, epilogue: &Epilogue<'_>, position: usize, column: usize) -> f32 {
    let mut value = product;
    if let Some(scale) = epilogue.scale {
        value = Binary::Mul.of(value, scale);
    }
    if let Some(bias) = epilogue.bias {
        value = Binary::Add.of(value, bias[column]);
    }
    if let Some(residual) = epilogue.residual {
        value = Binary::Add.of(value, residual[position]);
    }
    if let Some(activation) = epilogue.activation {
        value = activation.of(value);
    }
    epilogue.following.map_or(value, |following| following.of(value, position))
}

/// The exact integer product of rows of bytes, modulo 2³².
pub fn matmul_integer(
    [rows, depth, columns]: [usize; 3],
    (left, left_zeros): (Bytes<'_>, ZeroPoints<'_>),
    (right, right_zeros): (Bytes<'_>, ZeroPoints<'_>),
) -> Vec<i32> {
    let mut out = Vec::with_capacity(rows * columns);
    for i in 0..rows {
        for j in 0..columns {
            let terms = (0..depth).map(|k| {
                let a = left.at(i * depth + k).wrapping_sub(left_zeros.at(i));
                let b = right.at(k * columns + j).wrapping_sub(right_zeros.at(j));
                a.wrapping_mul(b)
            });
            out.push(terms.fold(0, i32::wrapping_add));
        }
    }
    out
}

/// The exact convolution of bytes, padding skipped. `weights` are (kh·kw, c_in of a group, c_out).
pub fn convolve_integer(
    window: &Window,
    places: [usize; 2],
    (weights, weight_zeros, results, groups): (Bytes<'_>, ZeroPoints<'_>, usize, usize),
    (input, zero): (Bytes<'_>, i32),
) -> Vec<i32> {
    let group_channels = window.channels / groups;
    let sum_at = |[image, y, x, result]: [usize; 4]| {
        let first = result / (results / groups) * group_channels;
        let mut sum = 0i32;
        for tap in 0..window.height.kernel * window.width.kernel {
            let Some(source) = under(window, Direction::Gather, [y, x], tap) else { continue };
            for channel in 0..group_channels {
                let value = input.at(pixel(window, image, source) + first + channel) - zero;
                let weight = weights.at((tap * group_channels + channel) * results + result) - weight_zeros.at(result);
                sum = sum.wrapping_add(value.wrapping_mul(weight));
            }
        }
        sum
    };
    indices(window.images, places, results).map(sum_at).collect()
}

/// The product of a row, rounded block by block, with one column of blocks of integers and their scales.
pub fn block_dot(row: &[f32], block: usize, weights: &[i32], scales: &[f32]) -> f32 {
    let mut chain = 0.0;
    for ((values, weights), scale) in row.chunks(block).zip(weights.chunks(block)).zip(scales) {
        let largest = values.iter().fold(0.0, |largest, &x| greater(largest, element(x).abs()));
        let row_scale = canonical(element(largest / 127.0));
        let round = |x: f32| {
            let usable = row_scale > 0.0 && row_scale.is_finite();
            if usable { (element(x) / row_scale).round_ties_even() as i32 } else { 0 }
        };
        let sum: i32 = values.iter().zip(weights).map(|(&x, weight)| round(x) * weight).sum();
        chain = soft_fused(sum as f32, element(row_scale * scale), chain);
    }
    canonical(chain)
}

/// Folds into [`LANES`] lanes, element i into lane i mod 16, and joins lanes i and i + 8, then 4, 2, 1.
fn lanes(values: &[f32], start: f32, step: fn(f32, f32) -> f32, join: fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    for (i, &value) in values.iter().enumerate() {
        lanes[i % LANES] = step(lanes[i % LANES], value);
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
    }
    lanes[0]
}

fn plus(a: f32, b: f32) -> f32 {
    a + b
}

fn sum(values: &[f32]) -> f32 {
    lanes(values, 0.0, |lane, x| lane + element(x), plus)
}

fn sum_of_squares(values: &[f32]) -> f32 {
    lanes(values, 0.0, |lane, x| soft_fused(operand(x), operand(x), lane), plus)
}

fn greatest(values: &[f32]) -> f32 {
    lanes(values, f32::NEG_INFINITY, |lane, x| greater(lane, element(x)), greater)
}

/// One reduction of some numbers.
pub fn reduce(reduction: Reduction, values: &[f32]) -> f32 {
    let product = |a: f32, b: f32| element(a * element(b));
    stored(match reduction {
        Reduction::Sum => sum(values),
        Reduction::Mean => sum(values) / values.len() as f32,
        Reduction::SumOfSquares => sum_of_squares(values),
        Reduction::Norm => sum_of_squares(values).sqrt(),
        Reduction::SumOfSizes => lanes(values, 0.0, |lane, x| lane + element(x).abs(), plus),
        Reduction::Max => greatest(values),
        Reduction::Min => lanes(values, f32::INFINITY, |lane, x| lesser(lane, element(x)), lesser),
        Reduction::Product => lanes(values, 1.0, product, product),
        Reduction::LogSum => log(element(sum(values))),
        Reduction::LogSumExp => {
            let top = greatest(values);
            let shift = if top.is_finite() { top } else { 0.0 };
            let powers: Vec<f32> = values.iter().map(|&x| exp(element(x) - shift)).collect();
            shift + log(element(sum(&powers)))
        }
    })
}

/// Softmax of a row.
pub fn softmax(row: &[f32]) -> Vec<f32> {
    let top = greatest(row);
    let powers: Vec<f32> = row.iter().map(|&x| element(exp(element(x) - top))).collect();
    let share = 1.0 / sum(&powers);
    powers.iter().map(|power| stored(power * share)).collect()
}

/// The logarithm of the softmax of a row.
pub fn log_softmax(row: &[f32]) -> Vec<f32> {
    let top = greatest(row);
    let powers: Vec<f32> = row.iter().map(|&x| exp(element(x) - top)).collect();
    let total = log(sum(&powers));
    row.iter().map(|&x| stored((element(x) - top) - total)).collect()
}

/// A normalised row.
pub fn normalise(how: Normalisation, affine: Option<Affine<'_>>, row: &[f32]) -> Vec<f32> {
    let length = row.len() as f32;
    let (centred, epsilon): (Vec<f32>, f32) = match how {
        Normalisation::Layer { epsilon } => {
            let mean = sum(row) / length;
            (row.iter().map(|&x| element(x) - mean).collect(), epsilon)
        }
        Normalisation::RootMeanSquare { epsilon } => (row.iter().copied().map(element).collect(), epsilon),
    };
    let inverse = 1.0 / (sum_of_squares(&centred) / length + element(epsilon)).sqrt();
    let affine_of = |i: usize, normal: f32| match affine {
        None => normal,
        Some(Affine { scale, shift: None }) => element(normal) * element(scale[i]),
        Some(Affine { scale, shift: Some(shift) }) => soft_fused(element(normal), element(scale[i]), element(shift[i])),
    };
    centred.iter().enumerate().map(|(i, &x)| stored(affine_of(i, x * inverse))).collect()
}

/// Every index of a result of images, in order: image, y, x, channel.
fn indices(images: usize, places: [usize; 2], channels: usize) -> impl Iterator<Item = [usize; 4]> {
    let [height, width] = places;
    (0..images * height * width * channels).map(move |i| {
        let place = i / channels;
        [place / (height * width), place / width % height, place % width, i % channels]
    })
}

/// The pixel under a tap of the window at a place; none in padding.
fn under(window: &Window, direction: Direction, [y, x]: [usize; 2], tap: usize) -> Option<[usize; 2]> {
    let (down, across) = (tap / window.width.kernel, tap % window.width.kernel);
    let (y, x) = match direction {
        Direction::Gather => (window.height.gathered(y, down)?, window.width.gathered(x, across)?),
        Direction::Spread { .. } => (window.height.spread_from(y, down)?, window.width.spread_from(x, across)?),
    };
    Some([y, x])
}

fn pixel(window: &Window, image: usize, [y, x]: [usize; 2]) -> usize {
    ((image * window.height.input + y) * window.width.input + x) * window.channels
}

/// A convolution: chains in the order (kh, kw, c_in), terms in padding skipped. `weights` are (kh·kw, c_in of a group,
/// c_out).
pub fn convolve(
    (window, direction, places): (&Window, Direction, [usize; 2]),
    (weights, results, groups): (&[f32], usize, usize),
    epilogue: ConvolutionEpilogue<'_>,
    input: &[f32],
) -> Vec<f32> {
    let group_channels = window.channels / groups;
    let epilogue = epilogue.of_product();
    let mut out = Vec::new();
    for [image, y, x, result] in indices(window.images, places, results) {
        let first = result / (results / groups) * group_channels;
        let taps = (0..window.height.kernel * window.width.kernel)
            .filter_map(|tap| under(window, direction, [y, x], tap).map(|source| (tap, source)));
        let pairs = taps.flat_map(|(tap, source)| {
            (0..group_channels).map(move |channel| {
                let value = input[pixel(window, image, source) + first + channel];
                (value, weights[(tap * group_channels + channel) * results + result])
            })
        });
        let sum = chain(pairs);
        out.push(finished(sum, &epilogue, out.len(), result));
    }
    out
}

/// Pooling, in the order (kh, kw).
pub fn pool(pooling: Pooling, window: &Window, places: [usize; 2], input: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    for [image, y, x, channel] in indices(window.images, places, window.channels) {
        let taps = window.height.kernel * window.width.kernel;
        let values: Vec<f32> = (0..taps)
            .filter_map(|tap| under(window, Direction::Gather, [y, x], tap))
            .map(|source| element(input[pixel(window, image, source) + channel]))
            .collect();
        let total = values.iter().fold(0.0, |sum, value| sum + value);
        let on_image_or_padding = (0..taps).filter(|tap| {
            let (down, across) = (tap / window.width.kernel, tap % window.width.kernel);
            y * window.height.stride + down * window.height.dilation
                < window.height.before + window.height.input + window.height.behind
                && x * window.width.stride + across * window.width.dilation
                    < window.width.before + window.width.input + window.width.behind
        });
        out.push(stored(match pooling {
            Pooling::Max => values.iter().copied().fold(f32::NEG_INFINITY, greater),
            Pooling::Average => total / values.len() as f32,
            Pooling::AverageWithPadding => total / on_image_or_padding.count() as f32,
        }));
    }
    out
}

/// `a + weight · (b - a)`, or `a` where the weight is 0.
fn mix(a: f32, b: f32, weight: f32) -> f32 {
    if weight == 0.0 {
        return canonical(a);
    }
    stored(soft_fused(weight, element(b) - element(a), element(a)))
}

/// Resizing: across first, then down.
pub fn resize(
    images: usize,
    channels: usize,
    (height_input, height): (usize, &Resampling),
    (width_input, width): (usize, &Resampling),
    input: &[f32],
) -> Vec<f32> {
    let places = [height.taps().len(), width.taps().len()];
    indices(images, places, channels)
        .map(|[image, y, x, channel]| {
            let (down, across) = (height.taps()[y], width.taps()[x]);
            let at = |y: usize, x: usize| input[((image * height_input + y) * width_input + x) * channels + channel];
            let row = |y: usize| mix(at(y, across.first), at(y, across.second), across.weight);
            mix(row(down.first), row(down.second), down.weight)
        })
        .collect()
}
