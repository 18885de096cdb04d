//! What is reduced, brought together: rows of elements that lie side by side.

use std::borrow::Cow;

use bytemuck::Pod;

use crate::op::movement::walk::Walk;
use crate::op::operand::product;
use crate::{DType, Fact, OpError};

/// Elements seen as `outer` × `axis` × `inner`, of which the middle is reduced.
pub(super) struct Rows<'a, T: Pod> {
    pub(super) values: Cow<'a, [T]>,
    pub(super) outer: usize,
    pub(super) axis: usize,
    pub(super) inner: usize,
}

impl<'a, T: Pod> Rows<'a, T> {
    /// Brings `axes` (in increasing order) together; the other axes keep their order.
    pub(super) fn of(values: &'a [T], shape: &[usize], axes: &[usize]) -> Result<Self, OpError> {
        let reduced = |axis: &usize| axes.contains(axis);
        let axis = product(&axes.iter().map(|&axis| shape[axis]).collect::<Vec<_>>())?;
        let together = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
        if let (true, Some(&first)) = (together, axes.first()) {
            let (outer, inner) = (product(&shape[..first])?, product(&shape[first + axes.len()..])?);
            return Ok(Self { values: Cow::Borrowed(values), outer, axis, inner });
        }
        let kept: Vec<usize> = (0..shape.len()).filter(|axis| !reduced(axis)).collect();
        let outer = product(&kept.iter().map(|&axis| shape[axis]).collect::<Vec<_>>())?;
        Ok(Self { values: brought(values, shape, &[kept, axes.to_vec()].concat()), outer, axis, inner: 1 })
    }

    /// The same with the reduced elements side by side: `inner` is 1.
    pub(super) fn contiguous(self) -> Self {
        let Self { values, outer, axis, inner } = self;
        if inner == 1 {
            return Self { values, outer, axis, inner };
        }
        let values = brought(&values, &[outer, axis, inner], &[0, 2, 1]).into_owned();
        Self { values: Cow::Owned(values), outer: outer * inner, axis, inner: 1 }
    }
}

/// Elements with their axes in another order.
pub(super) fn brought<'a, T: Pod>(values: &'a [T], shape: &[usize], order: &[usize]) -> Cow<'a, [T]> {
    if order.is_sorted() {
        return Cow::Borrowed(values);
    }
    let mut moved = vec![T::zeroed(); values.len()];
    Walk::over(shape).permuted(order).copy(values, &mut moved);
    Cow::Owned(moved)
}

/// An error unless elements are floats that arithmetic beyond the correctly rounded is defined on.
pub(super) fn expect_floats(fact: &Fact) -> Result<(), OpError> {
    match fact.dtype {
        DType::F32 | DType::F16 | DType::Bf16 => Ok(()),
        DType::F64 => Err(OpError::unsupported("f64 elements, of which only correctly rounded arithmetic is defined")),
        other => Err(OpError::new(format!("its {other} elements are no floats"))),
    }
}
