//! Programs of element-wise operations against `poai-numerics`, bit for bit.

use poai_numerics::operations::{BINARY, UNARY};
use poai_numerics::{Binary, Source, Step as Operation, Unary};
use poai_vulkan::device::{Compute, VulkanDevice};
use poai_vulkan::kernels::{self, Place, Program, Read, Step};
use poai_vulkan::spirv::Shader;

use crate::drivers;

/// Words of every kind: all bit patterns in large odd steps; numbers near one; small ones.
fn words(seed: u32, count: u32) -> Vec<u32> {
    let word = |i: u32| i.wrapping_mul(2_654_435_761).wrapping_add(seed);
    let within = |word: u32, least: u32| word & 0x807f_ffff | (least + (word >> 8) % 16) << 23;
    (0..count)
        .map(|i| match i % 4 {
            0 => word(i),
            1 | 2 => within(word(i), 119),
            _ => within(word(i), 27),
        })
        .collect()
}

fn compiled(device: &VulkanDevice) -> <VulkanDevice as Compute>::Kernel {
    let source = kernels::program(Step::Emulated);
    device.kernel(&Shader::new(&source, device.description().features.controls()).unwrap()).unwrap()
}

/// What the device makes of two operands and what lies in the program.
fn computed(
    device: &VulkanDevice,
    kernel: &<VulkanDevice as Compute>::Kernel,
    (program, reads): (&Program, &[Read]),
    count: usize,
    operands: [&[u32]; 2],
) -> Vec<u32> {
    let [left, right] = operands.map(|words| device.filled(words).unwrap());
    let words = device.filled(&program.words(count as u32, reads)).unwrap();
    let result = device.buffer(count).unwrap();
    let groups = count.div_ceil(64) as u32;
    // Two axes of workgroups, as results beyond 4 million elements have.
    device.run(kernel, &[&left, &right, &words, &result], [groups.div_ceil(2), 2, 1]).unwrap();
    device.read(&result).unwrap()
}

fn whole(place: Place, count: usize) -> Read {
    Read::whole(place, count as u32)
}

#[test]
fn every_operation_is_that_of_numerics() {
    drivers::on_each("programs::every_operation_is_that_of_numerics", |driver, device| {
        const COUNT: usize = 1 << 12;
        let kernel = compiled(&device);
        let (left, right) = (words(1, COUNT as u32), words(77, COUNT as u32));
        let reads = [whole(Place::Left, COUNT), whole(Place::Right, COUNT)];
        let run = |step| {
            let program = Program::new(&[step]).unwrap();
            computed(&device, &kernel, (&program, &reads), COUNT, [&left, &right])
        };
        for &operation in UNARY {
            let found = run(Operation::Unary(operation, Source::Operand(0)));
            for (found, x) in found.into_iter().zip(&left) {
                let due = operation.of(f32::from_bits(*x)).to_bits();
                assert_eq!(found, due, "{driver}: {operation:?} of {x:08x}: {found:08x}, not {due:08x}");
            }
        }
        for &operation in BINARY {
            let found = run(Operation::Binary(operation, [Source::Operand(0), Source::Operand(1)]));
            for (found, (a, b)) in found.into_iter().zip(left.iter().zip(&right)) {
                let due = operation.of(f32::from_bits(*a), f32::from_bits(*b)).to_bits();
                assert_eq!(found, due, "{driver}: {operation:?} of {a:08x} and {b:08x}: {found:08x}, not {due:08x}");
            }
        }
    });
}

#[test]
fn operands_repeat_as_their_axes_say() {
    drivers::on_each("programs::operands_repeat_as_their_axes_say", |driver, device| {
        // (3, 1, 5), (4, 1) and, in the program, (5): all to (3, 4, 5). The sum of the first two, gelu of it, less the third.
        let (left, right, third) = (words(5, 15), words(6, 4), words(7, 5));
        let sum = Operation::Binary(Binary::Add, [Source::Operand(0), Source::Operand(1)]);
        let gelu = Operation::Unary(Unary::Gelu, Source::Step(0));
        let less = Operation::Binary(Binary::Sub, [Source::Step(1), Source::Operand(2)]);
        let reads = [
            Read { place: Place::Left, numbers: Vec::new(), start: 0, axes: vec![[5, 1], [4, 0], [3, 5]], table: None },
            Read {
                place: Place::Right,
                numbers: Vec::new(),
                start: 0,
                axes: vec![[5, 0], [4, 1], [3, 0]],
                table: None,
            },
            Read { place: Place::Program, numbers: third.clone(), start: 0, axes: vec![[5, 1], [12, 0]], table: None },
        ];
        let program = Program::new(&[sum, gelu, less]).unwrap();
        let found = computed(&device, &compiled(&device), (&program, &reads), 60, [&left, &right]);
        for (i, found) in found.into_iter().enumerate() {
            let [a, b, c] = [left[i / 20 * 5 + i % 5], right[i / 5 % 4], third[i % 5]].map(f32::from_bits);
            let due = Binary::Sub.of(Unary::Gelu.of(Binary::Add.of(a, b)), c);
            assert_eq!(found, due.to_bits(), "{driver}: element {i}");
        }
    });
}

#[test]
fn what_no_device_takes_has_no_program() {
    for operation in [Unary::Celu(1e-30), Unary::Elu(1e30), Unary::LeakyRelu(f32::NAN), Unary::LeakyRelu(1e-40)] {
        assert_eq!(Program::new(&[Operation::Unary(operation, Source::Operand(0))]), None, "{operation:?}");
    }
    // Seventy operands that are all read before any is used.
    let mut steps: Vec<_> = (0..70).map(|i| Operation::Unary(Unary::Neg, Source::Operand(i))).collect();
    steps.extend((0..70).map(|i| Operation::Binary(Binary::Add, [Source::Step(i), Source::Step(69)])));
    assert_eq!(Program::new(&steps), None);
}
