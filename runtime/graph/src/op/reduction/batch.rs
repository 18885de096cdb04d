//! Channels scaled by what training found: BatchNormalization.

use poai_numerics::{Binary, Strided, Unary};

use super::rows::expect_floats;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{float_result, floats, needed, product, strides};
use crate::{Cost, Cpu, Fact, OpError, Tensor};

/// Operands: images with channels behind the batch; scale, shift, mean and variance of each channel. The result is
/// `(x - mean) · factor + shift`, `factor = scale / √(variance + epsilon)`, each operation an element-wise one.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormalization {
    /// Added to the variance.
    pub epsilon: f32,
}

impl BatchNormalization {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        // Before operator set 14 more results than one were those of training.
        if source.flag("training_mode")? || source.output_count() > 1 {
            return Err(OpError::unsupported("training"));
        }
        if source.int("spatial")?.unwrap_or(1) != 1 {
            return Err(OpError::unsupported("means of single pixels"));
        }
        // It matters to training alone.
        source.float("momentum")?;
        Ok(Self { epsilon: source.float("epsilon")?.unwrap_or(1e-5) })
    }
}

const OPERANDS: [&str; 5] = ["data", "scale", "B", "mean", "var"];

impl Operation for BatchNormalization {
    fn name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, OPERANDS[0])?;
        expect_floats(data)?;
        let channels = match data.shape.as_deref() {
            None => None,
            Some([_, channels, ..]) => channels.size(),
            Some(_) => return Err(OpError::new("what has fewer than two axes has no channels")),
        };
        for (index, what) in OPERANDS.iter().enumerate().skip(1) {
            let fact = needed(inputs, index, what)?;
            expect_floats(fact)?;
            if let (Some(channels), Some(found)) = (channels, fact.sizes())
                && found != [channels]
            {
                return Err(OpError::new(format!("{what} has shape {found:?}, and there are {channels} channels")));
            }
        }
        Ok(vec![Fact { value: None, ..data.clone() }])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Passes over the data.
        const WEIGHT: u64 = 4;
        let elements = outputs.first().map_or(0, Fact::elements);
        Cost { multiply_adds: 0, elements: elements.saturating_mul(WEIGHT) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, OPERANDS[0])?;
        let &[images, channels, ref places @ ..] = data.shape() else {
            return Err(OpError::new("what has fewer than two axes has no channels"));
        };
        let [scale, shift, mean, variance] =
            [1, 2, 3, 4].map(|index| needed(inputs, index, OPERANDS[index]).and_then(floats));
        let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
        let deviation = |&variance: &f32| Unary::Sqrt.of(Binary::Add.of(variance, self.epsilon));
        let factor: Vec<f32> = scale
            .iter()
            .zip(variance.iter().map(deviation))
            .map(|(&scale, root)| Binary::Div.of(scale, root))
            .collect();
        let shape = [images, channels, product(places)?];
        let each = [0, 1, 0];
        let along = strides(&shape);
        let values = floats(data)?;
        let result = float_result(cpu, data.dtype(), data.shape(), |out| {
            let mut between = vec![0.0; out.len()];
            let step = |operation, from: &[f32], numbers: &[f32], to: &mut [f32]| {
                let from = Strided { data: from, strides: &along };
                cpu.processor().binary(operation, &shape, from, Strided { data: numbers, strides: &each }, to)
            };
            step(Binary::Sub, &values, &mean, out)?;
            step(Binary::Mul, out, &factor, &mut between)?;
            Ok(step(Binary::Add, &between, &shift, out)?)
        })?;
        Ok(vec![result])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: factors are 2 / √4 and 3 / √0.25.
    #[test]
    fn channels_are_scaled_by_what_they_were_in_training() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let operands = [
            Tensor::new(&[1, 2, 2], &[1f32, 2., 3., 4.]),
            Tensor::new(&[2], &[2f32, 3.]),
            Tensor::new(&[2], &[0.5f32, -1.]),
            Tensor::new(&[2], &[1f32, 2.]),
            Tensor::new(&[2], &[3f32, -0.75]),
        ];
        let operator = BatchNormalization { epsilon: 1.0 };
        let facts: Vec<Fact> = operands.iter().map(Fact::of).collect();
        assert_eq!(
            operator.infer(&facts.iter().map(Some).collect::<Vec<_>>()).unwrap()[0].sizes(),
            Some(vec![1, 2, 2])
        );
        let result = operator.run(&cpu, &operands.iter().map(Some).collect::<Vec<_>>()).unwrap();
        assert_eq!(result, [Tensor::new(&[1, 2, 2], &[0.5f32, 1.5, 5., 11.])]);
    }
}
