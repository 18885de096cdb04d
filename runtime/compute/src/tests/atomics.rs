//! Words that all invocations change.

use super::{alone, run};
use crate::{Access, Binding, DispatchError, Kernel, KernelError, Offer};

/// Words in the order of nothing.
fn words(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| i.wrapping_mul(0x9e37_79b9).rotate_left(13).wrapping_mul(0x85eb_ca6b)).collect()
}

/// Runs a kernel that reads binding 0 and changes binding 1. Gives what it changed, and what is left of the budget.
fn changed(kernel: &Kernel, threads: usize, given: &[u32], begin: &[u32], workgroups: u32) -> (Vec<u32>, u64) {
    let (mut found, mut budget) = (begin.to_vec(), super::BUDGET);
    let mut bindings = [Binding::Read(given), Binding::ReadWrite { words: &mut found, stride: 0 }];
    kernel.dispatch_on(threads.try_into().unwrap(), &mut bindings, [workgroups, 1, 1], &mut budget).unwrap();
    (found, budget)
}

#[test]
fn a_histogram_is_counted() {
    let kernel = Kernel::parse(include_str!("histogram.wgsl"), "count").unwrap();
    assert!(kernel.accesses().eq([Access::Read, Access::Atomic]));
    let given = words(5_000);
    let mut expected = vec![7; 64];
    given.iter().for_each(|word| expected[*word as usize % 64] += 1);
    let alone = changed(&kernel, 1, &given, &[7; 64], 20);
    assert_eq!(alone.0, expected);
    assert_eq!(changed(&kernel, 4, &given, &[7; 64], 20), alone);
}

/// Each operation in a buffer, by 300 invocations on several threads, against the same in turn.
#[test]
fn operations_are_those_of_their_names() {
    type Fold = fn(u32, u32) -> u32;
    let operations: [(&str, &str, Fold); 8] = [
        ("u32", "atomicAdd", u32::wrapping_add),
        ("i32", "atomicAdd", |a, b| (a as i32).wrapping_add(b as i32) as u32),
        ("u32", "atomicMin", u32::min),
        ("i32", "atomicMin", |a, b| (a as i32).min(b as i32) as u32),
        ("u32", "atomicMax", u32::max),
        ("i32", "atomicMax", |a, b| (a as i32).max(b as i32) as u32),
        ("u32", "atomicAnd", |a, b| a & b),
        ("i32", "atomicOr", |a, b| a | b),
    ];
    let given = words(300);
    let begin = [0, u32::MAX, 0x7fff_ffff, 0x8000_0000, 0x1234_5678];
    for (kind, name, fold) in operations.into_iter().chain([("u32", "atomicXor", (|a, b| a ^ b) as Fold)]) {
        let source = format!(
            "@group(0) @binding(0) var<storage, read> given: array<{kind}>;
            @group(0) @binding(1) var<storage, read_write> all: array<atomic<{kind}>>;
            @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
                {name}(&all[id.x % 6u], given[id.x]);
            }}"
        );
        let kernel = Kernel::parse(&source, "main").unwrap();
        let mut expected = begin.to_vec();
        for (place, word) in given.iter().enumerate() {
            // The sixth is behind the end, and is dropped.
            if let Some(all) = expected.get_mut(place % 6) {
                *all = fold(*all, *word);
            }
        }
        for threads in [1, 3] {
            assert_eq!(changed(&kernel, threads, &given, &begin, 75).0, expected, "{name} of {kind}");
        }
    }
}

/// A kernel of a workgroup of 4 with workgroup memory of atomics.
fn workgroup(body: &str) -> String {
    format!(
        "var<workgroup> m: array<atomic<u32>, 4>;
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
    )
}

#[test]
fn workgroup_memory_is_changed_between_barriers() {
    for (body, expected) in [
        ("atomicAdd(&m[0], i + 1u); workgroupBarrier(); out[i] = atomicLoad(&m[0]);", [10; 4]),
        (
            "atomicStore(&m[i], 3u - i); workgroupBarrier(); atomicMax(&m[i / 2u], i); workgroupBarrier(); out[i] = atomicLoad(&m[i]);",
            [3, 3, 1, 0],
        ),
        // Each word in a way of its own.
        (
            "if (i < 2u) { atomicAdd(&m[0], 5u); } else { atomicOr(&m[1], i); } atomicStore(&m[2u + i], 9u);
            workgroupBarrier(); out[i] = atomicLoad(&m[i]);",
            [10, 3, 9, 9],
        ),
        (
            "atomicAdd(&m[i + 4u], 1u); atomicOr(&m[i + 4u], 1u); workgroupBarrier(); out[i] = atomicLoad(&m[i]);",
            [0; 4],
        ),
    ] {
        assert_eq!(run(&workgroup(body), None, 1, 1).unwrap().0, expected, "{body}");
    }
}

