//! Weights as the kernels read them.

use std::ops::Range;

use super::Matrices;
use crate::buffer::Aligned;
use crate::error::{NumericsError, count};
use crate::isa::tile::PANEL;
use crate::isa::{Isa, Path, Work};
use crate::lanes::{Lanes, Register};
use crate::step::operand;

/// A right operand, packed: panels of 48 columns, each of them k after k. One layout serves every kernel.
///
/// Small operands are +0 already; missing columns of the last panel are +0.
#[derive(Clone)]
pub struct Packed {
    panels: Aligned<f32>,
    depth: usize,
    columns: usize,
    finite: bool,
}

/// Packed weights, wherever they are kept.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    pub panels: &'a [f32],
    pub depth: usize,
    pub columns: usize,
    /// Steps from a panel to the next: more than `depth` where only some of them count.
    pub pitch: usize,
}

impl<'a> Panels<'a> {
    /// Whole panels.
    pub(super) fn new(panels: &'a [f32], depth: usize, columns: usize) -> Self {
        Self { panels, depth, columns, pitch: depth }
    }

    /// Only some of the steps.
    pub(crate) fn steps(self, steps: Range<usize>) -> Self {
        Self { panels: &self.panels[steps.start * PANEL..], depth: steps.len(), ..self }
    }
}

/// Floats of the packed form of a `depth` × `columns` matrix.
pub(super) fn packed_length(depth: usize, columns: usize) -> Result<usize, NumericsError> {
    count("the packed weights", &[columns.div_ceil(PANEL), depth, PANEL])
}

impl Packed {
    /// Packs the first of `weights`, a `depth` × `columns` matrix.
    pub fn new(depth: usize, columns: usize, weights: Matrices<'_>) -> Result<Self, NumericsError> {
        let weights = Matrices { starts: weights.starts.get(..1).unwrap_or(&[0]), ..weights };
        weights.check("the right operand", depth, columns)?;
        let length = packed_length(depth, columns)?;
        let mut panels = Aligned::zeros(length);
        let start = weights.starts[0];
        // Only bits move, so that it does not matter which kernels do it.
        let path = Path::available()[0];
        path.run(Pack { weights, start, depth, columns, first_panel: 0, to: &mut panels });
        // Without a way out in the middle this is a loop of vectors.
        let finite = panels.iter().fold(true, |finite, weight| finite & weight.is_finite());
        Ok(Self { panels, depth, columns, finite })
    }

    /// The length of the chains: the matrix's rows.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The matrix's columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.panels[..])
    }

    /// No weight is infinite or NaN, so that a zero can stand for a skipped term.
    pub(crate) fn is_finite(&self) -> bool {
        self.finite
    }

    /// The weight at `k` and `column`.
    pub(crate) fn at(&self, k: usize, column: usize) -> f32 {
        self.panels[(column / PANEL * self.depth + k) * PANEL + column % PANEL]
    }

    pub(crate) fn view(&self) -> Panels<'_> {
        Panels::new(&self.panels, self.depth, self.columns)
    }
}

/// Packs some panels, as compiled work, where the memory may hold anything yet.
pub(super) struct Pack<'a> {
    pub weights: Matrices<'a>,
    /// Where the matrix begins.
    pub start: usize,
    pub depth: usize,
    pub columns: usize,
    pub first_panel: usize,
    /// Whole panels.
    pub to: &'a mut [f32],
}

impl Work for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { weights: Matrices { data, row_stride, column_stride, .. }, start, depth, columns, .. } = self;
        if depth == 0 {
            return;
        }
        for (p, panel) in self.to.chunks_exact_mut(depth * PANEL).enumerate() {
            let first = (self.first_panel + p) * PANEL;
            let here = (columns - first).min(PANEL);
            let data = &data[start + first * column_stride..];
            if column_stride == 1 {
                copy_rows::<I>(panel, here, data, row_stride);
            } else {
                turn_columns::<I>(panel, here, data, row_stride, column_stride);
            }
        }
    }
}

/// Rows of contiguous columns.
#[inline(always)]
fn copy_rows<I: Isa>(panel: &mut [f32], here: usize, data: &[f32], row_stride: usize) {
    for (k, row) in panel.chunks_exact_mut(PANEL).enumerate() {
        let from = &data[k * row_stride..][..here];
        let whole = here / I::Sixteen::COUNT * I::Sixteen::COUNT;
        for column in (0..whole).step_by(I::Sixteen::COUNT) {
            I::Sixteen::read(&from[column..]).operand().write(&mut row[column..]);
        }
        for (to, from) in row[whole..].iter_mut().zip(&from[whole..]) {
            *to = operand(*from);
        }
        row[here..].fill(0.0);
    }
}

/// Columns of which each is contiguous, or none: squares of them are turned.
#[inline(always)]
fn turn_columns<I: Isa>(panel: &mut [f32], here: usize, data: &[f32], row_stride: usize, column_stride: usize) {
    /// The side of a square.
    const SIDE: usize = 16;
    for (block, rows) in panel.chunks_mut(SIDE * PANEL).enumerate() {
        let (first, count) = (block * SIDE, rows.len() / PANEL);
        for column in (0..here).step_by(SIDE) {
            let begin = first * row_stride + column * column_stride;
            if row_stride == 1 && count == SIDE && here - column >= SIDE {
                I::turn(&data[begin..], column_stride, &mut rows[column..], PANEL);
                continue;
            }
            for c in column..here.min(column + SIDE) {
                for (k, row) in rows.chunks_exact_mut(PANEL).enumerate() {
                    row[c] = operand(data[(first + k) * row_stride + c * column_stride]);
                }
            }
        }
        for row in rows.chunks_exact_mut(PANEL) {
            row[here..].fill(0.0);
        }
    }
}
