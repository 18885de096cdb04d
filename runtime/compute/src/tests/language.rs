use super::{alone, run};
use crate::{Binding, Kernel};

/// Expected values follow from WGSL's text, by hand.
#[test]
fn statements_and_values() {
    for (name, declarations, body, expected) in [
        (
            "loops",
            "",
            "var s = 0u; for (var i = 0u; i < 5u; i++) { if (i == 3u) { continue; } s += i; } out[0] = s;",
            vec![7],
        ),
        ("while", "", "var s = 1u; while (s < 100u) { s *= 3u; } out[0] = s;", vec![243]),
        (
            "break if",
            "",
            "var i = 0u; loop { i += 2u; continuing { i += 1u; break if i > 9u; } } out[0] = i;",
            vec![12],
        ),
        (
            "variables in loops begin anew",
            "",
            "for (var i = 0u; i < 3u; i++) { var x = 0u; x += 5u; out[i] = x; }",
            vec![5, 5, 5],
        ),
        (
            "switch",
            "fn f(x: i32) -> u32 { switch x { case 1, 2: { return 10u; } case -3: { return 20u; } default: { } } return 30u; }",
            "out[0] = f(1); out[1] = f(2); out[2] = f(-3); out[3] = f(4);",
            vec![10, 10, 20, 30],
        ),
        (
            "break of a switch in a loop",
            "",
            "var s = 0u; for (var i = 0u; i < 4u; i++) { switch i { case 2u: { break; } default: { s += i; } } s += 10u; } out[0] = s;",
            vec![44],
        ),
        (
            "functions call functions",
            "fn double(x: u32) -> u32 { return x * 2u; } fn four(x: u32) -> u32 { return double(double(x)); }",
            "out[0] = four(3u) + double(1u);",
            vec![14],
        ),
        (
            "early returns",
            "fn f(x: u32) -> u32 { if (x > 2u) { return 1u; } for (var i = 0u;; i++) { if (i == x) { return i + 7u; } } return 0u; }",
            "out[0] = f(5u); out[1] = f(2u);",
            vec![1, 9],
        ),
        (
            "structures and arrays as values",
            "struct P { a: vec3<u32>, b: array<u32, 2>, c: u32 } fn f(p: P) -> P { var q = p; q.b[1] = 9u; q.a.y = 8u; return q; }",
            "let q = f(P(vec3(1u, 2u, 3u), array(4u, 5u), 6u)); out[0] = q.a.y; out[1] = q.b[1]; out[2] = q.a.z + q.b[0] + q.c;",
            vec![8, 9, 13],
        ),
        (
            "vectors",
            "",
            "let v = vec4(1u, 2u, 3u, 4u); let w = v.wzyx * 2u + v; let m = select(v, w, v > vec4(2u)); out[0] = w.x; out[1] = m.y; out[2] = m.w; out[3] = u32(all(v < vec4(5u))) + u32(any(v == vec4(9u)));",
            vec![9, 2, 6, 1],
        ),
        (
            "computed indices of values and vectors",
            "",
            "let v = vec3(7u, 8u, 9u); var a = array(1u, 2u, 3u); var i = 2u; out[0] = v[i]; a[i] = 30u; out[1] = a[i]; i = 3u; out[2] = v[i] + a[i]; a[i] = 5u; var w = v; w[i - 2u] = 1u; out[3] = w.y + a[2];",
            vec![9, 30, 0, 31],
        ),
        (
            "references that are kept",
            "",
            "var a = array(1u, 2u, 3u); let p = &a[1]; *p = 20u; *p += 2u; out[0] = a[1];",
            vec![22],
        ),
        (
            "private variables and constants",
            "const k = array(3u, 4u); var<private> seed: u32 = 5u; fn next() -> u32 { seed = seed * k[1] + k[0]; return seed; }",
            "out[0] = next(); out[1] = next();",
            vec![23, 95],
        ),
        (
            "conversions",
            "",
            "let f = -2.7; var g = f; out[0] = u32(i32(g)); out[1] = bitcast<u32>(g); out[2] = u32(bool(g)); out[3] = bitcast<u32>(f32(3u));",
            vec![-2_i32 as u32, (-2.7_f32).to_bits(), 1, 3.0_f32.to_bits()],
        ),
        (
            "functions of floats",
            "",
            "var x = 2.0; out[0] = bitcast<u32>(clamp(x, 0.0, 1.5)); out[1] = bitcast<u32>(saturate(x)); out[2] = bitcast<u32>(fma(x, x, 1.0)); out[3] = bitcast<u32>(sqrt(x * 8.0));",
            vec![1.5_f32.to_bits(), 1.0_f32.to_bits(), 5.0_f32.to_bits(), 4.0_f32.to_bits()],
        ),
        (
            "both sides of a condition, as docs/compute.md says",
            "var<private> calls: u32; fn f() -> bool { calls += 1u; return true; }",
            "var no = false; var yes = true; if ((no && f()) || yes) { out[0] = calls; } out[1] = u32(yes || f()) + calls;",
            vec![1, 3],
        ),
        ("length of an array", "", "out[0] = arrayLength(&out);", vec![4]),
    ] {
        let (out, _) = run(&alone(declarations, body), None, 1, 4).unwrap();
        assert_eq!(out[..expected.len()], expected, "{name}");
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
