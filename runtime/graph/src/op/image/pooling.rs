//! Pooling under sliding windows.

mod sliding; // the window over images

use poai_numerics::{Axis, Pooling, Window};
use sliding::Sliding;

use super::frame::{Frame, Padding, span, window};
use super::layout::{Images, Layout};
use super::power::{Power, import_power};
use super::{Image, Operation, float_type};
use crate::onnx::Source;
use crate::op::operand::needed;
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};

/// A pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// What it makes of the elements under a window.
    pub kind: PoolKind,
    /// How the window slides.
    pub frame: Frame,
    /// A last place whose window reaches beyond the padding counts, if it begins before that ends.
    pub ceiling: bool,
    /// How images and result lie in memory.
    pub layout: Layout,
}

/// What a pool makes of the elements under a window.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolKind {
    /// The greatest.
    Max,
    /// The greatest, and where it lies: the place in the tensor, as ONNX lays it out, of the first among equals.
    MaxWithPlaces {
        /// Places count down the columns of an image, not along its rows.
        column_major: bool,
    },
    /// Their mean; what lies in padding counts as 0, or not at all.
    Average {
        /// Padding counts.
        with_padding: bool,
    },
    /// Their norm: the sum of powers, in the order of the taps, and its root.
    Norm(Power),
}

/// A pool as numerics knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Flat {
    /// What it makes of the elements under the window.
    pub pooling: Pooling,
    /// How the window slides.
    pub window: Window,
    /// Places down and across.
    pub places: [usize; 2],
    /// The result's shape.
    pub shape: Vec<usize>,
}

/// Reads MaxPool.
pub(super) fn import_max(source: &mut Source<'_>) -> Result<Image, OpError> {
    let column_major = source.flag("storage_order")?;
    let kind = if source.output_count() > 1 { PoolKind::MaxWithPlaces { column_major } } else { PoolKind::Max };
    read(source, kind)
}

/// Reads AveragePool.
pub(super) fn import_average(source: &mut Source<'_>) -> Result<Image, OpError> {
    let with_padding = source.flag("count_include_pad")?;
    read(source, PoolKind::Average { with_padding })
}

/// Reads LpPool.
pub(super) fn import_norm(source: &mut Source<'_>) -> Result<Image, OpError> {
    let kind = PoolKind::Norm(import_power(source)?);
    read(source, kind)
}

fn read(source: &mut Source<'_>, kind: PoolKind) -> Result<Image, OpError> {
    let ceiling = source.flag("ceil_mode")?;
    let frame = Frame::import(source)?;
    if frame.kernel.is_empty() {
        return Err(OpError::new("a pool needs a kernel_shape"));
    }
    Ok(Image::Pool(Pool { kind, frame, ceiling, layout: Layout::ChannelsFirst }))
}

impl Pool {
    /// A side's axis, and how many places it has.
    fn side(&self, side: usize, input: usize) -> Result<(Axis, usize), OpError> {
        let axis = self.frame.axis(side, input, self.frame.kernel[side])?;
        let places = axis.places()?;
        // SAME_UPPER and SAME_LOWER say the number of places by themselves.
        let may_reach_beyond = self.ceiling && matches!(self.frame.padding, Padding::Explicit(_));
        let begins_inside = places * axis.stride < axis.before + input;
        let room = (axis.before + input + axis.behind).checked_sub(span(&axis));
        let is_cut = room.is_some_and(|room| room % axis.stride > 0);
        Ok((axis, places + usize::from(may_reach_beyond && begins_inside && is_cut)))
    }

    /// How it slides over images of one or two sides, for other devices: the window, the places down and across, and the
    /// result's shape. None for other images and kinds.
    ///
    /// # Errors
    /// If it cannot slide over such images.
    pub fn flat(&self, shape: &[usize]) -> Result<Option<Flat>, OpError> {
        let sliding = self.sliding(shape)?;
        let Some(pooling) = self.pooling().filter(|_| sliding.is_flat()) else { return Ok(None) };
        let (window, places) = (window(&sliding.images, &sliding.axes), sliding.places());
        Ok(Some(Flat { pooling, window, places, shape: sliding.shape() }))
    }

    fn pooling(&self) -> Option<Pooling> {
        match self.kind {
            PoolKind::Max => Some(Pooling::Max),
            PoolKind::Average { with_padding: true } => Some(Pooling::AverageWithPadding),
            PoolKind::Average { with_padding: false } => Some(Pooling::Average),
            PoolKind::MaxWithPlaces { .. } | PoolKind::Norm(_) => None,
        }
    }

    fn sliding(&self, shape: &[usize]) -> Result<Sliding, OpError> {
        let images = self.layout.split(shape)?;
        let sides = images.sides.iter().enumerate().map(|(side, &input)| self.side(side, input));
        let (axes, places): (Vec<Axis>, Vec<usize>) = sides.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let results = Images { sides: places, ..images.clone() };
        Ok(Sliding { axes, layout: self.layout, images, results })
    }

    fn results(&self, images: &Images<Dim>) -> Result<Images<Dim>, OpError> {
        self.frame.check(images.sides.len(), 3)?;
        let places = images.sides.iter().enumerate().map(|(side, dim)| match dim {
            Dim::Size(input) => Ok(Dim::Size(self.side(side, *input)?.1)),
            _ => Ok(Dim::Unknown),
        });
        Ok(Images { sides: places.collect::<Result<_, OpError>>()?, ..images.clone() })
    }
}

impl Operation for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max | PoolKind::MaxWithPlaces { .. } => "MaxPool",
            PoolKind::Average { .. } => "AveragePool",
            PoolKind::Norm(_) => "LpPool",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let input = needed(inputs, 0, "X")?;
        if !matches!(self.kind, PoolKind::Max | PoolKind::MaxWithPlaces { .. }) {
            float_type(input.dtype)?;
        }
        let result = match &input.shape {
            None => Fact::of_type(input.dtype),
            Some(shape) => Fact::new(input.dtype, self.layout.join(&self.results(&self.layout.split(shape)?)?)),
        };
        Ok(match self.kind {
            PoolKind::MaxWithPlaces { .. } => vec![result.clone(), Fact { dtype: DType::I64, ..result }],
            _ => vec![result],
        })
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let taps = self.frame.kernel.iter().fold(1, |taps: u64, &kernel| taps.saturating_mul(kernel as u64));
        let read = inputs[0].map_or(0, Fact::elements);
        Cost { multiply_adds: 0, elements: outputs[0].elements().saturating_mul(taps).saturating_add(read) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let input = needed(inputs, 0, "X")?;
        let sliding = self.sliding(input.shape())?;
        match self.kind {
            PoolKind::Max | PoolKind::Average { .. } if sliding.is_flat() && float_type(input.dtype()).is_ok() => {
                let pooling = self.pooling().expect("these kinds are numerics' own");
                Ok(vec![sliding.pool(cpu, pooling, input)?])
            }
            PoolKind::Average { with_padding } => Ok(vec![sliding.average(cpu, with_padding, input)?]),
            PoolKind::Max => Ok(sliding.greatest(cpu, input, false)?.into_iter().take(1).collect()),
            PoolKind::MaxWithPlaces { column_major } => sliding.greatest(cpu, input, column_major),
            PoolKind::Norm(power) => Ok(vec![sliding.norm(cpu, power, input)?]),
        }
    }
}

#[cfg(test)]
mod tests;
