//! Patches of an image where they overlap: its lines are copied once, and the tiles slide along them.

use std::ops::Range;

use super::Patches;
use crate::isa::tile::Sliding;
use crate::window::{Axis, Window};

/// The most steps of a chain: 256 KiB of a panel's weights, which a second-level cache keeps for all tiles.
const MOST_STEPS: usize = 1365;
/// The most floats of the lines that are copied at a time: 256 KiB.
const MOST_FLOATS: usize = 64 * 1024;
/// The fewest places side by side that are worth a tile.
const LEAST_PLACES: usize = 5;

/// Lines of a padded image, as some patches read them.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    /// The place of the window, down and across, where they begin.
    first: [usize; 2],
    /// Places of a row of the result.
    columns: usize,
    count: usize,
    /// Floats of a line.
    length: usize,
    /// Floats from a place to the one below.
    down: usize,
    /// From a place to the next.
    pub sliding: Sliding,
}

impl Lines {
    /// Floats of all lines.
    pub(super) fn floats(&self) -> usize {
        self.count * self.length
    }

    /// Where the patch of a row begins, and how many rows from there on follow on the same line.
    #[inline(always)]
    pub(super) fn at(&self, row: usize) -> (usize, usize) {
        let (y, x) = (row / self.columns, row % self.columns);
        ((y - self.first[0]) * self.down + (x - self.first[1]) * self.sliding.stride, self.columns - x)
    }
}

impl Patches<'_> {
    /// The lines that these rows read, if sliding along them is worth it: patches share pixels, and few enough of them
    /// that no sum need be put down.
    pub(super) fn lines(&self, rows: &Range<usize>) -> Option<Lines> {
        let Window { channels, height, width, .. } = *self.window;
        let whole = self.group_channels == channels && width.dilation == 1 && !self.transposed;
        let overlap = height.kernel * width.kernel > height.stride * width.stride;
        let run = width.kernel.checked_mul(channels)?;
        let short = run.checked_mul(height.kernel).is_some_and(|steps| steps <= MOST_STEPS);
        if !whole || !overlap || !short || rows.len().min(self.columns) < LEAST_PLACES {
            return None;
        }
        let (from, to) = (rows.start, rows.end - 1);
        let [top, bottom] = [from, to].map(|row| row / self.columns);
        let [left, right] =
            if top == bottom { [from, to].map(|row| row % self.columns) } else { [0, self.columns - 1] };
        let count = (bottom - top) * height.stride + (height.kernel - 1) * height.dilation + 1;
        let length = ((right - left) * width.stride + width.kernel) * channels;
        let fits = count.checked_mul(length).is_some_and(|floats| floats <= MOST_FLOATS);
        fits.then(|| Lines {
            first: [top, left],
            columns: self.columns,
            count,
            length,
            down: height.stride * length,
            sliding: Sliding {
                stride: width.stride * channels,
                runs: height.kernel,
                run_stride: height.dilation * length,
            },
        })
    }

    /// Copies lines, with small numbers as +0 and zeros for padding.
    #[inline(always)]
    pub(super) fn copy_lines(&self, lines: &Lines, to: &mut [f32]) {
        let Window { channels, height, width, .. } = *self.window;
        let height = Axis { dilation: 1, ..height };
        let begin = lines.first[1] * width.stride * channels;
        for (down, to) in to.chunks_exact_mut(lines.length).enumerate() {
            self.copy_line(height.gathered(lines.first[0], down), begin, to);
        }
    }
}
