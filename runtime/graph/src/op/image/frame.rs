//! Windows as attributes say them: kernel, strides, dilations, padding.

use poai_numerics::{Axis, Window};

use super::layout::Images;
use crate::OpError;
use crate::onnx::Source;

/// How a window slides. Lists have a number a side; strides and dilations that are not given are 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Taps; not given where the weights' shape says it.
    pub kernel: Vec<usize>,
    /// From one place to the next.
    pub strides: Vec<usize>,
    /// From one tap to the next.
    pub dilations: Vec<usize>,
    /// Around the image.
    pub padding: Padding,
}

/// Padding around an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Padding {
    /// Before and behind each side; none if nothing is given.
    Explicit(Vec<[usize; 2]>),
    /// As much as makes `input / stride` places, rounded up; an odd one goes behind.
    SameUpper,
    /// The same; an odd one goes before.
    SameLower,
}

impl Default for Padding {
    fn default() -> Self {
        Self::Explicit(Vec::new())
    }
}

impl Padding {
    /// An amount in two parts, where an odd one goes as this says.
    pub(super) fn halves(&self, total: usize) -> [usize; 2] {
        let half = total / 2;
        if *self == Self::SameLower { [total - half, half] } else { [half, total - half] }
    }
}

/// No kernel, stride, dilation or padding is larger: sums and products of them cannot overflow.
const SIZE_LIMIT: usize = 1 << 28;

/// Reads numbers of at least `least`.
pub(super) fn sizes(what: &str, least: usize, numbers: &[i64]) -> Result<Vec<usize>, OpError> {
    let read = |&number: &i64| match usize::try_from(number) {
        Ok(size) if (least..=SIZE_LIMIT).contains(&size) => Ok(size),
        _ => Err(OpError::new(format!("{what} {number} is outside of {least} to {SIZE_LIMIT}"))),
    };
    numbers.iter().map(read).collect()
}

impl Frame {
    /// Reads `kernel_shape`, `strides`, `dilations`, `pads` and `auto_pad`.
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        let mut list = |name: &str, least| sizes(name, least, &source.ints(name)?.unwrap_or_default());
        let (kernel, strides, dilations) = (list("kernel_shape", 1)?, list("strides", 1)?, list("dilations", 1)?);
        let pads = source.ints("pads")?.unwrap_or_default();
        let padding = match source.text("auto_pad")?.as_deref() {
            None | Some("NOTSET") => Padding::explicit(&pads)?,
            Some("VALID") => Padding::default(),
            Some("SAME_UPPER") => Padding::SameUpper,
            Some("SAME_LOWER") => Padding::SameLower,
            Some(other) => return Err(OpError::new(format!("auto_pad is {other}"))),
        };
        Ok(Self { kernel, strides, dilations, padding })
    }

    pub(super) fn stride(&self, side: usize) -> usize {
        self.strides.get(side).copied().unwrap_or(1)
    }

    fn dilation(&self, side: usize) -> usize {
        self.dilations.get(side).copied().unwrap_or(1)
    }

    /// Checks that each list is for so many sides, and that these are not more than are built.
    pub(super) fn check(&self, sides: usize, most: usize) -> Result<(), OpError> {
        if !(1..=most).contains(&sides) {
            return Err(OpError::unsupported(format!("windows over {sides} dimensions")));
        }
        let pads = if let Padding::Explicit(pads) = &self.padding { pads.len() } else { 0 };
        for (what, count) in [
            ("kernel_shape", self.kernel.len()),
            ("strides", self.strides.len()),
            ("dilations", self.dilations.len()),
            ("pads", pads),
        ] {
            if count != 0 && count != sides {
                return Err(OpError::new(format!("{what} is for {count} dimensions, and the image has {sides}")));
            }
        }
        Ok(())
    }

    /// A side's axis without padding.
    pub(super) fn bare(&self, side: usize, input: usize, kernel: usize) -> Result<Axis, OpError> {
        if kernel == 0 || kernel > SIZE_LIMIT || input > SIZE_LIMIT {
            return Err(OpError::new(format!("a window of {kernel} cannot slide over {input}")));
        }
        Ok(Axis { stride: self.stride(side), dilation: self.dilation(side), ..Axis::new(input, kernel) })
    }

    /// A side's axis, for a window that gathers.
    pub(super) fn axis(&self, side: usize, input: usize, kernel: usize) -> Result<Axis, OpError> {
        let bare = self.bare(side, input, kernel)?;
        let [before, behind] = match &self.padding {
            Padding::Explicit(pads) => pads.get(side).copied().unwrap_or_default(),
            same => {
                let last = input.div_ceil(bare.stride).saturating_sub(1);
                same.halves((last * bare.stride + span(&bare)).saturating_sub(input))
            }
        };
        Ok(Axis { before, behind, ..bare })
    }
}

impl Padding {
    fn explicit(pads: &[i64]) -> Result<Self, OpError> {
        if let Some(pad) = pads.iter().find(|pad| **pad < 0) {
            return Err(OpError::unsupported(format!("padding of {pad}")));
        }
        let pads = sizes("a pad", 0, pads)?;
        if !pads.len().is_multiple_of(2) {
            return Err(OpError::new(format!("there are {} pads, and each side has two", pads.len())));
        }
        let (before, behind) = pads.split_at(pads.len() / 2);
        Ok(Self::Explicit(before.iter().zip(behind).map(|(&before, &behind)| [before, behind]).collect()))
    }
}

/// Elements from the first tap to the last.
pub(super) fn span(axis: &Axis) -> usize {
    (axis.kernel - 1) * axis.dilation + 1
}

/// The window of these axes over such images.
pub(super) fn window(images: &Images<usize>, axes: &[Axis]) -> Window {
    let (height, width) = match *axes {
        [height, width] => (height, width),
        [width] => (Axis::POINT, width),
        _ => unreachable!("checked with the frame"),
    };
    Window { images: images.count, channels: images.channels, height, width }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_of_the_same_size_goes_where_it_says() {
        // Worked out by hand: 5 places of stride 2 over 9 with 4 taps need (5 - 1)·2 + 4 = 12, 3 more than there are.
        for (padding, expected) in [(Padding::SameUpper, (1, 2)), (Padding::SameLower, (2, 1))] {
            let axis = Frame { strides: vec![2], padding, ..Frame::default() }.axis(0, 9, 4).unwrap();
            assert_eq!((axis.before, axis.behind), expected);
            assert_eq!(axis.places(), Ok(5));
        }
    }

    #[test]
    fn lists_of_another_rank_and_wild_numbers_are_refused() {
        let frame = Frame { strides: vec![1, 1], ..Frame::default() };
        assert!(frame.check(2, 2).is_ok());
        assert!(frame.check(1, 2).is_err());
        assert!(matches!(Frame::default().check(3, 2), Err(OpError::Unsupported(_))));
        assert!(sizes("a stride", 1, &[0]).is_err());
        assert!(sizes("a stride", 1, &[i64::MAX]).is_err());
        assert!(matches!(Padding::explicit(&[-1, 0]), Err(OpError::Unsupported(_))));
        assert!(Padding::explicit(&[1]).is_err());
    }
}
