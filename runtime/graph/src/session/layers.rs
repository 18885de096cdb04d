//! A tensor as a row of smaller ones along an axis: what loops take apart and put together.

use crate::op::operand::axis;
use crate::tensor::{Block, elements};
use crate::{DType, OpError, Tensor, TensorMut};

/// Bytes in front of an axis, of one layer, and behind it.
fn extents(shape: &[usize], axis: usize, element_bytes: usize) -> (usize, usize) {
    let outer = shape[..axis].iter().product();
    let inner = shape[axis + 1..].iter().product::<usize>() * element_bytes;
    (outer, inner)
}

/// How many layers a tensor has along an axis.
pub(super) fn count(tensor: &Tensor, along: i64) -> Result<usize, OpError> {
    Ok(tensor.shape()[axis(along, tensor.shape().len())?])
}

/// One layer, without the axis.
///
/// # Panics
/// If there is no such layer.
pub(super) fn layer(tensor: &Tensor, along: i64, index: usize) -> Result<Tensor, OpError> {
    let axis = axis(along, tensor.shape().len())?;
    let layers = tensor.shape()[axis];
    assert!(index < layers, "a loop goes over the layers that there are");
    let (outer, inner) = extents(tensor.shape(), axis, tensor.dtype().bytes());
    let mut shape = tensor.shape().to_vec();
    shape.remove(axis);
    let mut result = TensorMut::of(tensor.dtype(), &shape, Block::zeros(outer * inner));
    if inner > 0 {
        let from = tensor.bytes().chunks_exact(inner).skip(index).step_by(layers);
        for (to, from) in result.bytes_mut().chunks_exact_mut(inner).zip(from) {
            to.copy_from_slice(from);
        }
    }
    Ok(result.freeze())
}

/// Layers put together along a new axis. Without any, `empty` says what one would have been.
pub(super) fn stacked(layers: &[Tensor], along: i64, empty: (DType, &[usize])) -> Result<Tensor, OpError> {
    let (dtype, shape) = layers.first().map_or(empty, |first| (first.dtype(), first.shape()));
    if let Some(odd) = layers.iter().find(|layer| layer.dtype() != dtype || layer.shape() != shape) {
        return Err(OpError::new(format!("one turn of the loop gave {dtype}{shape:?}, and another {odd:?}")));
    }
    let axis = axis(along, shape.len() + 1)?;
    let mut stacked = shape.to_vec();
    stacked.insert(axis, layers.len());
    let count = elements(&stacked).ok_or_else(|| OpError::new("the stack of a loop's results is beyond any memory"))?;
    let (outer, inner) = extents(&stacked, axis, dtype.bytes());
    let mut result = TensorMut::of(dtype, &stacked, Block::zeros(count * dtype.bytes()));
    let bytes = result.bytes_mut();
    for (index, layer) in layers.iter().enumerate() {
        for place in 0..outer {
            let to = (place * layers.len() + index) * inner;
            bytes[to..to + inner].copy_from_slice(&layer.bytes()[place * inner..][..inner]);
        }
    }
    Ok(result.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_come_apart_and_together_along_any_axis() {
        let tensor = Tensor::new(&[2, 3, 2], &(0..12).collect::<Vec<i32>>());
        assert_eq!(layer(&tensor, 1, 2).unwrap(), Tensor::new(&[2, 2], &[4, 5, 10, 11]));
        for axis in [0, 1, 2, -1] {
            let layers: Vec<_> =
                (0..count(&tensor, axis).unwrap()).map(|index| layer(&tensor, axis, index).unwrap()).collect();
            assert_eq!(stacked(&layers, axis, (DType::I32, &[])).unwrap(), tensor, "axis {axis}");
        }
    }

    #[test]
    fn no_layers_make_an_empty_stack() {
        assert_eq!(stacked(&[], 0, (DType::F32, &[4])).unwrap(), Tensor::new::<f32>(&[0, 4], &[]));
    }

    #[test]
    fn layers_of_other_shapes_do_not_stack() {
        let layers = [Tensor::new(&[1], &[1f32]), Tensor::new(&[2], &[1f32, 2.0])];
        assert!(stacked(&layers, 0, (DType::F32, &[])).is_err());
    }
}
