//! Functions of WGSL against `poai-numerics`, bit for bit.

use std::collections::BTreeSet;

use poai_numerics::step::{canonical, element, operand, soft_fused, stored};
use poai_numerics::{Binary, Unary};
use poai_vulkan::device::{Compute, VulkanDevice};
use poai_vulkan::kernels::Step;
use poai_vulkan::kernels::functions::{Function, source};
use poai_vulkan::spirv::Shader;

use crate::drivers;

/// A word of each kind of bit pattern: a walk through all by a large odd stride.
fn pattern(i: u32) -> u32 {
    i.wrapping_mul(2_654_435_761).wrapping_add(0x9e37_79b9)
}

/// The sign and the fraction of a word, with an exponent in a range of 2ᵇ around that of one.
fn near_one(word: u32, bits: u32) -> u32 {
    let exponent = 127 + (word >> 8) % (1 << bits) - (1 << (bits - 1));
    word & 0x807f_ffff | exponent << 23
}

/// What functions of one number are given: all kinds of patterns, more of those near one, and every edge with its
/// neighbours.
fn singles() -> Vec<u32> {
    const EDGES: [f32; 22] = [
        0.0,
        0.25,
        0.414_213_57,
        0.5,
        std::f32::consts::FRAC_PI_4,
        1.0,
        1.5,
        2.0,
        2.414_213_7,
        2.5,
        4.0,
        10.0,
        20.0,
        69.3,
        80.0,
        88.722_84,
        89.0,
        100.0,
        8_388_608.0,
        16_777_216.0,
        f32::MAX,
        f32::MIN_POSITIVE,
    ];
    let floors = [0x0d80_0000, 0x2b80_0000, 0x7f80_0000, 0x7fc0_0000, 0x4b00_0000];
    let edges = EDGES.into_iter().map(f32::to_bits).chain(floors);
    let edges =
        edges.flat_map(|edge| [edge.wrapping_sub(1), edge, edge + 1]).flat_map(|edge| [edge, edge ^ 0x8000_0000]);
    let halves = (0..64).map(|i| (i as f32 * 0.5 - 16.0).to_bits());
    let patterns = (0..1 << 14).map(pattern);
    let near = (0..1 << 14).map(|i| near_one(pattern(i), 4));
    edges.chain(halves).chain(patterns).chain(near).collect()
}

/// What functions of more are given, in rows: numbers of all kinds, such as are near one another, and every pair of edges.
fn tuples<const N: usize>() -> Vec<[u32; N]> {
    let word = |i: u32, place: usize| pattern(i * N as u32 + place as u32);
    let wild = (0..1 << 14).map(|i| std::array::from_fn(|place| word(i, place)));
    let near = (0..1 << 14).map(|i| std::array::from_fn(|place| near_one(word(i, place), 3)));
    // Few bits, so that there are ties and exact results; and small ones.
    let round = (0..1 << 13).map(|i| std::array::from_fn(|place| near_one(word(i, place), 4) & 0xfff8_0000));
    let small =
        (0..1 << 13).map(|i| std::array::from_fn(|place| near_one(word(i, place), 4) - ((40 + 20 * (i & 1)) << 23)));
    let edges = [
        0,
        1,
        0x0d7f_ffff,
        0x0d80_0000,
        0x2b80_0000,
        0x3f00_0000,
        0x3f80_0000,
        0x4000_0000,
        0x4040_0000,
        0x7f7f_ffff,
        0x7f80_0000,
        0x7fc0_0000,
    ];
    let edge = |i: usize| edges[i / 2 % 12] | (i as u32 & 1) << 31;
    let pairs = (0..24usize.pow(2)).map(|i| std::array::from_fn(|place| edge(i / 24usize.pow(place as u32 % 2) % 24)));
    wild.chain(near).chain(round).chain(small).chain(pairs).collect()
}

