//! Products with weights in blocks of few bits, activations rounded to bytes: what decoding of language models runs on.
//!
//! A row is rounded block by block, each with a scale of its own; the dot of a block is exact in integers; the blocks
//! are one chain of fused steps in order. So it reads a byte a weight, where the float kernels read four.

use std::cell::RefCell;

use crate::error::{NumericsError, count, expect_length};
use crate::isa::tile::{IntegerTile, PANEL};
use crate::isa::{Isa, Work};
use crate::matmul::{Epilogue, share};
use crate::processor::Processor;
use crate::quantise::BlockWeights;
use crate::step::{Fused, canonical, element, greater};

/// The most weights of a block: their dot is then exact as a float too.
pub const BLOCK_LIMIT: usize = 512;
/// The fewest panels of a part.
const LEAST_PANELS: usize = 2;

/// A row's blocks as bytes: `x ≈ (byte - 128) · scale`.
///
/// `scale = max |x| / 127`, and each byte is `round(x / scale) + 128`, halves to even. A block that is all zero, or
/// whose scale is not finite, has bytes of 128; the latter keeps its scale, so that the result shows it.
pub fn round_row(row: &[f32], block: usize, bytes: &mut [u8], scales: &mut [f32]) {
    for ((values, bytes), scale) in row.chunks(block).zip(bytes.chunks_mut(block)).zip(scales) {
        let largest = values.iter().fold(0.0, |largest, &x| greater(largest, element(x).abs()));
        *scale = canonical(element(largest / 127.0));
        let divisor = if *scale > 0.0 && scale.is_finite() { *scale } else { f32::INFINITY };
        for (value, byte) in values.iter().zip(bytes) {
            let rounded = (element(*value) / divisor).round_ties_even();
            // An infinity by an infinity is NaN, which becomes 0 here.
            *byte = ((rounded as i32) + 128) as u8;
        }
    }
}

/// Weights in blocks, packed for [`Processor::matmul_blocks`]: as [`PackedIntegers`](crate::PackedIntegers), by blocks.
#[derive(Clone)]
pub struct PackedBlocks {
    /// Panels of 48 columns, each of whole blocks, those of groups of four k.
    weights: Vec<i8>,
    /// For each panel and block, by column: what makes up for the bytes' 128.
    initial: Vec<i32>,
    /// For each panel and block, by column.
    scales: Vec<f32>,
    block: usize,
    depth: usize,
    columns: usize,
}

impl PackedBlocks {
    /// Packs a `depth` × `columns` matrix. Blocks are a multiple of four, up to [`BLOCK_LIMIT`]; 8-bit weights have no
    /// zero points.
    pub fn new(depth: usize, columns: usize, source: BlockWeights<'_>) -> Result<Self, NumericsError> {
        let blocks = source.check(depth, columns)?;
        let block = source.block;
        if !block.is_multiple_of(4) || block > BLOCK_LIMIT {
            let rule = "is no multiple of 4 up to 512";
            return Err(NumericsError::Parameter { what: "the block", value: block, rule });
        }
        if source.bits == 8 && source.zeros.is_some() {
            let rule = "may not have zero points here";
            return Err(NumericsError::Parameter { what: "bits", value: 8, rule });
        }
        let panels = columns.div_ceil(PANEL);
        let numbers = count("the scales", &[panels, blocks, PANEL])?;
        let mut packed = Self {
            weights: vec![0; count("the packed weights", &[numbers, block])?],
            initial: vec![0; numbers],
            scales: vec![0.0; numbers],
            block,
            depth,
            columns,
        };
        for column in 0..columns {
            for b in 0..blocks {
                let place = (column / PANEL * blocks + b) * PANEL;
                packed.scales[place + column % PANEL] = source.scales[column * blocks + b];
                let mut sum = 0;
                for k in 0..block.min(depth - b * block) {
                    let weight = source.integer(blocks, b * block + k, column);
                    sum += weight;
                    packed.weights[place * block + (k / 4 * PANEL + column % PANEL) * 4 + k % 4] = weight as i8;
                }
                packed.initial[place + column % PANEL] = -128 * sum;
            }
        }
        Ok(packed)
    }

