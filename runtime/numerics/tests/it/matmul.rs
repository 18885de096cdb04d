//! Products of floats: every kernel, thread count, layout and epilogue against the oracle.

use poai_numerics::{Epilogue, Matrices, NumericsError, Packed, Processor, Unary, oracle};
use proptest::prelude::*;

use super::values::{Stream, assert_bits, processors, wild};

/// Sizes around every edge: tiles of 4, 6, 8, 9 rows; vectors, panels of 48 and groups of four; blocks of 192 and 384.
const SHAPES: &[[usize; 3]] = &[
    [1, 1, 1],
    [1, 5, 193],
    [1, 400, 47],
    [2, 3, 16],
    [3, 385, 49],
    [5, 0, 7],
    [7, 384, 48],
    [9, 17, 96],
    [10, 769, 13],
    [19, 33, 200],
    [193, 9, 50],
    [200, 390, 61],
];

fn check(processor: &Processor, shape: [usize; 3], a: Matrices<'_>, b: Matrices<'_>, epilogue: &Epilogue<'_>) {
    let expected = oracle::matmul(shape, a, b, epilogue);
    let name = format!("{shape:?} by {} on {} threads", processor.kernels(), processor.threads());
    let mut out = vec![f32::NAN; expected.len()];
    processor.matmul(shape, a, b, epilogue, &mut out).unwrap();
    assert_bits(&out, &expected, &name);
    if b.starts.len() == 1 {
        let packed = Packed::new(shape[1], shape[2], b).unwrap();
        let mut out = vec![f32::NAN; expected.len()];
        processor.matmul_packed(shape[0], a, &packed, epilogue, &mut out).unwrap();
        assert_bits(&out, &expected, format!("{name}, packed"));
    }
}

#[test]
fn every_kernel_equals_the_oracle_at_every_edge() {
    let processors = processors();
    let mut stream = Stream(1);
    for &shape in SHAPES {
        let [m, k, n] = shape;
        let (a, b) = (stream.floats(m * k), stream.floats(k * n));
        for processor in &processors {
            check(processor, shape, Matrices::one(&a, k), Matrices::one(&b, n), &Epilogue::default());
        }
    }
}

#[test]
fn transposed_and_batched_operands_are_read_where_they_lie() {
    let [m, k, n] = [11, 50, 70];
    let mut stream = Stream(2);
    let (a, b) = (stream.floats(3 * m * k), stream.floats(2 * k * n));
    let left = Matrices { data: &a, starts: &[0, 2 * m * k, m * k], row_stride: 1, column_stride: m };
    let right = Matrices { data: &b, starts: &[k * n, 0, k * n], row_stride: 1, column_stride: k };
    for processor in &processors() {
        check(processor, [m, k, n], left, right, &Epilogue::default());
    }
}

#[test]
fn epilogues_are_the_operations_of_their_own() {
    let mut stream = Stream(3);
    for [m, k, n] in [[1, 30, 250], [20, 500, 60]] {
        let (a, b) = (stream.floats(m * k), stream.floats(k * n));
        let (bias, calm, residual) = (stream.floats(n), stream.calm(n), stream.floats(m * n));
        let mut epilogues = Vec::new();
        for activation in [None, Some(Unary::Relu), Some(Unary::Gelu), Some(Unary::Silu)] {
            for bias in [None, Some(&bias[..]), Some(&calm)] {
                for (scale, residual) in [(None, None), (Some(0.3), Some(&residual[..]))] {
                    epilogues.push(Epilogue { scale, bias, residual, activation, following: None });
                }
            }
        }
        for processor in &processors() {
            for epilogue in &epilogues {
                check(processor, [m, k, n], Matrices::one(&a, k), Matrices::one(&b, n), epilogue);
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_batch_that_it_is_in() {
    let [m, k, n] = [37, 400, 130];
    let mut stream = Stream(4);
    let (a, b) = (stream.floats(m * k), stream.floats(k * n));
    let packed = Packed::new(k, n, Matrices::one(&b, n)).unwrap();
    for processor in &processors() {
        let mut all = vec![0.0; m * n];
        processor.matmul_packed(m, Matrices::one(&a, k), &packed, &Epilogue::default(), &mut all).unwrap();
        for (row, expected) in a.chunks(k).zip(all.chunks(n)) {
            let mut one = vec![0.0; n];
            processor.matmul_packed(1, Matrices::one(row, k), &packed, &Epilogue::default(), &mut one).unwrap();
            assert_bits(&one, expected, processor.kernels());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_numbers_in_any_shape(
        (shape, a, b) in (1usize..20, 0usize..40, 1usize..110).prop_flat_map(|(m, k, n)| {
            (Just([m, k, n]), prop::collection::vec(wild(), m * k), prop::collection::vec(wild(), k * n))
        })
    ) {
        for processor in &processors() {
            let (left, right) = (Matrices::one(&a, shape[1]), Matrices::one(&b, shape[2]));
            check(processor, shape, left, right, &Epilogue::default());
        }
    }
}

#[test]
fn wrong_lengths_are_refused_and_name_the_argument() {
    let processor = &processors()[0];
    let (a, b) = ([0.0; 6], [0.0; 6]);
    let run = |a: &[f32], b: &[f32], bias: Option<&[f32]>, out: usize| {
        let epilogue = Epilogue { bias, ..Epilogue::default() };
        processor.matmul([2, 3, 2], Matrices::one(a, 3), Matrices::one(b, 2), &epilogue, &mut vec![0.0; out])
    };
    assert_eq!(run(&a, &b, None, 4), Ok(()));
    for (outcome, what, expected, found) in [
        (run(&a[1..], &b, None, 4), "the left operand", 6, 5),
        (run(&a, &b[1..], None, 4), "the right operand", 6, 5),
        (run(&a, &b, None, 5), "the result", 4, 5),
        (run(&a, &b, Some(&[0.0; 3]), 4), "the bias", 2, 3),
    ] {
        assert_eq!(outcome, Err(NumericsError::Length { what, expected, found }));
    }
    let far = Matrices { data: &a, starts: &[usize::MAX], row_stride: 3, column_stride: 1 };
    let outcome = processor.matmul([2, 3, 2], far, Matrices::one(&b, 2), &Epilogue::default(), &mut [0.0; 4]);
    assert_eq!(outcome, Err(NumericsError::Overflow("the left operand")));
}
