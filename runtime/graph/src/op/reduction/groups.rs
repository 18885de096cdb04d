//! Channels with mean 0 and variance 1, each by itself or in groups: InstanceNormalization, GroupNormalization.

use poai_numerics::{Affine, Normalisation};

use super::rows::expect_floats;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{float_result, floats, needed, product};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// Operands: images with channels behind the batch, scale, shift. A row of a layer norm is all that one image has in one
/// group of channels.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNormalization {
    /// How many groups there are; a channel is one if not given.
    pub groups: Option<usize>,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether scale and shift have a number for each channel, not for each group.
    pub by_channel: bool,
}

impl GroupNormalization {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let epsilon = source.float("epsilon")?.unwrap_or(1e-5);
        if source.qualified_operator() == "InstanceNormalization" {
            return Ok(Self { groups: None, epsilon, by_channel: true });
        }
        let stash = source.int("stash_type")?.unwrap_or(1);
        if stash != 1 {
            return Err(OpError::unsupported(format!("stash_type {stash}")));
        }
        let groups = source.int("num_groups")?.ok_or_else(|| OpError::new("attribute num_groups is missing"))?;
        let counted = usize::try_from(groups).ok().filter(|&groups| groups > 0);
        let groups = counted.ok_or_else(|| OpError::new(format!("num_groups is {groups}")))?;
        // Operator set 18 scaled groups; since 21 channels are scaled.
        Ok(Self { groups: Some(groups), epsilon, by_channel: source.opset() >= 21 })
    }

    /// The number of groups, and of channels in each.
    fn grouped(&self, channels: usize) -> Result<[usize; 2], OpError> {
        let groups = self.groups.unwrap_or(channels).max(1);
        if channels.is_multiple_of(groups) {
            return Ok([groups, channels / groups]);
        }
        Err(OpError::new(format!("{channels} channels do not make {groups} groups")))
    }
}

impl Operation for GroupNormalization {
    fn name(&self) -> &'static str {
        if self.groups.is_some() { "GroupNormalization" } else { "InstanceNormalization" }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (data, scale, shift) =
            (needed(inputs, 0, "data")?, needed(inputs, 1, "scale")?, needed(inputs, 2, "bias")?);
        [data, scale, shift].into_iter().try_for_each(expect_floats)?;
        if data.rank().is_some_and(|rank| rank < 2) {
            return Err(OpError::new("what has fewer than two axes has no channels"));
        }
        if let Some(channels) = data.shape.as_ref().and_then(|shape| shape[1].size()) {
            let [groups, _] = self.grouped(channels)?;
            let wanted = [Dim::Size(if self.by_channel { channels } else { groups })];
            let misfit = |fact: &&Fact| fact.sizes().is_some() && fact.shape.as_deref() != Some(&wanted);
            if let Some(other) = [scale, shift].iter().find(|fact| misfit(fact)) {
                return Err(OpError::new(format!("{:?} scales are given for {} of them", other.sizes(), wanted[0])));
            }
        }
        Ok(vec![Fact { value: None, ..data.clone() }])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        /// Passes over a row.
        const WEIGHT: u64 = 4;
        let elements = outputs.first().map_or(0, Fact::elements);
        Cost { multiply_adds: 0, elements: elements.saturating_mul(WEIGHT) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (data, scale, shift) =
            (needed(inputs, 0, "data")?, needed(inputs, 1, "scale")?, needed(inputs, 2, "bias")?);
        let &[images, channels, ref places @ ..] = data.shape() else {
            return Err(OpError::new("what has fewer than two axes has no channels"));
        };
        if data.is_empty() {
            return Ok(vec![data.clone()]);
        }
        let ([groups, each], places) = (self.grouped(channels)?, product(places)?);
        let length = each * places;
        let (values, scale, shift) = (floats(data)?, floats(scale)?, floats(shift)?);
        let how = Normalisation::Layer { epsilon: self.epsilon };
        let result = float_result(cpu, data.dtype(), data.shape(), |out| {
            for group in 0..groups {
                let spread = |numbers: &[f32]| -> Vec<f32> {
                    let number =
                        |i: usize| if self.by_channel { numbers[group * each + i / places] } else { numbers[group] };
                    (0..length).map(number).collect()
                };
                let (scale, shift) = (spread(&scale), spread(&shift));
                let affine = Affine { scale: &scale, shift: Some(&shift) };
                for image in 0..images {
                    let row = (image * groups + group) * length..(image * groups + group + 1) * length;
                    let (from, to) = (&values[row.clone()], &mut out[row]);
                    cpu.processor().normalise_from(how, Some(affine), length, from, to)?;
                }
            }
            Ok(())
        })?;
        Ok(vec![result])
    }
}

#[cfg(test)]
mod tests {
    use poai_numerics::oracle;

    use super::*;

    #[test]
    fn groups_of_channels_are_rows() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let values: Vec<f32> = (0..16).map(|x| (x * x % 7) as f32).collect();
        let data = Tensor::new(&[2, 4, 2], &values);
        let numbers = [Tensor::new(&[4], &[1f32, 2., 3., 4.]), Tensor::new(&[4], &[0f32, 0.5, 1., -1.])];
        let operator = GroupNormalization { groups: Some(2), epsilon: 0.5, by_channel: true };
        let operands = [&data, &numbers[0], &numbers[1]].map(Some);
        let result = operator.run(&cpu, &operands).unwrap().remove(0);
        let how = Normalisation::Layer { epsilon: 0.5 };
        let expected: Vec<f32> = (0..4)
            .flat_map(|row| {
                let first = row % 2 == 0;
                let scale = if first { [1., 1., 2., 2.] } else { [3., 3., 4., 4.] };
                let shift = if first { [0., 0., 0.5, 0.5] } else { [1., 1., -1., -1.] };
                let affine = Affine { scale: &scale, shift: Some(&shift) };
                oracle::normalise(how, Some(affine), &values[row * 4..row * 4 + 4])
            })
            .collect();
        assert_eq!(result, Tensor::new(&[2, 4, 2], &expected));
        let facts = operands.map(|tensor| tensor.map(Fact::of));
        let facts = [facts[0].as_ref(), facts[1].as_ref(), facts[2].as_ref()];
        assert!(operator.infer(&facts).is_ok());
        assert!(GroupNormalization { by_channel: false, ..operator.clone() }.infer(&facts).is_err());
        assert!(GroupNormalization { groups: Some(3), ..operator }.infer(&facts).is_err());
    }
}
