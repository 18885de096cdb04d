use poai_compute::Access;

use super::{BUDGET, Buffers, kernel, random_words, ready, same, tasks};
use crate::drivers;

/// A histogram, in many jobs.
#[test]
fn a_histogram_is_counted() {
    drivers::on_each("task::atomics::a_histogram_is_counted", |_, device| {
        let tasks = tasks(device);
        let kernel = kernel(include_str!("../../../../compute/src/tests/histogram.wgsl"), "count");
        let words = random_words(20_000);
        let mut expected = vec![3; 64];
        words.iter().for_each(|word| expected[*word as usize % 64] += 1);
        let ready = ready(&tasks, "histogram", &kernel);
        let buffers = vec![(words, None), (vec![3; 64], Some(0))];
        let ended = same("histogram", &kernel, &*ready, &buffers, [70, 1, 1], BUDGET);
        assert_eq!(ended.buffers[1].0, expected);
    });
}

/// Every operation in a buffer and in workgroup memory, and what is out of bounds.
#[test]
fn operations_have_the_executors_bits() {
    let all = [
        ("u32", "atomicAdd"),
        ("i32", "atomicMin"),
        ("u32", "atomicMin"),
        ("i32", "atomicMax"),
        ("u32", "atomicMax"),
        ("i32", "atomicAnd"),
        ("u32", "atomicOr"),
        ("u32", "atomicXor"),
    ];
    drivers::on_each("task::atomics::operations_have_the_executors_bits", |_, device| {
        let tasks = tasks(device);
        for (kind, name) in all {
            let source = format!(
                "@group(0) @binding(0) var<storage, read> given: array<{kind}>;
                @group(0) @binding(1) var<storage, read_write> all: array<atomic<{kind}>>;
                @group(0) @binding(2) var<storage, read_write> out: array<{kind}>;
                var<workgroup> m: array<atomic<{kind}>, 8>;
                var<workgroup> plain: array<{kind}, 32>;
                @compute @workgroup_size(32) fn main(
                    @builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) i: u32,
                ) {{
                    plain[i] = given[id.x]; if (i < 8u) {{ atomicStore(&m[i], given[i]); }}
                    workgroupBarrier();
                    var own = array(0u, 9u); own[i & 3u] = i;
                    {name}(&m[given[id.x] & 15], plain[31u - i]); {name}(&m[i + 0x80000000u], 7);
                    {name}(&all[id.x % 6u], given[id.x]); {name}(&all[id.x + 0x40000005u], 7);
                    workgroupBarrier();
                    out[id.x] = atomicLoad(&m[i & 15u]) + {kind}(own[i & 3u]) + plain[i + 1u];
                }}"
            );
            let kernel = kernel(&source, "main");
            assert!(kernel.accesses().eq([Access::Read, Access::Atomic, Access::ReadWrite]));
            let ready = ready(&tasks, name, &kernel);
            let all = vec![0, u32::MAX, 0x7fff_ffff, 0x8000_0000, 0x1234_5678];
            let buffers: Buffers = vec![(random_words(96), None), (all, Some(0)), (vec![0; 96], Some(1))];
            same(name, &kernel, &*ready, &buffers, [3, 1, 1], BUDGET);
        }
    });
}

/// Out of fuel, also where only some are.
#[test]
fn fuel_ends_where_the_executors_does() {
    let source = "@group(0) @binding(0) var<storage, read_write> all: array<atomic<u32>>;
        var<workgroup> m: array<atomic<u32>, 4>;
        @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) {
            for (var n = 0u; n < 50u * (i & 1u); n++) { atomicAdd(&m[n & 3u], n); }
            workgroupBarrier();
            atomicMax(&all[i], atomicLoad(&m[i & 3u]));
        }";
    drivers::on_each("task::atomics::fuel_ends_where_the_executors_does", |_, device| {
        let tasks = tasks(device);
        let kernel = kernel(source, "main");
        let ready = ready(&tasks, "fuel", &kernel);
        let buffers: Buffers = vec![(vec![0; 5], Some(0))];
        let cost = same("all", &kernel, &*ready, &buffers, [3, 1, 1], BUDGET).cost;
        for budget in [cost, cost - 1, cost / 2, 100] {
            let ended = same("some", &kernel, &*ready, &buffers, [3, 1, 1], budget);
            assert_eq!(ended.done.is_ok(), budget == cost);
        }
    });
}
