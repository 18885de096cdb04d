//! Pools of whole images: reductions over all pixels, in sixteen lanes.

use poai_numerics::Reduction;

use super::layout::{Images, Layout};
use super::power::{Power, import_power};
use super::{Image, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::{float_result, floats, needed};
use crate::op::reduction::reduce::Extent;
use crate::{Cpu, Dim, Fact, OpError, Tensor};

/// GlobalMaxPool, GlobalAveragePool or GlobalLpPool.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalPool {
    kind: Kind,
    /// How images and result lie in memory.
    pub layout: Layout,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Max,
    Average,
    Norm(Power),
}

impl GlobalPool {
    /// GlobalMaxPool.
    pub fn max() -> Self {
        Self { kind: Kind::Max, layout: Layout::ChannelsFirst }
    }

    /// GlobalAveragePool.
    pub fn average() -> Self {
        Self { kind: Kind::Average, layout: Layout::ChannelsFirst }
    }

    /// What it reduces, for other devices; none for powers.
    ///
    /// # Errors
    /// If these are no images.
    pub fn extent(&self, shape: &[usize]) -> Result<Option<Extent>, OpError> {
        let reduction = match &self.kind {
            Kind::Max => Reduction::Max,
            Kind::Average => Reduction::Mean,
            Kind::Norm(_) => return Ok(None),
        };
        let (sizes, shape) = self.reduced(shape)?;
        Ok(Some(Extent { reduction, sizes, shape }))
    }

    /// Images as outer × pixels × inner, and the result's shape.
    fn reduced(&self, shape: &[usize]) -> Result<([usize; 3], Vec<usize>), OpError> {
        let images = self.layout.split(shape)?;
        let shape = self.layout.join(&Images { sides: vec![1; images.sides.len()], ..images.clone() });
        let sizes = match self.layout {
            Layout::ChannelsFirst => [images.count * images.channels, images.pixels(), 1],
            Layout::ChannelsLast => [images.count, images.pixels(), images.channels],
        };
        Ok((sizes, shape))
    }
}

/// Reads GlobalLpPool.
pub(super) fn import_norm(source: &mut Source<'_>) -> Result<Image, OpError> {
    let kind = Kind::Norm(import_power(source)?);
    Ok(Image::GlobalPool(GlobalPool { kind, layout: Layout::ChannelsFirst }))
}

impl Operation for GlobalPool {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Max => "GlobalMaxPool",
            Kind::Average => "GlobalAveragePool",
            Kind::Norm(_) => "GlobalLpPool",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let input = needed(inputs, 0, "X")?;
        float_type(input.dtype)?;
        let Some(shape) = &input.shape else { return Ok(vec![Fact::of_type(input.dtype)]) };
        let images = self.layout.split(shape)?;
        let sides = vec![Dim::Size(1); images.sides.len()];
        Ok(vec![Fact::new(input.dtype, self.layout.join(&Images { sides, ..images }))])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let input = needed(inputs, 0, "X")?;
        let (axes, shape) = self.reduced(input.shape())?;
        let values = floats(input)?;
        let result = float_result(cpu, input.dtype(), &shape, |out| {
            let reduce =
                |reduction, values: &[f32], out: &mut [f32]| cpu.processor().reduce(reduction, axes, values, out);
            match &self.kind {
                Kind::Max => reduce(Reduction::Max, &values, out)?,
                Kind::Average => reduce(Reduction::Mean, &values, out)?,
                Kind::Norm(power) if power.is(1.0) => reduce(Reduction::SumOfSizes, &values, out)?,
                Kind::Norm(power) if power.is(2.0) => reduce(Reduction::Norm, &values, out)?,
                Kind::Norm(power) => {
                    reduce(Reduction::Sum, &power.raised(cpu, &values)?, out)?;
                    power.take_root(cpu, out)?;
                }
            }
            Ok(())
        })?;
        Ok(vec![result])
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::results;
    use super::*;

    #[test]
    fn whole_images_become_a_pixel_in_either_layout() {
        let first = Tensor::new::<f32>(&[1, 2, 2, 2], &[1., 2., 2., 4., -2., -4., -5., -2.]);
        let last = Tensor::new::<f32>(&[1, 2, 2, 2], &[1., -2., 2., -4., 2., -5., 4., -2.]);
        let norm = |power| GlobalPool { kind: Kind::Norm(power), layout: Layout::ChannelsFirst };
        for (pool, expected) in [
            (GlobalPool::max(), [4.0, -2.0]),
            (GlobalPool::average(), [2.25, -3.25]),
            (norm(Power::new(1.0)), [9.0, 13.0]),
            (norm(Power::new(2.0)), [5.0, 7.0]),
        ] {
            let expected = Tensor::new::<f32>(&[1, 2, 1, 1], &expected);
            assert_eq!(results(&pool, &[&first]), Ok(vec![expected.clone()]), "{pool:?}");
            let pool = GlobalPool { layout: Layout::ChannelsLast, ..pool };
            assert_eq!(results(&pool, &[&last]), Ok(vec![expected.reshaped(&[1, 1, 1, 2]).unwrap()]), "{pool:?}");
        }
    }
}
