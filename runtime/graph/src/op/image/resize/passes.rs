//! The passes of resizing: one axis after the other.

use std::borrow::Cow;

use poai_numerics::Resampling;
use poai_numerics::step::{canonical, operand, soft_fused};

use super::coordinates::{Curve, Stretch, Weights};
use super::{Interpolation, Resize};
use crate::{Cpu, OpError, Tensor};

/// Copies the element at these indices of each axis.
pub(super) fn gathered(cpu: &Cpu, input: &Tensor, indices: &[Vec<usize>]) -> Result<Tensor, OpError> {
    let shape: Vec<usize> = indices.iter().map(Vec::len).collect();
    let mut result = cpu.allocate(input.dtype(), &shape)?;
    let run = input.dtype().bytes() * trailing_identity(input.shape(), indices);
    let (from, to) = (input.bytes(), result.bytes_mut());
    let kept = kept_axes(input.shape(), indices);
    let mut places = vec![0; kept];
    for to in to.chunks_exact_mut(run) {
        let offset = (0..kept).fold(0, |offset, axis| offset * input.shape()[axis] + indices[axis][places[axis]]);
        to.copy_from_slice(&from[offset * run..][..run]);
        for axis in (0..kept).rev() {
            places[axis] += 1;
            if places[axis] < indices[axis].len() {
                break;
            }
            places[axis] = 0;
        }
    }
    Ok(result.freeze())
}

/// Axes before those at the end along which nothing changes.
fn kept_axes(shape: &[usize], indices: &[Vec<usize>]) -> usize {
    let changes = |axis: &usize| !indices[*axis].iter().copied().eq(0..shape[*axis]);
    (0..shape.len()).rev().find(changes).map_or(0, |axis| axis + 1)
}

/// Elements that lie side by side in both.
fn trailing_identity(shape: &[usize], indices: &[Vec<usize>]) -> usize {
    shape[kept_axes(shape, indices)..].iter().product()
}

/// Makes every element at one of these places the same.
pub(super) fn fill_outside(shape: &[usize], outside: &[Vec<usize>], value: f32, out: &mut [f32]) {
    for (axis, places) in outside.iter().enumerate() {
        let inner: usize = shape[axis + 1..].iter().product();
        for block in out.chunks_exact_mut(inner * shape[axis]) {
            places.iter().for_each(|place| block[place * inner..(place + 1) * inner].fill(value));
        }
    }
}

/// How one axis is computed.
enum Pass {
    Taps(Resampling),
    Weights(Vec<Weights>),
}

impl Resize {
    fn pass(&self, stretch: &Stretch, places: &[f64]) -> Result<Pass, OpError> {
        let curve = |cubic| Curve { cubic, antialias: self.antialias };
        let weights = |cubic| Pass::Weights(stretch.weights(curve(cubic), places, self.exclude_outside));
        Ok(match self.interpolation {
            Interpolation::Nearest(nearest) => {
                Pass::Taps(Resampling::nearest(stretch.input, &stretch.nearest(nearest, places))?)
            }
            Interpolation::Linear if self.antialias => weights(None),
            Interpolation::Linear => Pass::Taps(Resampling::linear(stretch.input, places)?),
            Interpolation::Cubic(coefficient) => weights(Some(f64::from(coefficient))),
        })
    }

    /// Each axis that changes, the last first.
    pub(super) fn interpolate(
        &self,
        cpu: &Cpu,
        stretches: &[Stretch],
        places: &[Vec<f64>],
        input: &[f32],
        out: &mut [f32],
    ) -> Result<(), OpError> {
        let mut shape: Vec<usize> = stretches.iter().map(|stretch| stretch.input).collect();
        let mut changing: Vec<usize> =
            (0..shape.len()).filter(|&axis| !stretches[axis].is_identity(self.coordinates)).collect();
        let mut values = Cow::Borrowed(input);
        while let Some(axis) = changing.pop() {
            let pass = self.pass(&stretches[axis], &places[axis])?;
            let above = changing.last().copied().filter(|above| above + 1 == axis);
            let above = match above {
                Some(above) => Some((above, self.pass(&stretches[above], &places[above])?)),
                None => None,
            };
            let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
            shape[axis] = stretches[axis].output;
            let mut next;
            match (pass, above) {
                // Two neighbouring axes at once.
                (Pass::Taps(across), Some((above, Pass::Taps(down)))) => {
                    changing.pop();
                    shape[above] = stretches[above].output;
                    next = vec![0.0; shape.iter().product()];
                    let outer = outer / stretches[above].input;
                    cpu.processor().resize(outer, inner, &down, &across, &values, &mut next)?;
                }
                (Pass::Taps(across), _) => {
                    next = vec![0.0; shape.iter().product()];
                    let down = Resampling::nearest(1, &[0])?;
                    cpu.processor().resize(outer, inner, &down, &across, &values, &mut next)?;
                }
                (Pass::Weights(weights), _) => {
                    next = vec![0.0; shape.iter().product()];
                    weigh(&weights, stretches[axis].input, inner, &values, &mut next);
                }
            }
            values = Cow::Owned(next);
        }
        out.iter_mut().zip(values.iter()).for_each(|(out, value)| *out = canonical(*value));
        Ok(())
    }
}

/// Chains along an axis of `input` elements, each of `inner` numbers.
fn weigh(weights: &[Weights], input: usize, inner: usize, values: &[f32], out: &mut [f32]) {
    let blocks = values.chunks_exact(input * inner).zip(out.chunks_exact_mut(weights.len() * inner));
    for (values, out) in blocks {
        for (weights, out) in weights.iter().zip(out.chunks_exact_mut(inner)) {
            out.fill(0.0);
            for &(index, weight) in weights {
                let weight = operand(weight);
                let row = &values[index * inner..(index + 1) * inner];
                out.iter_mut().zip(row).for_each(|(sum, &value)| *sum = soft_fused(operand(value), weight, *sum));
            }
            out.iter_mut().for_each(|sum| *sum = canonical(*sum));
        }
    }
}
