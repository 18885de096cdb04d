use super::{Unproven, prove};
use crate::Kernel;

/// A kernel of 8 by 4 invocations with buffers to read and to write, and 64 words of workgroup memory and
/// 32 atomics behind them.
fn kernel(body: &str) -> Kernel {
    let source = format!(
        "@group(0) @binding(0) var<storage, read> given: array<u32>;
        @group(0) @binding(1) var<storage, read_write> out: array<u32>;
        var<workgroup> m: array<u32, 64>;
        var<workgroup> n: array<atomic<u32>, 32>;
        fn early(x: u32) -> u32 {{ if (x > 3u) {{ return 1u; }} return 2u; }}
        @compute @workgroup_size(8, 4) fn main(
            @builtin(local_invocation_index) i: u32,
            @builtin(local_invocation_id) at: vec3<u32>,
            @builtin(global_invocation_id) id: vec3<u32>,
            @builtin(workgroup_id) group: vec3<u32>,
        ) {{ {body} }}"
    );
    Kernel::parse(&source, "main").unwrap_or_else(|error| panic!("{error}\n{source}"))
}

#[test]
fn kernels_without_races_are_proven() {
    for (name, body) in [
        ("nothing is shared", "out[id.x] = given[id.x];"),
        ("a word for each", "m[i] = 1u; out[i] = m[i];"),
        ("by row and column", "m[at.y * 8u + at.x] = 1u; out[i] = m[8u * at.y + at.x];"),
        ("others', behind a barrier", "m[i] = given[id.x]; workgroupBarrier(); out[i] = m[31u - i];"),
        ("at places that are not known", "m[i] = 1u; workgroupBarrier(); out[i] = m[given[i]];"),
        ("backwards, and apart", "m[2u * (31u - i) + 1u] = 1u; m[2u * i] = 2u;"),
        ("some of them", "if (i < 16u) { m[i] = 1u; } else { m[i + 16u] = 1u; }"),
        ("one of them", "if (i == 0u) { m[5] = 1u; } workgroupBarrier(); out[i] = m[5];"),
        ("an edge", "m[i + 1u] = 1u; if (at.x == 0u && at.y == 0u) { m[0] = 2u; } if (i == 31u) { m[33] = 3u; }"),
        ("what is chosen", "m[select(i, i + 32u, at.x > 3u)] = 1u;"),
        ("out of bounds", "m[i + 64u] = 1u; out[i] = m[i + 70u];"),
        (
            "tiles in a loop",
            "var s = 0u; for (var t = 0u; t < given[0]; t++) {
                m[i] = given[t * 32u + i]; workgroupBarrier();
                for (var j = 0u; j < 32u; j++) { s += m[j]; } workgroupBarrier(); } out[i] = s;",
        ),
        (
            "a tree",
            "m[i] = given[id.x]; workgroupBarrier();
            for (var half = 16u; half > 0u; half /= 2u) { if (i < half) { m[i] += m[i + half]; } workgroupBarrier(); }
            out[i] = m[0];",
        ),
        (
            "a tree from its leaves",
            "for (var s = 1u; s < 32u; s *= 2u) { workgroupBarrier(); if (i % (2u * s) == 0u) { m[i] += m[i + s]; } }",
        ),
        (
            "sums of all before",
            "var s = 1u; loop {
                var x = 0u; if (i >= s) { x = m[i - s]; } workgroupBarrier(); m[i] += x; workgroupBarrier();
                continuing { s <<= 1u; break if s >= 32u; } }",
        ),
        (
            "trees in a loop that is not followed",
            "for (var t = 0u; t < given[0]; t++) { m[i] = t; workgroupBarrier();
                for (var half = 16u; half > 0u; half /= 2u) { if (i < half) { m[i] += m[i + half]; } workgroupBarrier(); } }",
        ),
        (
            "many turns of known number",
            "for (var a = 0u; a < 60u; a++) { for (var b = 0u; b < 60u; b++) { m[i] += a * b; workgroupBarrier(); } }",
        ),
        ("many barriers", &"m[i] += 1u; workgroupBarrier();".repeat(100)),
        (
            "a loop of uniform length",
            "for (var t = 0u; t < arrayLength(&given) + group.x; t++) { workgroupBarrier(); }",
        ),
        ("a uniform break", "loop { if (given[1] > 3u) { break; } workgroupBarrier(); }"),
        ("a uniform choice", "if (given[2] == 7u) { workgroupBarrier(); } else { m[i] = 1u; workgroupBarrier(); }"),
        ("a uniform switch", "switch given[2] { case 1u: { workgroupBarrier(); } default: { } }"),
        ("a uniform return", "if (given[2] == 7u) { return; } workgroupBarrier();"),
        ("a uniform word of workgroup memory", "m[i] = i; workgroupBarrier(); if (m[3] == 3u) { workgroupBarrier(); }"),
        ("parted, and together again", "var s = 0u; if (given[i] > 1u) { s = 1u; } workgroupBarrier(); out[i] = s;"),
        ("parted in a loop", "for (var t = 0u; t < given[i]; t++) { out[i] += t; } workgroupBarrier();"),
        ("parted in a function", "out[i] = early(given[i]); workgroupBarrier();"),
        ("changed by all", "atomicAdd(&n[3], i); workgroupBarrier(); out[i] = atomicLoad(&n[3]);"),
        ("changed at places that are not known", "atomicMax(&n[given[i]], i); workgroupBarrier(); m[i] = 1u;"),
        ("changed in a way for each word", "atomicMax(&n[i / 16u], i); if (i == 0u) { atomicAdd(&n[2], 1u); }"),
        (
            "the same on both ways",
            "var n = 0u; if (given[i] > 1u) { n = 3u; } else { n = 3u; } if (n == 3u) { workgroupBarrier(); }",
        ),
    ] {
        if let Err(Unproven(reason)) = prove(&kernel(body)) {
            panic!("{name}: {reason}");
        }
    }
}

