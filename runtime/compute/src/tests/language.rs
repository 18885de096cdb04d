use super::statements::STATEMENTS;
use super::{alone, run};
use crate::{Binding, Kernel};

/// Expected values follow from WGSL's text, by hand.
#[test]
fn statements_and_values() {
    for (name, declarations, body, expected) in STATEMENTS {
        let (out, _) = run(&alone(declarations, body), None, 1, 4).unwrap();
        assert_eq!(out[..expected.len()], **expected, "{name}");
    }
}

#[test]
fn every_invocation_has_a_slice_of_its_own() {
    let source = "
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(2) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            let i = id.x;
            out[2u * i] = i + 1u;
            out[2u * i + 3u] = 77u;
            out[2u * i + 1u] = out[2u * i] + 100u * out[2u * ((i + 1u) % 4u)];
        }";
    let (out, _) = run(source, None, 2, 2).unwrap();
    assert_eq!(out, [1, 1, 2, 2, 3, 3, 4, 4], "what is another's reads zero, and takes nothing");
}

#[test]
fn invocations_are_numbered_along_x_then_y_then_z() {
    let source = "
        @group(0) @binding(0) var<storage, read_write> out: array<vec4<u32>>;
        @compute @workgroup_size(2, 1, 2) fn main(
            @builtin(global_invocation_id) at: vec3<u32>,
            @builtin(workgroup_id) group: vec3<u32>,
            @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) index: u32,
        ) {
            let across = groups * vec3(2u, 1u, 2u);
            let i = at.x + across.x * (at.y + across.y * at.z);
            out[i] = vec4(at, 10u * index + group.y);
        }";
    let kernel = Kernel::parse(source, "main").unwrap();
    let mut words = vec![9; 2 * 3 * 2 * 4];
    let mut budget = 100_000;
    kernel.dispatch(&mut [Binding::ReadWrite { words: &mut words, stride: 4 }], [1, 3, 1], &mut budget).unwrap();
    let expected: Vec<u32> =
        (0..12).flat_map(|i| [i % 2, i / 2 % 3, i / 6, 10 * (i % 2 + i / 6 * 2) + i / 2 % 3]).collect();
    assert_eq!(words, expected);
}

#[test]
fn buffers_are_laid_out_as_wgsl_says_and_padding_stays() {
    let source = "
        struct Item { a: vec3<f32>, b: f32, c: vec3<f32>, d: array<vec2<f32>, 2> }
        @group(0) @binding(0) var<storage, read_write> out: array<Item>;
        @group(0) @binding(1) var<storage, read> source: array<Item>;
        @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            var item = source[id.x];
            item.c += vec3(1.0);
            out[id.x] = item;
        }";
    let kernel = Kernel::parse(source, "main").unwrap();
    // a: 0..3, b: 3, c: 4..7, padding: 7, d: 8..12, 12 words in all.
    let input: Vec<u32> = (0..24).map(|i| (i as f32 + 1.0).to_bits()).collect();
    let mut words = vec![7; 24];
    let mut bindings = [Binding::ReadWrite { words: &mut words, stride: 12 }, Binding::Read(&input)];
    kernel.dispatch(&mut bindings, [2, 1, 1], &mut 100_000).unwrap();
    let expected = input.iter().zip(0..).map(|(word, i)| match i % 12 {
        4..7 => (f32::from_bits(*word) + 1.0).to_bits(),
        7 => 7,
        _ => *word,
    });
    assert_eq!(words, expected.collect::<Vec<u32>>());
}

#[test]
fn workgroup_memory_starts_as_zeros_and_is_shared_across_barriers() {
    let source = "
        var<workgroup> row: array<u32, 8>;
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(8) fn main(
            @builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3<u32>,
        ) {
            let before = row[i];
            row[i] = i + 1u;
            workgroupBarrier();
            for (var half = 4u; half > 0u; half /= 2u) {
                if (i < half) { row[i] += row[i + half]; }
                workgroupBarrier();
            }
            out[8u * group.x + i] = row[0] + 1000u * before;
        }";
    let (out, cost) = run(source, None, 3, 1).unwrap();
    assert_eq!(out, [36; 24]);
    let [one, two] = [1, 2].map(|workgroups| run(source, None, workgroups, 1).unwrap().1);
    assert_eq!(cost - two, two - one);
}

/// The budget is exact: with what it cost before it ends well, with one less it does not.
#[test]
fn fuel_is_exact() {
    let source = alone("", "var s = 0u; for (var i = 0u; i < 100u; i++) { s += i; } out[0] = s;");
    let kernel = Kernel::parse(&source, "main").unwrap();
    let spend = |budget: u64| {
        let (mut words, mut left) = ([0], budget);
        let done = kernel.dispatch(&mut [Binding::ReadWrite { words: &mut words, stride: 1 }], [1; 3], &mut left);
        (done, left)
    };
    let (done, left) = spend(100_000);
    assert_eq!(done, Ok(()));
    let cost = 100_000 - left;
    assert!((2_000..5_000).contains(&cost), "{cost}");
    assert_eq!(spend(cost), (Ok(()), 0));
    assert_eq!(spend(cost - 1), (Err(crate::DispatchError::OutOfFuel), 0));
}
