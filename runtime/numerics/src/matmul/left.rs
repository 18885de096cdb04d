//! The left operand of a product, row by row: a matrix, or the patches of an image under a filter.

use super::Matrices;
use crate::step::operand;

/// Where the rows of a left operand come from.
#[derive(Clone, Copy)]
pub(crate) enum LeftRows<'a> {
    Matrix { data: &'a [f32], row_stride: usize, column_stride: usize },
    Patches(&'a Patches<'a>),
}

impl<'a> Matrices<'a> {
    pub(super) fn at(&self, start: usize) -> LeftRows<'a> {
        // An empty matrix may begin at the end of its data.
        let data = self.data.get(start..).unwrap_or_default();
        LeftRows::Matrix { data, row_stride: self.row_stride, column_stride: self.column_stride }
    }
}

impl LeftRows<'_> {
    /// Copies `to.len()` elements of a row, from column `from` on, with small ones as +0.
    #[inline(always)]
    pub(super) fn copy(&self, row: usize, from: usize, to: &mut [f32]) {
        match self {
            Self::Matrix { data, row_stride, column_stride: 1 } => {
                let start = row * row_stride + from;
                copy_operands(&data[start..start + to.len()], to);
            }
            Self::Matrix { data, row_stride, column_stride } => {
                for (i, to) in to.iter_mut().enumerate() {
                    *to = operand(data[row * row_stride + (from + i) * column_stride]);
                }
            }
            Self::Patches(patches) => patches.copy(row, from, to),
        }
    }
}

#[inline(always)]
fn copy_operands(from: &[f32], to: &mut [f32]) {
    for (from, to) in from.iter().zip(to) {
        *to = operand(*from);
    }
}

/// One axis of a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub input: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Elements of padding before the first.
    pub before: usize,
    /// The window spreads outputs rather than gathers inputs.
    pub transposed: bool,
}

impl Axis {
    /// The input under `tap` of the window at `output`; none in padding and between a transposed window's steps.
    #[inline(always)]
    pub(crate) fn source(&self, output: usize, tap: usize) -> Option<usize> {
        let (from, index) = if self.transposed {
            let place = (output + self.before).checked_sub(tap * self.dilation)?;
            (place % self.stride, place / self.stride)
        } else {
            (0, (output * self.stride + tap * self.dilation).checked_sub(self.before)?)
        };
        (from == 0 && index < self.input).then_some(index)
    }
}

/// The patches of one channels-last image: a row for each output, in it (kh, kw, c), zeros for what is skipped.
///
/// A fused step with a zero leaves a chain as it is if the weight is finite; other weights do not come this way.
#[derive(Clone, Copy)]
pub(crate) struct Patches<'a> {
    /// The image, height × width × `channels`.
    pub image: &'a [f32],
    pub channels: usize,
    /// The channels that the filter sees.
    pub first_channel: usize,
    pub group_channels: usize,
    pub height: Axis,
    pub width: Axis,
}

impl Patches<'_> {
    #[inline(always)]
    fn copy(&self, row: usize, from: usize, mut to: &mut [f32]) {
        let (y, x) = (row / self.width.output, row % self.width.output);
        let (mut tap, mut channel) = (from / self.group_channels, from % self.group_channels);
        while !to.is_empty() {
            let length = (self.group_channels - channel).min(to.len());
            let (piece, rest) = to.split_at_mut(length);
            let source_y = self.height.source(y, tap / self.width.kernel);
            let source_x = self.width.source(x, tap % self.width.kernel);
            match source_y.zip(source_x) {
                Some((y, x)) => {
                    let start = (y * self.width.input + x) * self.channels + self.first_channel + channel;
                    copy_operands(&self.image[start..start + length], piece);
                }
                None => piece.fill(0.0),
            }
            (tap, channel, to) = (tap + 1, 0, rest);
        }
    }
}