#[test]
fn what_is_not_proven_has_its_reason() {
    const BARRIER: &str = "a barrier where invocations may have parted";
    const MEET: &str = "an atomic operation may meet other accesses to word 65";
    const UNKNOWN: &str = "at places that are not known";
    for (name, body, expected) in [
        ("two writers", "m[i / 2u] = 1u;", "invocations may race for word 0 of workgroup memory"),
        ("all write one word", "m[7] = i;", "for word 7"),
        ("a writer and a reader", "m[i] = 1u; out[i] = m[31u - i];", "invocations may race"),
        ("a reader and a writer", "out[i] = m[9]; if (i == 1u) { m[9] = 1u; }", "for word 9"),
        ("behind a barrier", "m[i] = 1u; workgroupBarrier(); m[i] = 2u; out[i] = m[(i + 1u) % 32u];", "may race"),
        (
            "from one turn to the next",
            "for (var t = 0u; t < 4u; t++) { m[i] = t; workgroupBarrier(); out[i] += m[31u - i]; }",
            "may race",
        ),
        (
            "a tree with one too many",
            "for (var half = 16u; half > 0u; half /= 2u) { if (i <= half) { m[i] += m[i + half]; } workgroupBarrier(); }",
            "may race for word 16",
        ),
        (
            "a tree without barriers between its levels",
            "workgroupBarrier(); for (var half = 16u; half > 0u; half /= 2u) { if (i < half) { m[i] += m[i + half]; } }",
            UNKNOWN,
        ),
        (
            "a tree with a barrier in some of its levels",
            "for (var half = 16u; half > 0u; half /= 2u) { if (i < half) { m[i] += m[i + half]; } if (half != 4u) { workgroupBarrier(); } }",
            "may race",
        ),
        (
            "the last turn of a tree, and what is behind",
            "for (var half = 16u; half > 0u; half /= 2u) { workgroupBarrier(); if (i < half) { m[i] += m[i + half]; } } out[i] = m[0];",
            "for word 0",
        ),
        (
            "more turns than are followed",
            "for (var t = 0u; t < 65u; t++) { m[(i + t) % 32u] = t; workgroupBarrier(); }",
            UNKNOWN,
        ),
        ("written at places that are not known", "m[given[i]] = 1u;", UNKNOWN),
        ("read there", "m[i] = 1u; out[i] = m[given[i]];", UNKNOWN),
        ("a place that only looks like its own", "m[i + given[0]] = 1u;", UNKNOWN),
        ("changed and read", "atomicAdd(&n[1], 1u); if (i == 3u) { out[i] = atomicLoad(&n[1]); }", MEET),
        ("changed and written by one", "if (i == 3u) { atomicAdd(&n[1], 1u); atomicStore(&n[1], 1u); }", MEET),
        ("changed in two ways", "if (i == 1u) { atomicAdd(&n[1], 1u); } else { atomicOr(&n[1], 1u); }", MEET),
        ("changed somewhere, and read", "atomicAdd(&n[given[i]], 1u); out[i] = atomicLoad(&n[3]);", UNKNOWN),
        ("changed, and read somewhere", "atomicAdd(&n[i], 1u); out[i] = atomicLoad(&n[given[i]]);", UNKNOWN),
        ("changed somewhere in two ways", "atomicAdd(&n[given[i]], 1u); atomicOr(&n[given[0]], 1u);", UNKNOWN),
        ("by some", "if (given[i] > 3u) { workgroupBarrier(); }", BARRIER),
        ("by the first", "if (i < 4u) { workgroupBarrier(); }", BARRIER),
        ("by their own count", "for (var t = 0u; t < given[i]; t++) { workgroupBarrier(); }", BARRIER),
        ("behind a return", "if (given[i] > 3u) { return; } workgroupBarrier();", BARRIER),
        ("behind a break", "for (var t = 0u; t < 4u; t++) { if (t == i) { break; } workgroupBarrier(); }", BARRIER),
        (
            "behind a continue",
            "for (var t = 0u; t < 4u; t++) { if (t == i) { continue; } workgroupBarrier(); }",
            BARRIER,
        ),
        ("in a switch", "switch given[i] { case 1u: { workgroupBarrier(); } default: { } }", BARRIER),
        (
            "by a value that a choice made",
            "var n = 0u; if (given[i] > 1u) { n = 1u; } if (n == 1u) { workgroupBarrier(); }",
            BARRIER,
        ),
        (
            "by how often a loop turned",
            "var n = 0u; loop { n += 1u; if (n > given[i]) { break; } } if (n == 3u) { workgroupBarrier(); }",
            BARRIER,
        ),
        (
            "by what a loop left behind",
            "var n = 0u; var k = 0u; for (var t = 0u; t < 9u; t++) { n = k; k = given[i]; } if (n == 3u) { workgroupBarrier(); }",
            BARRIER,
        ),
        ("by its own slice", "if (out[0] == 1u) { workgroupBarrier(); }", BARRIER),
        (
            "by an array of its own",
            "var a = array(1u, 2u); a[given[0]] = i; if (a[0] == 1u) { workgroupBarrier(); }",
            BARRIER,
        ),
        (
            "in a loop that some leave early, later",
            "loop { if (given[0] > 3u) { break; } workgroupBarrier(); if (i > 3u) { break; } }",
            BARRIER,
        ),
    ] {
        match prove(&kernel(body)) {
            Err(Unproven(reason)) => assert!(reason.contains(expected), "{name}: {reason}"),
            Ok(_) => panic!("{name} is proven"),
        }
    }
}

