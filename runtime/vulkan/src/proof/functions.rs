//! Every element-wise operation, as lines of programs and as functions of WGSL.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use poai_numerics::{Binary, Source, Step as Operation, Unary};

use super::check::{Check, Run};
use super::numbers::{Numbers, edges};
use super::products::UNFUSED;
use crate::kernels::functions::{Function, source_with};
use crate::kernels::{BINARY, Place, Program, Read, Step, UNARY, program_with};

/// Rows of operands of each operation that are made of random numbers.
const ROWS: usize = 384;

pub(super) fn checks(step: Step) -> Vec<Check> {
    vec![programs(step), quotients(step), functions(step)]
}

/// Every operation as a program of its own.
fn programs(step: Step) -> Check {
    let unary = UNARY.into_iter().map(of_one);
    let runs = unary.chain(BINARY.into_iter().map(of_two)).collect();
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
    let read = |place| Read { place, numbers: Vec::new(), axes: vec![[count, 1]] };
    let words = program.words(count, &[read(Place::Left), read(Place::Right)]);
    Run {
        inputs: vec![operand(0), operand(1), words],
        before: None,
        expected: expected.into_iter().map(f32::to_bits).collect(),
        groups: [count.div_ceil(64), 1, 1],
    }
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