fn due(function: Function, operands: &[f32]) -> f32 {
    let unary = |operation: Unary| operation.of(operands[0]);
    let binary = |operation: Binary| operation.of(operands[0], operands[1]);
    match function {
        Function::Add => binary(Binary::Add),
        Function::Sub => binary(Binary::Sub),
        Function::Mul => binary(Binary::Mul),
        Function::Div => binary(Binary::Div),
        Function::Rem => binary(Binary::Remainder),
        Function::Pow => binary(Binary::Pow),
        Function::Max => binary(Binary::Max),
        Function::Min => binary(Binary::Min),
        Function::Neg => unary(Unary::Neg),
        Function::Abs => unary(Unary::Abs),
        Function::Sign => unary(Unary::Sign),
        Function::Floor => unary(Unary::Floor),
        Function::Ceil => unary(Unary::Ceil),
        Function::Round => unary(Unary::Round),
        Function::Trunc => stored(element(operands[0]).trunc()),
        Function::Sqrt => unary(Unary::Sqrt),
        Function::Exp => unary(Unary::Exp),
        Function::Log => unary(Unary::Log),
        Function::Sin => unary(Unary::Sin),
        Function::Cos => unary(Unary::Cos),
        Function::Tan => unary(Unary::Tan),
        Function::Asin => unary(Unary::Asin),
        Function::Acos => unary(Unary::Acos),
        Function::Atan => unary(Unary::Atan),
        Function::Sinh => unary(Unary::Sinh),
        Function::Cosh => unary(Unary::Cosh),
        Function::Tanh => unary(Unary::Tanh),
        Function::Asinh => unary(Unary::Asinh),
        Function::Acosh => unary(Unary::Acosh),
        Function::Atanh => unary(Unary::Atanh),
        Function::Fma => canonical(soft_fused(operand(operands[0]), operand(operands[1]), addend(operands[2]))),
    }
}

/// A number in whole multiples of 2⁻¹²⁶, towards zero.
fn addend(c: f32) -> f32 {
    const UNIT: f64 = f32::MIN_POSITIVE as f64;
    let whole = f64::from(c) / UNIT;
    if whole.abs() < 1e300 { (whole.trunc() * UNIT) as f32 + 0.0 } else { c }
}

/// What the device gives for rows of operands.
fn computed(device: &VulkanDevice, function: Function, rows: &[u32]) -> Vec<u32> {
    let count = function.operands();
    let operands: Vec<String> =
        (0..count).map(|place| format!("bitcast<f32>(given[i * {count}u + {place}u])")).collect();
    let source = format!(
        "{}
        @group(0) @binding(0) var<storage, read> given: array<u32>;
        @group(0) @binding(1) var<storage, read_write> found: array<u32>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
            let i = id.x;
            if i < arrayLength(&found) {{ found[i] = bitcast<u32>({}({})); }}
        }}",
        source(Step::Emulated, &BTreeSet::from([function])),
        function.name(),
        operands.join(", "),
    );
    let kernel = device.kernel(&Shader::new(&source, device.description().features.controls()).unwrap()).unwrap();
    let results = rows.len() / count;
    let (given, found) = (device.buffer(rows.len()).unwrap(), device.buffer(results).unwrap());
    device.write(&given, rows).unwrap();
    device.run(&kernel, &[&given, &found], [results.div_ceil(64) as u32, 1, 1]).unwrap();
    device.read(&found).unwrap()
}

fn assert_as_numerics(driver: &str, device: &VulkanDevice, functions: &[Function]) {
    for &function in functions {
        let rows = match function.operands() {
            1 => singles(),
            2 => tuples::<2>().into_flattened(),
            _ => tuples::<3>().into_flattened(),
        };
        let found = computed(device, function, &rows);
        for (row, found) in rows.chunks(function.operands()).zip(found) {
            let operands: Vec<f32> = row.iter().copied().map(f32::from_bits).collect();
            let due = due(function, &operands).to_bits();
            assert_eq!(found, due, "{driver}: {} of {operands:?}: {found:08x}, not {due:08x}", function.name());
        }
    }
}

#[test]
fn all_functions_are_those_of_numerics() {
    drivers::on_each("functions::all_functions_are_those_of_numerics", |driver, device| {
        assert_as_numerics(driver, &device, &Function::ALL);
    });
}
