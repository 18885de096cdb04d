//! Products of bytes, by hand.

use super::*;
use crate::op::product::Product;
use crate::op::product::trial::{computed, result, values};

const fn of(form: IntegerForm) -> Product {
    Product::Integer(IntegerMatMul { form })
}

const SUMS: Product = of(IntegerForm::Sums);

/// The case of ONNX's own documentation.
#[test]
fn sums_with_zero_points() {
    let left = Tensor::new(&[4, 3], &[11u8, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0]);
    let right = Tensor::new(&[3, 2], &[1u8, 4, 2, 5, 3, 6]);
    let (twelve, zero) = (Tensor::new(&[1], &[12u8]), Tensor::new(&[1], &[0u8]));
    let expected = Tensor::new(&[4, 2], &[-38i32, -83, -44, -98, -50, -113, -56, -128]);
    assert_eq!(result(SUMS, &[&left, &right, &twelve, &zero]).unwrap(), expected);
}

#[test]
fn zero_points_of_rows_and_columns() {
    let left = Tensor::new(&[2, 2, 2], &[1i8, 2, 3, 4, -1, -2, -3, -4]);
    let right = Tensor::new(&[2, 2], &[1u8, 2, 3, 4]);
    let (rows, columns) = (Tensor::new(&[2], &[1i8, 2]), Tensor::new(&[2], &[1u8, 2]));
    // left - rows: [[0, 1], [1, 2]], [[-2, -3], [-5, -6]]; right - columns: [[0, 0], [2, 2]]
    let expected = Tensor::new(&[2, 2, 2], &[2i32, 2, 4, 4, -6, -6, -12, -12]);
    assert_eq!(result(SUMS, &[&left, &right, &rows, &columns]).unwrap(), expected);
    let plain = computed(SUMS, &[Some(&left), Some(&right), None, Some(&columns)]).unwrap();
    assert_eq!(plain[0], Tensor::new(&[2, 2, 2], &[4i32, 4, 8, 8, -4, -4, -8, -8]));
}

#[test]
fn sums_as_bytes_again() {
    let left = Tensor::new(&[2, 2], &[1u8, 2, 3, 4]);
    let right = Tensor::new(&[2, 2], &[1i8, -2, 3, 4]);
    // The sums without zero points are [[7, 6], [15, 10]].
    let (one, two, zero) = (Tensor::new(&[1], &[1f32]), Tensor::new(&[1], &[2f32]), Tensor::new(&[1], &[0i8]));
    let left_zero = Tensor::new(&[1], &[0u8]);
    let of_columns = Tensor::new(&[2], &[1f32, 20.0]);
    let shift = Tensor::new(&[1], &[1i8]);
    let inputs = [&left, &one, &left_zero, &right, &of_columns, &zero, &two, &shift];
    // 7/2 and 15/2 are halves, which go to even; 100 + 1, and 60 + 1.
    assert_eq!(result(of(IntegerForm::Bytes), &inputs).unwrap(), Tensor::new(&[2, 2], &[5i8, 61, 9, 101]));
    let of_rows = Tensor::new(&[2, 1], &[1f32, 4.0]);
    let inputs = [&left, &of_rows, &left_zero, &right, &one, &zero, &one, &zero];
    assert_eq!(result(of(IntegerForm::Bytes), &inputs).unwrap(), Tensor::new(&[2, 2], &[7i8, 6, 60, 40]));
}

#[test]
fn sums_as_floats() {
    let left = Tensor::new(&[1, 2], &[1u8, 2]);
    let right = Tensor::new(&[2, 2], &[1i8, -2, 3, 4]);
    let (half, scales) = (Tensor::scalar(0.5f32), Tensor::new(&[2], &[2f32, 4.0]));
    let (left_zero, right_zero) = (Tensor::scalar(1u8), Tensor::scalar(1i8));
    let bias = Tensor::new(&[2], &[0.25f32, -1.0]);
    // (left - 1) · (right - 1) is [[2, 3]].
    let inputs = [&left, &right, &half, &scales, &left_zero, &right_zero, &bias];
    assert_eq!(values(&result(of(IntegerForm::Floats), &inputs).unwrap()), [2.25, 5.0]);
    // From 0 to 255, the scale is 1 and the zero point 0.
    let left = Tensor::new(&[2, 2], &[0f32, 255.0, 1.0, 2.0]);
    let found = result(of(IntegerForm::Dynamic), &[&left, &right, &scales, &right_zero, &bias]).unwrap();
    assert_eq!(values(&found), [2.0 * 510.0 + 0.25, 4.0 * 765.0 - 1.0, 8.25, 4.0 * 3.0 - 1.0]);
}

#[test]
fn nonsense_is_refused() {
    let (left, right) = (Tensor::new(&[2, 2], &[1u8; 4]), Tensor::new(&[2, 2], &[1i8; 4]));
    assert!(result(SUMS, &[&left, &Tensor::new(&[2, 2], &[1i32; 4])]).is_err(), "no bytes");
    assert!(result(SUMS, &[&left, &right, &Tensor::scalar(1i8)]).is_err(), "a zero point of another kind");
    assert!(result(SUMS, &[&left, &right, &Tensor::new(&[3], &[1u8; 3])]).is_err(), "three zero points");
}
