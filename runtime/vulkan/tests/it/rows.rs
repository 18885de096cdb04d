//! Rows that are reduced, against `poai-numerics`, bit for bit.

use poai_numerics::{Affine, Normalisation, oracle};
use poai_vulkan::device::Compute;
use poai_vulkan::kernels::{self, Row, Rows, Step};
use poai_vulkan::spirv::Shader;

use crate::drivers;

/// Numbers between -8 and 8 of all fractions, one in thirty of them huge.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let word = |i: u32| i.wrapping_add(seed).wrapping_mul(2_654_435_761).cast_signed();
    let number = |i: u32| word(i) as f32 * 2f32.powi(if i % 30 == 7 { 90 } else { -28 });
    (0..count as u32).map(number).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn rows_of_any_length_are_those_of_numerics() {
    drivers::on_each("rows::rows_of_any_length_are_those_of_numerics", |driver, device| {
        let source = kernels::rows(Step::Emulated);
        let shader = Shader::new(&source, device.description().features.controls()).unwrap();
        let kernel = device.kernel(&shader).unwrap();
        for (count, length) in [(1, 1), (3, 15), (5, 16), (4, 17), (2, 300), (70, 33)] {
            let (data, scale, shift) = (numbers(count * length, 3), numbers(length, 5), numbers(length, 7));
            let norm = |centred, scale, shift| Row::Norm { centred, epsilon: 1e-5, scale, shift };
            let (layer, mean_square) =
                (Normalisation::Layer { epsilon: 1e-5 }, Normalisation::RootMeanSquare { epsilon: 1e-5 });
            let affine = Affine { scale: &scale, shift: Some(&shift) };
            let due =
                |answer: &dyn Fn(&[f32]) -> Vec<f32>| bits(&data.chunks(length).flat_map(answer).collect::<Vec<_>>());
            for (row, due) in [
                (Row::Softmax, due(&oracle::softmax)),
                (Row::LogSoftmax, due(&oracle::log_softmax)),
                (norm(true, Some(&scale), Some(&shift)), due(&|row| oracle::normalise(layer, Some(affine), row))),
                (norm(false, None, None), due(&|row| oracle::normalise(mean_square, None, row))),
            ] {
                let rows = Rows { row, count: count as u32, length: length as u32 };
                assert!(rows.taken());
                let (given, terms) = (device.filled(&bits(&data)).unwrap(), device.filled(&rows.words()).unwrap());
                let result = device.buffer(data.len()).unwrap();
                device.run(&kernel, &[&given, &terms, &result], rows.groups()).unwrap();
                assert_eq!(device.read(&result).unwrap(), due, "{driver}: {count} rows of {length}: {row:?}");
            }
        }
    });
}

#[test]
fn what_no_device_takes_is_known_before() {
    let scale = [1.0; 8];
    let norm = |epsilon, scale, shift| Row::Norm { centred: true, epsilon, scale, shift };
    for (row, length) in [
        (Row::Softmax, 0),
        (Row::Softmax, 1 << 24),
        (norm(0.0, None, None), 8),
        (norm(f32::NAN, None, None), 8),
        (norm(1e-5, Some(&scale[..]), None), 7),
        (norm(1e-5, None, Some(&scale[..])), 8),
    ] {
        assert!(!Rows { row, count: 1, length }.taken(), "{row:?} of {length}");
    }
}
