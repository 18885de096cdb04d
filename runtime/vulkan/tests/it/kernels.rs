//! Kernels against `poai-numerics`, bit for bit.

use poai_numerics::{Binary, Epilogue, Matrices, Unary, oracle};
use poai_vulkan::device::{Compute, VulkanDevice};
use poai_vulkan::kernels::{self, Operation, Patches, Step, Terms, Tiling};
use poai_vulkan::spirv::Shader;

use crate::drivers;

/// Every kind of bit pattern: a walk through all words by a large odd stride.
fn patterns(count: usize, seed: u32) -> Vec<u32> {
    (0..count as u32).map(|i| i.wrapping_mul(2_654_435_761).wrapping_add(seed)).collect()
}

/// Numbers between -2 and 2, of all fractions.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    patterns(count, seed).into_iter().map(|word| word.cast_signed() as f32 / (1u32 << 30) as f32).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// The last of the kernel's bindings, after it ran over the others.
fn run(device: &VulkanDevice, source: &str, inputs: &[Vec<u32>], length: usize, groups: [u32; 3]) -> Vec<u32> {
    let shader = Shader::new(source, device.description().features.controls()).unwrap();
    let kernel = device.kernel(&shader).unwrap();
    let mut buffers: Vec<_> = inputs
        .iter()
        .map(|input| {
            let buffer = device.buffer(input.len()).unwrap();
            device.write(&buffer, input).unwrap();
            buffer
        })
        .collect();
    buffers.push(device.buffer(length).unwrap());
    device.run(&kernel, &buffers.iter().collect::<Vec<_>>(), groups).unwrap();
    device.read(buffers.last().unwrap()).unwrap()
}

#[test]
fn elementwise_operations_are_those_of_numerics() {
    drivers::on_each("kernels::elementwise_operations_are_those_of_numerics", |driver, device| {
        const COUNT: usize = 1 << 17;
        let (left, right) = (patterns(COUNT, 1), patterns(COUNT, 0x9e37_79b9).into_iter().rev().collect::<Vec<_>>());
        type Answer = Box<dyn Fn(f32, f32) -> f32>;
        let binary = |operation: Binary| -> Answer { Box::new(move |a, b| operation.of(a, b)) };
        let unary = |operation: Unary| -> Answer { Box::new(move |a, _| operation.of(a)) };
        for (operation, answer) in [
            (Operation::Add, binary(Binary::Add)),
            (Operation::Sub, binary(Binary::Sub)),
            (Operation::Mul, binary(Binary::Mul)),
            (Operation::Max, binary(Binary::Max)),
            (Operation::Min, binary(Binary::Min)),
            (Operation::Identity, unary(Unary::Identity)),
            (Operation::Neg, unary(Unary::Neg)),
            (Operation::Abs, unary(Unary::Abs)),
            (Operation::Relu, unary(Unary::Relu)),
        ] {
            let source = kernels::elementwise(operation);
            let found = run(&device, &source, &[left.clone(), right.clone()], COUNT, [(COUNT / 64) as u32, 1, 1]);
            for (i, found) in found.into_iter().enumerate() {
                let due = answer(f32::from_bits(left[i]), f32::from_bits(right[i])).to_bits();
                assert_eq!(found, due, "{driver}: {operation:?} of {:08x} and {:08x}", left[i], right[i]);
            }
        }
    });
}

/// Products of all edges of tiles, by one kernel.
fn assert_products(driver: &str, device: &VulkanDevice, tiling: Tiling) {
    let source = kernels::matmul(Step::Emulated, tiling);
    let kernel = device.kernel(&Shader::new(&source, device.description().features.controls()).unwrap()).unwrap();
    for [m, k, n] in [[1, 1, 1], [64, 16, 64], [17, 0, 3], [1, 300, 133], [130, 65, 67], [63, 33, 65], [64, 128, 128]] {
        let (left, right) = (numbers(m * k, 5), numbers(k * n, 77));
        let due = oracle::matmul([m, k, n], Matrices::one(&left, k), Matrices::one(&right, n), &Epilogue::default());
        let terms = Terms::one([m, k, n].map(|length| length as u32));
        let buffers = [bits(&left), bits(&right), terms.words(), vec![0; m * n]];
        let buffers = buffers.map(|words| device.filled(&words).unwrap());
        device.run(&kernel, &buffers.each_ref(), terms.groups().unwrap()).unwrap();
        assert_eq!(device.read(&buffers[3]).unwrap(), bits(&due), "{driver}: {m} × {k} × {n}, {tiling:?}");
    }
}

#[test]
fn products_of_matrices_are_those_of_numerics() {
    drivers::on_each("kernels::products_of_matrices_are_those_of_numerics", |driver, device| {
        assert_products(driver, &device, Tiling::Direct);
    });
}

#[test]
fn so_are_products_through_workgroup_memory() {
    drivers::on_each("kernels::so_are_products_through_workgroup_memory", |driver, device| {
        assert_products(driver, &device, Tiling::Shared);
    });
}

#[test]
fn so_are_convolutions_through_workgroup_memory() {
    drivers::on_each("kernels::so_are_convolutions_through_workgroup_memory", |driver, device| {
        // One image of 9 × 8 with 5 channels under a window of 3 × 3, a pixel of padding on each side; 70 results.
        let [height, width, channels, results] = [9usize, 8, 5, 70];
        let (pixels, weights) = (numbers(height * width * channels, 3), numbers(9 * channels * results, 4));
        let terms = Terms {
            strides: [[0, 0], [results as u32, 1]],
            patches: Some(Patches {
                window: [[9, 8, 5, 3], [1, 1, 1, 1], [1, 1, 9, 8]],
                channels: channels as u32,
                results: results as u32,
            }),
            ..Terms::one([height * width, 9 * channels, results].map(|length| length as u32))
        };
        let mut due = Vec::new();
        for place in 0..height * width {
            for result in 0..results {
                let steps = (0..9 * channels).filter_map(|i| {
                    let tap = i / channels;
                    let y = (place / width + tap / 3).checked_sub(1).filter(|y| *y < height)?;
                    let x = (place % width + tap % 3).checked_sub(1).filter(|x| *x < width)?;
                    Some((pixels[(y * width + x) * channels + i % channels], weights[i * results + result]))
                });
                due.push(oracle::chain(steps));
            }
        }
        let source = kernels::convolution(Step::Emulated, Tiling::Shared);
        let inputs = [bits(&pixels), bits(&weights), terms.words()];
        assert_eq!(run(&device, &source, &inputs, due.len(), terms.groups().unwrap()), bits(&due), "{driver}");
    });
}
