//! Operands of different shapes, read so that they have the shape of the result.

use std::ops::Range;

use poai_numerics::Strided;

use crate::op::operand::{broadcast, strides};
use crate::{OpError, Tensor};

/// How `N` operands spread over one result: dimensions that all of them walk in the same way are one. Operands of the
/// same shape are one row, and so is any tensor beside a single element.
#[derive(Debug)]
pub(super) struct Spread<const N: usize> {
    shape: Vec<usize>,
    /// At least one; a single 0 if the result is empty.
    dims: Vec<usize>,
    /// For each operand the step along each of `dims`; along the last one it is 0 or 1.
    steps: [Vec<usize>; N],
}

impl<const N: usize> Spread<N> {
    pub(super) fn of(operands: [&Tensor; N]) -> Result<Self, OpError> {
        let shapes = operands.map(Tensor::shape);
        let mut shape = Vec::new();
        for operand in shapes {
            shape = broadcast(&shape, operand)?;
        }
        if shape.contains(&0) {
            return Ok(Self { shape, dims: vec![0], steps: std::array::from_fn(|_| vec![0]) });
        }
        let mut spread = Self { shape, dims: Vec::new(), steps: std::array::from_fn(|_| Vec::new()) };
        let own = shapes.map(strides);
        for place in 0..spread.shape.len() {
            // A place among the operand's own dimensions, which are the last ones.
            let step = |operand: usize| {
                let ahead = spread.shape.len() - shapes[operand].len();
                let place = place.checked_sub(ahead).filter(|&place| shapes[operand][place] > 1);
                place.map_or(0, |place| own[operand][place])
            };
            spread.push(spread.shape[place], std::array::from_fn(step));
        }
        if spread.dims.is_empty() {
            spread.push_apart(1, [0; N]);
        }
        Ok(spread)
    }

    /// Adds an inner dimension.
    fn push(&mut self, size: usize, steps: [usize; N]) {
        if size == 1 {
            return;
        }
        let joins = |(outer, step): (&Vec<usize>, usize)| outer.last() == Some(&(step * size));
        if !self.steps.iter().zip(steps).all(joins) {
            return self.push_apart(size, steps);
        }
        *self.dims.last_mut().expect("there is an outer dimension") *= size;
        for (outer, step) in self.steps.iter_mut().zip(steps) {
            *outer.last_mut().expect("as many steps as dimensions") = step;
        }
    }

    fn push_apart(&mut self, size: usize, steps: [usize; N]) {
        self.dims.push(size);
        for (outer, step) in self.steps.iter_mut().zip(steps) {
            outer.push(step);
        }
    }

    /// The shape of the result.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The merged dimensions, for kernels that walk them themselves.
    pub(super) fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// An operand for such kernels.
    pub(super) fn strided<'a>(&'a self, operand: usize, data: &'a [f32]) -> Strided<'a> {
        Strided { data, strides: &self.steps[operand] }
    }

    /// For each row of the result its elements' range, and each operand's elements: those of the row, or only one,
    /// which repeats.
    pub(super) fn rows(&self, mut each: impl FnMut(Range<usize>, [Range<usize>; N])) {
        let (&row, outer) = self.dims.split_last().expect("there is a dimension");
        if row == 0 {
            return;
        }
        let lengths: [usize; N] = std::array::from_fn(|i| if self.steps[i][outer.len()] == 0 { 1 } else { row });
        let mut index = vec![0; outer.len()];
        let mut starts = [0; N];
        for number in 0..outer.iter().product() {
            each(number * row..(number + 1) * row, std::array::from_fn(|i| starts[i]..starts[i] + lengths[i]));
            for axis in (0..outer.len()).rev() {
                index[axis] += 1;
                let wraps = index[axis] == outer[axis];
                for (start, steps) in starts.iter_mut().zip(&self.steps) {
                    *start += steps[axis];
                    if wraps {
                        *start -= steps[axis] * outer[axis];
                    }
                }
                if !wraps {
                    break;
                }
                index[axis] = 0;
            }
        }
    }
}

impl Spread<2> {
    /// `out = f(left, right)`, element by element.
    pub(super) fn zip<A: Copy, B: Copy, R>(&self, left: &[A], right: &[B], out: &mut [R], f: impl Fn(A, B) -> R) {
        self.rows(|row, [left_row, right_row]| {
            let (left, right, out) = (&left[left_row], &right[right_row], &mut out[row]);
            match (left, right) {
                (&[left], right) if right.len() == out.len() => {
                    out.iter_mut().zip(right).for_each(|(out, &right)| *out = f(left, right));
                }
                (left, &[right]) => out.iter_mut().zip(left).for_each(|(out, &left)| *out = f(left, right)),
                _ => {
                    for ((out, &left), &right) in out.iter_mut().zip(left).zip(right) {
                        *out = f(left, right);
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros(shape: &[usize]) -> Tensor {
        Tensor::new(shape, &vec![0u8; shape.iter().product()])
    }

    #[test]
    fn dimensions_that_are_walked_alike_are_one() {
        for (left, right, dims, steps) in [
            (&[2, 3, 4][..], &[2, 3, 4][..], vec![24], [vec![1], vec![1]]),
            (&[2, 3, 4], &[], vec![24], [vec![1], vec![0]]),
            (&[1, 1], &[5, 1], vec![5], [vec![0], vec![1]]),
            (&[2, 3, 4], &[4], vec![6, 4], [vec![4, 1], vec![0, 1]]),
            (&[2, 3, 4], &[3, 1], vec![2, 3, 4], [vec![12, 4, 1], vec![0, 1, 0]]),
            (&[], &[1, 1], vec![1], [vec![0], vec![0]]),
            (&[0, 3], &[1], vec![0], [vec![0], vec![0]]),
        ] {
            let spread = Spread::of([&zeros(left), &zeros(right)]).unwrap();
            assert_eq!((spread.dims, spread.steps), (dims, steps), "{left:?} {right:?}");
        }
        assert!(Spread::of([&zeros(&[2]), &zeros(&[3])]).is_err());
    }

    #[test]
    fn each_element_meets_those_of_its_index() {
        let spread = Spread::of([&zeros(&[2, 1, 3]), &zeros(&[2, 1])]).unwrap();
        let (left, right) = ([0, 1, 2, 3, 4, 5], [10, 20]);
        let mut out = [0; 12];
        spread.zip(&left, &right, &mut out, |a, b| a + b);
        assert_eq!(out, [10, 11, 12, 20, 21, 22, 13, 14, 15, 23, 24, 25]);
        assert_eq!(spread.shape(), [2, 2, 3]);
    }
}
