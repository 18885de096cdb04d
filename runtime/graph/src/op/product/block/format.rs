//! Blocks of 32 weights, as GGUF files have them.

use half::f16;
use poai_numerics::{Binary, BlockWeights, NumericsError, PackedBlocks, dequantise};

use crate::{DType, Fact, OpError};

/// Weights of a block.
pub const BLOCK: usize = 32;

/// What a block of 32 weights is made of. Scales and minimums are f16, in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFormat {
    /// `(quant - 8) · scale`: 4 bits each, the first half of the block in the low ones.
    Q4_0,
    /// `quant · scale + minimum`: 4 bits each, as Q4_0 has them.
    Q4_1,
    /// `quant · scale`: 8 bits each, signed.
    Q8_0,
}

impl BlockFormat {
    /// Its name in ggml.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q8_0 => "Q8_0",
        }
    }

    /// Bytes of a block.
    pub fn bytes(self) -> usize {
        match self {
            Self::Q4_0 => 2 + BLOCK / 2,
            Self::Q4_1 => 4 + BLOCK / 2,
            Self::Q8_0 => 2 + BLOCK,
        }
    }

    /// Weights of a row of this many bytes.
    pub(super) fn depth(self, row_bytes: usize) -> Result<usize, OpError> {
        if !row_bytes.is_multiple_of(self.bytes()) {
            return Err(OpError::new(format!("rows of {row_bytes} bytes are no {} blocks", self.name())));
        }
        Ok(row_bytes / self.bytes() * BLOCK)
    }

    /// The rows and weights of a row of a matrix of such blocks, as far as they are known.
    pub(super) fn matrix(self, weights: &Fact) -> Result<Option<[usize; 2]>, OpError> {
        if weights.dtype != DType::U8 {
            return Err(OpError::new(format!("blocks are bytes, not {}", weights.dtype)));
        }
        match weights.sizes().as_deref() {
            None => Ok(None),
            Some(&[rows, row_bytes]) => Ok(Some([rows, self.depth(row_bytes)?])),
            Some(shape) => Err(OpError::new(format!("blocks of shape {shape:?} are no rows"))),
        }
    }

    fn float(block: &[u8], at: usize) -> f32 {
        f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
    }

    /// A block's scale, and its minimum.
    fn scales(self, block: &[u8]) -> (f32, f32) {
        (Self::float(block, 0), if self == Self::Q4_1 { Self::float(block, 2) } else { 0.0 })
    }

    /// What a weight is before it is scaled.
    fn quant(self, block: &[u8], k: usize) -> i32 {
        let nibble = |first: usize| i32::from((block[first + k % (BLOCK / 2)] >> (k / (BLOCK / 2) * 4)) & 15);
        match self {
            Self::Q4_0 => nibble(2) - 8,
            Self::Q4_1 => nibble(4),
            Self::Q8_0 => i32::from(block[2 + k].cast_signed()),
        }
    }

    /// A row as floats: `stored(quant · scale)`, and then, if there is one, the minimum added.
    pub(super) fn dequantised(self, row: &[u8], out: &mut [f32]) {
        for (block, out) in row.chunks_exact(self.bytes()).zip(out.chunks_exact_mut(BLOCK)) {
            let (scale, minimum) = self.scales(block);
            for (k, out) in out.iter_mut().enumerate() {
                let scaled = dequantise(self.quant(block, k), scale, 0);
                *out = if self == Self::Q4_1 { Binary::Add.of(scaled, minimum) } else { scaled };
            }
        }
    }

    /// Packs rows, each the weights of a column of the product.
    pub(super) fn packed(self, columns: usize, rows: &[u8]) -> Result<PackedBlocks, NumericsError> {
        /// What makes a signed byte an unsigned one.
        const LIFT: i32 = 128;
        let blocks = rows.len() / self.bytes();
        let (mut quants, mut scales, mut minimums) = (Vec::with_capacity(blocks * BLOCK), Vec::new(), Vec::new());
        for block in rows.chunks_exact(self.bytes()) {
            let (scale, minimum) = self.scales(block);
            scales.push(scale);
            minimums.push(minimum);
            quants.extend((0..BLOCK).map(|k| (self.quant(block, k) + LIFT) as u8));
        }
        let depth = blocks / columns.max(1) * BLOCK;
        let weights = BlockWeights { bits: 8, block: BLOCK, quants: &quants, scales: &scales, zeros: None };
        let packed = PackedBlocks::new(depth, columns, weights)?;
        if self == Self::Q4_1 { packed.with_minimums(&minimums) } else { Ok(packed) }
    }
}
