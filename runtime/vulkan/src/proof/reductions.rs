//! Axes and windows that become one number each.

use poai_numerics::{Axis, Pooling, Reduction, Window, oracle};

use super::check::{Check, Run};
use super::numbers::{Numbers, bits, edges};
use super::products::UNFUSED;
use crate::kernels::{Pools, Reduced, Step, pools, reduce_with};

pub(super) fn checks(step: Step) -> Vec<Check> {
    vec![reductions(step), sliding()]
}

/// Numbers of both signs near 1, the last of them edges.
fn some(count: usize, seed: u64) -> Vec<f32> {
    let mut numbers = Numbers::new(seed);
    let mut some: Vec<f32> = (0..count).map(|i| numbers.between(-3, 1 + i32::from(i % 2 == 0))).collect();
    for (place, edge) in some.iter_mut().rev().zip(edges()) {
        *place = f32::from_bits(edge);
    }
    some
}

/// Every reduction of 4 × 37 × 5 numbers over the middle, and over the last axis.
fn reductions(step: Step) -> Check {
    const KINDS: [Reduction; 8] = [
        Reduction::Sum,
        Reduction::Mean,
        Reduction::SumOfSizes,
        Reduction::SumOfSquares,
        Reduction::Norm,
        Reduction::Product,
        Reduction::Max,
        Reduction::Min,
    ];
    let data = some(4 * 37 * 5, 20);
    let runs = KINDS.iter().flat_map(|&kind| [(kind, [4, 37, 5]), (kind, [20, 37, 1])]).map(|(kind, sizes)| {
        let [outer, axis, inner] = sizes;
        let column = |place: usize| {
            let begin = place / inner * axis * inner + place % inner;
            let column: Vec<f32> = (0..axis).map(|i| data[begin + i * inner]).collect();
            oracle::reduce(kind, &column).to_bits()
        };
        let reduced = Reduced::new(kind, sizes.map(dimension)).expect("devices take these");
        Run {
            inputs: vec![bits(&data), reduced.words().to_vec()],
            before: None,
            expected: (0..outer * inner).map(column).collect(),
            groups: reduced.groups(),
        }
    });
    let runs = runs.collect();
    let [source, planted] = [step.source(), UNFUSED].map(reduce_with);
    Check { name: "reductions", source, planted: Some(planted), runs }
}

/// Two images of 6 × 7 with 3 channels under a window that reaches beyond them, in either layout.
fn sliding() -> Check {
    let height = Axis { stride: 2, before: 1, ..Axis::new(6, 3) };
    let width = Axis { dilation: 2, before: 2, behind: 1, ..Axis::new(7, 3) };
    let window = Window { images: 2, channels: 3, height, width };
    // One more down, as ONNX's `ceil_mode` adds.
    let places = [4, 6];
    let data = some(2 * 6 * 7 * 3, 21);
    let kinds = [Pooling::Max, Pooling::Average, Pooling::AverageWithPadding];
    let runs = kinds.into_iter().flat_map(|kind| [(kind, false), (kind, true)]).map(|(kind, channels_first)| {
        let expected = oracle::pool(kind, &window, places, &data);
        let turned = |data: &[f32], pixels| if channels_first { turned(data, pixels) } else { data.to_vec() };
        let pools = Pools::new(kind, &window, places, channels_first).expect("devices take these");
        Run {
            inputs: vec![bits(&turned(&data, 6 * 7)), pools.words().to_vec()],
            before: None,
            expected: bits(&turned(&expected, places[0] * places[1])),
            groups: pools.groups(),
        }
    });
    let runs = runs.collect();
    let source = pools();
    let planted = source.replace("pixel.x < size.x && pixel.y < size.y", "pixel.x < size.x");
    Check { name: "pools", source, planted: Some(planted), runs }
}

/// Images of 3 channels, these first instead of last.
fn turned(data: &[f32], pixels: usize) -> Vec<f32> {
    let images = data.chunks(3 * pixels);
    images.flat_map(|image| (0..3).flat_map(|channel| image.iter().skip(channel).step_by(3)).copied()).collect()
}

fn dimension(length: usize) -> u32 {
    u32::try_from(length).expect("checks are small")
}
