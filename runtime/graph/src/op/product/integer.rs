//! Products of bytes: the exact sums of MatMulInteger, and what quantised models make of them.

mod parts; // as other devices compute them
#[cfg(test)]
mod tests;

pub use parts::{ByteRows, ByteWeights, Made};

use poai_numerics::{Binary, Bytes, PackedIntegers, Range, Strided, ZeroPoints};

use super::sizes::{Sizes, product_cost, product_fact};
use crate::device::KernelError;
use crate::op::Operation;
use crate::op::operand::{float_result, floats, given, needed, same_type};
use crate::{Cost, Cpu, DType, Fact, Kernel, OpError, Tensor};

/// A product of bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerMatMul {
    /// What is made of the sums.
    pub form: IntegerForm,
}

/// What is made of the sums of a product of bytes. Zero points are one for all, or one for each row of A and column of B;
/// so are scales, but for those of A where the result is floats, which are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerForm {
    /// MatMulInteger: the sums themselves. Operands: A, B, their zero points.
    Sums,
    /// QLinearMatMul: bytes again, as docs/numerics.md requantises. Operands: A, its scale and zero point; B, its own;
    /// those of the result.
    Bytes,
    /// MatMulIntegerToFloat: `f32(sum) · (scale of A · scale of B) + bias`, four roundings. Operands: A, B, their scales,
    /// their zero points, bias.
    Floats,
    /// DynamicQuantizeMatMul: the same, of floats A that are quantised first as DynamicQuantizeLinear does. Operands: A,
    /// B, its scale and zero point, bias.
    Dynamic,
}

/// Where operands stand.
struct Places {
    left_zero: usize,
    left_scale: usize,
    right: usize,
    right_zero: usize,
    right_scale: usize,
    bias: usize,
}

/// No operand stands here.
const NOWHERE: usize = usize::MAX;

impl IntegerForm {
    /// The form of an ONNX operator, if it has one.
    pub(super) fn named(operator: &str) -> Option<Self> {
        match operator {
            "MatMulInteger" => Some(Self::Sums),
            "QLinearMatMul" => Some(Self::Bytes),
            "com.microsoft.MatMulIntegerToFloat" => Some(Self::Floats),
            "com.microsoft.DynamicQuantizeMatMul" => Some(Self::Dynamic),
            _ => None,
        }
    }

    fn places(self) -> Places {
        let [left_zero, left_scale, right, right_zero, right_scale, bias] = match self {
            Self::Sums => [2, NOWHERE, 1, 3, NOWHERE, NOWHERE],
            Self::Bytes => [2, 1, 3, 5, 4, NOWHERE],
            Self::Floats => [4, 2, 1, 5, 3, 6],
            Self::Dynamic => [NOWHERE, NOWHERE, 1, 3, 2, 4],
        };
        Places { left_zero, left_scale, right, right_zero, right_scale, bias }
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

/// A scale, or one for each of `count` rows or columns.
fn scales(inputs: &[Option<&Tensor>], place: usize, what: &str, count: usize) -> Result<Vec<f32>, OpError> {
    let scales = floats(needed(inputs, place, what)?)?.into_owned();
    if scales.len() != 1 && scales.len() != count {
        return Err(OpError::new(format!("{what} has {} numbers instead of 1 or {count}", scales.len())));
    }
    Ok(scales)
}

/// The one scale that an operand is.
fn scale(inputs: &[Option<&Tensor>], place: usize, what: &str) -> Result<f32, OpError> {
    match floats(needed(inputs, place, what)?)?[..] {
        [scale] => Ok(scale),
        ref scales => Err(OpError::unsupported(format!("{what} of {} numbers", scales.len()))),
    }
}

impl IntegerMatMul {
    fn compute(&self, cpu: &Cpu, inputs: &[Option<&Tensor>], prepared: Option<&Prepared>) -> Result<Tensor, OpError> {
        let places = self.form.places();
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, places.right, "B")?);
        let sizes = Sizes::of(left.shape(), right.shape(), [false; 2])?;
        let mut quantised = Vec::new();
        let (left, left_zeros, left_scale) = if self.form == IntegerForm::Dynamic {
            let values = floats(left)?;
            quantised.resize(values.len(), 0);
            let (scale, zero) = cpu.processor().dynamic_quantise(&values, &mut quantised)?;
            (Bytes::Unsigned(&quantised), vec![zero], scale)
        } else {
            (bytes(left)?, zero_points(given(inputs, places.left_zero), "rows", sizes.rows)?, 1.0)
        };
        let right_zeros = zero_points(given(inputs, places.right_zero), "columns", sizes.columns)?;
        let operands = Operands { left, left_zeros, right: bytes(right)?, right_zeros };
        let shape = sizes.result();
        if self.form == IntegerForm::Sums {
            let mut result = cpu.allocate(DType::I32, &shape)?;
            operands.sums(cpu, sizes, prepared, result.slice_mut())?;
            return Ok(result.freeze());
        }
        let mut sums = vec![0; shape.iter().product()];
        operands.sums(cpu, sizes.clone(), prepared, &mut sums)?;
        match self.form {
            IntegerForm::Bytes => requantised(cpu, inputs, &sizes, &sums),
            IntegerForm::Dynamic => self.floats(cpu, inputs, &sizes, left_scale, &sums),
            _ => self.floats(cpu, inputs, &sizes, scale(inputs, places.left_scale, "the scale of A")?, &sums),
        }
    }

