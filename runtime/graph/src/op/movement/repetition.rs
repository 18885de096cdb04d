//! The same elements many times: Expand, Tile.

use super::moved;
use super::walk::Walk;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{broadcast, broadcast_dims, dims, needed, row};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// Sizes or counts as a file gives them.
pub(super) fn sizes(values: &[i64]) -> Result<Vec<usize>, OpError> {
    let size =
        |&value: &i64| usize::try_from(value).map_err(|_| OpError::new(format!("{values:?} has a negative size")));
    values.iter().map(size).collect()
}

/// Operands: data, and a shape that both broadcast to.
#[derive(Clone, Debug, PartialEq)]
pub struct Expand;

impl Expand {
    pub(super) fn import(_source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self)
    }
}

impl Operation for Expand {
    fn name(&self) -> &'static str {
        "Expand"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, shape) = (needed(inputs, 0, "data")?, needed(inputs, 1, "shape")?);
        let Some(from) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let Some(value) = &shape.value else {
            let rank = shape.sizes().and_then(|sizes| sizes.first().copied());
            let unknown = |rank: usize| Fact::new(data.dtype, vec![Dim::Unknown; rank.max(from.len())]);
            return Ok(vec![rank.map_or(Fact::of_type(data.dtype), unknown)]);
        };
        Ok(vec![Fact::new(data.dtype, broadcast_dims(from, &dims(&sizes(&row(value)?)?))?)])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, shape) = (needed(inputs, 0, "data")?, needed(inputs, 1, "shape")?);
        let to = broadcast(data.shape(), &sizes(&row(shape)?)?)?;
        let mut walk = Walk::over(data.shape());
        let new = to.len() - data.shape().len();
        for (axis, &size) in to[new..].iter().enumerate() {
            if size != data.shape()[axis] {
                walk = walk.spread(axis, size);
            }
        }
        for &size in to[..new].iter().rev() {
            walk = walk.repeated(0, size);
        }
        Ok(vec![walk.read(cpu, data, &to)?])
    }
}

/// Operands: data, and how often it is repeated along each axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile;

impl Tile {
    pub(super) fn import(_source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self)
    }

    fn counts(rank: usize, operand: &Tensor) -> Result<Vec<usize>, OpError> {
        let counts = sizes(&row(operand)?)?;
        if counts.len() == rank {
            return Ok(counts);
        }
        Err(OpError::new(format!("{} counts are given for {rank} axes", counts.len())))
    }

    fn tiled(size: usize, count: usize) -> Result<usize, OpError> {
        size.checked_mul(count).ok_or_else(|| OpError::new(format!("{count} times {size} is beyond any memory")))
    }
}

impl Operation for Tile {
    fn name(&self) -> &'static str {
        "Tile"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, operand) = (needed(inputs, 0, "data")?, needed(inputs, 1, "repeats")?);
        let Some(shape) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let Some(value) = &operand.value else {
            return Ok(vec![Fact::new(data.dtype, vec![Dim::Unknown; shape.len()])]);
        };
        let tiled = shape.iter().zip(Self::counts(shape.len(), value)?).map(|(dim, count)| match (dim, count) {
            (Dim::Size(size), count) => Self::tiled(*size, count).map(Dim::Size),
            (dim, 1) => Ok(dim.clone()),
            _ => Ok(Dim::Unknown),
        });
        Ok(vec![Fact::new(data.dtype, tiled.collect::<Result<Vec<Dim>, OpError>>()?)])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, operand) = (needed(inputs, 0, "data")?, needed(inputs, 1, "repeats")?);
        let counts = Self::counts(data.shape().len(), operand)?;
        let sized = data.shape().iter().zip(&counts);
        let to = sized.map(|(&size, &count)| Self::tiled(size, count)).collect::<Result<Vec<_>, _>>()?;
        let mut walk = Walk::over(data.shape());
        for (axis, &count) in counts.iter().enumerate().rev() {
            walk = walk.repeated(axis, count);
        }
        Ok(vec![walk.read(cpu, data, &to)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(operator: &impl Operation, data: &Tensor, operand: &[i64]) -> Result<Tensor, OpError> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let operand = Tensor::new(&[operand.len()], operand);
        let inferred = operator.infer(&[Some(&Fact::of(data)), Some(&Fact::of(&operand))])?.remove(0);
        let result = operator.run(&cpu, &[Some(data), Some(&operand)])?.remove(0);
        assert_eq!(inferred.sizes().as_deref(), Some(result.shape()));
        Ok(result)
    }

    #[test]
    fn elements_are_repeated() {
        let data = Tensor::new(&[2, 1], &[1u16, 2]);
        assert_eq!(
            run(&Expand, &data, &[2, 1, 3]),
            Ok(Tensor::new(&[2, 2, 3], &[1u16, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]))
        );
        assert_eq!(run(&Expand, &data, &[1]), Ok(data.clone()));
        assert_eq!(run(&Expand, &data, &[2, 0]), Ok(Tensor::new::<u16>(&[2, 0], &[])));
        let (one, wide) = (Tensor::scalar(7u16), 1i64 << 40);
        assert_eq!(run(&Expand, &one, &[0, wide, wide]).unwrap().shape(), [0, 1 << 40, 1 << 40]);
        assert!(run(&Expand, &one, &[wide, wide, 0]).is_err() && run(&Expand, &one, &[wide, wide]).is_err());
        assert!(run(&Expand, &data, &[3, 1]).is_err());
        assert!(run(&Expand, &data, &[-1]).is_err());
        let data = Tensor::new(&[2, 2], &[1u16, 2, 3, 4]);
        assert_eq!(
            run(&Tile, &data, &[2, 2]),
            Ok(Tensor::new(&[4, 4], &[1u16, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4]))
        );
        assert_eq!(run(&Tile, &data, &[0, 3]), Ok(Tensor::new::<u16>(&[0, 6], &[])));
        assert!(run(&Tile, &data, &[2]).is_err());
        assert!(run(&Tile, &data, &[i64::MAX, 1]).is_err());
        assert!(run(&Tile, &data, &[1 << 40, 1 << 40]).is_err());
    }
}
