//! Weights as the kernels read them.

use super::Matrices;
use crate::buffer::Aligned;
use crate::error::{NumericsError, count};
use crate::isa::tile::PANEL;
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

impl Packed {
    /// Packs the first of `weights`, a `depth` × `columns` matrix.
    pub fn new(depth: usize, columns: usize, weights: Matrices<'_>) -> Result<Self, NumericsError> {
        let weights = Matrices { starts: weights.starts.get(..1).unwrap_or(&[0]), ..weights };
        weights.check("the right operand", depth, columns)?;
        let length = count("the packed weights", &[columns.div_ceil(PANEL), depth, PANEL])?;
        let mut panels = Aligned::zeros(length);
        let data = weights.data.get(weights.starts[0]..).unwrap_or_default();
        for (p, panel) in panels.chunks_mut((depth * PANEL).max(1)).enumerate() {
            let first = p * PANEL;
            let here = (columns - first).min(PANEL);
            fill(panel, here, &data[first * weights.column_stride..], weights.row_stride, weights.column_stride);
        }
        let finite = panels.iter().all(|weight| weight.is_finite());
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

    pub(super) fn panels(&self) -> &[f32] {
        &self.panels
    }
}

/// Fills the first `here` columns of a panel.
fn fill(panel: &mut [f32], here: usize, data: &[f32], row_stride: usize, column_stride: usize) {
    /// Rows that are read together where columns are contiguous, so that written lines stay in the first-level cache.
    const ROWS: usize = 16;
    if column_stride == 1 {
        for (k, row) in panel.chunks_exact_mut(PANEL).enumerate() {
            let from = &data[k * row_stride..k * row_stride + here];
            row.iter_mut().zip(from).for_each(|(to, &from)| *to = operand(from));
        }
        return;
    }
    for (block, rows) in panel.chunks_mut(ROWS * PANEL).enumerate() {
        for column in 0..here {
            let start = block * ROWS * row_stride + column * column_stride;
            for (k, row) in rows.chunks_exact_mut(PANEL).enumerate() {
                row[column] = operand(data[start + k * row_stride]);
            }
        }
    }
}
