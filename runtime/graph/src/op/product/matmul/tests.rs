//! Products by hand, and against the definition.

use half::f16;
use poai_numerics::{Kernels, oracle};

use super::*;
use crate::op::movement::permutation::Transpose;
use crate::op::product::Product;
use crate::op::product::trial::{computed, noise, result, values};

fn matmul(op: MatMul, inputs: &[&Tensor]) -> Result<Tensor, OpError> {
    result(Product::MatMul(op), inputs)
}

/// The product of each pair of matrices by the definition.
fn defined(sizes: [usize; 3], left: &Tensor, right: &Tensor, starts: [&[usize]; 2]) -> Vec<f32> {
    let [_, depth, columns] = sizes;
    let left = Matrices { data: left.slice().unwrap(), starts: starts[0], row_stride: depth, column_stride: 1 };
    let right = Matrices { data: right.slice().unwrap(), starts: starts[1], row_stride: columns, column_stride: 1 };
    oracle::matmul(sizes, left, right, &Epilogue::default())
}

#[test]
fn vectors_matrices_and_batches() {
    let op = MatMul::default;
    let (row, matrix) = (Tensor::new(&[2], &[1f32, 2.0]), Tensor::new(&[2, 3], &[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]));
    assert_eq!(matmul(op(), &[&row, &row]).unwrap(), Tensor::scalar(5f32));
    assert_eq!(matmul(op(), &[&row, &matrix]).unwrap(), Tensor::new(&[3], &[9f32, 12.0, 15.0]));
    let column = Tensor::new(&[3], &[1f32, 0.0, -1.0]);
    assert_eq!(matmul(op(), &[&matrix, &column]).unwrap(), Tensor::new(&[2], &[-2f32, -2.0]));

    let (left, right) = (noise(&[2, 1, 5, 7], 1), noise(&[3, 7, 50], 2));
    let product = matmul(op(), &[&left, &right]).unwrap();
    assert_eq!(product.shape(), [2, 3, 5, 50]);
    let starts: [&[usize]; 2] = [&[0, 0, 0, 35, 35, 35], &[0, 350, 700, 0, 350, 700]];
    assert_eq!(values(&product), defined([5, 7, 50], &left, &right, starts));

    let (left, right) = (noise(&[2, 3, 5, 7], 3), noise(&[1, 7, 50], 4));
    let product = matmul(op(), &[&left, &right]).unwrap();
    assert_eq!(values(&product), defined([30, 7, 50], &left, &right, [&[0], &[0]]));
}

#[test]
fn nothing_is_a_product_too() {
    let nothing = |shape: &[usize]| Tensor::new::<f32>(shape, &[]);
    let product = matmul(MatMul::default(), &[&nothing(&[2, 0]), &nothing(&[0, 3])]).unwrap();
    assert_eq!(product, Tensor::new(&[2, 3], &[0f32; 6]));
    let product = matmul(MatMul::default(), &[&nothing(&[1 << 40, 0, 3]), &noise(&[3, 2], 1)]).unwrap();
    assert_eq!(product.shape(), [1 << 40, 0, 2]);
}

#[test]
fn gemm_scales_turns_and_adds() {
    let gemm = MatMul { form: MatMulForm::Gemm, alpha: 0.5, beta: 2.0, ..MatMul::default() };
    let left = Tensor::new(&[2, 2], &[1f32, 2.0, 3.0, 4.0]);
    let right = Tensor::new(&[2, 3], &[1f32, 0.0, 2.0, 0.0, 1.0, 4.0]);
    let (left_turned, right_turned) =
        (Tensor::new(&[2, 2], &[1f32, 3.0, 2.0, 4.0]), Tensor::new(&[3, 2], &[1f32, 0.0, 0.0, 1.0, 2.0, 4.0]));
    // left · right is [[1, 2, 10], [3, 4, 22]].
    for (addend, expected) in [
        (Tensor::scalar(1f32), [2.5f32, 3.0, 7.0, 3.5, 4.0, 13.0]),
        (Tensor::new(&[3], &[0f32, 1.0, 2.0]), [0.5, 3.0, 9.0, 1.5, 4.0, 15.0]),
        (Tensor::new(&[1, 3], &[0f32, 1.0, 2.0]), [0.5, 3.0, 9.0, 1.5, 4.0, 15.0]),
        (Tensor::new(&[2, 1], &[0f32, 1.0]), [0.5, 1.0, 5.0, 3.5, 4.0, 13.0]),
        (Tensor::new(&[2, 3], &[0f32, 0.0, 0.0, 1.0, 1.0, 1.0]), [0.5, 1.0, 5.0, 3.5, 4.0, 13.0]),
    ] {
        let expected = Tensor::new(&[2, 3], &expected);
        assert_eq!(matmul(gemm.clone(), &[&left, &right, &addend]).unwrap(), expected, "{addend:?}");
        let turned = MatMul { transposed: [true; 2], ..gemm.clone() };
        assert_eq!(matmul(turned, &[&left_turned, &right_turned, &addend]).unwrap(), expected, "{addend:?}");
    }
    let unread = MatMul { beta: 0.0, alpha: 1.0, ..gemm };
    let addend = Tensor::new(&[3], &[f32::NAN; 3]);
    assert_eq!(values(&matmul(unread, &[&left, &right, &addend]).unwrap()), [1.0, 2.0, 10.0, 3.0, 4.0, 22.0]);
}

