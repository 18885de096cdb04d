//! Grids that turn, stretch and move an image.
//!
//! Operands: a matrix for each image, and the images' sizes, channels first. Each coordinate is a chain over x, y, (z,) 1
//! with a row of the matrix.

use poai_numerics::step::{canonical, operand, soft_fused};

use super::{Image, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, given, integers, needed};
use crate::{Cpu, Dim, Fact, OpError, Tensor};

/// AffineGrid.
#[derive(Clone, Debug, PartialEq)]
pub struct AffineGrid {
    /// -1 and 1 are the centres of the outermost elements, not their edges.
    pub align_corners: bool,
}

/// Reads AffineGrid.
pub(super) fn import(source: &mut Source<'_>) -> Result<Image, OpError> {
    Ok(Image::AffineGrid(AffineGrid { align_corners: source.flag("align_corners")? }))
}

/// The images' number and sides.
fn sizes(size: &Tensor) -> Result<(usize, Vec<usize>), OpError> {
    let read = |&size: &i64| usize::try_from(size).map_err(|_| OpError::new(format!("a size is {size}")));
    let sizes: Vec<usize> = integers(size)?.iter().map(read).collect::<Result<_, _>>()?;
    match &sizes[..] {
        [count, _, sides @ ..] if (2..=3).contains(&sides.len()) => Ok((*count, sides.to_vec())),
        other => Err(OpError::new(format!("{} sizes are those of no images", other.len()))),
    }
}

impl AffineGrid {
    /// Where an element lies along a side, from -1 to 1.
    fn coordinate(&self, place: usize, size: usize) -> f32 {
        let (place, size) = (place as f64, size as f64);
        let along = if self.align_corners { 2.0 * place / (size - 1.0).max(1.0) } else { (2.0 * place + 1.0) / size };
        (along - 1.0) as f32
    }
}

impl Operation for AffineGrid {
    fn name(&self) -> &'static str {
        "AffineGrid"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let theta = needed(inputs, 0, "theta")?;
        float_type(theta.dtype)?;
        needed(inputs, 1, "size")?;
        let Some(size) = given(inputs, 1).and_then(|fact| fact.value.as_ref()) else {
            return Ok(vec![Fact::of_type(theta.dtype)]);
        };
        let (count, sides) = sizes(size)?;
        let axes = sides.len();
        if theta.sizes().is_some_and(|theta| theta != [count, axes, axes + 1]) {
            return Err(OpError::new(format!("{count} images of {axes} sides meet matrices of other sizes")));
        }
        let shape = [count].into_iter().chain(sides).chain([axes]);
        Ok(vec![Fact::new(theta.dtype, shape.map(Dim::Size))])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let theta = needed(inputs, 0, "theta")?;
        let (count, sides) = sizes(needed(inputs, 1, "size")?)?;
        let axes = sides.len();
        let shape: Vec<usize> = [count].into_iter().chain(sides.iter().copied()).chain([axes]).collect();
        let matrices = floats(theta)?;
        let grid = float_result(cpu, theta.dtype(), &shape, |out| {
            for (element, coordinates) in out.chunks_exact_mut(axes).enumerate() {
                let mut rest = element;
                let mut position = Vec::with_capacity(axes + 1);
                for &size in sides.iter().rev() {
                    position.push(self.coordinate(rest % size, size));
                    rest /= size;
                }
                position.push(1.0);
                let matrix = &matrices[rest * axes * (axes + 1)..][..axes * (axes + 1)];
                for (to, row) in coordinates.iter_mut().zip(matrix.chunks_exact(axes + 1)) {
                    let step = |sum, (a, b): (&f32, &f32)| soft_fused(operand(*a), operand(*b), sum);
                    *to = canonical(row.iter().zip(&position).fold(0.0, step));
                }
            }
            Ok(())
        })?;
        Ok(vec![grid])
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::results;
    use super::*;

    #[test]
    fn a_shift_moves_all_places() {
        let theta = Tensor::new::<f32>(&[1, 2, 3], &[1., 0., 0.5, 0., 2., 0.]);
        let size = Tensor::new::<i64>(&[4], &[1, 1, 2, 2]);
        for (align_corners, expected) in
            [(true, [-0.5, -2., 1.5, -2., -0.5, 2., 1.5, 2.]), (false, [0., -1., 1., -1., 0., 1., 1., 1.])]
        {
            let grid = AffineGrid { align_corners };
            let expected = Tensor::new::<f32>(&[1, 2, 2, 2], &expected);
            assert_eq!(results(&grid, &[&theta, &size]), Ok(vec![expected]), "{align_corners}");
        }
    }
}
