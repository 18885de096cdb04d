//! Numbers in a row, and numbers as places in a row: Range, OneHot.

use bytemuck::Pod;
use half::{bf16, f16};
use poai_numerics::Binary;

use super::walk::with_width;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axis, needed, product, same_type};
use crate::{Cpu, DType, Dim, Element, Fact, OpError, Tensor};

/// Operands: start, limit, step. Element i is `start + i · step`, for those below the limit (or above it, backwards).
/// How many there are is computed in f64 for floats, exactly for integers; of floats of 32 bits both operations are
/// numerics' element-wise ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Range;

impl Range {
    pub(super) fn import(_source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self)
    }

    fn count(start: &Tensor, limit: &Tensor, step: &Tensor) -> Result<usize, OpError> {
        let count = if start.dtype().is_float() {
            let [start, limit, step] = [number(start)?, number(limit)?, number(step)?];
            // A NaN, or a step of 0, is above no limit.
            Some(((limit - start) / step).ceil())
                .filter(|count| *count < COUNT_LIMIT && step != 0.0)
                .map(|count| count as usize)
        } else {
            let [start, limit, step] = [whole(start)?, whole(limit)?, whole(step)?];
            let (span, step) = if step < 0 { (start - limit, -step) } else { (limit - start, step) };
            let count = span.max(0).checked_add(step - 1).and_then(|span| span.checked_div(step));
            count.and_then(|count| usize::try_from(count).ok())
        };
        count.ok_or_else(|| OpError::new("its limit is never reached"))
    }
}

/// Beyond this many elements f64 no longer counts each.
const COUNT_LIMIT: f64 = (1u64 << 52) as f64;

/// The one float of a tensor.
fn number(tensor: &Tensor) -> Result<f64, OpError> {
    let number = match tensor.dtype() {
        DType::F32 => one::<f32>(tensor).map(f64::from),
        DType::F64 => one::<f64>(tensor),
        DType::F16 => one::<f16>(tensor).map(f64::from),
        DType::Bf16 => one::<bf16>(tensor).map(f64::from),
        _ => None,
    };
    number.ok_or_else(|| OpError::new("one number is needed"))
}

/// The one integer of a tensor.
fn whole(tensor: &Tensor) -> Result<i128, OpError> {
    let number = match tensor.dtype() {
        DType::I8 => one::<i8>(tensor).map(i128::from),
        DType::I16 => one::<i16>(tensor).map(i128::from),
        DType::I32 => one::<i32>(tensor).map(i128::from),
        DType::I64 => one::<i64>(tensor).map(i128::from),
        DType::U8 => one::<u8>(tensor).map(i128::from),
        DType::U16 => one::<u16>(tensor).map(i128::from),
        DType::U32 => one::<u32>(tensor).map(i128::from),
        DType::U64 => one::<u64>(tensor).map(i128::from),
        _ => None,
    };
    number.ok_or_else(|| OpError::new("one number is needed"))
}

fn one<T: Element>(tensor: &Tensor) -> Option<T> {
    if let Some(&[value]) = tensor.get::<T>() { Some(value) } else { None }
}

