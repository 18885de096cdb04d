//! What every family asks of its operands: presence, numbers, axes, broadcasting, floats of any width.

use std::borrow::Cow;
use std::cmp::Ordering;

use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};

use crate::tensor::elements;
use crate::{Cpu, DType, Dim, Element, Fact, OpError, Tensor};

/// Runs an expression with `$T` as the Rust type of a [`DType`]'s elements; a `bool` is a `u8`.
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::DType::Bf16 => {
                type $T = half::bf16;
                $body
            }
            $crate::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::U8 | $crate::DType::Bool => {
                type $T = u8;
                $body
            }
            $crate::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DType::U64 => {
                type $T = u64;
                $body
            }
        }
    };
}
pub(crate) use with_element;

/// An operand, or fact, that has to be there.
pub(crate) fn needed<'a, T>(inputs: &[Option<&'a T>], index: usize, what: &str) -> Result<&'a T, OpError> {
    given(inputs, index).ok_or_else(|| OpError::new(format!("its operand {what} is missing")))
}

/// An operand, or fact, that may be left out.
pub(crate) fn given<'a, T>(inputs: &[Option<&'a T>], index: usize) -> Option<&'a T> {
    inputs.get(index).copied().flatten()
}

/// Sizes of a result, from facts that are complete (when a session runs, those of operands are).
pub(crate) fn dims(sizes: &[usize]) -> Vec<Dim> {
    sizes.iter().map(|&size| Dim::Size(size)).collect()
}

/// The numbers in a tensor of whole numbers: axes, sizes, starts.
pub(crate) fn integers(tensor: &Tensor) -> Result<Vec<i64>, OpError> {
    match tensor.dtype() {
        DType::I64 => Ok(tensor.slice::<i64>()?.to_vec()),
        DType::I32 => Ok(tensor.slice::<i32>()?.iter().map(|&value| i64::from(value)).collect()),
        other => Err(OpError::new(format!("{other} elements are no sizes or axes"))),
    }
}

/// The numbers in a row of whole numbers, or a single one: axes, sizes, starts.
pub(crate) fn row(tensor: &Tensor) -> Result<Vec<i64>, OpError> {
    if tensor.shape().len() > 1 {
        return Err(OpError::new(format!("a row of numbers is needed, and these have shape {:?}", tensor.shape())));
    }
    integers(tensor)
}

/// The one number in a tensor of whole numbers.
pub(crate) fn integer(tensor: &Tensor) -> Result<i64, OpError> {
    match integers(tensor)?[..] {
        [value] => Ok(value),
        ref others => Err(OpError::new(format!("one number is needed, and there are {}", others.len()))),
    }
}

/// An axis counted from the front; a negative one counts from the end.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    let signed_rank = rank as i64;
    let counted = if axis < 0 { axis.checked_add(signed_rank) } else { Some(axis) };
    let counted = counted.filter(|counted| (0..signed_rank).contains(counted));
    counted.map(|axis| axis as usize).ok_or_else(|| OpError::new(format!("axis {axis} is outside of rank {rank}")))
}

/// Axes counted from the front, in the order given; none may stand twice.
pub(crate) fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let counted: Vec<usize> = given.iter().map(|&each| axis(each, rank)).collect::<Result<_, _>>()?;
    let mut seen = vec![false; rank];
    for &each in &counted {
        if std::mem::replace(&mut seen[each], true) {
            return Err(OpError::new(format!("axis {each} stands twice in {given:?}")));
        }
    }
    Ok(counted)
}

/// The shape that two shapes broadcast to (ONNX's multidirectional broadcasting).
pub(crate) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, OpError> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], place: usize| (place + shape.len()).checked_sub(rank).map_or(1, |place| shape[place]);
    (0..rank)
        .map(|place| match (size(left, place), size(right, place)) {
            (1, size) | (size, 1) => Ok(size),
            (size, other) if size == other => Ok(size),
            _ => Err(OpError::new(format!("shapes {left:?} and {right:?} do not broadcast"))),
        })
        .collect()
}

/// [`broadcast`] of dimensions that may be unknown.
pub(crate) fn broadcast_dims(left: &[Dim], right: &[Dim]) -> Result<Vec<Dim>, OpError> {
    let rank = left.len().max(right.len());
    let one = Dim::Size(1);
    let dim = |shape: &[Dim], place: usize| {
        (place + shape.len()).checked_sub(rank).map_or(one.clone(), |place| shape[place].clone())
    };
    (0..rank)
        .map(|place| match (dim(left, place), dim(right, place)) {
            (Dim::Size(1), dim) | (dim, Dim::Size(1)) => Ok(dim),
            (dim, other) if dim == other => Ok(dim),
            (Dim::Size(size), Dim::Size(other)) => {
                Err(OpError::new(format!("sizes {size} and {other} do not broadcast")))
            }
            // The unknown one is either 1 or the known one.
            (Dim::Size(size), _) | (_, Dim::Size(size)) => Ok(Dim::Size(size)),
            _ => Ok(Dim::Unknown),
        })
        .collect()
}

