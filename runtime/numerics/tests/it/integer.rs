//! Products of bytes: exact for every kernel, kind and zero point.

use poai_numerics::{Bytes, NumericsError, PackedIntegers, ZeroPoints, oracle};

use super::values::{Stream, processors};

const SHAPES: &[[usize; 3]] =
    &[[1, 1, 1], [1, 3, 50], [2, 4, 16], [5, 0, 3], [9, 31, 48], [13, 100, 97], [100, 37, 7], [200, 64, 200]];

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
