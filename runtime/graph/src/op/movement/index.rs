//! Elements by index tuples: GatherElements, GatherND, and where their kin that scatter write.

use bytemuck::Pod;

use super::gather::{expect_indices, place};
use super::moved;
use super::walk::with_width;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, integers, needed, product, strides};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// The places in `data` that `indices` name: each lies where its index does, but along `axis`, where it says itself.
pub(super) fn element_places(data: &[usize], indices: &Tensor, axis: usize) -> Result<Vec<usize>, OpError> {
    let shape = indices.shape();
    expect_within(data, shape, axis)?;
    let steps = strides(data);
    let mut position = vec![0usize; shape.len()];
    let mut places = Vec::with_capacity(indices.len());
    for index in integers(indices)? {
        let along = place(index, data[axis])?;
        let coordinates = position.iter().enumerate().map(|(i, &at)| if i == axis { along } else { at });
        places.push(coordinates.zip(&steps).map(|(at, step)| at * step).sum());
        advance(&mut position, shape);
    }
    Ok(places)
}

/// An error unless indices of this shape name places in `data`: no axis but `axis` is longer than its own.
pub(super) fn expect_within(data: &[usize], indices: &[usize], axis: usize) -> Result<(), OpError> {
    let mut pairs = data.iter().zip(indices).enumerate();
    if data.len() == indices.len() && pairs.all(|(i, (size, index))| i == axis || index <= size) {
        return Ok(());
    }
    Err(OpError::new(format!("indices of shape {indices:?} name no elements of {data:?}")))
}

/// The next index, row by row.
fn advance(position: &mut [usize], shape: &[usize]) {
    for (at, &size) in position.iter_mut().zip(shape).rev() {
        *at += 1;
        if *at < size {
            return;
        }
        *at = 0;
    }
}

/// The parts of `data` that rows of `indices` name.
pub(super) struct Parts {
    /// Where each begins.
    pub(super) begins: Vec<usize>,
    /// Elements of each.
    pub(super) length: usize,
}

/// How many axes index tuples of this shape name, if they do name parts of `data`.
fn tuple(data: &[usize], indices: &[usize], batch: usize) -> Result<usize, OpError> {
    let wrong =
        || OpError::new(format!("indices of shape {indices:?} name no parts of {data:?} with {batch} batch axes"));
    let (&tuple, outer) = indices.split_last().ok_or_else(wrong)?;
    let fits = batch <= outer.len() && batch <= data.len() && tuple <= data.len() - batch && tuple > 0;
    if fits && data[..batch] == outer[..batch] { Ok(tuple) } else { Err(wrong()) }
}

/// The parts that index tuples name behind `batch` axes that data and indices share.
pub(super) fn named_parts(data: &[usize], indices: &Tensor, batch: usize) -> Result<Parts, OpError> {
    let tuple = tuple(data, indices.shape(), batch)?;
    let length = product(&data[batch + tuple..])?;
    let steps = strides(data);
    let batches = product(&data[..batch])?;
    let whole = product(&data[batch..])?;
    let rows = indices.len() / tuple;
    let each = rows / batches.max(1);
    let values = integers(indices)?;
    let mut begins = Vec::with_capacity(rows);
    for (row, indices) in values.chunks_exact(tuple).enumerate() {
        let mut begin = row / each.max(1) * whole;
        for (i, &index) in indices.iter().enumerate() {
            begin += place(index, data[batch + i])? * steps[batch + i];
        }
        begins.push(begin);
    }
    Ok(Parts { begins, length })
}

/// Operands: data, indices. Each element is that of the index's own place, but along one axis, where the index says.
#[derive(Clone, Debug, PartialEq)]
pub struct GatherElements {
    /// The axis that indices count.
    pub axis: i64,
}

impl GatherElements {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axis: source.int("axis")?.unwrap_or(0) })
    }
}

impl Operation for GatherElements {
    fn name(&self) -> &'static str {
        "GatherElements"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, indices) = (needed(inputs, 0, "data")?, needed(inputs, 1, "indices")?);
        expect_indices(indices)?;
        let rank = data.rank().or(indices.rank());
        let along = rank.map(|rank| axis(self.axis, rank)).transpose()?;
        if let (Some(data), Some(indices), Some(along)) = (data.sizes(), indices.sizes(), along) {
            expect_within(&data, &indices, along)?;
        }
        Ok(vec![Fact { dtype: data.dtype, shape: indices.shape.clone(), value: None }])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, indices) = (needed(inputs, 0, "data")?, needed(inputs, 1, "indices")?);
        let along = axis(self.axis, data.shape().len())?;
        let begins = element_places(data.shape(), indices, along)?;
        Ok(vec![gathered(cpu, data, &Parts { begins, length: 1 }, indices.shape())?])
    }
}

/// Operands: data, indices, whose last axis holds tuples. Each names a part of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct GatherND {
    /// Leading axes that data and indices share.
    pub batch_axes: usize,
}

impl GatherND {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let batch = source.int("batch_dims")?.unwrap_or(0);
        let batch = usize::try_from(batch).map_err(|_| OpError::new(format!("batch_dims is {batch}")))?;
        Ok(Self { batch_axes: batch })
    }
}