#[test]
fn what_follows_keeps_every_bit() {
    let (left, right) = (noise(&[2, 9, 33], 5), noise(&[33, 70], 6));
    let (bias, residual) = (noise(&[70], 7), noise(&[2, 9, 70], 8));
    let product = values(&matmul(MatMul::default(), &[&left, &right]).unwrap());
    let fused = MatMul { alpha: 0.125, activation: Some(Unary::Gelu), ..MatMul::default() };
    let found = matmul(fused, &[&left, &right, &bias, &residual]).unwrap();
    let (bias, residual) = (values(&bias), values(&residual));
    let expected = product.iter().enumerate().map(|(i, &value)| {
        let biased = Binary::Add.of(Binary::Mul.of(value, 0.125), bias[i % 70]);
        Unary::Gelu.of(Binary::Add.of(biased, residual[i]))
    });
    assert_eq!(values(&found), expected.collect::<Vec<_>>());
}

/// Read where they lie, or laid out before: in any order of axes, on either side, with batches that repeat.
#[test]
fn turned_operands_are_read_where_they_lie() {
    // Of attention: heads behind the tokens; heads that share one; rows and columns the other way round.
    type Operand = (&'static [usize], &'static [i64]);
    let cases: [([Operand; 2], [bool; 2]); 6] = [
        ([(&[2, 5, 3, 7], &[0, 2, 1, 3]), (&[2, 3, 7, 6], &[0, 1, 2, 3])], [false; 2]),
        ([(&[2, 3, 5, 7], &[0, 1, 2, 3]), (&[2, 6, 3, 7], &[0, 2, 3, 1])], [false; 2]),
        ([(&[2, 3, 5, 7], &[0, 1, 2, 3]), (&[2, 6, 3, 7], &[0, 2, 1, 3])], [false, true]),
        ([(&[5, 2, 7], &[1, 0, 2]), (&[7, 1, 6], &[1, 0, 2])], [false; 2]),
        ([(&[7, 3, 5], &[1, 0, 2]), (&[7, 3, 6], &[1, 0, 2])], [true, false]),
        ([(&[2, 7, 5], &[0, 2, 1]), (&[6, 7], &[0, 1])], [false, true]),
    ];
    for (kernels, threads) in [(Kernels::Scalar, 1), (Kernels::Auto, 1), (Kernels::Auto, 3)] {
        let cpu = &Cpu::new(kernels, threads).unwrap();
        let run = |op: &dyn Operation, inputs: &[&Tensor]| {
            op.run(cpu, &inputs.iter().copied().map(Some).collect::<Vec<_>>()).unwrap().remove(0)
        };
        for (operands, transposed) in cases {
            let sources = [noise(operands[0].0, 1), noise(operands[1].0, 2)];
            let turned = |i: usize| run(&Transpose { order: Some(operands[i].1.to_vec()) }, &[&sources[i]]);
            let op = MatMul { transposed, ..MatMul::default() };
            let (left, right) = (turned(0), turned(1));
            let were = [&left, &right].map(|operand| Turned::of(operand).is_some());
            assert!(were.contains(&true), "{operands:?}");
            let product = run(&op, &[&left, &right]);
            // Reading elements in order lays them out.
            assert!(!left.bytes().is_empty() && !right.bytes().is_empty());
            assert_eq!([&left, &right].map(|operand| Turned::of(operand).is_some()), [false; 2]);
            assert_eq!(product, run(&op, &[&left, &right]), "{operands:?}");
        }
    }
}

#[test]
fn other_types() {
    let op = MatMul::default;
    let halves = |values: [f32; 4]| Tensor::new(&[2, 2], &values.map(f16::from_f32));
    // 2048 + 1 is rounded once, at the end: a sum in f16 would lose each of the two ones.
    let product = matmul(op(), &[&halves([2048.0, 1.0, 0.0, 1.0]), &halves([1.0, 0.0, 2.0, 0.0])]).unwrap();
    assert_eq!(product, halves([2050.0, 0.0, 2.0, 0.0]));
    let wraps = Tensor::new(&[1, 2], &[i32::MAX, 1]);
    assert_eq!(matmul(op(), &[&wraps, &Tensor::new(&[2], &[1, 1])]).unwrap(), Tensor::new(&[1], &[i32::MIN]));
    let (left, right) = (Tensor::new(&[1, 2], &[0.1f64, 0.2]), Tensor::new(&[2, 1], &[3.0f64, 5.0]));
    let affine = MatMul { form: MatMulForm::Gemm, alpha: 0.5, beta: 2.0, ..op() };
    let found = matmul(affine, &[&left, &right, &Tensor::scalar(1f64)]).unwrap();
    assert_eq!(found, Tensor::new(&[1, 1], &[(0.1f64 * 3.0 + 0.2 * 5.0) * 0.5 + 2.0]));
}

#[test]
fn nonsense_is_refused() {
    let (matrix, vector) = (noise(&[2, 3], 1), noise(&[3], 1));
    let gemm = MatMul { form: MatMulForm::Gemm, ..MatMul::default() };
    assert!(matmul(gemm.clone(), &[&matrix, &vector]).is_err(), "a vector");
    assert!(matmul(MatMul::default(), &[&matrix, &matrix]).is_err(), "depths");
    assert!(matmul(MatMul::default(), &[&matrix, &Tensor::new(&[3], &[1f64; 3])]).is_err(), "types");
    assert!(matmul(gemm, &[&matrix, &noise(&[3, 4], 1), &vector]).is_err(), "an addend");
    assert!(computed(Product::MatMul(MatMul::default()), &[Some(&matrix)]).is_err(), "one operand");
}