impl Operation for Range {
    fn name(&self) -> &'static str {
        "Range"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let [start, limit, step] =
            [needed(inputs, 0, "start")?, needed(inputs, 1, "limit")?, needed(inputs, 2, "delta")?];
        same_type(start, limit)?;
        same_type(start, step)?;
        if start.dtype == DType::Bool {
            return Err(OpError::new("truth values make no range"));
        }
        let dim = match [&start.value, &limit.value, &step.value] {
            [Some(start), Some(limit), Some(step)] => Dim::Size(Self::count(start, limit, step)?),
            _ => Dim::Unknown,
        };
        Ok(vec![Fact::new(start.dtype, [dim])])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let [start, limit, step] =
            [needed(inputs, 0, "start")?, needed(inputs, 1, "limit")?, needed(inputs, 2, "delta")?];
        let count = Self::count(start, limit, step)?;
        let mut result = cpu.allocate(start.dtype(), &[count])?;
        if start.dtype() == DType::F64 {
            let (start, step) = (number(start)?, number(step)?);
            for (i, place) in result.slice_mut::<f64>().iter_mut().enumerate() {
                *place = start + i as f64 * step;
            }
        } else if start.dtype().is_float() {
            let (start, step) = (number(start)? as f32, number(step)? as f32);
            let values: Vec<f32> = (0..count).map(|i| Binary::Add.of(start, Binary::Mul.of(i as f32, step))).collect();
            return Ok(vec![crate::op::operand::narrowed(cpu, result.freeze().dtype(), &[count], &values)?]);
        } else {
            let (start, step) = (whole(start)?, whole(step)?);
            let width = result.bytes_mut().len() / count.max(1);
            for (i, place) in result.bytes_mut().chunks_exact_mut(width.max(1)).enumerate() {
                // Between start and limit, so that it fits.
                let value = start + i as i128 * step;
                place.copy_from_slice(&value.to_le_bytes()[..width]);
            }
        }
        Ok(vec![result.freeze()])
    }
}

/// Operands: indices, how many places there are, and the values `[off, on]`. The result has one axis more, on which `on`
/// stands at the place that the index says, and `off` elsewhere, also where it says no place.
#[derive(Clone, Debug, PartialEq)]
pub struct OneHot {
    /// Where the new axis stands.
    pub axis: i64,
}

impl OneHot {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axis: source.int("axis")?.unwrap_or(-1) })
    }
}

/// A number of any type, cut towards zero.
fn rounded(tensor: &Tensor) -> Result<Vec<i64>, OpError> {
    Ok(match tensor.dtype() {
        DType::F32 => tensor.slice::<f32>()?.iter().map(|&value| value as i64).collect(),
        DType::F64 => tensor.slice::<f64>()?.iter().map(|&value| value as i64).collect(),
        DType::F16 => tensor.slice::<f16>()?.iter().map(|&value| f32::from(value) as i64).collect(),
        DType::Bf16 => tensor.slice::<bf16>()?.iter().map(|&value| f32::from(value) as i64).collect(),
        DType::I8 => tensor.slice::<i8>()?.iter().map(|&value| value.into()).collect(),
        DType::I16 => tensor.slice::<i16>()?.iter().map(|&value| value.into()).collect(),
        DType::I32 => tensor.slice::<i32>()?.iter().map(|&value| value.into()).collect(),
        DType::I64 => tensor.slice::<i64>()?.to_vec(),
        DType::U8 => tensor.slice::<u8>()?.iter().map(|&value| value.into()).collect(),
        DType::U16 => tensor.slice::<u16>()?.iter().map(|&value| value.into()).collect(),
        DType::U32 => tensor.slice::<u32>()?.iter().map(|&value| value.into()).collect(),
        // What is beyond i64 is beyond any axis.
        DType::U64 => tensor.slice::<u64>()?.iter().map(|&value| i64::try_from(value).unwrap_or(i64::MAX)).collect(),
        DType::Bool => return Err(OpError::new("truth values are no indices")),
    })
}

fn depth(tensor: &Tensor) -> Result<usize, OpError> {
    match rounded(tensor)?[..] {
        [depth] if depth >= 0 => Ok(depth as usize),
        ref other => Err(OpError::new(format!("the depth is {other:?}"))),
    }
}

