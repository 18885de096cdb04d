//! Between pixels and channels: DepthToSpace, SpaceToDepth.

use super::moved;
use super::walk::Walk;
use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::needed;
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

fn block(source: &mut Source<'_>) -> Result<usize, OpError> {
    let size = source.int("blocksize")?.ok_or_else(|| OpError::new("attribute blocksize is missing"))?;
    let block = usize::try_from(size).ok().filter(|&size| size > 0 && size.checked_mul(size).is_some());
    block.ok_or_else(|| OpError::new(format!("blocksize is {size}")))
}

fn channel_first(source: &mut Source<'_>) -> Result<bool, OpError> {
    match source.text("mode")?.as_deref() {
        None | Some("DCR") => Ok(false),
        Some("CRD") => Ok(true),
        Some(other) => Err(OpError::new(format!("mode is {other}"))),
    }
}

/// The four dimensions of images.
fn image<D: Clone>(shape: &[D]) -> Result<[D; 4], OpError> {
    let image = <[D; 4]>::try_from(shape.to_vec());
    image.map_err(|_| OpError::new(format!("an image has 4 dimensions, and these are {}", shape.len())))
}

fn divided(size: usize, by: usize) -> Result<usize, OpError> {
    if size.is_multiple_of(by) {
        return Ok(size / by);
    }
    Err(OpError::new(format!("{size} does not divide by {by}")))
}

fn multiplied(size: usize, by: usize) -> Result<usize, OpError> {
    size.checked_mul(by).ok_or_else(|| OpError::new(format!("{size} times {by} is beyond any memory")))
}

/// What a change of known sizes makes of dimensions that may be unknown.
fn changed(dim: &Dim, change: impl FnOnce(usize) -> Result<usize, OpError>) -> Result<Dim, OpError> {
    dim.size().map_or(Ok(Dim::Unknown), |size| Ok(Dim::Size(change(size)?)))
}

/// Channels become blocks of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthToSpace {
    /// Side of a block.
    pub block: usize,
    /// Whether the pixels of one block lie side by side among the channels (CRD), not the channels of one pixel (DCR).
    pub channel_first: bool,
}

impl DepthToSpace {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { block: block(source)?, channel_first: channel_first(source)? })
    }
}

impl Operation for DepthToSpace {
    fn name(&self) -> &'static str {
        "DepthToSpace"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let Some(shape) = &data.shape else { return Ok(vec![Fact::new(data.dtype, vec![Dim::Unknown; 4])]) };
        let [images, channels, height, width] = image(shape)?;
        let block = self.block;
        let channels = changed(&channels, |size| divided(size, block * block))?;
        let [height, width] =
            [changed(&height, |size| multiplied(size, block))?, changed(&width, |size| multiplied(size, block))?];
        Ok(vec![Fact::new(data.dtype, [images, channels, height, width])])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let [images, channels, height, width] = image(data.shape())?;
        let block = self.block;
        let channels = divided(channels, block * block)?;
        let to = [images, channels, multiplied(height, block)?, multiplied(width, block)?];
        let (seen, order) = if self.channel_first {
            ([images, channels, block, block, height, width], [0, 1, 4, 2, 5, 3])
        } else {
            ([images, block, block, channels, height, width], [0, 3, 4, 1, 5, 2])
        };
        Ok(vec![Walk::over(&seen).permuted(&order).read(cpu, data, &to)?])
    }
}

/// Blocks of pixels become channels.
#[derive(Clone, Debug, PartialEq)]
pub struct SpaceToDepth {
    /// Side of a block.
    pub block: usize,
    /// As for [`DepthToSpace`], which undoes this.
    pub channel_first: bool,
}

impl SpaceToDepth {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { block: block(source)?, channel_first: channel_first(source)? })
    }
}

impl Operation for SpaceToDepth {
    fn name(&self) -> &'static str {
        "SpaceToDepth"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let Some(shape) = &data.shape else { return Ok(vec![Fact::new(data.dtype, vec![Dim::Unknown; 4])]) };
        let [images, channels, height, width] = image(shape)?;
        let block = self.block;
        let channels = changed(&channels, |size| multiplied(size, block * block))?;
        let [height, width] =
            [changed(&height, |size| divided(size, block))?, changed(&width, |size| divided(size, block))?];
        Ok(vec![Fact::new(data.dtype, [images, channels, height, width])])
    }

    fn cost(&self, _inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        moved(outputs)
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let [images, channels, height, width] = image(data.shape())?;
        let block = self.block;
        let [height, width] = [divided(height, block)?, divided(width, block)?];
        let to = [images, multiplied(channels, block * block)?, height, width];
        let seen = [images, channels, height, block, width, block];
        let order = if self.channel_first { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
        Ok(vec![Walk::over(&seen).permuted(&order).read(cpu, data, &to)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Channel d of eight holds d · 10 and d · 10 + 1, so that a number says where it comes from.
    #[test]
    fn channels_become_pixels_and_back() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let values: Vec<u32> = (0..8).flat_map(|channel| [channel * 10, channel * 10 + 1]).collect();
        let data = Tensor::new(&[1, 8, 1, 2], &values);
        for (channel_first, expected) in [
            (false, [0, 20, 1, 21, 40, 60, 41, 61, 10, 30, 11, 31, 50, 70, 51, 71]),
            (true, [0, 10, 1, 11, 20, 30, 21, 31, 40, 50, 41, 51, 60, 70, 61, 71]),
        ] {
            let operator = DepthToSpace { block: 2, channel_first };
            let result = operator.run(&cpu, &[Some(&data)]).unwrap();
            assert_eq!(result, [Tensor::new::<u32>(&[1, 2, 2, 4], &expected)]);
            let back = SpaceToDepth { block: 2, channel_first }.run(&cpu, &[Some(&result[0])]).unwrap();
            assert_eq!(back[0], data);
        }
        assert!(DepthToSpace { block: 3, channel_first: false }.run(&cpu, &[Some(&data)]).is_err());
        assert!(SpaceToDepth { block: 2, channel_first: false }.run(&cpu, &[Some(&data)]).is_err());
    }
}
