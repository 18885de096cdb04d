//! Weights in blocks of few bits: rows that are rounded, and their products.

use poai_numerics::step::{self, element, soft_fused};
use poai_numerics::{Binary, BlockWeights, PackedBlocks, oracle, round_row};

use super::check::{Check, Run};
use super::numbers::{Numbers, bits, canonical, edges};
use super::products::UNFUSED;
use crate::kernels::{Blocks, Step, blocks_with, rounded};

/// Rows, their length, columns, and weights of a block: the last one of each row is cut short.
const ROWS: usize = 7;
const DEPTH: usize = 83;
const COLUMNS: usize = 70;
const BLOCK: usize = 16;
const BLOCKS: usize = DEPTH.div_ceil(BLOCK);

pub(super) fn checks(step: Step) -> Vec<Check> {
    vec![rounding(), products(step)]
}

/// Rows of all sizes; of the last one edges, of which some make a block that has no bytes.
fn rows() -> Vec<f32> {
    let mut numbers = Numbers::new(17);
    let exponents = [(-3, 3), (-90, -80), (0, 0), (-100, 100), (100, 127), (-3, 0), (-60, 60)];
    let rows = exponents.into_iter().flat_map(|(least, most)| [(least, most); DEPTH]);
    let mut rows: Vec<f32> = rows.map(|(least, most)| numbers.between(least, most)).collect();
    // Halves, which go to even: the greatest size of each block is 127.
    for (i, number) in rows[2 * DEPTH..3 * DEPTH].iter_mut().enumerate() {
        *number = if i % BLOCK == 0 { 127.0 } else { i as f32 - 40.5 };
    }
    for (place, edge) in rows[(ROWS - 1) * DEPTH..].iter_mut().zip(edges()) {
        *place = f32::from_bits(edge);
    }
    rows
}

/// A matrix of bytes, or of four bits and minimums.
fn weights(bits: u32) -> (PackedBlocks, Vec<i32>, Vec<f32>, Vec<f32>) {
    let mut numbers = Numbers::new(18 + u64::from(bits));
    let quants: Vec<u8> = (0..COLUMNS * BLOCKS * BLOCK * bits as usize / 8).map(|_| numbers.word() as u8).collect();
    let mut scales: Vec<f32> = (0..COLUMNS * BLOCKS).map(|_| numbers.between(-40, 10)).collect();
    scales[3] = f32::INFINITY;
    let minimums: Vec<f32> =
        if bits == 4 { (0..COLUMNS * BLOCKS).map(|_| numbers.between(-9, 9)).collect() } else { Vec::new() };
    let source = BlockWeights { bits, block: BLOCK, quants: &quants, scales: &scales, zeros: None };
    let packed = PackedBlocks::new(DEPTH, COLUMNS, source).expect("the lengths are these");
    let packed = if bits == 4 { packed.with_minimums(&minimums).expect("the lengths are these") } else { packed };
    let integers = match bits {
        4 => quants.iter().flat_map(|two| [two & 15, two >> 4].map(|quant| i32::from(quant) - 8)).collect(),
        _ => quants.iter().map(|quant| i32::from(*quant) - 128).collect(),
    };
    (packed, integers, scales, minimums)
}

/// The words of rows that are rounded: scales, sums, bytes.
fn rounded_words(rows: &[f32]) -> Vec<u32> {
    rows.chunks(DEPTH)
        .flat_map(|row| {
            let (mut bytes, mut scales) = ([128; BLOCKS * BLOCK], [0.0; BLOCKS]);
            round_row(row, BLOCK, &mut bytes, &mut scales);
            let signed = bytes.map(|byte| byte.wrapping_sub(128));
            let sum =
                |block: &[u8]| block.iter().map(|&byte| i32::from(byte.cast_signed())).sum::<i32>().cast_unsigned();
            let sums: Vec<u32> = signed.chunks(BLOCK).map(sum).collect();
            let (words, _) = signed.as_chunks();
            let words = words.iter().map(|&word| u32::from_le_bytes(word));
            scales.map(canonical).into_iter().chain(sums).chain(words).collect::<Vec<_>>()
        })
        .collect()
}

/// The kernel that rounds rows.
fn rounding() -> Check {
    let (packed, ..) = weights(8);
    let (blocks, _) = Blocks::new(&packed, usize::MAX).expect("they are few");
    let (rows, count) = (rows(), dimension(ROWS));
    let source = rounded();
    let planted = source.replace("rounded(quotient", "truncated(quotient");
    let run = Run {
        inputs: vec![bits(&rows), blocks.rounding(count).to_vec()],
        before: None,
        expected: rounded_words(&rows),
        groups: blocks.rounding_groups(count),
    };
    Check { name: "rounding-rows", source, planted: Some(planted), runs: vec![run] }
}

/// The product of such rows with bytes, and with four bits, minimums and a bias.
fn products(step: Step) -> Check {
    let (rows, count) = (rows(), dimension(ROWS));
    let mut numbers = Numbers::new(19);
    let bias: Vec<f32> = (0..COLUMNS).map(|_| numbers.between(-3, 3)).collect();
    let runs = [(8, None), (4, Some(&bias[..]))].map(|(bits, bias)| {
        let (packed, integers, scales, minimums) = weights(bits);
        let (blocks, words) = Blocks::new(&packed, usize::MAX).expect("they are few");
        let of_column = |row: &[f32], column: usize| {
            let own = column * BLOCKS..(column + 1) * BLOCKS;
            let integers = &integers[own.start * BLOCK..own.end * BLOCK];
            if bits == 8 {
                return oracle::block_dot(row, BLOCK, integers, &scales[own]);
            }
            with_minimums(row, integers, &scales[own.clone()], &minimums[own])
        };
        let chains = rows.chunks(DEPTH).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
        let expected = chains.map(|(row, column)| {
            let chain = of_column(row, column);
            canonical(bias.map_or(chain, |bias| Binary::Add.of(chain, bias[column])))
        });
        Run {
            inputs: vec![rounded_words(&rows), words, blocks.terms(count, bias)],
            before: None,
            expected: expected.collect(),
            groups: blocks.groups(count).expect("they are few"),
        }
    });
    let [source, planted] = [step.source(), UNFUSED].map(blocks_with);
    Check { name: "blocks", source, planted: Some(planted), runs: runs.into() }
}

/// A block dot with a step for each block's minimum, as the definition has it.
fn with_minimums(row: &[f32], integers: &[i32], scales: &[f32], minimums: &[f32]) -> f32 {
    let (mut bytes, mut row_scales) = ([128; BLOCKS * BLOCK], [0.0; BLOCKS]);
    round_row(row, BLOCK, &mut bytes, &mut row_scales);
    let blocks = bytes.chunks(BLOCK).zip(integers.chunks(BLOCK)).enumerate();
    let chain = blocks.fold(0.0, |chain, (block, (bytes, integers))| {
        let rounded = || bytes.iter().map(|&byte| i32::from(byte) - 128);
        let dot: i32 = rounded().zip(integers).map(|(x, weight)| x * weight).sum();
        let chain = soft_fused(dot as f32, element(row_scales[block] * scales[block]), chain);
        soft_fused(rounded().sum::<i32>() as f32, element(row_scales[block] * minimums[block]), chain)
    });
    step::canonical(chain)
}

fn dimension(length: usize) -> u32 {
    u32::try_from(length).expect("the rows are few")
}
