//! Every element-wise operation, as lines of programs and as functions of WGSL; and rows that are reduced.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use poai_numerics::operations::{BINARY, UNARY};
use poai_numerics::{Affine, Binary, Normalisation, Source, Step as Operation, Unary, oracle};

use super::check::{Check, Run};
use super::numbers::{Numbers, bits, edges};
use super::products::UNFUSED;
use crate::kernels::functions::{Function, source_with};
use crate::kernels::{Place, Program, Read, Row, Rows, Step, Target, program_with, rows_with};

/// Rows of operands of each operation that are made of random numbers.
const ROWS: usize = 384;

pub(super) fn checks(step: Step) -> Vec<Check> {
    vec![programs(step), quotients(step), functions(step), rows_reduced(step)]
}

/// Every operation as a program of its own.
fn programs(step: Step) -> Check {
    let unary = UNARY.iter().copied().map(of_one);
    let runs = unary.chain(BINARY.iter().copied().map(of_two)).chain([copied(), gathered(), converted()]).collect();
    Check { name: "programs", source: program_with(step.source()), planted: Some(program_with(UNFUSED)), runs }
}

/// Those that are made digit by digit, where rounding can be left out.
fn quotients(step: Step) -> Check {
    let source = program_with(step.source());
    let planted = source.replace("+ (kept - IMPLICIT) + up", "+ (kept - IMPLICIT)");
    let runs = vec![of_one(Unary::Sqrt), of_one(Unary::Reciprocal), of_two(Binary::Div), of_two(Binary::Remainder)];
    Check { name: "quotients", source, planted: Some(planted), runs }
}

/// Numbers of all kinds, in rows of operands.
fn rows<const N: usize>(seed: u64) -> Vec<[f32; N]> {
    let mut numbers = Numbers::new(seed);
    let edges: Vec<f32> = edges().into_iter().map(f32::from_bits).collect();
    let at = |i: usize, place: usize| edges[(i / edges.len().pow(place as u32 % 2) + place / 2) % edges.len()];
    let count = if N == 1 { edges.len() } else { edges.len().pow(2) };
    let mut rows: Vec<[f32; N]> = (0..count).map(|i| std::array::from_fn(|place| at(i, place))).collect();
    for row in 0..ROWS {
        let (least, most) = [(-3, 3), (-1, 6), (-30, 30), (-100, 127)][row % 4];
        rows.push(std::array::from_fn(|_| numbers.between(least, most)));
    }
    rows
}

fn of_one(operation: Unary) -> Run {
    let rows = rows::<1>(13);
    let expected = rows.iter().map(|[x]| operation.of(*x)).collect();
    run(Operation::Unary(operation, Source::Operand(0)), &rows, expected)
}

fn of_two(operation: Binary) -> Run {
    let rows = rows::<2>(14);
    let expected = rows.iter().map(|[a, b]| operation.of(*a, *b)).collect();
    run(Operation::Binary(operation, [Source::Operand(0), Source::Operand(1)]), &rows, expected)
}

/// One operation on the first, or on both, of a row's numbers.
fn run<const N: usize>(operation: Operation, rows: &[[f32; N]], expected: Vec<f32>) -> Run {
    let program = Program::new(&[operation]).expect("one operation is short");
    let count = u32::try_from(rows.len()).expect("checks are small");
    let operand = |place: usize| rows.iter().map(|row| row[place.min(N - 1)].to_bits()).collect::<Vec<_>>();
    let words = program.words(count, &[Read::whole(Place::Left, count), Read::whole(Place::Right, count)]);
    Run {
        inputs: vec![operand(0), operand(1), words],
        before: None,
        expected: expected.into_iter().map(f32::to_bits).collect(),
        groups: [count.div_ceil(64), 1, 1],
    }
}

/// Bits that are moved, the last first, and stay what they are.
fn copied() -> Run {
    let words = edges();
    let count = u32::try_from(words.len()).expect("checks are small");
    let read =
        Read { place: Place::Left, numbers: Vec::new(), start: count - 1, axes: vec![[count, u32::MAX]], table: None };
    let expected = words.iter().rev().copied().collect();
    let inputs = vec![words, vec![0], Program::copy().words(count, &[read])];
    Run { inputs, before: None, expected, groups: [count.div_ceil(64), 1, 1] }
}

/// Rows of four words by a table of rows, every other one of a result that has more.
fn gathered() -> Run {
    let words = edges();
    let count = u32::try_from(words.len()).expect("checks are small");
    let table: Vec<u32> = (0..7).map(|i| i * 20 % count / 4 * 4).collect();
    let expected = table.iter().flat_map(|&at| {
        let row = words[at as usize..].iter().take(4).copied();
        row.chain([0; 4])
    });
    let expected: Vec<u32> = [0; 2].into_iter().chain(expected).collect();
    let read =
        Read { place: Place::Left, numbers: Vec::new(), start: 0, axes: vec![[4, 1], [7, 0]], table: Some((1, table)) };
    let target = Target { row: 4, pitch: 8, begin: 2 };
    let inputs = vec![words, vec![0], Program::copy().words_to(28, &[read], target)];
    Run { inputs, before: None, expected, groups: [1, 1, 1] }
}

