//! The fused step in every place where kernels have it.

use poai_numerics::step::soft_fused;
use poai_numerics::{Binary, Epilogue, Matrices, Unary, oracle};

use super::check::{Check, Run};
use super::numbers::{Numbers, bits, canonical, edges};
use crate::kernels::{Patches, Step, Terms, Tiling, convolution_with, matmul_with};

/// The fault that these checks must see: two roundings.
pub(super) const UNFUSED: &str = "
const STEP_IS_TOTAL = true;
fn step(a: f32, b: f32, c: f32) -> f32 { return a * b + c; }
fn checked_step(a: f32, b: f32, c: f32) -> f32 { return a * b + c; }
";

pub(super) fn checks(step: Step, tiling: Tiling) -> Vec<Check> {
    let tiled = [
        matrices(step, tiling),
        Check { name: "products", ..followed(step, tiling, [19, 35, 21], 2) },
        Check { name: "patches", ..patches(step, tiling, [6, 10, 2]) },
    ];
    let [few_rows, few_columns] =
        [([3, 35, 70], 2), ([9, 35, 2], 20)].map(|(shape, products)| followed(step, Tiling::Thin, shape, products));
    let runs = few_rows.runs.into_iter().chain(few_columns.runs).collect();
    let thin = [
        Check { name: "thin-products", runs, ..few_columns },
        Check { name: "thin-patches", ..patches(step, Tiling::Thin, [18, 36, 18]) },
    ];
    [triples(step), chains(step)].into_iter().chain(tiled).chain(thin).collect()
}

/// a, b, c and the fused result, found to be hard: rounding twice gets each wrong, or an emulation that is not exact.
const HARD: [[u32; 4]; 5] = [
    [0xcd01_5c09, 0x35c0_0000, 0x0080_0000, 0xc342_0a0d],
    [0x447f_fffc, 0x3600_0002, 0xc700_0001, 0xc700_0001],
    [0xbc3b_56d1, 0x2bf5_8462, 0x117e_3a92, 0xa8b3_aaf7],
    [0x3101_1685, 0x53de_8db3, 0x45b0_0000, 0x4610_1c7d],
    [0x4a42_65fc, 0x733d_023d, 0xff7f_ffff, 0xff5c_1e3f],
];

/// Single steps over the whole range of operands and of sums that a chain can reach.
fn triples(step: Step) -> Check {
    let mut numbers = Numbers::new(7);
    let mut triples: Vec<[f32; 3]> = HARD.iter().map(|hard| [0, 1, 2].map(|i| f32::from_bits(hard[i]))).collect();
    for _ in 0..8_192 {
        let [a, b] = [numbers.between(-40, 40), numbers.between(-40, 40)];
        // An addend that overlaps the product somewhere, is far above it or far below.
        let distance = i32::try_from(numbers.below(56)).expect("it is small") - 28;
        let exponent = i32::try_from((a * b).to_bits() >> 23 & 0xff).expect("it is small") - 127 + distance;
        triples.push([a, b, numbers.between(exponent, exponent)]);
    }
    // Near the end of the range, where steps have to be scaled.
    triples.extend((0..2_048).map(|_| [numbers.between(40, 90), numbers.between(-4, 40), numbers.between(100, 127)]));
    triples.extend((0..512).map(|_| [numbers.between(-40, 127), numbers.between(-40, 127), numbers.between(-60, 127)]));
    let edges: Vec<f32> = edges().into_iter().map(f32::from_bits).map(poai_numerics::step::operand).collect();
    triples.extend(
        edges
            .iter()
            .flat_map(|&a| edges.iter().flat_map(move |&b| [0.0, 1.0, -1e38, f32::INFINITY].map(|c| [a, b, c]))),
    );
    let expected = triples.iter().map(|&[a, b, c]| canonical(soft_fused(a, b, c))).collect();
    let result = "fn result(i: u32) -> f32 {
        return checked_step(number(i * 3u), number(i * 3u + 1u), number(i * 3u + 2u));
    }";
    Check::each("triples", step.source(), result, bits(triples.as_flattened()), expected).planted(UNFUSED, result)
}

