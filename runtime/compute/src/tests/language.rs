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

/// Its arrays have strides of 16 bytes; the rest lies as in storage.
#[test]
fn uniform_variables_are_read_by_all() {
    let source = "
        struct Scale { by: vec2<f32>, at: array<vec4<u32>, 2>, last: u32 }
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @group(0) @binding(1) var<uniform> scale: Scale;
        @compute @workgroup_size(2) fn main(@builtin(local_invocation_index) i: u32) {
            out[i] = scale.at[i].y + u32(scale.by.x) + scale.last;
        }";
    // by: 0..2, padding, at: 4..12, last: 12, padding to 16.
    let mut input: Vec<u32> = (0..16).map(|word| 10 * word).collect();
    input[0] = 3.0_f32.to_bits();
    assert_eq!(run(source, Some(&input), 1, 1).unwrap().0, [50 + 3 + 120, 90 + 3 + 120]);
}

/// Each element of a product is a chain of fused steps from zero, in order; columns lie as vectors of their length do.
#[test]
fn products_of_matrices_are_chains() {
    let source = "
        struct Item { m: mat3x3<f32>, v: vec3<f32> }
        @group(0) @binding(0) var<storage, read_write> out: array<mat3x3<f32>>;
        @group(0) @binding(1) var<storage, read> given: array<Item>;
        @compute @workgroup_size(1) fn main() {
            let item = given[0];
            out[0] = mat3x3(item.m * item.v, item.v * item.m, (item.m * item.m)[2]);
        }";
    let number = |i: usize| 1.0 + i as f32 * 0.1 + 1.0 / 3.0;
    let (matrix, vector): (Vec<[f32; 3]>, [f32; 3]) =
        ((0..3).map(|column| [0, 1, 2].map(|row| number(3 * column + row))).collect(), [9, 10, 11].map(number));
    let chain = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).fold(0.0, |sum: f32, (a, b)| a.mul_add(b, sum));
    let row = |row: usize| [0, 1, 2].map(|column| matrix[column][row]);
    let columns = [
        [0, 1, 2].map(|i| chain(row(i), vector)),
        [0, 1, 2].map(|i| chain(vector, matrix[i])),
        [0, 1, 2].map(|i| chain(row(i), matrix[2])),
    ];
    let plain = |a: [f32; 3], b: [f32; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    assert!((0..3).any(|i| plain(row(i), vector) != columns[0][i]), "the numbers show the order");
    // Four words for each column.
    let padded = |column: &[f32; 3]| column.iter().map(|x| x.to_bits()).chain([0]).collect::<Vec<u32>>();
    let given: Vec<u32> = matrix.iter().chain([&vector]).flat_map(padded).collect();
    let (words, _) = run(source, Some(&given), 1, 12).unwrap();
    assert_eq!(words, columns.iter().flat_map(padded).collect::<Vec<u32>>());
}

/// A condition on what it loads is the same for all.
#[test]
fn what_a_uniform_load_gives_decides_for_all() {
    let source = "
        var<workgroup> m: array<u32, 4>;
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {
            m[i] = 7u - i;
            if (workgroupUniformLoad(&m[3]) == 4u) { workgroupBarrier(); m[i] = m[i] + 1u; }
            out[i] = m[i];
        }";
    assert_eq!(run(source, None, 1, 1).unwrap().0, [8, 7, 6, 5]);
    assert!(Kernel::parse(source, "main").unwrap().lowered().is_ok());
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

/// Several threads come to the same words, the same fuel and the same end.
#[test]
fn threads_do_not_show() {
    let numbered = |size: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> out: array<u32>;
            @group(0) @binding(1) var<storage, read_write> pair: array<u32>;
            @compute @workgroup_size({size}) fn main(
                @builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            ) {{
                let across = groups * vec3({size});
                let i = at.x + across.x * (at.y + across.y * at.z);
                for (var n = 0u; n < i % 7u; n++) {{ out[i] += i + arrayLength(&out); }}
                out[i + 1u] = 9u; pair[3u * i + 2u] = at.x + 100u * at.y + 10000u * at.z + pair[3u * i];
            }}"
        )
    };
    let shared = "var<workgroup> m: array<u32, 8>;
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @group(0) @binding(1) var<storage, read_write> pair: array<u32>;
        @compute @workgroup_size(8) fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(local_invocation_index) i: u32) {
            m[i] = at.x; workgroupBarrier(); out[at.x] = m[7u - i];
            if (at.x == 603u) { m[0] = pair[0]; } pair[3u * at.x] = m[0];
        }";
    let cases = [
        (numbered("8, 1, 1"), [20, 3, 2]),
        (numbered("8, 4, 1"), [3, 7, 2]),
        (numbered("2, 2, 3"), [5, 3, 9]),
        (numbered("1, 1, 1"), [2, 2, 1]),
        (shared.to_owned(), [100, 1, 1]),
    ];
    for (source, workgroups) in cases {
        let kernel = Kernel::parse(&source, "main").unwrap();
        let run = |threads: usize, mut budget: u64| {
            // The first buffer ends early.
            let (mut out, mut pairs) = (vec![1; 777], vec![2; 3_000]);
            let mut bindings = [
                Binding::ReadWrite { words: &mut out, stride: 1 },
                Binding::ReadWrite { words: &mut pairs, stride: 3 },
            ];
            let done = kernel.dispatch_on(threads.try_into().unwrap(), &mut bindings, workgroups, &mut budget);
            (done, budget, out, pairs)
        };
        let alone = run(1, 10_000_000);
        let expected = if source.contains("workgroupBarrier") { Err(crate::DispatchError::Race) } else { Ok(()) };
        assert_eq!(alone.0, expected);
        for threads in [2, 3, 16] {
            assert_eq!(run(threads, 10_000_000), alone, "{threads} threads, {source}");
        }
        // Where the fuel ends is where it ends on one thread: also before a race.
        let cost = 10_000_000 - alone.1;
        for budget in [cost - 1, cost / 2, 10, 0] {
            let (done, left, ..) = run(1, budget);
            assert_eq!((done, left), (Err(crate::DispatchError::OutOfFuel), 0));
            let (done, left, ..) = run(4, budget);
            assert_eq!((done, left), (Err(crate::DispatchError::OutOfFuel), 0), "{source}");
        }
        assert_eq!(run(4, cost), run(1, cost));
    }
}