/// Integers of all sizes that become floats.
fn converted() -> Run {
    let mut numbers = Numbers::new(17);
    let words: Vec<u32> = (0..256).map(|i| (numbers.word().cast_signed() >> (i % 32)).cast_unsigned()).collect();
    let expected = words.iter().map(|word| (word.cast_signed() as f32).to_bits()).collect();
    let inputs = vec![words, vec![0], Program::converted().words(256, &[Read::whole(Place::Left, 256)])];
    Run { inputs, before: None, expected, groups: [4, 1, 1] }
}

/// Rows of 37 elements, some of them with edges, through everything that reduces rows.
fn rows_reduced(step: Step) -> Check {
    const LENGTH: usize = 37;
    let mut numbers = Numbers::new(16);
    let mut data: Vec<f32> = (0..9 * LENGTH).map(|i| numbers.between(-3, 1 + i32::from(i % 2 == 0))).collect();
    for (place, edge) in data[7 * LENGTH..].iter_mut().zip(edges()) {
        *place = f32::from_bits(edge);
    }
    data[6 * LENGTH..7 * LENGTH].fill(f32::NEG_INFINITY);
    data[5 * LENGTH..5 * LENGTH + 9].fill(f32::NEG_INFINITY);
    let [scale, shift]: [Vec<f32>; 2] = [0, 1].map(|_| (0..LENGTH).map(|_| numbers.between(-2, 2)).collect());
    let (scale, shift) = (&scale[..], &shift[..]);
    let norm = |centred, epsilon, scale, shift| Row::Norm { centred, epsilon, scale, shift };
    let affine = |shift| Some(Affine { scale, shift });
    let layer = |epsilon| Normalisation::Layer { epsilon };
    type Answer<'a> = Box<dyn Fn(&[f32]) -> Vec<f32> + 'a>;
    let cases: [(Row<'_>, Answer<'_>); 5] = [
        (Row::Softmax, Box::new(oracle::softmax)),
        (Row::LogSoftmax, Box::new(oracle::log_softmax)),
        (norm(true, 1e-5, None, None), Box::new(|row| oracle::normalise(layer(1e-5), None, row))),
        (
            norm(true, 1e-12, Some(scale), Some(shift)),
            Box::new(|row| oracle::normalise(layer(1e-12), affine(Some(shift)), row)),
        ),
        (
            norm(false, 1e-6, Some(scale), None),
            Box::new(|row| oracle::normalise(Normalisation::RootMeanSquare { epsilon: 1e-6 }, affine(None), row)),
        ),
    ];
    let runs = cases.into_iter().map(|(row, answer)| {
        let rows = Rows { row, count: 9, length: 37 };
        let expected = data.chunks(LENGTH).flat_map(&answer).map(f32::to_bits).collect();
        let inputs = vec![bits(&data), rows.words()];
        Run { inputs, before: None, expected, groups: rows.groups() }
    });
    Check { name: "rows", source: rows_with(step.source()), planted: Some(rows_with(UNFUSED)), runs: runs.collect() }
}

/// Every function of WGSL, in turn.
fn functions(step: Step) -> Check {
    let rows = rows::<3>(15);
    let expected =
        Function::ALL.iter().flat_map(|function| rows.iter().map(|row| function.of(*row).to_bits())).collect();
    let count = rows.len();
    let source = |step: &str| {
        let mut cases = String::new();
        for (place, function) in Function::ALL.iter().enumerate() {
            let operands = &["a", "b", "c"][..function.operands()].join(", ");
            writeln!(cases, "case {place}u: {{ return {}({operands}); }}", function.name())
                .expect("a string takes all");
        }
        let result = format!(
            "fn result(i: u32) -> f32 {{
                let a = number(i % {count}u * 3u);
                let b = number(i % {count}u * 3u + 1u);
                let c = number(i % {count}u * 3u + 2u);
                switch i / {count}u {{ {cases} default: {{ return a; }} }}
            }}"
        );
        Check::each_of(&source_with(step, &BTreeSet::from(Function::ALL)), &result)
    };
    let groups = u32::try_from((count * Function::ALL.len()).div_ceil(64)).expect("checks are small");
    let given = rows.as_flattened().iter().map(|number| number.to_bits()).collect();
    Check {
        name: "functions",
        source: source(step.source()),
        planted: Some(source(UNFUSED)),
        runs: vec![Run { inputs: vec![given], before: None, expected, groups: [groups, 1, 1] }],
    }
}