/// How many steps a chain has here.
const DEPTH: usize = 2_048;

/// Long chains: ordinary ones, ones of edges, and ones that leave the range of f32 on the way.
fn chains(step: Step) -> Check {
    let mut numbers = Numbers::new(8);
    let mut pairs: Vec<[f32; 2]> = Vec::new();
    for chain in 0..64 {
        let (least, most) = [(-3, 3), (-42, 20), (40, 63), (-45, -36)][chain % 4];
        pairs.extend((0..DEPTH).map(|_| [numbers.between(least, most), numbers.between(least, most)]));
    }
    let edges: Vec<f32> = edges().into_iter().map(f32::from_bits).filter(|edge| edge.is_finite()).collect();
    // Two chains of edges, and one that overflows for certain.
    pairs.extend((0..2 * DEPTH).map(|i| [edges[i % edges.len()], edges[i * 7 / 3 % edges.len()]]));
    pairs.extend((0..DEPTH).map(|_| [1e30, 1e30]));
    let expected =
        pairs.chunks(DEPTH).map(|chain| canonical(oracle::chain(chain.iter().map(|&[a, b]| (a, b))))).collect();
    let result = format!(
        "fn result(i: u32) -> f32 {{
            var sum = 0.0;
            for (var k = 0u; k < {DEPTH}u; k++) {{
                let at = (i * {DEPTH}u + k) * 2u;
                sum = step(operand(given[at]), operand(given[at + 1u]), sum);
            }}
            if STEP_IS_TOTAL || size(sum) < INFINITY {{ return sum; }}
            sum = 0.0;
            for (var k = 0u; k < {DEPTH}u; k++) {{
                let at = (i * {DEPTH}u + k) * 2u;
                sum = checked_step(operand(given[at]), operand(given[at + 1u]), sum);
            }}
            return sum;
        }}"
    );
    Check::each("chains", step.source(), &result, bits(pairs.as_flattened()), expected).planted(UNFUSED, &result)
}

/// The kernel that multiplies matrices, through shared memory and unrolled: drivers spoil here what they keep alone.
fn matrices(step: Step, tiling: Tiling) -> Check {
    let [m, k, n] = [37usize, 203, 29];
    let mut numbers = Numbers::new(9);
    let mut left: Vec<f32> = (0..m * k).map(|_| numbers.between(-4, 4)).collect();
    let right: Vec<f32> = (0..k * n).map(|_| numbers.between(-4, 4)).collect();
    // A row whose sums leave the range and come back, and one of infinities and NaN.
    for i in 0..k {
        left[i] = numbers.between(118, 127);
        left[k + i] = f32::from_bits(numbers.word() | 0x7f00_0000);
    }
    let expected = oracle::matmul([m, k, n], Matrices::one(&left, k), Matrices::one(&right, n), &Epilogue::default());
    product(
        "matrices",
        sources(matmul_with, step, tiling),
        (&Terms::one([m, k, n].map(dimension)), tiling),
        [&left, &right],
        expected,
    )
}

/// The same kernel over transposed matrices, twice, with all that may follow a product.
fn followed(step: Step, tiling: Tiling, [m, k, n]: [usize; 3], products: usize) -> Check {
    let mut numbers = Numbers::new(11);
    let mut some = |count: usize| -> Vec<f32> { (0..count).map(|_| numbers.between(-3, 3)).collect() };
    let [left, right, bias, mut residual] = [some(k * m), some(products * n * k), some(n), some(products * m * n)];
    for (place, edge) in residual.iter_mut().step_by(5).zip(edges()) {
        *place = f32::from_bits(edge);
    }
    let [low, high] = [-20.0, 1e30];
    let epilogue = Epilogue {
        scale: Some(0.3),
        bias: Some(&bias),
        residual: Some(&residual),
        activation: Some(Unary::Clip { low, high }),
        ..Epilogue::default()
    };
    let product_of = |data, starts, column_stride| Matrices { data, starts, row_stride: 1, column_stride };
    let right_starts: Vec<usize> = (0..products).map(|product| product * n * k).collect();
    let left_starts = vec![0; products];
    let (lefts, rights) = (product_of(&left, &left_starts, m), product_of(&right, &right_starts, k));
    let expected = oracle::matmul([m, k, n], lefts, rights, &epilogue);
    let starts: Vec<_> = right_starts.iter().map(|&start| [0, dimension(start)]).collect();
    let terms = Terms {
        shape: [m, k, n].map(dimension),
        strides: [[1, dimension(m)], [1, dimension(k)]],
        starts: &starts,
        scale: epilogue.scale,
        bias: epilogue.bias,
        residual: true,
        bounds: Some([low, high]),
        patches: None,
    };
    let before = Some(bits(&residual));
    let mut check = product("", sources(matmul_with, step, tiling), (&terms, tiling), [&left, &right], expected);
    check.runs[0].before = before;
    check
}

