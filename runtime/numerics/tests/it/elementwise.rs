//! Element-wise operations: every kernel against the definition.

use poai_numerics::operations::{BINARY, UNARY};
use poai_numerics::{Binary, NumericsError, Strided};
use proptest::prelude::*;

use super::values::{Stream, assert_bits, processors, wild};

/// Every 40,009th bit pattern, and those where something begins or ends: of both signs, around 2⁻¹⁰⁰ in particular.
fn dense() -> Vec<f32> {
    let edges = [
        0x0000_0003,
        0x0080_0000,
        0x0d00_0000,
        0x0d63_8e39,
        0x0d80_0000,
        0x0e00_0000,
        0x2e80_0000,
        0x3ed4_13cd,
        0x3f00_0000,
        0x3f20_0000,
        0x3f31_7218,
        0x3f49_0fdb,
        0x3f80_0000,
        0x401a_827a,
        0x4080_0000,
        0x4120_0000,
        0x428a_a123,
        0x42a0_0000,
        0x42b1_7217,
        0x42c8_0000,
        0x4b80_0000,
        0x7f80_0000,
    ];
    let signed = edges.iter().flat_map(|&bits: &u32| [bits, bits | 0x8000_0000]);
    let around = signed.flat_map(|bits| (-3..=3).map(move |nudge| bits.wrapping_add_signed(nudge)));
    (0..=u32::MAX).step_by(40_009).chain(around).map(f32::from_bits).collect()
}

#[test]
fn unary_kernels_equal_the_definition_on_a_dense_sample() {
    let inputs = dense();
    for &operation in UNARY {
        let expected: Vec<f32> = inputs.iter().map(|&x| operation.of(x)).collect();
        for processor in &processors() {
            let mut out = vec![0.0; inputs.len()];
            processor.unary(operation, &inputs, &mut out).unwrap();
            assert_bits(&out, &expected, format!("{operation:?} by {}", processor.kernels()));
        }
    }
}

#[test]
fn what_is_stored_is_never_small_nor_another_nan() {
    for &operation in UNARY {
        for x in dense() {
            let y = operation.of(x);
            assert!(
                y.to_bits() == 0 || y.abs() >= 2f32.powi(-100) || y.to_bits() == 0x7fc0_0000,
                "{operation:?} {x:e}"
            );
        }
    }
}

#[test]
fn binary_kernels_equal_the_definition_for_every_broadcast() {
    let mut stream = Stream(5);
    let shape = [3, 5, 37];
    let (whole, row, column) = (stream.floats(3 * 5 * 37), stream.floats(37), stream.floats(3 * 5));
    let layouts: [(&[f32], [usize; 3]); 5] =
        [(&whole, [185, 37, 1]), (&row, [0, 0, 1]), (&column, [5, 1, 0]), (&whole, [1, 3, 15]), (&[1.5], [0, 0, 0])];
    for &operation in BINARY {
        for (a, a_strides) in &layouts {
            for (b, b_strides) in &layouts {
                let at = |strides: &[usize; 3], i: usize, j: usize, k: usize| {
                    i * strides[0] + j * strides[1] + k * strides[2]
                };
                let mut expected = Vec::new();
                for (i, j, k) in (0..3).flat_map(|i| (0..5).flat_map(move |j| (0..37).map(move |k| (i, j, k)))) {
                    expected.push(operation.of(a[at(a_strides, i, j, k)], b[at(b_strides, i, j, k)]));
                }
                for processor in &processors() {
                    let mut out = vec![0.0; expected.len()];
                    let (a, b) = (Strided { data: a, strides: a_strides }, Strided { data: b, strides: b_strides });
                    processor.binary(operation, &shape, a, b, &mut out).unwrap();
                    assert_bits(&out, &expected, format!("{operation:?} {a_strides:?} {b_strides:?}"));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn binary_kernels_equal_the_definition_on_any_numbers(
        (a, b) in (1usize..200).prop_flat_map(|n| (prop::collection::vec(wild(), n), prop::collection::vec(wild(), n)))
    ) {
        for &operation in BINARY {
            let expected: Vec<f32> = a.iter().zip(&b).map(|(&a, &b)| operation.of(a, b)).collect();
            for processor in &processors() {
                let mut out = vec![0.0; a.len()];
                let (left, right) = (Strided { data: &a, strides: &[1] }, Strided { data: &b, strides: &[1] });
                processor.binary(operation, &[a.len()], left, right, &mut out).unwrap();
                assert_bits(&out, &expected, format!("{operation:?}"));
            }
        }
    }
}

#[test]
fn operands_that_end_too_early_are_refused() {
    let processor = &processors()[0];
    let run = |data: &[f32], strides: &[usize]| {
        let full = Strided { data: &[0.0; 6], strides: &[3, 1] };
        processor.binary(Binary::Add, &[2, 3], full, Strided { data, strides }, &mut [0.0; 6])
    };
    assert_eq!(run(&[0.0; 3], &[0, 1]), Ok(()));
    let length = |expected, found| Err(NumericsError::Length { what: "the right operand", expected, found });
    assert_eq!(run(&[0.0; 5], &[3, 1]), length(6, 5));
    assert_eq!(run(&[0.0; 5], &[1]), length(2, 1));
    assert_eq!(run(&[0.0; 5], &[usize::MAX, 1]), Err(NumericsError::Overflow("the right operand")));
}