impl Operation for OneHot {
    fn name(&self) -> &'static str {
        "OneHot"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let [indices, count, values] =
            [needed(inputs, 0, "indices")?, needed(inputs, 1, "depth")?, needed(inputs, 2, "values")?];
        if values.sizes().is_some_and(|sizes| sizes != [2]) {
            return Err(OpError::new("the values off and on are two"));
        }
        let Some(shape) = &indices.shape else { return Ok(vec![Fact::of_type(values.dtype)]) };
        let mut dims = shape.clone();
        let size = count.value.as_ref().map(depth).transpose()?;
        dims.insert(axis(self.axis, shape.len() + 1)?, size.map_or(Dim::Unknown, Dim::Size));
        Ok(vec![Fact::new(values.dtype, dims)])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let [indices, count, values] =
            [needed(inputs, 0, "indices")?, needed(inputs, 1, "depth")?, needed(inputs, 2, "values")?];
        let depth = depth(count)?;
        let along = axis(self.axis, indices.shape().len() + 1)?;
        let mut shape = indices.shape().to_vec();
        shape.insert(along, depth);
        let inner = product(&indices.shape()[along..])?;
        let indices = rounded(indices)?;
        let mut result = cpu.allocate(values.dtype(), &shape)?;
        with_width!(values.dtype(), T => {
            let &[off, on] = bytemuck::cast_slice::<_, T>(values.bytes()) else {
                return Err(OpError::new("the values off and on are two"));
            };
            mark::<T>(&indices, depth, inner, [off, on], bytemuck::cast_slice_mut(result.bytes_mut()));
        });
        Ok(vec![result.freeze()])
    }
}

fn mark<T: Pod>(indices: &[i64], depth: usize, inner: usize, [off, on]: [T; 2], to: &mut [T]) {
    to.fill(off);
    for (i, &index) in indices.iter().enumerate() {
        let place = if index < 0 { index.saturating_add(depth as i64) } else { index };
        if let Some(place) = usize::try_from(place).ok().filter(|&place| place < depth) {
            to[(i / inner * depth + place) * inner + i % inner] = on;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(operator: &impl Operation, operands: &[Tensor]) -> Result<Tensor, OpError> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let facts: Vec<Fact> = operands.iter().map(Fact::of).collect();
        let inferred = operator.infer(&facts.iter().map(Some).collect::<Vec<_>>())?.remove(0);
        let result = operator.run(&cpu, &operands.iter().map(Some).collect::<Vec<_>>())?.remove(0);
        assert_eq!(inferred.sizes().as_deref(), Some(result.shape()));
        Ok(result)
    }

    fn range<T: Element>(numbers: [T; 3]) -> Result<Tensor, OpError> {
        run(&Range, &numbers.map(Tensor::scalar))
    }

    #[test]
    fn ranges_end_in_front_of_their_limit() {
        assert_eq!(range([1i64, 7, 2]), Ok(Tensor::new(&[3], &[1i64, 3, 5])));
        assert_eq!(range([10i8, 4, -3]), Ok(Tensor::new(&[2], &[10i8, 7])));
        assert_eq!(range([0u8, 0, 1]), Ok(Tensor::new::<u8>(&[0], &[])));
        assert_eq!(range([1f32, -0.5, -0.5]), Ok(Tensor::new(&[3], &[1f32, 0.5, 0.])));
        assert_eq!(range([5f64, 1., 1.]), Ok(Tensor::new::<f64>(&[0], &[])));
        assert_eq!(range([0f32, 0.25, 0.1]), Ok(Tensor::new(&[3], &[0f32, 0.1, 0.2])));
        assert!(range([1i32, 7, 0]).is_err());
        assert!(range([1f32, 7., 0.]).is_err());
        assert!(range([1f32, f32::INFINITY, 1.]).is_err());
        assert!(range([f32::NAN, 1., 1.]).is_err());
    }

    #[test]
    fn places_are_marked() {
        let values = Tensor::new(&[2], &[5u16, 9]);
        let indices = Tensor::new(&[2, 2], &[0i64, -1, 3, 2]);
        let expected = Tensor::new(&[2, 3, 2], &[9u16, 5, 5, 5, 5, 9, 5, 5, 5, 5, 5, 9]);
        assert_eq!(run(&OneHot { axis: 1 }, &[indices, Tensor::scalar(3f32), values.clone()]), Ok(expected));
        let indices = Tensor::new(&[2], &[1.9f32, -7.]);
        let expected = Tensor::new(&[2, 2], &[5u16, 9, 5, 5]);
        assert_eq!(
            run(&OneHot { axis: -1 }, &[indices.clone(), Tensor::new(&[1], &[2i32]), values.clone()]),
            Ok(expected)
        );
        assert!(run(&OneHot { axis: -1 }, &[indices, Tensor::scalar(-1i64), values]).is_err());
    }
}
