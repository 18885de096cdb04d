//! Products with weights in blocks of few bits on the device against the processor, bit for bit.

use std::sync::Arc;

use poai_graph::op::elementwise::{Arithmetic, Elementwise};
use poai_graph::op::product::{BitsMatMul, BlockFormat, BlockMatMul, Product};
use poai_graph::{Budget, Builder, Cpu, DType, Device, Fact, Graph, Session, Tensor};
use poai_numerics::{Kernels, Unary};
use poai_vulkan::graph::{Accelerator, Vulkan};
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::Verdict;

use crate::drivers;

fn words(count: usize, seed: u32) -> impl Iterator<Item = u32> {
    (0..count as u32).map(move |i| i.wrapping_add(seed).wrapping_mul(2_654_435_761).rotate_left(11))
}

/// Numbers between -½ and ½.
fn small(shape: &[usize], seed: u32) -> Tensor {
    let numbers = words(shape.iter().product(), seed).map(|word| word.cast_signed() as f32 * 2f32.powi(-32));
    Tensor::new(shape, &numbers.collect::<Vec<_>>())
}

fn bytes(shape: &[usize], seed: u32) -> Tensor {
    Tensor::new(shape, &words(shape.iter().product(), seed).map(|word| word as u8).collect::<Vec<_>>())
}

/// Rows of blocks whose scales, and minimums, are between 2⁻¹⁰ and 2⁻³.
fn blocks(format: BlockFormat, rows: usize, depth: usize, seed: u32) -> Tensor {
    let row_bytes = depth / 32 * format.bytes();
    let mut weights = bytes(&[rows, row_bytes], seed).bytes().to_vec();
    for block in weights.chunks_mut(format.bytes()) {
        let floats = if format == BlockFormat::Q4_1 { 2 } else { 1 };
        for float in block[..2 * floats].chunks_mut(2) {
            float[1] = float[1] & 0x83 | (5 + (float[1] >> 2 & 7)) << 2;
        }
    }
    Tensor::new(&[rows, row_bytes], &weights)
}

/// A gated layer of each format: x · gate, its SiLU times x · up, times down, and x.
fn gated() -> Graph {
    let mut builder = Builder::new();
    let mut x = builder.input("x", Fact::new(DType::F32, [1, 5, 64]));
    for (turn, format) in [BlockFormat::Q4_0, BlockFormat::Q4_1, BlockFormat::Q8_0].into_iter().enumerate() {
        let product = |builder: &mut Builder, name: &str, x, rows, depth| {
            let name = format!("{name} {turn}");
            let weights = blocks(format, rows, depth, name.len() as u32 * 31 + turn as u32);
            let weights = builder.constant(&format!("{name} weights"), weights);
            builder.node(&name, Product::BlockMatMul(BlockMatMul { format }), &[x, weights]).unwrap()
        };
        let (gate, up) = (product(&mut builder, "gate", x, 96, 64), product(&mut builder, "up", x, 96, 64));
        let gate = builder.node(&format!("silu {turn}"), Elementwise::Function(Unary::Silu), &[gate]).unwrap();
        let gated = builder.node(&format!("gated {turn}"), Elementwise::Arithmetic(Arithmetic::Mul), &[gate, up]);
        let down = product(&mut builder, "down", gated.unwrap(), 64, 96);
        x = builder.node(&format!("sum {turn}"), Elementwise::Arithmetic(Arithmetic::Add), &[down, x]).unwrap();
    }
    builder.finish(&[("y", x)])
}

/// MatMulNBits that rounds, or not: without zero points, with them, and with a bias; a last block is cut short.
fn of_bits(bits: u32, rounds: bool, [has_zeros, has_bias]: [bool; 2]) -> Graph {
    const COLUMNS: usize = 67;
    let mut builder = Builder::new();
    let x = builder.input("x", Fact::new(DType::F32, [1, 5, 64]));
    let op = BitsMatMul { bits, block: 24, depth: 64, columns: COLUMNS, rounds };
    let quants = builder.constant("quants", bytes(&[COLUMNS, 3, 3 * bits as usize], 5));
    let scales = builder.constant("scales", small(&[COLUMNS * 3], 6));
    let zeros = has_zeros.then(|| builder.constant("zeros", bytes(&[COLUMNS * 2], 7)));
    let bias = has_bias.then(|| builder.constant("bias", small(&[COLUMNS], 8)));
    let operands = [Some(x), Some(quants), Some(scales), zeros, None, bias];
    let y = builder.node_of("product", Product::Bits(op), &operands, 1).unwrap();
    builder.finish(&[("y", y[0])])
}

#[test]
fn products_of_blocks_are_those_of_the_processor() {
    drivers::on_each("blocks::products_of_blocks_are_those_of_the_processor", |driver, device| {
        let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: Vec::new() };
        let accelerator = Arc::new(Accelerator::new(device, &verdict, 0).unwrap());
        let cpu = || Cpu::new(Kernels::Auto, 1).unwrap();
        let compute = |graph: Graph, device: Arc<dyn Device>| {
            let mut budget = Budget::UNBOUNDED;
            let session = Session::new(graph, device).unwrap();
            let result = session.run(&[("x", small(&[1, 5, 64], 11))], &mut budget).unwrap().remove(0);
            (result, budget.fuel)
        };
        let graphs = || {
            let rounding = [(8, [false, false]), (4, [false, true]), (4, [true, false])];
            let rounding = rounding.map(|(bits, has)| of_bits(bits, true, has));
            [gated(), of_bits(4, false, [true, true])].into_iter().chain(rounding).collect::<Vec<_>>()
        };
        for (place, (ours, theirs)) in graphs().into_iter().zip(graphs()).enumerate() {
            let found = compute(ours, Arc::new(Vulkan::new(Arc::clone(&accelerator), cpu())));
            let due = compute(theirs, Arc::new(cpu()));
            assert!(found == due, "{driver}: graph {place}");
            assert!(due.0.get::<f32>().unwrap().iter().all(|x| x.is_finite() && *x != 0.0), "graph {place}");
        }
    });
}
