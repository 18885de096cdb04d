//! Products of bytes, and numbers that become bytes.

use poai_graph::op::product::ByteWeights;
use poai_numerics::{Binary, Bytes, Range, ZeroPoints, oracle};

use super::check::{Check, Run};
use super::numbers::{Numbers, bits, edges};
use crate::kernels::{Integers, Quantised, Scales, integers, quantised};

/// Rows, depth, which ends amid a word, and columns.
const ROWS: usize = 6;
const DEPTH: usize = 39;
const COLUMNS: usize = 67;

pub(super) fn checks() -> Vec<Check> {
    vec![products(), rounding()]
}

fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    (0..count).map(|i| if i % 5 == 0 { 128 } else { numbers.word().to_le_bytes()[0] }).collect()
}

/// Unsigned by signed bytes with zero points for rows and columns; and the other way round, with one of each, a scale for
/// each column and a bias.
fn products() -> Check {
    let (left, right) = (bytes(ROWS * DEPTH, 22), bytes(DEPTH * COLUMNS, 23));
    let signed = |bytes: &[u8]| bytes.iter().map(|byte| byte.cast_signed()).collect::<Vec<i8>>();
    let (left_signed, right_signed) = (signed(&left), signed(&right));
    let zeros = |bytes: &[u8]| bytes.iter().map(|byte| i32::from(*byte)).collect::<Vec<i32>>();
    let row_zeros = zeros(&bytes(ROWS, 24));
    let column_zeros: Vec<i32> = zeros(&bytes(COLUMNS, 25)).iter().map(|zero| zero - 128).collect();
    let mut numbers = Numbers::new(26);
    let [scales, bias]: [Vec<f32>; 2] =
        [(-30, 3), (-3, 9)].map(|(least, most)| (0..COLUMNS).map(|_| numbers.between(least, most)).collect());
    let words = |bytes: &[u8]| -> Vec<u32> {
        bytes.chunks(4).map(|four| four.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))).collect()
    };
    let run = |weights: ByteWeights<'_>, is_signed, zeros: &[i32], scales, expected| {
        let (layout, right) = Integers::new(&weights, usize::MAX).expect("they are few");
        Run {
            inputs: vec![words(&left), right, layout.words(dimension(ROWS), is_signed, zeros, scales)],
            before: None,
            expected,
            groups: layout.groups(dimension(ROWS)).expect("they are few"),
        }
    };
    let each = ZeroPoints::Each;
    let shape = [ROWS, DEPTH, COLUMNS];
    let first = (Bytes::Unsigned(&left), Bytes::Signed(&right_signed));
    let sums = oracle::matmul_integer(shape, (first.0, each(&row_zeros)), (first.1, each(&column_zeros)));
    let sums = sums.into_iter().map(i32::cast_unsigned).collect();
    let second = (Bytes::Signed(&left_signed), Bytes::Unsigned(&right));
    let plain = oracle::matmul_integer(shape, (second.0, ZeroPoints::One(-3)), (second.1, ZeroPoints::One(128)));
    let followed = plain.iter().enumerate().map(|(place, &sum)| {
        let scaled = Binary::Mul.of(sum as f32, scales[place % COLUMNS]);
        Binary::Add.of(scaled, bias[place % COLUMNS]).to_bits()
    });
    let weights = |bytes, zeros| ByteWeights { depth: DEPTH, columns: COLUMNS, bytes, zeros };
    let made = Scales { scales: &scales, bias: Some(&bias) };
    let runs = vec![
        run(weights(first.1, column_zeros.clone()), false, &row_zeros, None, sums),
        run(weights(second.1, vec![128]), true, &[-3], Some(made), followed.collect()),
    ];
    let source = integers();
    let planted = source.replace(" - vec4(left_zeros[part])", "");
    Check { name: "integers", source, planted: Some(planted), runs }
}

/// Floats of all kinds by two scales, and sums of all sizes by one for each column.
fn rounding() -> Check {
    let mut numbers = Numbers::new(27);
    let mut floats: Vec<f32> = edges().into_iter().map(f32::from_bits).collect();
    floats.extend((0..500).map(|i| if i % 2 == 0 { numbers.between(-3, 8) } else { i as f32 - 250.5 }));
    let packed = |bytes: Vec<i32>| -> Vec<u32> {
        let word = |four: &[i32]| four.iter().rev().fold(0, |word, &byte| word << 8 | byte.cast_unsigned() & 0xff);
        bytes.chunks(4).map(word).collect()
    };
    let run = |quantised: Quantised<'_>, given: Vec<u32>, zero, range, expected| {
        let count = dimension(given.len());
        let inputs = vec![given, quantised.words(count, zero, range)];
        Run { inputs, before: None, expected: packed(expected), groups: Quantised::groups(count) }
    };
    let mut runs = Vec::new();
    for (scale, zero, range) in [(1.0, 3, Range::Unsigned), (-0.7, -5, Range::Signed)] {
        let expected = floats.iter().map(|&x| range.quantise(x, scale, zero)).collect();
        runs.push(run(Quantised::Floats(scale), bits(&floats), zero, range, expected));
    }
    let sums: Vec<i32> = (0..407).map(|i| numbers.word().cast_signed() >> (i % 31)).collect();
    let scales: Vec<f32> = (0..11).map(|_| numbers.between(-24, 2)).collect();
    let expected = sums.iter().zip(scales.iter().cycle()).map(|(&sum, &scale)| Range::Signed.requantise(sum, scale, 7));
    let given = sums.iter().copied().map(i32::cast_unsigned).collect();
    runs.push(run(Quantised::Sums(&scales), given, 7, Range::Signed, expected.collect()));
    let source = quantised();
    let planted = source.replace("at_least(rounded(number)", "at_least(truncated(number)");
    Check { name: "rounding-bytes", source, planted: Some(planted), runs }
}

fn dimension(length: usize) -> u32 {
    u32::try_from(length).expect("checks are small")
}
