//! Products of bytes: exact for every kernel, kind and zero point.

use poai_numerics::{Axis, Bytes, IntegerFilter, NumericsError, PackedIntegers, Window, ZeroPoints, oracle};

use super::values::{Stream, processors};

const SHAPES: &[[usize; 3]] = &[
    [1, 1, 1],
    [1, 3, 50],
    [2, 4, 16],
    [5, 0, 3],
    [9, 31, 48],
    [13, 100, 97],
    [100, 37, 7],
    [200, 64, 200],
    [48, 192, 70],
];

fn check(shape: [usize; 3], left: (Bytes<'_>, ZeroPoints<'_>), right: (Bytes<'_>, ZeroPoints<'_>)) {
    let expected = oracle::matmul_integer(shape, left, right);
    let packed = PackedIntegers::new(shape[1], shape[2], right.0, right.1).unwrap();
    for processor in &processors() {
        let mut out = vec![-1; expected.len()];
        processor.matmul_integer(shape[0], left.0, left.1, &packed, &mut out).unwrap();
        assert_eq!(out, expected, "{shape:?} by {} on {} threads", processor.kernels(), processor.threads());
    }
}

#[test]
fn all_kinds_of_bytes_with_all_kinds_of_zero_points() {
    let mut stream = Stream(11);
    for &shape in SHAPES {
        let [m, k, n] = shape;
        let (a, b) = (stream.bytes(m * k), stream.bytes(k * n));
        let (a_signed, b_signed): (Vec<i8>, Vec<i8>) =
            (a.iter().map(|x| x.cast_signed()).collect(), b.iter().map(|x| x.cast_signed()).collect());
        let row_zeros: Vec<i32> = (0..m).map(|_| stream.bits() as i32 & 255).collect();
        let column_zeros: Vec<i32> = (0..n).map(|_| (stream.bits() as i32 & 255) - 128).collect();
        for left in [Bytes::Unsigned(&a), Bytes::Signed(&a_signed)] {
            for right in [Bytes::Unsigned(&b), Bytes::Signed(&b_signed)] {
                check(shape, (left, ZeroPoints::One(0)), (right, ZeroPoints::One(0)));
                check(shape, (left, ZeroPoints::One(128)), (right, ZeroPoints::One(-3)));
                check(shape, (left, ZeroPoints::Each(&row_zeros)), (right, ZeroPoints::Each(&column_zeros)));
            }
        }
    }
}

/// Where ONNX Runtime's kernel for AVX2 saturates at 16 bits.
#[test]
fn the_largest_products_do_not_saturate() {
    let shape = [3, 4096, 50];
    let (a, b) = (vec![255u8; 3 * 4096], vec![-128i8; 4096 * 50]);
    let (left, right) = ((Bytes::Unsigned(&a), ZeroPoints::One(0)), (Bytes::Signed(&b), ZeroPoints::One(0)));
    assert_eq!(oracle::matmul_integer(shape, left, right)[0], -255 * 128 * 4096);
    check(shape, left, right);
}

#[test]
fn wrong_lengths_are_refused() {
    let zero = ZeroPoints::One(0);
    let length = |what, expected, found| NumericsError::Length { what, expected, found };
    let found = PackedIntegers::new(2, 3, Bytes::Unsigned(&[0; 5]), zero).err();
    assert_eq!(found, Some(length("the right operand", 6, 5)));
    let found = PackedIntegers::new(2, 3, Bytes::Unsigned(&[0; 6]), ZeroPoints::Each(&[0; 2])).err();
    assert_eq!(found, Some(length("the right zero points", 3, 2)));
    let packed = PackedIntegers::new(2, 3, Bytes::Unsigned(&[0; 6]), zero).unwrap();
    let processor = &processors()[0];
    let found = processor.matmul_integer(2, Bytes::Signed(&[0; 3]), zero, &packed, &mut [0; 6]);
    assert_eq!(found, Err(length("the left operand", 4, 3)));
    let found = processor.matmul_integer(2, Bytes::Signed(&[0; 4]), zero, &packed, &mut [0; 5]);
    assert_eq!(found, Err(length("the result", 6, 5)));
}

#[test]
fn convolutions_are_exact_and_padding_adds_nothing() {
    let mut stream = Stream(12);
    let axis = |input, kernel, stride, before, behind| Axis { stride, before, behind, ..Axis::new(input, kernel) };
    for (height, width, channels, results, groups) in [
        (axis(9, 3, 1, 1, 1), axis(30, 3, 1, 1, 1), 5, 50, 1),
        (axis(9, 3, 2, 1, 0), axis(8, 2, 1, 3, 3), 6, 4, 2),
        (axis(5, 3, 1, 1, 1), axis(5, 3, 1, 1, 1), 7, 7, 7),
        (Axis::POINT, Axis { dilation: 2, ..axis(30, 5, 1, 4, 4) }, 4, 8, 1),
    ] {
        let window = Window { images: 2, channels, height, width };
        let places = [height.places().unwrap(), width.places().unwrap()];
        let taps = height.kernel * width.kernel;
        let input = stream.bytes(2 * height.input * width.input * channels);
        let weights = stream.bytes(taps * channels / groups * results);
        let (input_signed, weights_signed): (Vec<i8>, Vec<i8>) =
            (input.iter().map(|x| x.cast_signed()).collect(), weights.iter().map(|x| x.cast_signed()).collect());
        let zeros: Vec<i32> = (0..results).map(|i| i as i32 - 3).collect();
        let zeros = ZeroPoints::Each(&zeros);
        for (input, zero) in [(Bytes::Unsigned(&input), 200), (Bytes::Signed(&input_signed), -100)] {
            for weights in [Bytes::Unsigned(&weights), Bytes::Signed(&weights_signed)] {
                let filter = IntegerFilter::new(taps, channels, results, groups, weights, zeros).unwrap();
                let expected =
                    oracle::convolve_integer(&window, places, (weights, zeros, results, groups), (input, zero));
                for processor in &processors() {
                    let mut out = vec![-1; expected.len()];
                    processor.convolve_integer(&window, &filter, input, zero, &mut out).unwrap();
                    assert_eq!(out, expected, "{window:?} by {}", processor.kernels());
                }
                let beyond =
                    processors()[0].convolve_integer(&window, &filter, input, 300, &mut vec![0; expected.len()]);
                let rule = "is no value of the input";
                assert_eq!(beyond, Err(NumericsError::Parameter { what: "the zero point", value: 300, rule }));
            }
        }
    }
}
