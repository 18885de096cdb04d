//! The left operand of a product, row by row: a matrix, or the patches of an image under a filter.

use super::Matrices;
use crate::step::operand;
use crate::window::{Axis, Window};

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
    /// Rows that are better not parted, of blocks of at most so many: a line of an image.
    pub(super) fn unit(&self, most: usize) -> usize {
        match self {
            Self::Patches(patches) if patches.columns <= most => patches.columns,
            _ => 1,
        }
    }

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

/// The patches of one channels-last image: a row for each output, in it (kh, kw, c), zeros for what is skipped.
///
/// A fused step with a zero leaves a chain as it is if the weight is finite; other weights do not come this way.
#[derive(Clone, Copy)]
pub(crate) struct Patches<'a> {
    /// Height × width × channels.
    pub image: &'a [f32],
    pub window: &'a Window,
    /// The window spreads rather than gathers.
    pub transposed: bool,
    /// Places of a row of the result.
    pub columns: usize,
    /// The channels that the filter sees.
    pub first_channel: usize,
    pub group_channels: usize,
}

impl<'a> Patches<'a> {
    /// As rows of a left operand: patches of one pixel, side by side, are a matrix.
    pub(crate) fn rows(&'a self) -> LeftRows<'a> {
        let Window { height, width, channels, .. } = *self.window;
        let still = |axis: &Axis| *axis == Axis { dilation: axis.dilation, ..Axis::new(axis.input, 1) };
        if still(&height) && still(&width) && !self.transposed {
            let data = &self.image[self.first_channel..];
            return LeftRows::Matrix { data, row_stride: channels, column_stride: 1 };
        }
        LeftRows::Patches(self)
    }

    #[inline(always)]
    fn copy(&self, row: usize, from: usize, to: &mut [f32]) {
        let (y, x) = (row / self.columns, row % self.columns);
        let whole = self.group_channels == self.window.channels && self.window.width.dilation == 1;
        if whole && !self.transposed {
            self.copy_rows(y, x, from, to);
        } else {
            self.copy_taps(y, x, from, to);
        }
    }

    /// Where the taps of a filter's row lie side by side in the image, padding cut off at both ends.
    #[inline(always)]
    fn copy_rows(&self, y: usize, x: usize, from: usize, mut to: &mut [f32]) {
        let Window { channels, height, width, .. } = self.window;
        let row = width.kernel * channels;
        let (mut down, mut first) = (from / row, from % row);
        while !to.is_empty() {
            let (piece, rest) = to.split_at_mut((row - first).min(to.len()));
            self.copy_line(height.gathered(y, down), x * width.stride * channels + first, piece);
            (down, first, to) = (down + 1, 0, rest);
        }
    }

    /// Copies of a line of the image, if there is one, what follows `begin` floats behind the beginning of its padding.
    #[inline(always)]
    pub(super) fn copy_line(&self, y: Option<usize>, begin: usize, to: &mut [f32]) {
        let Window { channels, width, .. } = self.window;
        let Some(y) = y else { return to.fill(0.0) };
        let (line, padding) = (width.input * channels, width.before * channels);
        let before = padding.saturating_sub(begin).min(to.len());
        let start = (begin + before).saturating_sub(padding);
        let inside = line.saturating_sub(start).min(to.len() - before);
        to[..before].fill(0.0);
        let source = &self.image[y * line + start.min(line)..][..inside];
        copy_operands(source, &mut to[before..before + inside]);
        to[before + inside..].fill(0.0);
    }

    #[inline(always)]
    fn copy_taps(&self, y: usize, x: usize, from: usize, mut to: &mut [f32]) {
        let Window { channels, height, width, .. } = self.window;
        let (mut tap, mut channel) = (from / self.group_channels, from % self.group_channels);
        while !to.is_empty() {
            let (piece, rest) = to.split_at_mut((self.group_channels - channel).min(to.len()));
            let (down, across) = (tap / width.kernel, tap % width.kernel);
            let source = if self.transposed {
                height.spread_from(y, down).zip(width.spread_from(x, across))
            } else {
                height.gathered(y, down).zip(width.gathered(x, across))
            };
            match source {
                Some((y, x)) => {
                    let start = (y * width.input + x) * channels + self.first_channel + channel;
                    copy_operands(&self.image[start..start + piece.len()], piece);
                }
                None => piece.fill(0.0),
            }
            (tap, channel, to) = (tap + 1, 0, rest);
        }
    }
}