#[test]
fn operations_whose_order_would_show_end_a_dispatch() {
    for body in [
        "atomicAdd(&m[0], 1u); atomicMax(&m[0], 3u);",
        "atomicAdd(&m[0], 1u); out[i] = atomicLoad(&m[0]);",
        "out[i] = atomicLoad(&m[0]); if (i == 3u) { atomicAdd(&m[0], 1u); }",
        "if (i == 0u) { atomicStore(&m[0], 1u); } else { atomicAdd(&m[0], 1u); }",
        "if (i == 3u) { atomicStore(&m[0], 1u); } else { atomicAdd(&m[0], 1u); }",
        "workgroupBarrier(); atomicXor(&m[0], 1u); if (i == 2u) { atomicOr(&m[0], 1u); }",
    ] {
        assert_eq!(run(&workgroup(body), None, 1, 1), Err(DispatchError::Mixture), "{body}");
    }
}

#[test]
fn a_buffer_of_atomics_is_nobodys_own() {
    let source = "@group(0) @binding(0) var<storage, read_write> all: array<atomic<u32>>;
        @compute @workgroup_size(1) fn main() { atomicAdd(&all[0], arrayLength(&all)); }";
    let kernel = Kernel::parse(source, "main").unwrap();
    let check = |stride: Option<u32>| kernel.check(&[Offer { words: 3, stride }], [1; 3]);
    assert_eq!(check(Some(0)), Ok(()));
    assert_eq!(check(Some(1)), Err(DispatchError::Stride));
    assert_eq!(check(None), Err(DispatchError::Bindings));
    let mut words = [40, 0, 0];
    kernel.dispatch(&mut [Binding::ReadWrite { words: &mut words, stride: 0 }], [2, 1, 1], &mut 10_000).unwrap();
    assert_eq!(words, [46, 0, 0]);
}

#[test]
fn what_would_show_the_order_is_refused() {
    let buffer = |content: &str| format!("@group(0) @binding(1) var<storage, read_write> all: {content};");
    let all = buffer("array<atomic<u32>>");
    let shared = "var<workgroup> m: array<atomic<u32>, 4>;".to_owned();
    for (declarations, body, expected) in [
        (&all, "out[0] = atomicAdd(&all[0], 1u);", "the result of an atomic operation is not for kernels"),
        (&shared, "let x = atomicOr(&m[0], 1u); out[0] = x + 1u;", "the result of an atomic operation"),
        (&all, "out[0] = atomicLoad(&all[0]);", "atomic in a buffer is not for kernels: bind the buffer for reading"),
        (&all, "atomicStore(&all[0], 1u);", "a load or store of an atomic in a buffer"),
        (&all, "atomicAdd(&all[0], 1u); atomicMax(&all[1], 1u);", "binding 1, that is changed by several kinds"),
        (&all, "atomicSub(&all[0], 1u);", "atomicSub is not for kernels: use atomicAdd of the negative"),
        (&all, "atomicExchange(&all[0], 1u);", "atomicExchange, and atomicCompareExchangeWeak is not for kernels"),
        (&shared, "atomicCompareExchangeWeak(&m[0], 1u, 2u);", "is not for kernels: the order of invocations"),
        (
            &format!("struct S {{ n: atomic<u32>, x: u32 }} {}", buffer("S")),
            "atomicAdd(&all.n, 1u);",
            "a buffer of atomics and others is not for kernels: use a buffer for each",
        ),
    ] {
        match Kernel::parse(&alone(declarations, body), "main") {
            Err(error @ KernelError::Unsupported { .. }) => {
                assert!(error.to_string().contains(expected), "{body}: {error}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    // What is no data is naga's to refuse.
    for (declarations, body) in
        [(shared.as_str(), "let x = m; out[0] = 1u;"), ("var<private> p: atomic<u32>;", "atomicAdd(&p, 1u);")]
    {
        assert!(Kernel::parse(&alone(declarations, body), "main").is_err(), "{body}");
    }
}
