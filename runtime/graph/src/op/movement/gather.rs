//! Elements and parts by index: Gather.

use bytemuck::Pod;

use super::walk::with_width;
use super::{carried, moved};
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, integers, needed, product};
use crate::tensor::Block;
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor, TensorMut};

/// An index that counts from the end where negative.
pub(super) fn place(index: i64, size: usize) -> Result<usize, OpError> {
    let counted = if index < 0 { index.checked_add(size as i64) } else { Some(index) };
    let counted = counted.and_then(|counted| usize::try_from(counted).ok()).filter(|&counted| counted < size);
    counted.ok_or_else(|| OpError::new(format!("index {index} is outside of an axis of {size}")))
}

/// An error unless these are indices.
pub(super) fn expect_indices(indices: &Fact) -> Result<(), OpError> {
    if matches!(indices.dtype, DType::I32 | DType::I64) {
        return Ok(());
    }
    Err(OpError::new(format!("{} elements are no indices", indices.dtype)))
}

/// Operands: data, indices. Each index stands for all elements at that place of one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    /// The axis that indices count.
    pub axis: i64,
}

impl Gather {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axis: source.int("axis")?.unwrap_or(0) })
    }

    /// Data of this shape as groups of `size` parts, the elements of each part, and which parts of a group are asked for.
    ///
    /// # Errors
    /// If an index is outside.
    pub fn parts(&self, shape: &[usize], indices: &Tensor) -> Result<(usize, usize, Vec<usize>), OpError> {
        let along = axis(self.axis, shape.len())?;
        let places: Result<_, _> = integers(indices)?.iter().map(|&index| place(index, shape[along])).collect();
        Ok((shape[along], product(&shape[along + 1..])?, places?))
    }

    /// The shape of the result.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn shape(&self, data: &[usize], indices: &[usize]) -> Result<Vec<usize>, OpError> {
        let along = axis(self.axis, data.len())?;
        Ok([&data[..along], indices, &data[along + 1..]].concat())
    }

    fn write(&self, data: &Tensor, indices: &Tensor, result: &mut TensorMut) -> Result<(), OpError> {
        let (size, part, places) = self.parts(data.shape(), indices)?;
        with_width!(data.dtype(), T => {
            let (from, to) = (bytemuck::cast_slice::<_, T>(data.bytes()), bytemuck::cast_slice_mut(result.bytes_mut()));
            write_parts(from, size, part, &places, to);
        });
        Ok(())
    }
}

/// Of each group of `size` parts, those at `places`.
pub(super) fn write_parts<T: Pod>(from: &[T], size: usize, part: usize, places: &[usize], to: &mut [T]) {
    if to.is_empty() {
        return;
    }
    for (group, to) in from.chunks_exact(size * part).zip(to.chunks_exact_mut(places.len() * part)) {
        if part == 1 {
            for (to, &place) in to.iter_mut().zip(places) {
                *to = group[place];
            }
            continue;
        }
        for (to, &place) in to.chunks_exact_mut(part).zip(places) {
            to.copy_from_slice(&group[place * part..(place + 1) * part]);
        }
    }
}

impl Operation for Gather {
    fn name(&self) -> &'static str {
        "Gather"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, indices) = (needed(inputs, 0, "data")?, needed(inputs, 1, "indices")?);
        expect_indices(indices)?;
        let Some(shape) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let along = axis(self.axis, shape.len())?;
        let Some(index_dims) = &indices.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let dims: Vec<Dim> = shape[..along].iter().chain(index_dims).chain(&shape[along + 1..]).cloned().collect();
        let mut fact = Fact::new(data.dtype, dims);
        if let (Some(data), Some(indices), Some(sizes)) = (&data.value, &indices.value, fact.sizes())
            && carried(fact.dtype, &sizes)
        {
            let mut value = TensorMut::of(fact.dtype, &sizes, Block::zeros(product(&sizes)? * fact.dtype.bytes()));
            self.write(data, indices, &mut value)?;
            fact.value = Some(value.freeze());
        }
        Ok(vec![fact])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, indices) = (needed(inputs, 0, "data")?, needed(inputs, 1, "indices")?);
        let shape = self.shape(data.shape(), indices.shape())?;
        let mut result = cpu.allocate(data.dtype(), &shape)?;
        self.write(data, indices, &mut result)?;
        Ok(vec![result.freeze()])
    }
}