    /// Sums as floats.
    fn floats(
        &self,
        cpu: &Cpu,
        inputs: &[Option<&Tensor>],
        sizes: &Sizes,
        left_scale: f32,
        sums: &[i32],
    ) -> Result<Tensor, OpError> {
        let places = self.form.places();
        let scales = scales(inputs, places.right_scale, "the scale of B", sizes.columns)?;
        let scales: Vec<f32> = scales.into_iter().map(|scale| Binary::Mul.of(left_scale, scale)).collect();
        let bias = given(inputs, places.bias).map(floats).transpose()?;
        if bias.as_ref().is_some_and(|bias| bias.len() != sizes.columns) {
            return Err(OpError::new(format!("a bias is not a number for each of {} columns", sizes.columns)));
        }
        let shape = [sums.len() / sizes.columns.max(1), sizes.columns];
        let along = |data, step| Strided { data, strides: if step { &[0, 1][..] } else { &[0, 0] } };
        let dtype = needed(inputs, places.right_scale, "the scale of B")?.dtype();
        float_result(cpu, dtype, &sizes.result(), |out| {
            let wide: Vec<f32> = sums.iter().map(|&sum| sum as f32).collect();
            let steps = [sizes.columns, 1];
            let rows = |data| Strided { data, strides: &steps };
            cpu.processor().binary(Binary::Mul, &shape, rows(&wide), along(&scales, scales.len() > 1), out)?;
            if let Some(bias) = &bias {
                let scaled = out.to_vec();
                cpu.processor().binary(Binary::Add, &shape, rows(&scaled), along(bias, true), out)?;
            }
            Ok(())
        })
    }
}

/// QLinearMatMul's result, from its sums.
fn requantised(cpu: &Cpu, inputs: &[Option<&Tensor>], sizes: &Sizes, sums: &[i32]) -> Result<Tensor, OpError> {
    let Sizes { rows, columns, .. } = *sizes;
    let left = scales(inputs, 1, "the scale of A", rows)?;
    let right = scales(inputs, 4, "the scale of B", columns)?;
    let (own, zero) = (scale(inputs, 6, "the scale of the result")?, needed(inputs, 7, "y_zero_point")?);
    let zero_point = zero_points(Some(zero), "results", 1)?[0];
    let range = if zero.dtype() == DType::I8 { Range::Signed } else { Range::Unsigned };
    let mut result = cpu.allocate(zero.dtype(), &sizes.result())?;
    if sums.is_empty() {
        return Ok(result.freeze());
    }
    let of_row = |row: usize| -> Vec<f32> {
        let left = left[if left.len() == 1 { 0 } else { row % rows }];
        (0..columns).map(|column| left * right[if right.len() == 1 { 0 } else { column }] / own).collect()
    };
    if left.len() == 1 {
        cpu.processor().requantise(range, &of_row(0), zero_point, sums, result.bytes_mut())?;
    } else {
        let lines = sums.chunks_exact(columns).zip(result.bytes_mut().chunks_exact_mut(columns));
        for (row, (sums, out)) in lines.enumerate() {
            cpu.processor().requantise(range, &of_row(row), zero_point, sums, out)?;
        }
    }
    Ok(result.freeze())
}

/// An error unless a fact is bytes.
fn expect_bytes(fact: &Fact) -> Result<(), OpError> {
    if matches!(fact.dtype, DType::I8 | DType::U8) {
        return Ok(());
    }
    Err(OpError::new(format!("its operand is {}, and must be i8 or u8", fact.dtype)))
}

impl Operation for IntegerMatMul {
    fn name(&self) -> &'static str {
        match self.form {
            IntegerForm::Sums => "MatMulInteger",
            IntegerForm::Bytes => "QLinearMatMul",
            IntegerForm::Floats => "MatMulIntegerToFloat",
            IntegerForm::Dynamic => "DynamicQuantizeMatMul",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let places = self.form.places();
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, places.right, "B")?);
        expect_bytes(right)?;
        given(inputs, places.right_zero).map_or(Ok(()), |zeros| same_type(right, zeros))?;
        if self.form == IntegerForm::Dynamic {
            same_type(left, needed(inputs, places.right_scale, "the scale of B")?)?;
        } else {
            expect_bytes(left)?;
            given(inputs, places.left_zero).map_or(Ok(()), |zeros| same_type(left, zeros))?;
        }
        let dtype = match self.form {
            IntegerForm::Sums => DType::I32,
            IntegerForm::Bytes => {
                let zero = needed(inputs, 7, "y_zero_point")?;
                expect_bytes(zero)?;
                zero.dtype
            }
            IntegerForm::Floats | IntegerForm::Dynamic => {
                let scale = needed(inputs, places.right_scale, "the scale of B")?;
                given(inputs, places.left_scale).map_or(Ok(()), |left| same_type(left, scale))?;
                given(inputs, places.bias).map_or(Ok(()), |bias| same_type(bias, scale))?;
                scale.dtype
            }
        };
        if !matches!(dtype, DType::I32 | DType::I8 | DType::U8 | DType::F32 | DType::F16 | DType::Bf16) {
            return Err(OpError::unsupported(format!("{} with scales of {dtype}", self.name())));
        }
        Ok(vec![product_fact(dtype, left, right, [false; 2])?])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        given(inputs, 0).map_or(Cost::default(), |left| product_cost(left, false, outputs))
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        let places = self.form.places();
        let Some(right) = given(constants, places.right) else { return Ok(None) };
        let [depth, columns] = *right.shape() else { return Ok(None) };
        let zeros = zero_points(given(constants, places.right_zero), "columns", columns)?;
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
