use poai_compute::Resident;
use poai_vulkan::device::VulkanDevice;
use poai_vulkan::task::Tasks;

use super::{BUDGET, bound, kernel, random_words, ready, tasks};
use crate::drivers;

/// Operations of two words a and b: i and j as integers of either sign, x and y as floats.
const OF_TWO: &[&str] = &[
    "(a + b) ^ (a - b) * 3u",
    "a * b",
    "a / b",
    "a % b",
    "u32(i / j)",
    "u32(i % j)",
    "a << (b & 31u)",
    "a >> (b & 31u)",
    "u32(i >> (b & 31u))",
    "(a & b) + (a | b) ^ ~a",
    "u32(a < b) + 2u * u32(a <= b) + 4u * u32(a == b)",
    "u32(i < j) + 2u * u32(i <= j) + 4u * u32(i != j)",
    "min(a, b) ^ u32(max(i, j))",
    "max(a, b) ^ u32(min(i, j))",
    "dot4U8Packed(a, b)",
    "u32(dot4I8Packed(a, b))",
    "u32(x < y) + 2u * u32(x <= y) + 4u * u32(x == y) + 8u * u32(x != y)",
    "bitcast<u32>(x + y)",
    "bitcast<u32>(x - y)",
    "bitcast<u32>(x * y)",
    "bitcast<u32>(min(x, y))",
    "bitcast<u32>(max(x, y))",
    "bitcast<u32>(fma(x, y, bitcast<f32>(b ^ 0x80000000u)))",
    "bitcast<u32>(x / y)",
    "bitcast<u32>(x % y)",
    "bitcast<u32>(select(x, y, a < b))",
];
/// Operations of one word.
const OF_ONE: &[&str] = &[
    "u32(abs(i))",
    "u32(sign(i))",
    "u32(-i)",
    "countOneBits(a)",
    "countLeadingZeros(a)",
    "countTrailingZeros(a)",
    "reverseBits(a)",
    "firstLeadingBit(a)",
    "u32(firstLeadingBit(i))",
    "firstTrailingBit(a)",
    "u32(bool(a))",
    "bitcast<u32>(f32(a))",
    "bitcast<u32>(f32(i))",
    "bitcast<u32>(f32(a > 5u))",
    "u32(x)",
    "u32(i32(x))",
    "u32(bool(x))",
    "bitcast<u32>(-x)",
    "bitcast<u32>(abs(x))",
    "bitcast<u32>(sign(x))",
    "bitcast<u32>(floor(x))",
    "bitcast<u32>(ceil(x))",
    "bitcast<u32>(round(x))",
    "bitcast<u32>(trunc(x))",
    "bitcast<u32>(sqrt(x))",
    "bitcast<u32>(saturate(x))",
];
/// Floats where operations have their edges, and integers too.
fn edges() -> Vec<u32> {
    let floats = [
        0.0,
        0.5,
        1.0,
        1.5,
        2.5,
        3.0,
        0.1,
        7.25,
        100.0,
        8_388_607.5,
        8_388_609.0,
        16_777_217.0,
        2_147_483_520.0,
        2_147_483_648.0,
        4_294_967_040.0,
        4_294_967_296.0,
        1e20,
        1e-20,
        1e-30,
        2.0_f32.powi(-100),
        2.0_f32.powi(-101),
        2.0_f32.powi(-40),
        1.9 * 2.0_f32.powi(-41),
        1.5 * 2.0_f32.powi(-126),
        1e-40,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ];
    let floats = floats.into_iter().flat_map(|x: f32| [x.to_bits(), (-x).to_bits()]);
    floats
        .chain([1, 2, 5, 31, 33, 255, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0001, 0xff01_02fe, u32::MAX, 0xffc1_2345])
        .collect()
}

/// Every operation of integers, every comparison and conversion, and the plain operations of floats.
#[test]
fn operations_have_the_executors_bits() {
    drivers::on_each("task::operations::operations_have_the_executors_bits", |_, device| {
        let tasks = tasks(device);
        let edges = edges();
        let pairs: Vec<u32> =
            edges.iter().flat_map(|a| edges.iter().flat_map(move |b| [*a, *b])).chain(random_words(600)).collect();
        for list in OF_TWO.chunks(6).chain(OF_ONE.chunks(6)) {
            check(&tasks, list, &pairs);
        }
    });
}

/// Compares some operations on all pairs of words.
fn check(tasks: &Tasks<VulkanDevice>, list: &[&str], pairs: &[u32]) {
    let writes: String =
        list.iter().zip(0..).map(|(text, place): (_, u32)| format!("out[8u * n + {place}u] = {text};\n")).collect();
    let source = format!(
        "@group(0) @binding(0) var<storage, read> given: array<vec2<u32>>;
        @group(0) @binding(1) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
            let n = id.x; let a = given[n].x; let b = given[n].y; let i = bitcast<i32>(a); let j = bitcast<i32>(b);
            let x = bitcast<f32>(a); let y = bitcast<f32>(b);
            {writes} }}"
    );
    let kernel = kernel(&source, "main");
    let ready = ready(tasks, "operations", &kernel);
    let groups = (pairs.len() / 2).div_ceil(64) as u32;
    let buffers = vec![(pairs.to_vec(), None), (vec![0; groups as usize * 64 * 8], Some(8))];
    let (mut by_device, mut by_executor) = (buffers.clone(), buffers);
    let (mut left, mut expected_left) = (BUDGET, BUDGET);
    let residents = [Resident::default(), Resident::default()];
    let done = ready.dispatch(&kernel, &mut bound(&mut by_device), &residents, [groups, 1, 1], &mut left);
    assert_eq!(done, Ok(Some(Ok(()))), "{list:?}");
    kernel.dispatch(&mut bound(&mut by_executor), [groups, 1, 1], &mut expected_left).unwrap();
    assert_eq!(left, expected_left, "{list:?}");
    for (place, (found, expected)) in by_device[1].0.iter().zip(&by_executor[1].0).enumerate() {
        let (n, text) = (place / 8, list.get(place % 8));
        let operands = pairs.get(2 * n..2 * n + 2);
        assert_eq!(found, expected, "{text:?} of {operands:x?}: {found:#x}, not {expected:#x}");
    }
}