    /// The length of the rows.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The matrix's columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.weights.len() + size_of_val(&self.initial[..]) + size_of_val(&self.scales[..])
    }

    fn blocks(&self) -> usize {
        self.depth.div_ceil(self.block)
    }
}

/// Some panels of one row.
struct RowPart<'a> {
    bytes: &'a [u8],
    row_scales: &'a [f32],
    weights: &'a PackedBlocks,
    first_panel: usize,
    epilogue: &'a Epilogue<'a>,
    /// Where `out` lies in the whole result.
    start: usize,
    out: &'a mut [f32],
}

impl Work for RowPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { bytes, row_scales, weights, first_panel, epilogue, start, out } = self;
        let (block, blocks) = (weights.block, weights.blocks());
        for (i, out) in out.chunks_mut(PANEL).enumerate() {
            let panel = first_panel + i;
            let mut chains = [0.0f32; PANEL];
            for (b, row_scale) in row_scales.iter().enumerate() {
                let place = (panel * blocks + b) * PANEL;
                let initial = weights.initial[place..].first_chunk().expect("a panel is whole");
                let scales: &[f32; PANEL] = weights.scales[place..].first_chunk().expect("a panel is whole");
                let panel = &weights.weights[place * block..(place + PANEL) * block];
                let sums = IntegerTile::one_row::<I>(&bytes[b * block..(b + 1) * block], panel, *initial);
                for ((chain, sum), scale) in chains.iter_mut().zip(sums).zip(scales) {
                    *chain = I::Fused::fused(sum as f32, element(row_scale * scale), *chain);
                }
            }
            out.iter_mut().zip(chains).for_each(|(out, chain)| *out = canonical(chain));
            if !epilogue.is_empty() {
                epilogue.finish::<I>(out, start + i * PANEL, panel * PANEL);
            }
        }
    }
}

thread_local! {
    /// A thread's rounded row.
    static ROW: RefCell<(Vec<u8>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl Processor {
    /// `out = epilogue(round(left) · weights)`: `left` is `rows` × `weights.depth()`, its rows contiguous.
    pub fn matmul_blocks(
        &self,
        rows: usize,
        left: &[f32],
        weights: &PackedBlocks,
        epilogue: &Epilogue<'_>,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        let (depth, columns, block) = (weights.depth, weights.columns, weights.block);
        expect_length("the left operand", left.len(), count("the left operand", &[rows, depth])?)?;
        expect_length("the result", out.len(), count("the result", &[rows, columns])?)?;
        epilogue.check(out.len(), columns)?;
        if out.is_empty() {
            return Ok(());
        }
        let panels = columns.div_ceil(PANEL);
        let ranges = if rows == 1 { (2 * self.threads()).min(panels.div_ceil(LEAST_PANELS)) } else { 1 };
        let mut parts = Vec::new();
        for (row, mut rest) in out.chunks_mut(columns).enumerate() {
            for range in 0..ranges {
                let panels = share(panels, range, ranges);
                let (part, behind) = rest.split_at_mut((panels.len() * PANEL).min(rest.len()));
                parts.push((row, panels.start, part));
                rest = behind;
            }
        }
        self.pool().chunks(&mut parts, 1, |_, parts| {
            for (row, first_panel, out) in parts {
                ROW.with_borrow_mut(|(bytes, row_scales)| {
                    bytes.clear();
                    bytes.resize(weights.blocks() * block, 128);
                    row_scales.resize(weights.blocks(), 0.0);
                    round_row(&left[*row * depth..(*row + 1) * depth], block, bytes, row_scales);
                    let start = *row * columns + *first_panel * PANEL;
                    let first_panel = *first_panel;
                    self.run(RowPart { bytes, row_scales, weights, first_panel, epilogue, start, out });
                });
            }
        });
        Ok(())
    }
}