/// The kernel that gathers patches: two images of 5 × 7 with some channels in groups, under a window of 3 × 2 that
/// leaves pixels out.
fn patches(step: Step, tiling: Tiling, [channels, results, groups]: [usize; 3]) -> Check {
    let ([images, height, width], [down, across]) = ([2, 5, 7], [3, 2]);
    let ([places_down, places_across], own, depth) = ([3, 8], channels / groups, down * across * channels / groups);
    let mut numbers = Numbers::new(12);
    let mut some = |count: usize| -> Vec<f32> { (0..count).map(|_| numbers.between(-3, 3)).collect() };
    let [pixels, weights, bias] = [some(images * height * width * channels), some(depth * results), some(results)];
    let mut expected = Vec::new();
    for row in 0..images * places_down * places_across {
        let (image, y, x) = (row / places_across / places_down, row / places_across % places_down, row % places_across);
        // Strides of 2 and 1, dilations of 1 and 2, one pixel of padding above and two on the left.
        let pixel = |group: usize, i: usize| {
            let tap = i / own;
            let y = (y * 2 + tap / across).checked_sub(1).filter(|&y| y < height)?;
            let x = (x + tap % across * 2).checked_sub(2).filter(|&x| x < width)?;
            Some(pixels[((image * height + y) * width + x) * channels + group * own + i % own])
        };
        for result in 0..results {
            let group = result / (results / groups);
            let steps = (0..depth).filter_map(|i| Some((pixel(group, i)?, weights[i * results + result])));
            expected.push(Binary::Add.of(oracle::chain(steps), bias[result]));
        }
    }
    let (own, groups, results) = (dimension(own), dimension(groups), dimension(results));
    let starts: Vec<_> = (0..groups).map(|group| [group * own, group * (results / groups)]).collect();
    let terms = Terms {
        strides: [[0, 0], [results, 1]],
        starts: &starts,
        bias: Some(&bias),
        patches: Some(Patches {
            window: [[height, width, channels, across], [2, 1, 1, 2], [1, 2, places_down, places_across]]
                .map(|words| words.map(dimension)),
            channels: own,
            results,
        }),
        ..Terms::one([dimension(images * places_down * places_across), dimension(depth), results / groups])
    };
    product("", sources(convolution_with, step, tiling), (&terms, tiling), [&pixels, &weights], expected)
}

/// A kernel, and the same with the fault.
fn sources(kernel: fn(&str, Tiling) -> String, step: Step, tiling: Tiling) -> [String; 2] {
    [step.source(), UNFUSED].map(|step| kernel(step, tiling))
}

fn product(
    name: &'static str,
    [source, planted]: [String; 2],
    (terms, tiling): (&Terms<'_>, Tiling),
    matrices: [&[f32]; 2],
    expected: Vec<f32>,
) -> Check {
    let [left, right] = matrices.map(bits);
    let groups = if tiling == Tiling::Thin { terms.thin_groups(tiling) } else { terms.groups() };
    Check {
        name,
        source,
        planted: Some(planted),
        runs: vec![Run {
            inputs: vec![left, right, terms.words()],
            before: None,
            expected: expected.into_iter().map(canonical).collect(),
            groups: groups.expect("the matrices are small, or thin"),
        }],
    }
}

fn dimension(length: usize) -> u32 {
    u32::try_from(length).expect("the matrices are small")
}