/// Steps between neighbours along each axis, in elements, row-major; all 0 where there are no elements.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    if shape.contains(&0) {
        // The other sizes are bounded by nothing then, and their product may be beyond any number.
        return vec![0; shape.len()];
    }
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// How many elements some dimensions have.
pub(crate) fn product(sizes: &[usize]) -> Result<usize, OpError> {
    elements(sizes).ok_or_else(|| OpError::new(format!("elements of {sizes:?} are beyond any memory")))
}

/// The order of two elements, in which -0 is 0, and a NaN is like another and the greatest.
pub(crate) fn order<T: Element>(a: &T, b: &T) -> Ordering {
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    a.partial_cmp(b).unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
}

/// Floats of 16 or 32 bits as f32, on which all their arithmetic is defined.
pub(crate) fn floats(tensor: &Tensor) -> Result<Cow<'_, [f32]>, OpError> {
    Ok(match tensor.dtype() {
        DType::F32 => Cow::Borrowed(tensor.slice::<f32>()?),
        DType::F16 => Cow::Owned(tensor.slice::<f16>()?.to_f32_vec()),
        DType::Bf16 => Cow::Owned(tensor.slice::<bf16>()?.to_f32_vec()),
        other => return Err(OpError::new(format!("{other} elements are no floats of 16 or 32 bits"))),
    })
}

/// A result of floats of 16 or 32 bits: `write` fills it as f32, and a narrower type is rounded to once, at the end.
/// What is in the memory before is unspecified.
pub(crate) fn float_result(
    cpu: &Cpu,
    dtype: DType,
    shape: &[usize],
    write: impl FnOnce(&mut [f32]) -> Result<(), OpError>,
) -> Result<Tensor, OpError> {
    if dtype == DType::F32 {
        let mut result = cpu.allocate(dtype, shape)?;
        write(result.slice_mut())?;
        return Ok(result.freeze());
    }
    let count =
        elements(shape).ok_or_else(|| OpError::new(format!("a result of shape {shape:?} is beyond any memory")))?;
    let mut wide = vec![0f32; count];
    write(&mut wide)?;
    narrowed(cpu, dtype, shape, &wide)
}

/// These floats as a tensor of 16 or 32 bits, rounded to nearest even; a NaN is the canonical one of its type.
pub(crate) fn narrowed(cpu: &Cpu, dtype: DType, shape: &[usize], values: &[f32]) -> Result<Tensor, OpError> {
    let mut result = cpu.allocate(dtype, shape)?;
    match dtype {
        DType::F32 => result.slice_mut::<f32>().copy_from_slice(values),
        DType::F16 => {
            for (place, &value) in result.slice_mut::<f16>().iter_mut().zip(values) {
                *place = if value.is_nan() { f16::from_bits(0x7e00) } else { f16::from_f32(value) };
            }
        }
        DType::Bf16 => {
            for (place, &value) in result.slice_mut::<bf16>().iter_mut().zip(values) {
                *place = if value.is_nan() { bf16::from_bits(0x7fc0) } else { bf16::from_f32(value) };
            }
        }
        other => return Err(OpError::new(format!("{other} elements are no floats of 16 or 32 bits"))),
    }
    Ok(result.freeze())
}

/// An error if the sizes of a fact, but for those that are 0, could not be counted together: so that no product of some
/// of them overflows.
pub(crate) fn countable(fact: &Fact) -> Result<(), OpError> {
    let sizes: Vec<usize> = fact.shape.iter().flatten().filter_map(Dim::size).filter(|&size| size != 0).collect();
    match elements(&sizes) {
        Some(_) => Ok(()),
        None => Err(OpError::new(format!("sizes of {sizes:?} are beyond any memory"))),
    }
}

/// An error unless two facts have the same type.
pub(crate) fn same_type(left: &Fact, right: &Fact) -> Result<(), OpError> {
    if left.dtype == right.dtype {
        return Ok(());
    }
    Err(OpError::new(format!("its operands are {} and {}, and must be of one type", left.dtype, right.dtype)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_numpy_says() {
        assert_eq!(broadcast(&[3, 1, 5], &[4, 1]), Ok(vec![3, 4, 5]));
        assert_eq!(broadcast(&[], &[2]), Ok(vec![2]));
        assert_eq!(broadcast(&[0], &[1]), Ok(vec![0]));
        assert!(broadcast(&[2], &[3]).is_err());
    }

    #[test]
    fn axes_count_from_both_ends_and_stand_once() {
        assert_eq!(axes(&[-1, 0], 3), Ok(vec![2, 0]));
        assert!(axes(&[0, -3], 3).is_err());
        assert!(axis(3, 3).is_err());
        assert!(axis(i64::MIN, 3).is_err());
    }
}
