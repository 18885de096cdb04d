//! Rows divided by their size or deviation, and neighbours among channels: LpNormalization, MeanVarianceNormalization,
//! LRN.

use poai_numerics::{Binary, Reduction, Strided, Unary};

use super::rows::{brought, expect_floats};
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axes, axis, float_result, floats, needed, product, strides};
use crate::{Cpu, Fact, OpError, Tensor};

/// Each element divided by the norm of its row: Σ |x|, or √ Σ x². A row whose norm is 0 becomes 0.
#[derive(Clone, Debug, PartialEq)]
pub struct LpNormalization {
    /// The axis that rows lie along.
    pub axis: i64,
    /// Whether the norm is the sum of sizes, not the root of the sum of squares.
    pub sizes: bool,
}

impl LpNormalization {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let sizes = match source.int("p")?.unwrap_or(2) {
            1 => true,
            2 => false,
            other => return Err(OpError::new(format!("p is {other}, and 1 or 2 are possible"))),
        };
        Ok(Self { axis: source.int("axis")?.unwrap_or(-1), sizes })
    }
}

/// The one operand's type and shape, which are the result's.
fn like_operand(inputs: &[Option<&Fact>]) -> Result<Fact, OpError> {
    let data = needed(inputs, 0, "data")?;
    expect_floats(data)?;
    Ok(Fact { value: None, ..data.clone() })
}

impl Operation for LpNormalization {
    fn name(&self) -> &'static str {
        "LpNormalization"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let fact = like_operand(inputs)?;
        fact.rank().map(|rank| axis(self.axis, rank)).transpose()?;
        Ok(vec![fact])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let along = axis(self.axis, data.shape().len())?;
        let (outer, inner) = (product(&data.shape()[..along])?, product(&data.shape()[along + 1..])?);
        let shape = [outer, data.shape()[along], inner];
        let values = floats(data)?;
        let mut norms = vec![0.0; outer * inner];
        let norm = if self.sizes { Reduction::SumOfSizes } else { Reduction::Norm };
        cpu.processor().reduce(norm, shape, &values, &mut norms)?;
        // Divided by infinity, a row is 0.
        norms.iter_mut().filter(|norm| **norm == 0.0).for_each(|norm| *norm = f32::INFINITY);
        let result = float_result(cpu, data.dtype(), data.shape(), |out| {
            let (from, by) = (
                Strided { data: &values, strides: &strides(&shape) },
                Strided { data: &norms, strides: &[inner, 0, 1] },
            );
            Ok(cpu.processor().binary(Binary::Div, &shape, from, by, out)?)
        })?;
        Ok(vec![result])
    }
}

/// `(x - mean) / (deviation + 10⁻⁹)` over some axes, where the deviation is `√(sum of squares(x - mean) / n)`.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanVarianceNormalization {
    /// The axes that a mean is taken over.
    pub axes: Vec<i64>,
}

/// Keeps deviations of 0 from being divided by.
const DEVIATION_EPSILON: f32 = 1e-9;

impl MeanVarianceNormalization {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axes: source.ints("axes")?.unwrap_or(vec![0, 2, 3]) })
    }

    /// Normalises rows of `length` elements.
    fn rows(cpu: &Cpu, length: usize, values: &[f32], out: &mut [f32]) -> Result<(), OpError> {
        let shape = [values.len() / length, length];
        let mut numbers = vec![0.0; shape[0]];
        let mut centred = vec![0.0; values.len()];
        let (along, each) = (strides(&shape), [1, 0]);
        let processor = cpu.processor();
        processor.reduce(Reduction::Mean, [shape[0], length, 1], values, &mut numbers)?;
        let by = Strided { data: &numbers, strides: &each };
        processor.binary(Binary::Sub, &shape, Strided { data: values, strides: &along }, by, &mut centred)?;
        processor.reduce(Reduction::SumOfSquares, [shape[0], length, 1], &centred, &mut numbers)?;
        for number in &mut numbers {
            let deviation = Unary::Sqrt.of(Binary::Div.of(*number, length as f32));
            *number = Binary::Add.of(deviation, DEVIATION_EPSILON);
        }
        let by = Strided { data: &numbers, strides: &each };
        Ok(processor.binary(Binary::Div, &shape, Strided { data: &centred, strides: &along }, by, out)?)
    }
}

impl Operation for MeanVarianceNormalization {
    fn name(&self) -> &'static str {
        "MeanVarianceNormalization"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let fact = like_operand(inputs)?;
        fact.rank().map(|rank| axes(&self.axes, rank)).transpose()?;
        Ok(vec![fact])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        if data.is_empty() {
            return Ok(vec![data.clone()]);
        }
        let shape = data.shape();
        let mut reduced = axes(&self.axes, shape.len())?;
        reduced.sort_unstable();
        let kept = (0..shape.len()).filter(|axis| !reduced.contains(axis));
        let order: Vec<usize> = kept.chain(reduced.iter().copied()).collect();
        let turned: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        let length = product(&reduced.iter().map(|&axis| shape[axis]).collect::<Vec<_>>())?;
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
        let values = floats(data)?;
        let result = float_result(cpu, data.dtype(), shape, |out| {
            let mut rows = vec![0.0; values.len()];
            Self::rows(cpu, length, &brought(&values, shape, &order), &mut rows)?;
            out.copy_from_slice(&brought(&rows, &turned, &back));
            Ok(())
        })?;
        Ok(vec![result])
    }
}

