//! Results pinned as digests: what has to be the same on every processor, the ones that are not at hand included.
//!
//! To renew them after a change of the definition, run with `RENEW=1` and put in what is printed.

use poai_numerics::operations::UNARY;
use poai_numerics::{
    Axis, Binary, BlockWeights, Bytes, ConvolutionEpilogue, Direction, Epilogue, Filter, Matrices, Normalisation,
    PackedBlocks, PackedIntegers, Processor, Reduction, Strided, Window, ZeroPoints,
};

use super::values::{Stream, processors};

/// Group, digest.
const PINNED: &[(&str, u64)] = &[
    ("matmul", 0x864d_7ad9_b6b6_a572),
    ("row", 0x671c_3b20_fbdb_2b08),
    ("integers", 0x2aba_f61a_3bb8_71c5),
    ("unary", 0x52b0_fc3a_4f4d_413e),
    ("pow", 0x6254_c289_e2d2_b259),
    ("reductions", 0xb2d5_7834_f578_7b94),
    ("softmax", 0xaf17_3c58_7fcb_dd68),
    ("layer norm", 0xac95_9333_f2d8_1c00),
    ("block dot", 0x9962_94c2_9476_2f41),
    ("convolution", 0x8aa6_b358_a322_3b60),
];

/// FNV-1a over the bits.
fn digest(values: impl IntoIterator<Item = u32>) -> u64 {
    values
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn bits(values: &[f32]) -> u64 {
    digest(values.iter().map(|value| value.to_bits()))
}

fn product(processor: &Processor, shape: [usize; 3]) -> u64 {
    let mut stream = Stream(51);
    let [m, k, n] = shape;
    let (a, b) = (stream.floats(m * k), stream.floats(k * n));
    let mut out = vec![0.0; m * n];
    let (left, right) = (Matrices::one(&a, k), Matrices::one(&b, n));
    processor.matmul(shape, left, right, &Epilogue::default(), &mut out).unwrap();
    bits(&out)
}

fn integers(processor: &Processor) -> u64 {
    let mut stream = Stream(52);
    let (a, b) = (stream.bytes(30 * 100), stream.bytes(100 * 70));
    let packed = PackedIntegers::new(100, 70, Bytes::Unsigned(&b), ZeroPoints::One(100)).unwrap();
    let mut out = vec![0; 30 * 70];
    processor.matmul_integer(30, Bytes::Unsigned(&a), ZeroPoints::One(3), &packed, &mut out).unwrap();
    digest(out.iter().map(|sum| sum.cast_unsigned()))
}

fn unary(processor: &Processor) -> u64 {
    let inputs: Vec<f32> = (0..=u32::MAX).step_by(77_777).map(f32::from_bits).collect();
    let mut out = vec![0.0; inputs.len()];
    let each = UNARY.iter().map(|&operation| {
        processor.unary(operation, &inputs, &mut out).unwrap();
        bits(&out) as u32
    });
    digest(each)
}

fn pow(processor: &Processor) -> u64 {
    let inputs = Stream(53).floats(4000);
    let mut out = vec![0.0; 2000];
    let (a, b) = inputs.split_at(2000);
    let (a, b) = (Strided { data: a, strides: &[1] }, Strided { data: b, strides: &[1] });
    processor.binary(Binary::Pow, &[2000], a, b, &mut out).unwrap();
    bits(&out)
}

fn reductions(processor: &Processor) -> u64 {
    let input = Stream(54).floats(20 * 77);
    let mut out = [0.0; 20];
    let kinds = [Reduction::Sum, Reduction::Mean, Reduction::Norm, Reduction::Max, Reduction::LogSumExp];
    let each = kinds.iter().map(|&kind| {
        processor.reduce(kind, [20, 77, 1], &input, &mut out).unwrap();
        bits(&out) as u32
    });
    digest(each)
}

fn rows(work: impl Fn(&mut [f32])) -> u64 {
    let mut values = Stream(55).floats(20 * 77);
    work(&mut values);
    bits(&values)
}

fn convolution(processor: &Processor) -> u64 {
    let mut stream = Stream(56);
    let axis = Axis { before: 1, behind: 1, stride: 2, ..Axis::new(11, 3) };
    let window = Window { images: 1, channels: 8, height: axis, width: axis };
    let (weights, input) = (stream.floats(9 * 8 * 20), stream.floats(11 * 11 * 8));
    let filter = Filter::new(9, 8, 20, 1, &weights).unwrap();
    let mut out = vec![0.0; 6 * 6 * 20];
    let epilogue = ConvolutionEpilogue::default();
    processor.convolve(&window, Direction::Gather, &filter, epilogue, &input, &mut out).unwrap();
    bits(&out)
}

fn block_dot(processor: &Processor) -> u64 {
    let mut stream = Stream(57);
    let (left, quants, scales) = (stream.floats(2 * 96), stream.bytes(50 * 48), stream.floats(50 * 3));
    let source = BlockWeights { bits: 4, block: 32, quants: &quants, scales: &scales, zeros: None };
    let packed = PackedBlocks::new(96, 50, source).unwrap();
    let mut out = vec![0.0; 2 * 50];
    processor.matmul_blocks(2, &left, &packed, &Epilogue::default(), &mut out).unwrap();
    bits(&out)
}

fn compute(group: &str, processor: &Processor) -> u64 {
    match group {
        "matmul" => product(processor, [25, 500, 77]),
        "row" => product(processor, [1, 500, 300]),
        "integers" => integers(processor),
        "unary" => unary(processor),
        "pow" => pow(processor),
        "reductions" => reductions(processor),
        "softmax" => rows(|values| processor.softmax(77, values).unwrap()),
        "layer norm" => {
            rows(|values| processor.normalise(Normalisation::Layer { epsilon: 1e-5 }, None, 77, values).unwrap())
        }
        "block dot" => block_dot(processor),
        "convolution" => convolution(processor),
        other => panic!("no group {other}"),
    }
}

#[test]
fn results_are_those_pinned() {
    for processor in &processors() {
        for &(group, expected) in PINNED {
            let found = compute(group, processor);
            println!("{} {group} {found:#018x}", processor.kernels());
            if std::env::var_os("RENEW").is_none() {
                assert_eq!(found, expected, "{group} by {}: {found:#018x}", processor.kernels());
            }
        }
    }
}
