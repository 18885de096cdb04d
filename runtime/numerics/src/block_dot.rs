//! Products with weights in blocks of few bits, activations rounded to bytes: what decoding of language models runs on.
//!
//! A row is rounded block by block, each with a scale of its own; the dot of a block is exact in integers; the blocks
//! are one chain of fused steps in order. So it reads a byte a weight, where the float kernels read four.

#![expect(unsafe_code, reason = "threads write to disjoint tiles of one result")]

use std::cell::Cell;
use std::ops::Range;

use crate::buffer::Aligned;
use crate::error::{NumericsError, count, expect_length};
use crate::isa::tile::{IntegerTile, PANEL, STRIP};
use crate::isa::{Isa, Work};
use crate::lanes::{Lanes, Register};
use crate::matmul::{Epilogue, SharedOut, share};
use crate::processor::Processor;
use crate::quantise::BlockWeights;
use crate::reduce::LANES;
use crate::step::{canonical, element};

/// The most weights of a block: their dot is then exact as a float too.
pub const BLOCK_LIMIT: usize = 512;
/// The fewest panels of a part.
const LEAST_PANELS: usize = 2;
/// The most rows of any kernel's tile.
const MOST_ROWS: usize = 16;

/// A row's blocks as bytes: `x ≈ (byte - 128) · scale`.
///
/// `scale = max |x| / 127`, and each byte is `round(x / scale) + 128`, halves to even. A block that is all zero, or
/// whose scale is not finite, has bytes of 128; the latter keeps its scale, so that the result shows it.
#[inline(always)]
pub fn round_row(row: &[f32], block: usize, bytes: &mut [u8], scales: &mut [f32]) {
    for ((values, bytes), scale) in row.chunks(block).zip(bytes.chunks_mut(block)).zip(scales) {
        // Bits of sizes order them as numbers, and NaN above all.
        let largest = values.iter().fold(0, |largest: u32, &x| largest.max(element(x).abs().to_bits()));
        *scale = canonical(element(f32::from_bits(largest) / 127.0));
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
    /// The same, added to each weight of a block; empty if nothing is.
    minimums: Vec<f32>,
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
            minimums: Vec::new(),
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

    /// Adds a number to each weight of a block, one for each block of each column: a step of the chain of its own behind
    /// the block's, with the sum of the row's rounded block.
    pub fn with_minimums(mut self, minimums: &[f32]) -> Result<Self, NumericsError> {
        let blocks = self.blocks();
        expect_length("the minimums", minimums.len(), count("the blocks", &[self.columns, blocks])?)?;
        self.minimums = vec![0.0; self.scales.len()];
        for (place, &minimum) in minimums.iter().enumerate() {
            let (column, b) = (place / blocks, place % blocks);
            let place = self.place(b, column);
            self.minimums[place] = minimum;
        }
        Ok(self)
    }

    /// The length of the rows.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The matrix's columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Weights of a block.
    pub fn block(&self) -> usize {
        self.block
    }

    /// What a weight is before it is scaled, for kernels of other devices.
    pub fn weight(&self, k: usize, column: usize) -> i8 {
        let place = self.place(k / self.block, column) / PANEL * PANEL;
        let within = k % self.block;
        self.weights[place * self.block + (within / 4 * PANEL + column % PANEL) * 4 + within % 4]
    }

    /// The scale of a block of a column.
    pub fn scale(&self, block: usize, column: usize) -> f32 {
        self.scales[self.place(block, column)]
    }

    /// What is added to each weight of a block of a column, if anything is.
    pub fn minimum(&self, block: usize, column: usize) -> Option<f32> {
        self.minimums.get(self.place(block, column)).copied()
    }

    /// Where a block's numbers stand.
    fn place(&self, block: usize, column: usize) -> usize {
        (column / PANEL * self.blocks() + block) * PANEL + column % PANEL
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let numbers = size_of_val(&self.initial[..]) + size_of_val(&self.scales[..]) + size_of_val(&self.minimums[..]);
        self.weights.len() + numbers
    }

    /// Blocks of a column.
    pub fn blocks(&self) -> usize {
        self.depth.div_ceil(self.block)
    }
}

/// Some rows, over some panels.
struct RowsPart<'a> {
    /// Whole blocks, row after row.
    bytes: &'a [u8],
    row_scales: &'a [f32],
    /// Of each block's rounded numbers.
    row_sums: &'a [f32],
    weights: &'a PackedBlocks,
    rows: Range<usize>,
    panels: Range<usize>,
    epilogue: &'a Epilogue<'a>,
    out: &'a SharedOut<'a>,
}

impl Work for RowsPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        const { assert!(I::INTEGER_ROWS <= MOST_ROWS) };
        for panel in self.panels.clone() {
            // The weights of a panel stay in the cache for all rows.
            for first in self.rows.clone().step_by(I::INTEGER_ROWS) {
                let count = (self.rows.end - first).min(I::INTEGER_ROWS);
                self.tile::<I>(first, count, panel);
            }
        }
    }
}

