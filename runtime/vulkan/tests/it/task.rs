//! Tasks' kernels on both drivers, against the executor: every bit, and the fuel.

mod atomics; // words that all invocations change
mod hostile; // kernels that mean harm
mod memory; // slices, layouts, workgroup memory
mod operations; // each on the edges of numbers
mod residents; // buffers that stay on the device
#[path = "../../../compute/src/tests/statements.rs"]
mod statements;

use std::sync::Arc;

use poai_compute::{Binding, Device, DispatchError, Kernel, NotReady, Ready, Resident};
use poai_vulkan::device::VulkanDevice;
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::Verdict;
use poai_vulkan::task::Tasks;

use crate::drivers;

const BUDGET: u64 = 1_000_000_000;

/// A device whose proof says that it has no fused step of its own, as is true of both drivers.
fn tasks(device: VulkanDevice) -> Tasks<VulkanDevice> {
    let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: Vec::new() };
    Tasks::new(Arc::new(device), &verdict).unwrap()
}

/// Buffers for a dispatch: their words, and the stride of those that are written.
type Buffers = Vec<(Vec<u32>, Option<u32>)>;

fn bound(buffers: &mut Buffers) -> Vec<Binding<'_>> {
    buffers
        .iter_mut()
        .map(|(words, stride)| match *stride {
            None => Binding::Read(words),
            Some(stride) => Binding::ReadWrite { words, stride },
        })
        .collect()
}

fn ready(tasks: &Tasks<VulkanDevice>, name: &str, kernel: &Kernel) -> Box<dyn Ready> {
    tasks.prepare(kernel).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What came of a dispatch: alike on the device and by the executor.
struct Ended {
    done: Result<(), DispatchError>,
    buffers: Buffers,
    cost: u64,
}

/// Runs a dispatch on the device and by the executor, and compares what comes of it.
fn same(name: &str, kernel: &Kernel, ready: &dyn Ready, buffers: &Buffers, workgroups: [u32; 3], budget: u64) -> Ended {
    let (mut by_device, mut by_executor) = (buffers.clone(), buffers.clone());
    let (mut left, mut expected_left) = (budget, budget);
    let residents = vec![Resident::default(); buffers.len()];
    let done = ready.dispatch(kernel, &mut bound(&mut by_device), &residents, workgroups, &mut left);
    let done = done.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let expected = kernel.dispatch(&mut bound(&mut by_executor), workgroups, &mut expected_left);
    assert_eq!(done, Some(expected), "{name}");
    assert_eq!(left, expected_left, "{name}: fuel");
    if expected != Err(DispatchError::OutOfFuel) {
        assert_eq!(by_device, by_executor, "{name}");
    }
    Ended { done: expected, buffers: by_device, cost: budget - left }
}

fn kernel(source: &str, entry: &str) -> Kernel {
    Kernel::parse(source, entry).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

/// A kernel of one invocation that writes the words of `out`.
fn alone(declarations: &str, body: &str) -> Kernel {
    kernel(
        &format!(
            "{declarations}
            @group(0) @binding(0) var<storage, read_write> out: array<u32>;
            @compute @workgroup_size(1) fn main() {{ {body} }}"
        ),
        "main",
    )
}

#[test]
fn statements_and_values() {
    drivers::on_each("task::statements_and_values", |_, device| {
        let tasks = tasks(device);
        for (name, declarations, body, expected) in statements::STATEMENTS {
            let kernel = alone(declarations, body);
            let ready = ready(&tasks, name, &kernel);
            let buffers = same(name, &kernel, &*ready, &vec![(vec![0; 4], Some(4))], [1; 3], BUDGET).buffers;
            assert_eq!(buffers[0].0[..expected.len()], **expected, "{name}");
        }
    });
}

/// Words in the order of nothing.
fn random_words(count: usize) -> Vec<u32> {
    let word = |i: u32| i.wrapping_mul(0x9e37_79b9).rotate_left(13).wrapping_mul(0x85eb_ca6b) ^ (i << 20);
    (0..count as u32).map(word).collect()
}

/// Many workgroups are many jobs, and it does not show.
#[test]
fn the_tasks_own_kernels_run_in_jobs() {
    drivers::on_each("task::the_tasks_own_kernels_run_in_jobs", |_, device| {
        let tasks = tasks(device);
        let matmul = kernel(include_str!("../../../../tasks/matmul/src/matmul.wgsl"), "multiply");
        let [rows, depth, columns] = [40_usize, 50, 30];
        let floats = |count: usize| -> Vec<u32> {
            random_words(count).iter().map(|word| ((word >> 8) as f32 / 65_536.0 - 128.0).to_bits()).collect()
        };
        let [high, wide] = [rows.div_ceil(16), columns.div_ceil(16)];
        let buffers = vec![
            (vec![rows as u32, depth as u32, columns as u32], None),
            (floats(rows * depth), None),
            (floats(depth * columns), None),
            (vec![0; high * 16 * wide * 16], Some(1)),
        ];
        let matmul_ready = ready(&tasks, "matmul", &matmul);
        same("matmul", &matmul, &*matmul_ready, &buffers, [wide as u32, high as u32, 1], BUDGET);
        let nbody = kernel(include_str!("../../../../tasks/nbody/src/nbody.wgsl"), "step_forward");
        let bodies = 64 * 5;
        let places: Vec<u32> =
            random_words(4 * bodies).iter().map(|word| ((word >> 8) as f32 / (1 << 24) as f32).to_bits()).collect();
        let buffers = vec![(places, None), (vec![0; 4 * bodies], Some(4)), (vec![0; 4 * bodies], Some(4))];
        let nbody_ready = ready(&tasks, "nbody", &nbody);
        let Ended { buffers: moved, cost, .. } = same("nbody", &nbody, &*nbody_ready, &buffers, [5, 1, 1], BUDGET);
        assert_ne!(moved[1].0, buffers[0].0, "they move");
        // The budget is exact.
        assert_eq!(same("to the last", &nbody, &*nbody_ready, &buffers, [5, 1, 1], cost).done, Ok(()));
        let ended = same("one less", &nbody, &*nbody_ready, &buffers, [5, 1, 1], cost - 1);
        assert_eq!((ended.done, ended.cost), (Err(DispatchError::OutOfFuel), cost - 1));
    });
}

#[test]
fn what_is_not_proven_or_too_large_stays_on_the_processor() {
    let racing = "var<workgroup> m: u32; @compute @workgroup_size(2) fn main(@builtin(local_invocation_index) i: u32) { m = i; }";
    let parting = "@compute @workgroup_size(2) fn main(@builtin(local_invocation_index) i: u32) { if (i == 0u) { workgroupBarrier(); } }";
    let large = format!(
        "@group(0) @binding(0) var<storage, read_write> out: array<u32>; @compute @workgroup_size(1) fn main() {{ {} }}",
        "out[0] += 1u;\n".repeat(1_500)
    );
    drivers::on_each("task::what_is_not_proven_or_too_large_stays_on_the_processor", |_, device| {
        let tasks = tasks(device);
        for (source, expected) in [
            (racing, "invocations may race for word 0 of workgroup memory"),
            (parting, "a barrier where invocations may have parted"),
            (&large, "are many for devices"),
        ] {
            match tasks.prepare(&kernel(source, "main")) {
                Err(NotReady::ForProcessor(reason)) => assert!(reason.contains(expected), "{reason}"),
                Err(other) => panic!("{expected}: {other}"),
                Ok(_) => panic!("{expected}: taken"),
            }
        }
        assert!(tasks.name().len() > 3);
    });
}
