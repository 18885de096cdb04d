//! Matrices by their diagonals: Trilu, EyeLike.

use bytemuck::Pod;

use super::walk::with_width;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{given, integer, needed};
use crate::{Cpu, DType, Dim, Fact, OpError, Tensor};

/// Operands: matrices, and the diagonal that is the last to stay (0 if not given). What lies beyond it becomes 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Trilu {
    /// Whether the upper triangle stays.
    pub upper: bool,
}

impl Trilu {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { upper: source.int("upper")?.unwrap_or(1) != 0 })
    }

    fn clear<T: Pod>(&self, rows: usize, columns: usize, diagonal: i64, values: &mut [T]) {
        for (i, row) in values.chunks_exact_mut(columns).enumerate() {
            // The place of the diagonal in this row, and of what is behind it.
            let at = ((i % rows) as i64).saturating_add(diagonal).clamp(-1, columns as i64);
            if self.upper {
                row[..at.max(0) as usize].fill(T::zeroed());
            } else {
                row[(at + 1).min(columns as i64) as usize..].fill(T::zeroed());
            }
        }
    }
}

impl Operation for Trilu {
    fn name(&self) -> &'static str {
        "Trilu"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        if data.rank().is_some_and(|rank| rank < 2) {
            return Err(OpError::new("what has fewer than two axes is no matrix"));
        }
        Ok(vec![Fact { value: None, ..data.clone() }])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let diagonal = given(inputs, 1).map_or(Ok(0), integer)?;
        let &[.., rows, columns] = data.shape() else { return Err(OpError::new("it is given no matrix")) };
        if data.is_empty() {
            return Ok(vec![data.clone()]);
        }
        let mut result = cpu.allocate(data.dtype(), data.shape())?;
        result.bytes_mut().copy_from_slice(data.bytes());
        with_width!(data.dtype(), T => {
            self.clear::<T>(rows, columns, diagonal, bytemuck::cast_slice_mut(result.bytes_mut()));
        });
        Ok(vec![result.freeze()])
    }
}

/// A matrix as large as the operand, with ones on a diagonal and zeros elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct EyeLike {
    /// The type of the result; the operand's if not given.
    pub dtype: Option<DType>,
    /// The diagonal: above zero, one of the upper triangle.
    pub diagonal: i64,
}

impl EyeLike {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let dtype = source.dtype("dtype")?;
        Ok(Self { dtype, diagonal: source.int("k")?.unwrap_or(0) })
    }
}

/// A one of this type, little-endian.
fn one(dtype: DType) -> Vec<u8> {
    match dtype {
        DType::F32 => 1f32.to_le_bytes().to_vec(),
        DType::F64 => 1f64.to_le_bytes().to_vec(),
        DType::F16 => half::f16::ONE.to_le_bytes().to_vec(),
        DType::Bf16 => half::bf16::ONE.to_le_bytes().to_vec(),
        _ => 1u64.to_le_bytes()[..dtype.bytes()].to_vec(),
    }
}

impl Operation for EyeLike {
    fn name(&self) -> &'static str {
        "EyeLike"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        if data.rank().is_some_and(|rank| rank != 2) {
            return Err(OpError::new("what has other than two axes is no matrix"));
        }
        let shape = data.shape.clone().unwrap_or(vec![Dim::Unknown; 2]);
        Ok(vec![Fact::new(self.dtype.unwrap_or(data.dtype), shape)])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let &[_, columns] = data.shape() else { return Err(OpError::new("it is given no matrix")) };
        let dtype = self.dtype.unwrap_or(data.dtype());
        let mut result = cpu.allocate(dtype, data.shape())?;
        let (width, one) = (dtype.bytes(), one(dtype));
        result.bytes_mut().fill(0);
        for (i, row) in result.bytes_mut().chunks_exact_mut((columns * width).max(1)).enumerate() {
            let at = (i as i64).checked_add(self.diagonal).and_then(|at| usize::try_from(at).ok());
            if let Some(at) = at.filter(|&at| at < columns) {
                row[at * width..(at + 1) * width].copy_from_slice(&one);
            }
        }
        Ok(vec![result.freeze()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_are_those_of_numpy() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[2, 3], &[1u8, 2, 3, 4, 5, 6]);
        for (upper, diagonal, expected) in [
            (true, 0, [1, 2, 3, 0, 5, 6]),
            (true, 1, [0, 2, 3, 0, 0, 6]),
            (true, -5, [1, 2, 3, 4, 5, 6]),
            (true, i64::MAX, [0; 6]),
            (false, 0, [1, 0, 0, 4, 5, 0]),
            (false, -1, [0, 0, 0, 4, 0, 0]),
            (false, i64::MAX, [1, 2, 3, 4, 5, 6]),
            (false, i64::MIN, [0; 6]),
        ] {
            let result = Trilu { upper }.run(&cpu, &[Some(&data), Some(&Tensor::scalar(diagonal))]).unwrap();
            assert_eq!(result, [Tensor::new::<u8>(&[2, 3], &expected)], "{upper} {diagonal}");
        }
        let eye = EyeLike { dtype: Some(DType::F32), diagonal: -1 };
        let result = eye.run(&cpu, &[Some(&Tensor::new(&[3, 2], &[7i64; 6]))]).unwrap();
        assert_eq!(result, [Tensor::new(&[3, 2], &[0f32, 0., 1., 0., 0., 1.])]);
    }
}
