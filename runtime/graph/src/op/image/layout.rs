//! How images lie in memory, and the way from one layout to the other.

use std::borrow::Cow;

use crate::op::movement::walk::Walk;
use crate::{Element, OpError};

/// How the elements of images lie in memory. Results are the same in either, element by element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// (image, channel, y, x): as ONNX has them.
    #[default]
    ChannelsFirst,
    /// (image, y, x, channel): as kernels compute on them. Only rewrites make it.
    ChannelsLast,
}

/// A shape of images, in parts: of sizes, or of dimensions that may be unknown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Images<D> {
    pub count: D,
    pub channels: D,
    /// Height and width; in one dimension the width alone.
    pub sides: Vec<D>,
}

impl Layout {
    /// The parts of a shape.
    pub(super) fn split<D: Clone>(self, shape: &[D]) -> Result<Images<D>, OpError> {
        let (first, last) = match shape {
            [] | [_] | [_, _] => return Err(OpError::new(format!("rank {} is no rank of images", shape.len()))),
            [_, rest @ ..] => (&rest[..1], &rest[rest.len() - 1..]),
        };
        let (channels, sides) = match self {
            Self::ChannelsFirst => (first, &shape[2..]),
            Self::ChannelsLast => (last, &shape[1..shape.len() - 1]),
        };
        Ok(Images { count: shape[0].clone(), channels: channels[0].clone(), sides: sides.to_vec() })
    }

    /// The shape of such parts.
    pub(super) fn join<D: Clone>(self, images: &Images<D>) -> Vec<D> {
        let Images { count, channels, sides } = images.clone();
        match self {
            Self::ChannelsFirst => [count, channels].into_iter().chain(sides).collect(),
            Self::ChannelsLast => [count].into_iter().chain(sides).chain([channels]).collect(),
        }
    }

    /// Whether such images' elements lie channels last, in whichever layout.
    pub(super) fn has_channels_last(self, images: &Images<usize>) -> bool {
        self == Self::ChannelsLast || images.pixels() == 1 || images.channels == 1
    }

    /// Elements in this layout, channels last.
    pub(super) fn to_channels_last<'a, T: Element>(self, images: &Images<usize>, values: Cow<'a, [T]>) -> Cow<'a, [T]> {
        if self.has_channels_last(images) {
            return values;
        }
        let mut turned = vec![T::default(); values.len()];
        turn(images.count, [images.channels, images.pixels()], &values, &mut turned);
        Cow::Owned(turned)
    }

    /// Has `write` fill `out` channels last, and turns that into this layout.
    pub(super) fn write_channels_last<T: Element>(
        self,
        images: &Images<usize>,
        out: &mut [T],
        write: impl FnOnce(&mut [T]) -> Result<(), OpError>,
    ) -> Result<(), OpError> {
        if self.has_channels_last(images) {
            return write(out);
        }
        let mut turned = vec![T::default(); out.len()];
        write(&mut turned)?;
        turn(images.count, [images.pixels(), images.channels], &turned, out);
        Ok(())
    }
}

impl Images<usize> {
    /// Pixels of one image; of images without elements that need not fit into a number.
    pub(super) fn pixels(&self) -> usize {
        self.sides.iter().fold(1, |pixels, &side| pixels.saturating_mul(side))
    }
}

/// Transposes each matrix of `rows` × `columns`.
fn turn<T: Element>(count: usize, [rows, columns]: [usize; 2], from: &[T], to: &mut [T]) {
    Walk::over(&[count, rows, columns]).permuted(&[0, 2, 1]).copy(from, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_split_and_join() {
        let images = Images { count: 2, channels: 3, sides: vec![5, 7] };
        for (layout, shape) in [(Layout::ChannelsFirst, [2, 3, 5, 7]), (Layout::ChannelsLast, [2, 5, 7, 3])] {
            assert_eq!(layout.split(&shape), Ok(images.clone()));
            assert_eq!(layout.join(&images), shape);
        }
        assert!(Layout::ChannelsFirst.split(&[2, 3]).is_err());
    }

    #[test]
    fn squares_and_their_rests_are_turned() {
        let images = Images { count: 2, channels: 19, sides: vec![3, 11] };
        let values: Vec<u16> = (0..2 * 19 * 33).collect();
        let last = Layout::ChannelsFirst.to_channels_last(&images, Cow::Borrowed(&values));
        for (place, &value) in last.iter().enumerate() {
            let (image, pixel, channel) = (place / (19 * 33), place / 19 % 33, place % 19);
            assert_eq!(usize::from(value), (image * 19 + channel) * 33 + pixel);
        }
        let mut back = vec![0; values.len()];
        let copy = |out: &mut [u16]| -> Result<(), OpError> {
            out.copy_from_slice(&last);
            Ok(())
        };
        Layout::ChannelsFirst.write_channels_last(&images, &mut back, copy).unwrap();
        assert_eq!(back, values);
    }
}
