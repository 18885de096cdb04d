//! Reductions, softmax and normalisation: every kernel against the oracle, and the laws that they promise.

use poai_numerics::{Affine, Normalisation, NumericsError, Reduction, oracle};
use proptest::prelude::*;

use super::values::{Stream, assert_bits, processors, wild};

const REDUCTIONS: &[Reduction] = &[
    Reduction::Sum,
    Reduction::Mean,
    Reduction::SumOfSquares,
    Reduction::Norm,
    Reduction::SumOfSizes,
    Reduction::Max,
    Reduction::Min,
    Reduction::Product,
    Reduction::LogSum,
    Reduction::LogSumExp,
];
const LENGTHS: &[usize] = &[1, 2, 15, 16, 17, 100, 1023];

#[test]
fn reductions_over_any_axis_equal_the_oracle() {
    let mut stream = Stream(21);
    for [outer, axis, inner] in
        [[1, 1, 1], [3, 17, 1], [2, 40, 5], [1, 1000, 3], [5, 0, 2], [2, 50, 37], [1, 33, 16], [40, 600, 1], [0, 3, 3]]
    {
        let input = stream.floats(outer * axis * inner);
        for &reduction in REDUCTIONS {
            let mut expected = Vec::new();
            for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
                let values: Vec<f32> = (0..axis).map(|a| input[(o * axis + a) * inner + i]).collect();
                expected.push(oracle::reduce(reduction, &values));
            }
            for processor in &processors() {
                let mut out = vec![0.0; expected.len()];
                processor.reduce(reduction, [outer, axis, inner], &input, &mut out).unwrap();
                assert_bits(&out, &expected, format!("{reduction:?} {outer}x{axis}x{inner} {}", processor.kernels()));
            }
        }
    }
}

#[test]
fn softmax_and_normalisation_equal_the_oracle() {
    let mut stream = Stream(22);
    for &length in LENGTHS {
        let input: Vec<f32> = stream.floats(30 * length).iter().map(|x| x * 5.0).collect();
        let (scale, shift) = (stream.floats(length), stream.floats(length));
        let by_rows = |row: &dyn Fn(&[f32]) -> Vec<f32>| input.chunks(length).flat_map(row).collect::<Vec<f32>>();
        for processor in &processors() {
            let mut out = input.clone();
            processor.softmax(length, &mut out).unwrap();
            assert_bits(&out, &by_rows(&|row| oracle::softmax(row)), format!("softmax of {length}"));
            let mut from = vec![f32::NAN; input.len()];
            processor.softmax_from(length, &input, &mut from).unwrap();
            assert_bits(&from, &out, format!("softmax of {length}, not in place"));
            let mut out = input.clone();
            processor.log_softmax(length, &mut out).unwrap();
            assert_bits(&out, &by_rows(&|row| oracle::log_softmax(row)), format!("log-softmax of {length}"));
            for how in [Normalisation::Layer { epsilon: 1e-5 }, Normalisation::RootMeanSquare { epsilon: 1e-6 }] {
                for shift in [None, Some(&shift[..])] {
                    for affine in [None, Some(Affine { scale: &scale, shift })] {
                        let mut out = input.clone();
                        processor.normalise(how, affine, length, &mut out).unwrap();
                        assert_bits(&out, &by_rows(&|row| oracle::normalise(how, affine, row)), format!("{how:?}"));
                        let mut from = vec![f32::NAN; input.len()];
                        processor.normalise_from(how, affine, length, &input, &mut from).unwrap();
                        assert_bits(&from, &out, format!("{how:?}, not in place"));
                    }
                }
            }
        }
    }
}

#[test]
fn softmax_is_right() {
    let row = oracle::softmax(&[1.0, 2.0, 3.0, f32::NEG_INFINITY]);
    for (found, expected) in row.iter().zip([0.090_030_57, 0.244_728_47, 0.665_240_94, 0.0]) {
        assert!((found - expected).abs() < 1e-7, "{row:?}");
    }
    let row = oracle::normalise(Normalisation::Layer { epsilon: 0.0 }, None, &[1.0, 2.0, 3.0, 4.0]);
    for (found, expected) in row.iter().zip([-1.341_640_8, -0.447_213_6, 0.447_213_6, 1.341_640_8]) {
        assert!((found - expected).abs() < 1e-6, "{row:?}");
    }
    assert!((oracle::reduce(Reduction::LogSumExp, &[1000.0, 1000.0]) - 1_000.693_1).abs() < 1e-3);
    assert_eq!(oracle::reduce(Reduction::LogSumExp, &[f32::NEG_INFINITY; 3]), f32::NEG_INFINITY);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_numbers(values in prop::collection::vec(wild(), 1..70)) {
        for processor in &processors() {
            for &reduction in REDUCTIONS {
                let mut out = [0.0];
                processor.reduce(reduction, [1, values.len(), 1], &values, &mut out).unwrap();
                assert_bits(&out, &[oracle::reduce(reduction, &values)], format!("{reduction:?}"));
            }
            let mut out = values.clone();
            processor.softmax(values.len(), &mut out).unwrap();
            assert_bits(&out, &oracle::softmax(&values), "softmax");
        }
    }

    /// What padding relies on.
    #[test]
    fn a_tail_of_zeros_does_not_change_a_sum(values in prop::collection::vec(wild(), 1..70), tail in 0usize..40) {
        let mut padded = values.clone();
        padded.resize(values.len() + tail, 0.0);
        for reduction in [Reduction::Sum, Reduction::SumOfSquares, Reduction::Norm, Reduction::SumOfSizes] {
            let (found, expected) = (oracle::reduce(reduction, &padded), oracle::reduce(reduction, &values));
            assert_bits(&[found], &[expected], format!("{reduction:?}"));
        }
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let processor = &processors()[0];
    let length = |what, expected, found| Err(NumericsError::Length { what, expected, found });
    let found = processor.reduce(Reduction::Sum, [2, 3, 1], &[0.0; 5], &mut [0.0; 2]);
    assert_eq!(found, length("the input", 6, 5));
    assert_eq!(processor.softmax(3, &mut [0.0; 4]), length("the last row", 0, 1));
    let zero = NumericsError::Parameter { what: "the length of a row", value: 0, rule: "must be above zero" };
    assert_eq!(processor.softmax(0, &mut []), Err(zero));
    let affine = Affine { scale: &[1.0; 2], shift: None };
    let found = processor.normalise(Normalisation::Layer { epsilon: 0.0 }, Some(affine), 3, &mut [0.0; 3]);
    assert_eq!(found, length("the scale", 3, 2));
}
