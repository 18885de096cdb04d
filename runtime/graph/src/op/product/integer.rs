//! Products of bytes: the exact sums of MatMulInteger, and what quantised models make of them.

use poai_numerics::{Bytes, PackedIntegers, ZeroPoints};

use super::sizes::{Sizes, product_cost, product_fact};
use crate::device::KernelError;
use crate::op::Operation;
use crate::op::operand::{given, needed, same_type};
use crate::{Cost, Cpu, DType, Fact, Kernel, OpError, Tensor};

/// A product of bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerMatMul {
    /// What is made of the sums.
    pub form: IntegerForm,
}

/// What is made of the sums of a product of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerForm {
    /// MatMulInteger: the sums themselves. Operands: A, B, zero points of A (for all, or for each row), zero points of B
    /// (for all, or for each column).
    Sums,
}

impl IntegerForm {
    /// The form of an ONNX operator, if it has one.
    pub(super) fn named(operator: &str) -> Option<Self> {
        (operator == "MatMulInteger").then_some(Self::Sums)
    }
}

/// A tensor of bytes.
fn bytes(tensor: &Tensor) -> Result<Bytes<'_>, OpError> {
    match tensor.dtype() {
        DType::U8 => Ok(Bytes::Unsigned(tensor.slice()?)),
        DType::I8 => Ok(Bytes::Signed(tensor.slice()?)),
        other => Err(OpError::new(format!("{other} elements are no bytes"))),
    }
}

/// Part of some bytes.
fn part<'a>(bytes: &Bytes<'a>, start: usize, length: usize) -> Bytes<'a> {
    match bytes {
        Bytes::Unsigned(bytes) => Bytes::Unsigned(&bytes[start..start + length]),
        Bytes::Signed(bytes) => Bytes::Signed(&bytes[start..start + length]),
    }
}

/// Zero points: none is 0; one serves all, and else there is one for each of `count` rows or columns.
fn zero_points(zeros: Option<&Tensor>, what: &str, count: usize) -> Result<Vec<i32>, OpError> {
    let Some(zeros) = zeros else { return Ok(vec![0]) };
    let values = bytes(zeros)?;
    if values.len() != 1 && values.len() != count {
        return Err(OpError::new(format!("{} zero points are not one for each of {count} {what}", values.len())));
    }
    Ok((0..values.len()).map(|i| values.at(i)).collect())
}

fn zeros_of(zeros: &[i32]) -> ZeroPoints<'_> {
    if let [zero] = zeros { ZeroPoints::One(*zero) } else { ZeroPoints::Each(zeros) }
}

/// A right operand that was packed before, with the zero points that it was packed with.
struct Prepared {
    zeros: Vec<i32>,
    right: PackedIntegers,
}

/// Both operands of a product of bytes, with their zero points.
struct Operands<'a> {
    left: Bytes<'a>,
    left_zeros: Vec<i32>,
    right: Bytes<'a>,
    right_zeros: Vec<i32>,
}

impl Operands<'_> {
    /// The sums of every product of a batch, one after the other.
    fn sums(&self, cpu: &Cpu, sizes: Sizes, prepared: Option<&Prepared>, out: &mut [i32]) -> Result<(), OpError> {
        if out.is_empty() {
            return Ok(());
        }
        let sizes = if self.left_zeros.len() == 1 { sizes.folded() } else { sizes };
        let prepared = prepared.filter(|prepared| prepared.zeros == self.right_zeros);
        let pack = |start| {
            let matrix = part(&self.right, start, sizes.depth * sizes.columns);
            PackedIntegers::new(sizes.depth, sizes.columns, matrix, zeros_of(&self.right_zeros))
        };
        let mut latest: Option<(usize, PackedIntegers)> = None;
        let (left_starts, right_starts) = sizes.starts();
        let matrices = out.chunks_exact_mut(sizes.rows * sizes.columns);
        for (matrix, (left_start, right_start)) in matrices.zip(left_starts.into_iter().zip(right_starts)) {
            let right = match (prepared, &mut latest) {
                (Some(prepared), _) => &prepared.right,
                (None, Some((start, packed))) if *start == right_start => packed,
                (None, latest) => &latest.insert((right_start, pack(right_start)?)).1,
            };
            let left = part(&self.left, left_start, sizes.rows * sizes.depth);
            cpu.processor().matmul_integer(sizes.rows, left, zeros_of(&self.left_zeros), right, matrix)?;
        }
        Ok(())
    }
}

impl IntegerMatMul {
    fn compute(&self, cpu: &Cpu, inputs: &[Option<&Tensor>], prepared: Option<&Prepared>) -> Result<Tensor, OpError> {
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, 1, "B")?);
        let sizes = Sizes::of(left.shape(), right.shape(), [false; 2])?;
        let operands = Operands {
            left: bytes(left)?,
            left_zeros: zero_points(given(inputs, 2), "rows", sizes.rows)?,
            right: bytes(right)?,
            right_zeros: zero_points(given(inputs, 3), "columns", sizes.columns)?,
        };
        let mut result = cpu.allocate(DType::I32, &sizes.result())?;
        operands.sums(cpu, sizes, prepared, result.slice_mut())?;
        Ok(result.freeze())
    }
}

impl Operation for IntegerMatMul {
    fn name(&self) -> &'static str {
        match self.form {
            IntegerForm::Sums => "MatMulInteger",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, 1, "B")?);
        for (own, zeros) in [(left, 2), (right, 3)] {
            if !matches!(own.dtype, DType::I8 | DType::U8) {
                return Err(OpError::new(format!("its operand is {}, and must be i8 or u8", own.dtype)));
            }
            given(inputs, zeros).map_or(Ok(()), |zeros| same_type(own, zeros))?;
        }
        Ok(vec![product_fact(DType::I32, left, right, [false; 2])?])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        given(inputs, 0).map_or(Cost::default(), |left| product_cost(left, false, outputs))
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        let Some(right) = given(constants, 1) else { return Ok(None) };
        let [depth, columns] = *right.shape() else { return Ok(None) };
        let zeros = zero_points(given(constants, 3), "columns", columns)?;
        let right = PackedIntegers::new(depth, columns, bytes(right)?, zeros_of(&zeros))?;
        Ok(Some(Box::new(PackedMatMul { cpu: cpu.clone(), op: self.clone(), prepared: Prepared { zeros, right } })))
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        Ok(vec![self.compute(cpu, inputs, None)?])
    }
}

/// A product whose right operand is constant, and packed. Zero points that turn out not to be those that it was packed
/// with have it packed again.
struct PackedMatMul {
    cpu: Cpu,
    op: IntegerMatMul,
    prepared: Prepared,
}

impl Kernel for PackedMatMul {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(vec![self.op.compute(&self.cpu, inputs, Some(&self.prepared))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::product::Product;
    use crate::op::product::trial::{computed, result};

    const SUMS: Product = Product::Integer(IntegerMatMul { form: IntegerForm::Sums });

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
    fn nonsense_is_refused() {
        let (left, right) = (Tensor::new(&[2, 2], &[1u8; 4]), Tensor::new(&[2, 2], &[1i8; 4]));
        assert!(result(SUMS, &[&left, &Tensor::new(&[2, 2], &[1i32; 4])]).is_err(), "no bytes");
        assert!(result(SUMS, &[&left, &right, &Tensor::scalar(1i8)]).is_err(), "a zero point of another kind");
        assert!(result(SUMS, &[&left, &right, &Tensor::new(&[3], &[1u8; 3])]).is_err(), "three zero points");
    }
}
