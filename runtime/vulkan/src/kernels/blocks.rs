use poai_numerics::PackedBlocks;

use super::{columns_of_rows, groups, terms_of};

/// Words before the bias.
const HEADER: usize = 8;
/// Numbers that four bits hold.
const FOUR_BITS: i32 = 16;

/// How kernels read weights in blocks: a word a column for each block, first the scales, then the minimums if there are
/// any, then the weights without signs, four to a word, or eight where all lie within 16 numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    depth: u32,
    columns: u32,
    block: u32,
    blocks: u32,
    /// Weights to a word.
    together: u32,
    /// What makes the stored weights too large.
    offset: i32,
    has_minimums: bool,
}

impl Blocks {
    /// One block of one weight.
    pub(crate) fn one() -> Self {
        let offset = i32::from(i8::MIN);
        Self { depth: 1, columns: 1, block: 4, blocks: 1, together: 4, offset, has_minimums: false }
    }

    /// The weights' layout and the product's second binding. None of what devices do not take: scales that are subnormal,
    /// or more than `limit` words.
    #[must_use]
    pub fn new(weights: &PackedBlocks, limit: usize) -> Option<(Self, Vec<u32>)> {
        let (depth, columns, block) = (weights.depth(), weights.columns(), weights.block());
        let blocks = weights.blocks();
        let all = (0..columns).flat_map(|column| (0..depth).map(move |k| weights.weight(k, column)));
        // What ends a block that is cut short is 0.
        let (low, high) = all.fold((0, 0), |(low, high), weight| (weight.min(low), weight.max(high)));
        let narrow = i32::from(high) - i32::from(low) < FOUR_BITS && block.is_multiple_of(8);
        let (together, offset) = if narrow { (8, i32::from(low)) } else { (4, i32::from(i8::MIN)) };
        let has_minimums = weights.minimum(0, 0).is_some();
        let numbers = blocks.checked_mul(columns)?.checked_mul(1 + usize::from(has_minimums))?;
        let length = blocks.checked_mul(block / together)?.checked_mul(columns)?.checked_add(numbers)?;
        let fits = length <= limit && u32::try_from(length).is_ok();
        let pairs = || (0..blocks).flat_map(|block| (0..columns).map(move |column| (block, column)));
        let scales = pairs().map(|(block, column)| weights.scale(block, column));
        let minimums = pairs().filter_map(|(block, column)| weights.minimum(block, column));
        let numbers: Option<Vec<u32>> =
            scales.chain(minimums).map(|number| (!number.is_subnormal()).then_some(number.to_bits())).collect();
        let mut words = numbers.filter(|_| fits)?;
        for first in (0..blocks * block).step_by(together) {
            let stored = |k: usize, column| {
                let weight = if k < depth { i32::from(weights.weight(k, column)) } else { 0 };
                (weight - offset).cast_unsigned()
            };
            // Four bytes, of which each has its own weight below, and above, if it is narrow, that of four further.
            let byte = |i: usize, column| match together {
                8 => stored(first + i, column) | stored(first + i + 4, column) << 4,
                _ => stored(first + i, column),
            };
            words.extend((0..columns).map(|column| (0..4).fold(0, |word, i| word | byte(i, column) << (8 * i))));
        }
        let word = |length: usize| u32::try_from(length).ok();
        let [depth, columns, block, blocks, together] = [depth, columns, block, blocks, together].map(word);
        let layout = Self {
            depth: depth?,
            columns: columns?,
            block: block?,
            blocks: blocks?,
            together: together?,
            offset,
            has_minimums,
        };
        Some((layout, words))
    }

    /// Words of rows that are rounded; none beyond any buffer.
    #[must_use]
    pub fn rounded(&self, rows: u32) -> Option<u32> {
        rows.checked_mul(self.blocks)?.checked_mul(2 + self.block / 4)
    }

    /// The words that the rounding kernel is told.
    #[must_use]
    pub fn rounding(&self, rows: u32) -> [u32; 4] {
        [rows, self.depth, self.block, self.blocks]
    }

    /// Workgroups of the rounding kernel.
    #[must_use]
    pub fn rounding_groups(&self, rows: u32) -> [u32; 3] {
        groups((rows * self.blocks).div_ceil(64))
    }

    /// The words that the product is told.
    #[must_use]
    pub fn terms(&self, rows: u32, bias: Option<&[f32]>) -> Vec<u32> {
        let halves = self.together / 4;
        let flags = [u32::from(self.has_minimums), u32::from(bias.is_some())];
        // The weights are stored less the offset; kernels take that off again.
        let above = self.offset.wrapping_neg().cast_unsigned();
        let mut words = vec![rows, self.columns, self.blocks, self.block / 4, halves, above, flags[0], flags[1]];
        debug_assert_eq!(words.len(), HEADER);
        words.extend(bias.into_iter().flatten().map(|number| number.to_bits()));
        words
    }

    /// Terms of the product's sums.
    #[must_use]
    pub fn work(&self, rows: u32) -> u64 {
        terms_of([rows, self.depth, self.columns])
    }

    /// Workgroups of the product. None beyond what every device of Vulkan takes.
    #[must_use]
    pub fn groups(&self, rows: u32) -> Option<[u32; 3]> {
        columns_of_rows(rows, self.columns)
    }
}
