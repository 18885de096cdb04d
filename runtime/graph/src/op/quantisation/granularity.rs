//! Which elements share a scale and a zero point.

use std::borrow::Cow;
use std::ops::Range;

use crate::op::elementwise::cast;
use crate::op::operand::{axis, floats};
use crate::{OpError, Tensor};

/// How far a scale reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Granularity {
    /// One for all elements.
    Tensor,
    /// One for each place along an axis: the elements outside, along and inside of it.
    Axis([usize; 3]),
    /// One for each block of so many elements along an axis, at each place outside and inside of it.
    Blocks([usize; 3], usize),
}

impl Granularity {
    /// What a scale of this shape means for elements of that shape.
    pub(super) fn of(shape: &[usize], scale: &[usize], along: i64, block: usize) -> Result<Self, OpError> {
        if block == 0 && scale.iter().all(|&size| size == 1) && scale.len() <= 1 {
            return Ok(Self::Tensor);
        }
        let along = axis(along, shape.len())?;
        let mut expected = shape.to_vec();
        if block > 0 {
            expected[along] = shape[along].div_ceil(block);
        } else {
            expected = vec![shape[along]];
        }
        if scale != expected {
            let of = if block > 0 { format!(" in blocks of {block}") } else { String::new() };
            return Err(OpError::new(format!("a scale of shape {scale:?} is none for {shape:?} along {along}{of}")));
        }
        if shape.contains(&0) {
            return Ok(Self::Tensor);
        }
        let sizes = [shape[..along].iter().product(), shape[along], shape[along + 1..].iter().product()];
        Ok(if block > 0 { Self::Blocks(sizes, block) } else { Self::Axis(sizes) })
    }

    /// For each row of the elements, `count` in all, its range and that of its scales: one for each element, or one.
    pub(super) fn rows(
        self,
        count: usize,
        mut each: impl FnMut(Range<usize>, Range<usize>) -> Result<(), OpError>,
    ) -> Result<(), OpError> {
        if count == 0 {
            return Ok(());
        }
        let row = |number: usize, length: usize| number * length..(number + 1) * length;
        match self {
            Self::Tensor => each(0..count, 0..1),
            Self::Axis([outside, along, 1]) => (0..outside).try_for_each(|i| each(row(i, along), 0..along)),
            Self::Axis([outside, along, inside]) => {
                (0..outside * along).try_for_each(|i| each(row(i, inside), row(i % along, 1)))
            }
            Self::Blocks([outside, along, inside], block) => {
                let blocks = along.div_ceil(block);
                for (i, first) in (0..outside * blocks).map(|i| (i, i % blocks * block)) {
                    let start = i / blocks * along + first;
                    let length = block.min(along - first);
                    if inside == 1 {
                        each(start..start + length, row(i, 1))?;
                    } else {
                        (start..start + length).try_for_each(|place| each(row(place, inside), row(i, inside)))?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Scales and zero points.
pub(super) struct Parameters<'a> {
    pub(super) granularity: Granularity,
    pub(super) scales: Cow<'a, [f32]>,
    /// As many as there are scales.
    pub(super) zeros: Vec<i32>,
}

impl<'a> Parameters<'a> {
    /// For elements of a shape; without zero points they are 0.
    pub(super) fn of(
        shape: &[usize],
        (scale, zero): (&'a Tensor, Option<&Tensor>),
        along: i64,
        block: usize,
    ) -> Result<Self, OpError> {
        let granularity = Granularity::of(shape, scale.shape(), along, block)?;
        let zeros = zero.map_or_else(|| Ok(vec![0; scale.len()]), cast::to_integers)?;
        if zeros.len() != scale.len() {
            return Err(OpError::new(format!("there are {} scales and {} zero points", scale.len(), zeros.len())));
        }
        let scales = if scale.dtype().is_float() { floats(scale)? } else { Cow::Owned(cast::to_floats(scale)?) };
        Ok(Self { granularity, scales, zeros })
    }

    /// One scale and zero point for all elements.
    pub(super) fn single((scale, zero): (&'a Tensor, Option<&Tensor>)) -> Result<Self, OpError> {
        let found = Self::of(&[], (scale, zero), 0, 0);
        found.map_err(|_| OpError::new(format!("a scale of shape {:?} is not one number", scale.shape())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(shape: &[usize], scale: &[usize], along: i64, block: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let mut rows = Vec::new();
        let granularity = Granularity::of(shape, scale, along, block).unwrap();
        let taken = granularity.rows(shape.iter().product(), |elements, scales| {
            rows.push((elements, scales));
            Ok(())
        });
        taken.map(|()| rows).unwrap()
    }

    #[test]
    fn each_element_has_its_scale() {
        assert_eq!(rows(&[2, 3], &[], 1, 0), [(0..6, 0..1)]);
        assert_eq!(rows(&[2, 3], &[1], 7, 0), [(0..6, 0..1)]);
        assert_eq!(rows(&[2, 3], &[3], 1, 0), [(0..3, 0..3), (3..6, 0..3)]);
        assert_eq!(rows(&[2, 3], &[2], -2, 0), [(0..3, 0..1), (3..6, 1..2)]);
        assert_eq!(rows(&[1, 3], &[1, 2], 1, 2), [(0..2, 0..1), (2..3, 1..2)]);
        assert_eq!(rows(&[3, 2], &[2, 2], 0, 2), [(0..2, 0..2), (2..4, 0..2), (4..6, 2..4)]);
        assert_eq!(rows(&[0, 3], &[3], 1, 0), []);
    }

    #[test]
    fn other_scales_are_refused() {
        for (shape, scale, along, block) in
            [(&[2, 3][..], &[2][..], 1, 0), (&[2, 3], &[2, 3], 1, 0), (&[2, 3], &[2, 1], 1, 2), (&[], &[2], 0, 0)]
        {
            assert!(Granularity::of(shape, scale, along, block).is_err(), "{shape:?} {scale:?}");
        }
    }
}