impl RowsPart<'_> {
    /// Some rows across one panel, block by block.
    #[inline(always)]
    fn tile<I: Isa>(&self, first: usize, count: usize, panel: usize) {
        let weights = self.weights;
        let (block, blocks) = (weights.block, weights.blocks());
        let mut chains = [[0.0f32; PANEL]; MOST_ROWS];
        let mut sums = [[0i32; PANEL]; MOST_ROWS];
        for b in 0..blocks {
            let place = (panel * blocks + b) * PANEL;
            let initial: &[i32; PANEL] = weights.initial[place..].first_chunk().expect("a panel is whole");
            let scales: &[f32; PANEL] = weights.scales[place..].first_chunk().expect("a panel is whole");
            let minimums: Option<&[f32; PANEL]> = weights.minimums.get(place..).and_then(<[f32]>::first_chunk);
            let quants = &weights.weights[place * block..(place + PANEL) * block];
            let left = &self.bytes[(first * blocks + b) * block..][..((count - 1) * blocks + 1) * block];
            sums[..count].fill(*initial);
            for column in (0..PANEL).step_by(I::INTEGER_COLUMNS) {
                let tile = IntegerTile {
                    groups: block / 4,
                    left: left.as_ptr(),
                    left_stride: blocks * block,
                    right: quants.as_ptr().wrapping_add(column * 4),
                    group_stride: 4 * PANEL,
                    strip_stride: 4 * STRIP,
                    sums: sums.as_mut_ptr().cast::<i32>().wrapping_add(column),
                    sums_stride: PANEL,
                };
                // SAFETY: `left` holds this block of `count` rows at their stride, `quants` the block of a whole panel,
                // and `sums` the most rows of a panel.
                unsafe { I::integer_tile(count, &tile) };
            }
            for (r, (chain, sums)) in chains.iter_mut().zip(&sums).take(count).enumerate() {
                let row_scale = I::Sixteen::splat(self.row_scales[(first + r) * blocks + b]);
                let row_sum = I::Sixteen::splat(self.row_sums[(first + r) * blocks + b]);
                for column in (0..PANEL).step_by(I::Sixteen::COUNT) {
                    let mut dots = [0.0f32; LANES];
                    dots.iter_mut().zip(&sums[column..]).for_each(|(dot, &sum)| *dot = sum as f32);
                    let scale = (row_scale * I::Sixteen::read(&scales[column..])).element();
                    let sum = I::Sixteen::read(&chain[column..]);
                    let mut sum = I::Sixteen::fused(I::Sixteen::read(&dots), scale, sum);
                    if let Some(minimums) = minimums {
                        let minimum = (row_scale * I::Sixteen::read(&minimums[column..])).element();
                        sum = I::Sixteen::fused(row_sum, minimum, sum);
                    }
                    sum.write(&mut chain[column..]);
                }
            }
        }
        let width = (weights.columns - panel * PANEL).min(PANEL);
        for (r, chain) in chains.iter().take(count).enumerate() {
            let start = (first + r) * weights.columns + panel * PANEL;
            // SAFETY: this part alone owns these rows and panels, and no other slice of them is alive.
            let out = unsafe { self.out.slice(start..start + width) };
            out.iter_mut().zip(chain).for_each(|(out, chain)| *out = canonical(*chain));
            if !self.epilogue.is_empty() {
                self.epilogue.finish::<I>(out, start, panel * PANEL);
            }
        }
    }
}

/// Rows rounded to blocks of bytes, as compiled work; see [`round_row`].
struct Round<'a> {
    row: &'a [f32],
    block: usize,
    bytes: &'a mut [u8],
    scales: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Work for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        round_row(self.row, self.block, self.bytes, self.scales);
        for (bytes, sum) in self.bytes.chunks(self.block).zip(self.sums) {
            *sum = bytes.iter().map(|&byte| i32::from(byte) - 128).sum::<i32>() as f32;
        }
    }
}

thread_local! {
    /// Rounded rows, kept as memory for the next call.
    static ROWS: Cell<(Aligned<u8>, Aligned<f32>, Aligned<f32>)> = Cell::default();
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
        let blocks = weights.blocks();
        let (mut bytes, mut row_scales, mut row_sums) = ROWS.take();
        bytes.reserve(rows * blocks * block);
        row_scales.reserve(rows * blocks);
        row_sums.reserve(rows * blocks);
        for (row, left) in left.chunks_exact(depth.max(1)).enumerate() {
            let bytes = &mut bytes[row * blocks * block..(row + 1) * blocks * block];
            // Where a last block is cut short.
            bytes[depth..].fill(128);
            let scales = &mut row_scales[row * blocks..(row + 1) * blocks];
            let sums = &mut row_sums[row * blocks..(row + 1) * blocks];
            self.run(Round { row: left, block, bytes, scales, sums });
        }
        let panels = columns.div_ceil(PANEL);
        let ranges = if self.threads() == 1 { 1 } else { (4 * self.threads()).min(panels.div_ceil(LEAST_PANELS)) };
        let shared = SharedOut::new(out);
        self.pool().run(ranges, &|range| {
            let panels = share(panels, range, ranges);
            let (bytes, row_scales, row_sums) = (&bytes[..], &row_scales[..], &row_sums[..]);
            self.run(RowsPart { bytes, row_scales, row_sums, weights, rows: 0..rows, panels, epilogue, out: &shared });
        });
        ROWS.set((bytes, row_scales, row_sums));
        if let Some(following) = epilogue.following {
            self.follow(following, out);
        }
        Ok(())
    }
}
