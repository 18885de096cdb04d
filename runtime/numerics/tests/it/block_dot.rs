//! Products with weights in blocks: every kernel against the oracle.

use poai_numerics::{BlockWeights, Epilogue, NumericsError, PackedBlocks, Unary, oracle};

use super::values::{Stream, assert_bits, processors};

fn integer(weights: &BlockWeights<'_>, place: usize) -> i32 {
    let (quant, half) = match weights.bits {
        4 => ((weights.quants[place / 2] >> (4 * (place & 1))) & 15, 8),
        _ => (weights.quants[place], 128),
    };
    i32::from(quant) - weights.zeros.map_or(half, |zeros| i32::from(zeros[place / weights.block]))
}

#[test]
fn every_kernel_equals_the_oracle() {
    let mut stream = Stream(61);
    for (rows, depth, columns, block) in
        [(1usize, 1usize, 1usize, 4usize), (1, 64, 200, 32), (3, 100, 49, 32), (7, 70, 96, 16), (2, 600, 5, 512)]
    {
        let blocks = depth.div_ceil(block);
        let mut left = stream.floats(rows * depth);
        left[..block.min(depth)].fill(0.0);
        let scales: Vec<f32> = (0..columns * blocks).map(|_| stream.unit() * 0.01).collect();
        let zeros: Vec<u8> = (0..columns * blocks).map(|i| (i % 16) as u8).collect();
        let bias = stream.floats(columns);
        for (bits, zeros) in [(4, None), (4, Some(&zeros[..])), (8, None)] {
            let quants = stream.bytes(columns * blocks * block * bits as usize / 8);
            let source = BlockWeights { bits, block, quants: &quants, scales: &scales, zeros };
            let packed = PackedBlocks::new(depth, columns, source).unwrap();
            let mut expected = Vec::new();
            for row in left.chunks(depth) {
                for column in 0..columns {
                    let first = column * blocks * block;
                    let weights: Vec<i32> = (first..first + depth).map(|place| integer(&source, place)).collect();
                    expected.push(oracle::block_dot(
                        row,
                        block,
                        &weights,
                        &scales[column * blocks..(column + 1) * blocks],
                    ));
                }
            }
            let epilogue = Epilogue { bias: Some(&bias), activation: Some(Unary::Silu), ..Epilogue::default() };
            let finished: Vec<f32> =
                (0..expected.len()).map(|i| oracle::finished(expected[i], &epilogue, i, i % columns)).collect();
            for processor in &processors() {
                for (epilogue, expected) in [(Epilogue::default(), &expected), (epilogue, &finished)] {
                    let mut out = vec![f32::NAN; expected.len()];
                    processor.matmul_blocks(rows, &left, &packed, &epilogue, &mut out).unwrap();
                    assert_bits(
                        &out,
                        expected,
                        format!("{rows}x{depth}x{columns} of {block} by {}", processor.kernels()),
                    );
                }
            }
        }
    }
}

/// A minimum is a block of ones behind the block, which meets the same numbers.
#[test]
fn minimums_are_steps_of_their_own() {
    let mut stream = Stream(62);
    for (rows, depth, columns, block) in [(1usize, 64usize, 50usize, 32usize), (5, 70, 97, 16)] {
        let blocks = depth.div_ceil(block);
        let left = stream.floats(rows * depth);
        let mut numbers = || (0..columns * blocks).map(|_| stream.unit() * 0.01).collect::<Vec<f32>>();
        let (scales, minimums) = (numbers(), numbers());
        let quants = stream.bytes(columns * blocks * block);
        let source = BlockWeights { bits: 8, block, quants: &quants, scales: &scales, zeros: None };
        let packed = PackedBlocks::new(depth, columns, source).unwrap().with_minimums(&minimums).unwrap();
        let mut expected = Vec::new();
        for row in left.chunks(depth) {
            let padded: Vec<f32> = row.iter().copied().chain(std::iter::repeat(0.0)).take(blocks * block).collect();
            let twice: Vec<f32> = padded.chunks(block).flat_map(|block| [block, block].concat()).collect();
            for column in 0..columns {
                let own = column * blocks..(column + 1) * blocks;
                let weights = own.clone().flat_map(|b| {
                    let quants = (b * block..(b + 1) * block).map(|place| integer(&source, place));
                    quants.chain(std::iter::repeat_n(1, block)).collect::<Vec<i32>>()
                });
                let both: Vec<f32> = own.flat_map(|b| [scales[b], minimums[b]]).collect();
                expected.push(oracle::block_dot(&twice, block, &weights.collect::<Vec<_>>(), &both));
            }
        }
        for processor in &processors() {
            let mut out = vec![f32::NAN; expected.len()];
            processor.matmul_blocks(rows, &left, &packed, &Epilogue::default(), &mut out).unwrap();
            assert_bits(&out, &expected, format!("{rows}x{depth}x{columns} of {block} by {}", processor.kernels()));
        }
        let short = PackedBlocks::new(depth, columns, source).unwrap().with_minimums(&minimums[1..]).err();
        let (expected, found) = (minimums.len(), minimums.len() - 1);
        assert_eq!(short, Some(NumericsError::Length { what: "the minimums", expected, found }));
    }
}

#[test]
fn rounding_loses_little_and_shows_what_is_not_finite() {
    let row: Vec<f32> = (0..32).map(|i| (i as f32 - 15.5) / 10.0).collect();
    let weights: Vec<i32> = (0..32).map(|i| i % 7 - 3).collect();
    let exact: f32 = row.iter().zip(&weights).map(|(x, w)| x * *w as f32 * 0.5).sum();
    let found = oracle::block_dot(&row, 32, &weights, &[0.5]);
    assert!((found - exact).abs() < 0.2, "{found} for {exact}");
    for odd in [f32::INFINITY, f32::NAN] {
        let quants = [0x55; 16];
        let source = BlockWeights { bits: 4, block: 32, quants: &quants, scales: &[1.0], zeros: None };
        let packed = PackedBlocks::new(32, 1, source).unwrap();
        let mut row = row.clone();
        row[3] = odd;
        for processor in &processors() {
            let mut out = [0.0];
            processor.matmul_blocks(1, &row, &packed, &Epilogue::default(), &mut out).unwrap();
            assert_eq!(out[0].to_bits(), 0x7fc0_0000, "{odd}");
        }
    }
}

#[test]
fn what_the_layout_cannot_hold_is_refused() {
    let weights = BlockWeights { bits: 8, block: 32, quants: &[0; 32], scales: &[1.0], zeros: None };
    assert!(PackedBlocks::new(32, 1, weights).is_ok());
    let parameter = |what, value, rule| Some(NumericsError::Parameter { what, value, rule });
    let odd = BlockWeights { block: 6, quants: &[0; 6], ..weights };
    assert_eq!(PackedBlocks::new(6, 1, odd).err(), parameter("the block", 6, "is no multiple of 4 up to 512"));
    let zeros = BlockWeights { zeros: Some(&[0]), ..weights };
    assert_eq!(PackedBlocks::new(32, 1, zeros).err(), parameter("bits", 8, "may not have zero points here"));
    let zeros = BlockWeights { bits: 4, quants: &[0; 16], zeros: Some(&[16]), ..weights };
    assert_eq!(PackedBlocks::new(32, 1, zeros).err(), parameter("a zero point", 16, "is above 15"));
}