impl Operation for GatherND {
    fn name(&self) -> &'static str {
        "GatherND"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, indices) = (needed(inputs, 0, "data")?, needed(inputs, 1, "indices")?);
        expect_indices(indices)?;
        if let (Some(data), Some(indices)) = (data.sizes(), indices.sizes()) {
            tuple(&data, &indices, self.batch_axes)?;
        }
        let unknown = Ok(vec![Fact::of_type(data.dtype)]);
        let (Some(shape), Some(named)) = (&data.shape, &indices.shape) else { return unknown };
        let Some((Dim::Size(tuple), outer)) = named.split_last() else { return unknown };
        let Some(rest) = self.batch_axes.checked_add(*tuple).and_then(|first| shape.get(first..)) else {
            return Err(OpError::new(format!("tuples of {tuple} name no parts of {} axes", shape.len())));
        };
        Ok(vec![Fact::new(data.dtype, outer.iter().chain(rest).cloned().collect::<Vec<Dim>>())])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, indices) = (needed(inputs, 0, "data")?, needed(inputs, 1, "indices")?);
        let parts = named_parts(data.shape(), indices, self.batch_axes)?;
        let (tuple, outer) = indices.shape().split_last().expect("checked with the parts");
        let shape = [outer, &data.shape()[self.batch_axes + tuple..]].concat();
        Ok(vec![gathered(cpu, data, &parts, &shape)?])
    }
}

fn gathered(cpu: &Cpu, data: &Tensor, parts: &Parts, shape: &[usize]) -> Result<Tensor, OpError> {
    let mut result = cpu.allocate(data.dtype(), shape)?;
    with_width!(data.dtype(), T => {
        copy_parts::<T>(bytemuck::cast_slice(data.bytes()), parts, bytemuck::cast_slice_mut(result.bytes_mut()));
    });
    Ok(result.freeze())
}

fn copy_parts<T: Pod>(from: &[T], parts: &Parts, to: &mut [T]) {
    if parts.length == 1 {
        for (to, &begin) in to.iter_mut().zip(&parts.begins) {
            *to = from[begin];
        }
    } else if parts.length > 0 {
        for (to, &begin) in to.chunks_exact_mut(parts.length).zip(&parts.begins) {
            to.copy_from_slice(&from[begin..begin + parts.length]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(operator: &impl Operation, data: &Tensor, indices: &Tensor) -> Result<Tensor, OpError> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let inferred = operator.infer(&[Some(&Fact::of(data)), Some(&Fact::of(indices))])?.remove(0);
        let result = operator.run(&cpu, &[Some(data), Some(indices)])?.remove(0);
        assert_eq!(inferred.sizes().as_deref(), Some(result.shape()));
        Ok(result)
    }

    /// The examples of ONNX's documentation.
    #[test]
    fn elements_and_parts_are_found() {
        let data = Tensor::new(&[2, 2], &[1f32, 2., 3., 4.]);
        let indices = Tensor::new(&[2, 2], &[0i32, 0, 1, 0]);
        assert_eq!(run(&GatherElements { axis: 1 }, &data, &indices), Ok(Tensor::new(&[2, 2], &[1f32, 1., 4., 3.])));
        let data = Tensor::new(&[2, 2], &[0i8, 1, 2, 3]);
        let indices = Tensor::new(&[2, 2], &[0i64, 0, 1, -1]);
        assert_eq!(run(&GatherND { batch_axes: 0 }, &data, &indices), Ok(Tensor::new(&[2], &[0i8, 3])));
        let data = Tensor::new(&[2, 2, 2], &[0i8, 1, 2, 3, 4, 5, 6, 7]);
        let indices = Tensor::new(&[2, 1], &[1i64, 0]);
        assert_eq!(run(&GatherND { batch_axes: 1 }, &data, &indices), Ok(Tensor::new(&[2, 2], &[2i8, 3, 4, 5])));
        let indices = Tensor::new(&[2, 1, 2], &[0i64, 1, 1, 0]);
        let expected = Tensor::new(&[2, 1, 2], &[2i8, 3, 4, 5]);
        assert_eq!(run(&GatherND { batch_axes: 0 }, &data, &indices), Ok(expected));
    }

    #[test]
    fn indices_outside_are_refused() {
        let data = Tensor::new(&[2, 2], &[0i8; 4]);
        for indices in [[2i64, 0], [0, -3], [i64::MIN, 0]] {
            assert!(run(&GatherElements { axis: 0 }, &data, &Tensor::new(&[1, 2], &indices)).is_err());
            assert!(run(&GatherND { batch_axes: 0 }, &data, &Tensor::new(&[2], &indices)).is_err());
        }
        assert!(run(&GatherElements { axis: 0 }, &data, &Tensor::new(&[1, 3], &[0i64; 3])).is_err());
        assert!(run(&GatherND { batch_axes: 0 }, &data, &Tensor::new(&[3], &[0i64; 3])).is_err());
        assert!(run(&GatherND { batch_axes: 1 }, &data, &Tensor::new(&[3, 1], &[0i64; 3])).is_err());
    }
}