/// Proofs are short: what would take long is not proven.
#[test]
fn long_proofs_are_given_up() {
    for (name, body, expected) in [
        ("whole arrays", "{ let all = m; out[i] += all[i]; }".repeat(600), "too many words"),
        (
            "loops in loops",
            (0..9)
                .map(|n| format!("for (var a{n} = 0u; a{n} < given[{n}]; a{n}++) {{ out[i] += a{n};"))
                .collect::<String>()
                + &"out[i] += given[3];".repeat(90)
                + &"}".repeat(9)
                + "workgroupBarrier();",
            "takes too long",
        ),
    ] {
        let started = std::time::Instant::now();
        let found = prove(&kernel(&body));
        assert!(found.is_err_and(|unproven| unproven.0.contains(expected)), "{name}");
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{name}");
    }
}

#[test]
fn the_tasks_kernels_are_proven() {
    for (source, entry) in [
        (include_str!("../../../../tasks/matmul/src/matmul.wgsl"), "multiply"),
        (include_str!("../../../../tasks/nbody/src/nbody.wgsl"), "step_forward"),
    ] {
        let kernel = Kernel::parse(source, entry).unwrap();
        assert_eq!(prove(&kernel).err(), None, "{entry}");
    }
}

/// Where all are together, and where not: what fuel is counted by.
#[test]
fn control_is_known_of_every_instruction() {
    let kernel = kernel("m[i] = 1u; for (var t = 0u; t < 4u; t++) { if (given[i] > t) { out[i] = 2u; } }");
    let proof = prove(&kernel).unwrap();
    let stores: Vec<bool> = kernel
        .program
        .ops
        .iter()
        .enumerate()
        .filter(|(_, op)| matches!(op, crate::program::Op::Store { .. }))
        .map(|(place, _)| proof.is_uniform(place))
        .collect();
    assert_eq!(stores, [true, false]);
}
