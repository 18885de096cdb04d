//! The kernels of tasks/, against the same in plain Rust.

use poai_numerics::{Epilogue, Matrices, oracle};

use crate::{Binding, Kernel};

/// Numbers of 24 bits below 1.
fn fractions(count: usize) -> Vec<f32> {
    let number = |i: u32| (i.wrapping_mul(0x9e37_79b9).rotate_left(13).wrapping_mul(0x85eb_ca6b) >> 8) as f32;
    (0..count as u32).map(|i| number(i) / (1 << 24) as f32).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn matmul_has_the_bits_of_numerics() {
    let kernel = Kernel::parse(include_str!("../../../../tasks/matmul/src/matmul.wgsl"), "multiply").unwrap();
    for [rows, depth, columns] in [[1, 1, 1], [16, 16, 16], [17, 33, 5], [40, 50, 30]] {
        let number = |x: &f32| (x - 0.5) * 2.0_f32.powi((x * 1e6) as i32 % 40);
        let [left, right] =
            [rows * depth, depth * columns].map(|count| fractions(count).iter().map(number).collect::<Vec<f32>>());
        let [high, wide] = [rows.div_ceil(16), columns.div_ceil(16)];
        let mut product = vec![0; high * 16 * wide * 16];
        let sizes = [rows as u32, depth as u32, columns as u32];
        let (left_bits, right_bits) = (bits(&left), bits(&right));
        let mut bindings = [
            Binding::Read(&sizes),
            Binding::Read(&left_bits),
            Binding::Read(&right_bits),
            Binding::ReadWrite { words: &mut product, stride: 1 },
        ];
        kernel.dispatch(&mut bindings, [wide as u32, high as u32, 1], &mut 1_000_000_000).unwrap();
        let found: Vec<u32> = product.chunks(wide * 16).take(rows).flat_map(|row| &row[..columns]).copied().collect();
        let matrices = |data, row_stride| Matrices { data, starts: &[0], row_stride, column_stride: 1 };
        let operands = (matrices(&left[..], depth), matrices(&right[..], columns));
        let expected = oracle::matmul([rows, depth, columns], operands.0, operands.1, &Epilogue::default());
        assert_eq!(found, bits(&expected), "{rows} {depth} {columns}");
    }
}

/// One step in plain f32: nothing here is small enough for the rules of small numbers.
fn step(places: &[[f32; 4]], velocities: &mut [[f32; 4]]) -> Vec<[f32; 4]> {
    const TIME_STEP: f32 = 1.0 / 1_024.0;
    let moved = |(body, velocity): (&[f32; 4], &mut [f32; 4])| {
        let mut acceleration = [0.0_f32; 3];
        for other in places {
            let away = [0, 1, 2].map(|axis| other[axis] - body[axis]);
            let square = away.iter().rev().fold(0.0001, |sum: f32, x: &f32| x.mul_add(*x, sum));
            let nearness = 1.0 / square.sqrt();
            let strength = other[3] * (nearness * nearness * nearness);
            for axis in 0..3 {
                acceleration[axis] = strength.mul_add(away[axis], acceleration[axis]);
            }
        }
        let mut next = *body;
        for axis in 0..3 {
            velocity[axis] = TIME_STEP.mul_add(acceleration[axis], velocity[axis]);
            next[axis] = TIME_STEP.mul_add(velocity[axis], body[axis]);
        }
        next
    };
    places.iter().zip(velocities).map(moved).collect()
}

#[test]
fn nbody_moves_as_plain_rust_does() {
    let kernel = Kernel::parse(include_str!("../../../../tasks/nbody/src/nbody.wgsl"), "step_forward").unwrap();
    let mut places: Vec<[f32; 4]> =
        fractions(512).chunks(4).map(|body| [body[0] - 0.5, body[1] - 0.5, body[2] - 0.5, body[3] / 64.0]).collect();
    let mut velocities = vec![[0.0; 4]; places.len()];
    let mut words = [bits(places.as_flattened()), vec![0; 512], vec![0; 512]];
    for _ in 0..3 {
        let [from, to, speeds] = &mut words;
        let mut bindings = [
            Binding::Read(from),
            Binding::ReadWrite { words: to, stride: 4 },
            Binding::ReadWrite { words: speeds, stride: 4 },
        ];
        kernel.dispatch(&mut bindings, [2, 1, 1], &mut 1_000_000_000).unwrap();
        words.swap(0, 1);
        places = step(&places, &mut velocities);
        assert_eq!(words[0], bits(places.as_flattened()));
        assert_eq!(words[2], bits(velocities.as_flattened()));
    }
}
