//! Elements that are chosen by their values: NonZero, Compress. How many there are is known only when they are.

use super::walk::with_width;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, needed, product, with_element};
use crate::{Cpu, DType, Dim, Fact, OpError, Tensor};

/// The indices of all elements that are not 0, as a matrix with a row for each axis of the operand.
#[derive(Clone, Debug, PartialEq)]
pub struct NonZero;

impl NonZero {
    pub(super) fn import(_source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self)
    }
}

impl Operation for NonZero {
    fn name(&self) -> &'static str {
        "NonZero"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let rank = needed(inputs, 0, "data")?.rank().map_or(Dim::Unknown, Dim::Size);
        Ok(vec![Fact::new(DType::I64, [rank, Dim::Unknown])])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let places: Vec<usize> = with_element!(data.dtype(), T => {
            let values = data.slice::<T>()?.iter().enumerate();
            values.filter(|(_, value)| **value != T::default()).map(|(place, _)| place).collect()
        });
        let mut result = cpu.allocate(DType::I64, &[data.shape().len(), places.len()])?;
        let mut step = data.len();
        let rows = result.slice_mut::<i64>().chunks_exact_mut(places.len().max(1));
        for (&size, row) in data.shape().iter().zip(rows) {
            step /= size;
            for (to, place) in row.iter_mut().zip(&places) {
                *to = (place / step % size) as i64;
            }
        }
        Ok(vec![result.freeze()])
    }
}

/// Operands: data, and truth values that say which parts along an axis stay; those that are not said do not.
#[derive(Clone, Debug, PartialEq)]
pub struct Compress {
    /// The axis; without one the data are a row.
    pub axis: Option<i64>,
}

impl Compress {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axis: source.int("axis")? })
    }
}

/// The places that truth values say.
fn said(condition: &Tensor, size: usize) -> Result<Vec<usize>, OpError> {
    if condition.shape().len() != 1 || condition.len() > size {
        return Err(OpError::new(format!("a condition of {:?} chooses of no {size} parts", condition.shape())));
    }
    let said = condition.slice::<u8>()?.iter().enumerate().filter(|(_, said)| **said != 0);
    Ok(said.map(|(place, _)| place).collect())
}

impl Operation for Compress {
    fn name(&self) -> &'static str {
        "Compress"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, condition) = (needed(inputs, 0, "data")?, needed(inputs, 1, "condition")?);
        if condition.dtype != DType::Bool {
            return Err(OpError::new(format!("{} elements are no condition", condition.dtype)));
        }
        let Some(along) = self.axis else {
            let count = condition.value.as_ref().zip(data.sizes()).map(|(condition, _)| {
                let size = usize::try_from(data.elements()).unwrap_or(usize::MAX);
                said(condition, size).map(|places| places.len())
            });
            return Ok(vec![Fact::new(data.dtype, [count.transpose()?.map_or(Dim::Unknown, Dim::Size)])]);
        };
        let Some(shape) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let along = axis(along, shape.len())?;
        let mut dims = shape.clone();
        let count = condition.value.as_ref().zip(shape[along].size()).map(|(condition, size)| said(condition, size));
        dims[along] = count.transpose()?.map_or(Dim::Unknown, |places| Dim::Size(places.len()));
        Ok(vec![Fact::new(data.dtype, dims)])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, condition) = (needed(inputs, 0, "data")?, needed(inputs, 1, "condition")?);
        let flat = data.reshaped(&[data.len()])?;
        let (data, along) = match self.axis {
            Some(along) => (data, axis(along, data.shape().len())?),
            None => (&flat, 0),
        };
        let places = said(condition, data.shape()[along])?;
        let mut shape = data.shape().to_vec();
        shape[along] = places.len();
        let part = product(&data.shape()[along + 1..])?;
        let mut result = cpu.allocate(data.dtype(), &shape)?;
        with_width!(data.dtype(), T => {
            let (from, to) = (bytemuck::cast_slice::<_, T>(data.bytes()), bytemuck::cast_slice_mut(result.bytes_mut()));
            super::gather::write_parts(from, data.shape()[along], part, &places, to);
        });
        Ok(vec![result.freeze()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_chosen_by_value() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let nonzero = |data: &Tensor| NonZero.run(&cpu, &[Some(data)]).unwrap().remove(0);
        let data = Tensor::new(&[2, 2], &[1f32, -0.0, f32::NAN, 2.]);
        assert_eq!(nonzero(&data), Tensor::new(&[2, 3], &[0i64, 1, 1, 0, 0, 1]));
        assert_eq!(nonzero(&Tensor::scalar(3i8)), Tensor::new::<i64>(&[0, 1], &[]));
        assert_eq!(nonzero(&Tensor::new::<i8>(&[2, 0], &[])), Tensor::new::<i64>(&[2, 0], &[]));
        assert_eq!(nonzero(&Tensor::new(&[2], &[0u8, 0])), Tensor::new::<i64>(&[1, 0], &[]));
    }

    #[test]
    fn parts_are_chosen_by_a_condition() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[3, 2], &[1u16, 2, 3, 4, 5, 6]);
        let truth = |values: &'static [u8]| {
            Tensor::from_bytes(DType::Bool, &[values.len()], bytes::Bytes::from_static(values)).unwrap()
        };
        for (axis, condition, shape, expected) in [
            (Some(0), &[0u8, 1, 1][..], vec![2, 2], vec![3, 4, 5, 6]),
            (Some(-1), &[0, 1], vec![3, 1], vec![2, 4, 6]),
            (None, &[0, 1, 0, 0, 1], vec![2], vec![2, 5]),
        ] {
            let (condition, compress) = (truth(condition), Compress { axis });
            let inferred = compress.infer(&[Some(&Fact::of(&data)), Some(&Fact::of(&condition))]).unwrap().remove(0);
            assert_eq!(inferred.sizes(), Some(shape.clone()));
            let result = compress.run(&cpu, &[Some(&data), Some(&condition)]).unwrap().remove(0);
            assert_eq!(result, Tensor::new::<u16>(&shape, &expected));
        }
        let condition = truth(&[1, 1, 1]);
        assert!(Compress { axis: Some(1) }.run(&cpu, &[Some(&data), Some(&condition)]).is_err());
    }
}
