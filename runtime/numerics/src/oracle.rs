//! The definition, in scalar code: what every kernel's result has to equal, bit for bit.
//!
//! Read this with docs/numerics.md. Nothing here is fast, blocked or shared with the kernels but the operations on one
//! number: [`step`](crate::step), and [`Unary`] and [`Binary`], evaluated by the software step.

use crate::matmul::{Epilogue, Matrices};
use crate::step::{canonical, operand, soft_fused};
use crate::{Binary, Unary};

/// One chain of fused steps from +0 over pairs of operands, in order.
pub fn chain(pairs: impl IntoIterator<Item = (f32, f32)>) -> f32 {
    let sum = pairs.into_iter().fold(0.0, |sum, (a, b)| soft_fused(operand(a), operand(b), sum));
    canonical(sum)
}

/// `epilogue(left · right)` for each pair of matrices.
pub fn matmul(
    [rows, depth, columns]: [usize; 3],
    left: Matrices<'_>,
    right: Matrices<'_>,
    epilogue: &Epilogue<'_>,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(left.starts.len() * rows * columns);
    for (&left_start, &right_start) in left.starts.iter().zip(right.starts) {
        for i in 0..rows {
            for j in 0..columns {
                let product = chain((0..depth).map(|k| {
                    let a = left.data[left_start + i * left.row_stride + k * left.column_stride];
                    let b = right.data[right_start + k * right.row_stride + j * right.column_stride];
                    (a, b)
                }));
                let position = out.len();
                out.push(finished(product, epilogue, position, j));
            }
        }
    }
    out
}

/// An element of a product after its epilogue: operations of their own, one after the other.
pub fn finished(product: f32, epilogue: &Epilogue<'_>, position: usize, column: usize) -> f32 {
    let mut value = product;
    if let Some(scale) = epilogue.scale {
        value = Binary::Mul.of(value, scale);
    }
    if let Some(bias) = epilogue.bias {
        value = Binary::Add.of(value, bias[column]);
    }
    if let Some(residual) = epilogue.residual {
        value = Binary::Add.of(value, residual[position]);
    }
    epilogue.activation.map_or(value, |activation: Unary| activation.of(value))
}