/// `x / (bias + (alpha / size) · Σ x²)^beta`, the sum over the channels around, from the first to the last; each
/// operation an element-wise one.
#[derive(Clone, Debug, PartialEq)]
pub struct Lrn {
    /// Channels that are summed, the one itself in the middle (of an even number, before the middle).
    pub size: usize,
    /// Scales the sum.
    pub alpha: f32,
    /// The power.
    pub beta: f32,
    /// Is added to the sum.
    pub bias: f32,
}

impl Lrn {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let size = source.int("size")?.ok_or_else(|| OpError::new("attribute size is missing"))?;
        let counted = usize::try_from(size).ok().filter(|&size| size > 0);
        Ok(Self {
            size: counted.ok_or_else(|| OpError::new(format!("attribute size is {size}")))?,
            alpha: source.float("alpha")?.unwrap_or(1e-4),
            beta: source.float("beta")?.unwrap_or(0.75),
            bias: source.float("bias")?.unwrap_or(1.0),
        })
    }

    /// The bases of the powers of one image.
    fn bases(&self, channels: usize, squares: &[f32], out: &mut [f32]) {
        let places = squares.len() / channels;
        let factor = Binary::Div.of(self.alpha, self.size as f32);
        let (before, after) = ((self.size - 1) / 2, self.size / 2);
        for (channel, out) in out.chunks_exact_mut(places).enumerate() {
            let around = channel.saturating_sub(before)..channel.saturating_add(after + 1).min(channels);
            out.fill(0.0);
            for square in squares[around.start * places..around.end * places].chunks_exact(places) {
                out.iter_mut().zip(square).for_each(|(sum, &square)| *sum = Binary::Add.of(*sum, square));
            }
            out.iter_mut().for_each(|sum| *sum = Binary::Add.of(self.bias, Binary::Mul.of(factor, *sum)));
        }
    }
}

impl Operation for Lrn {
    fn name(&self) -> &'static str {
        "LRN"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let fact = like_operand(inputs)?;
        if fact.rank().is_some_and(|rank| rank < 2) {
            return Err(OpError::new("what has fewer than two axes has no channels"));
        }
        Ok(vec![fact])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> crate::Cost {
        let weight = self.size as u64;
        let elements = outputs.first().map_or(0, Fact::elements);
        crate::Cost { multiply_adds: 0, elements: elements.saturating_mul(weight.saturating_add(4)) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        if data.is_empty() {
            return Ok(vec![data.clone()]);
        }
        let channels = data.shape()[1];
        let image = product(&data.shape()[1..])?;
        let values = floats(data)?;
        let flat = [values.len()];
        let all = |data| Strided { data, strides: &[1] };
        let (mut between, mut bases) = (vec![0.0; values.len()], vec![0.0; values.len()]);
        let processor = cpu.processor();
        processor.binary(Binary::Mul, &flat, all(&values), all(&values), &mut between)?;
        for (squares, bases) in between.chunks_exact(image).zip(bases.chunks_exact_mut(image)) {
            self.bases(channels, squares, bases);
        }
        let power = Strided { data: &[self.beta], strides: &[0] };
        processor.binary(Binary::Pow, &flat, all(&bases), power, &mut between)?;
        let result = float_result(cpu, data.dtype(), data.shape(), |out| {
            Ok(processor.binary(Binary::Div, &flat, all(&values), all(&between), out)?)
        })?;
        Ok(vec![result])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(operator: &impl Operation, shape: &[usize], values: &[f32]) -> Vec<f32> {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(shape, values);
        assert_eq!(operator.infer(&[Some(&Fact::of(&data))]).unwrap()[0].sizes().as_deref(), Some(shape));
        operator.run(&cpu, &[Some(&data)]).unwrap()[0].slice::<f32>().unwrap().to_vec()
    }

    /// By hand; every division here is exact, or one rounding.
    #[test]
    fn rows_are_divided_by_their_norms() {
        let values = [3f32, 4., 0., 0.];
        assert_eq!(run(&LpNormalization { axis: -1, sizes: false }, &[2, 2], &values), [3. / 5., 4. / 5., 0., 0.]);
        assert_eq!(
            run(&LpNormalization { axis: 0, sizes: true }, &[2, 2], &[1., -3., -1., 1.]),
            [0.5, -0.75, -0.5, 0.25]
        );
    }

    #[test]
    fn means_go_and_deviations_become_one() {
        let operator = MeanVarianceNormalization { axes: vec![0, 2] };
        let values = [1f32, 3., 10., 10., 1., 3., 10., 10.];
        assert_eq!(run(&operator, &[2, 2, 2], &values), [-1., 1., 0., 0., -1., 1., 0., 0.]);
    }

    /// Powers of 2 and 1, so that every step is exact: bases are `1 + Σ x²` of up to two channels.
    #[test]
    fn channels_inhibit_their_neighbours() {
        let operator = Lrn { size: 2, alpha: 2.0, beta: 2.0, bias: 1.0 };
        assert_eq!(run(&operator, &[1, 3, 1], &[1., 1., 0.]), [1. / 9., 1. / 4., 0.]);
    }
}
