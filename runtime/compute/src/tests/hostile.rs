use std::time::{Duration, Instant};

use super::{alone, run};
use crate::{Binding, DispatchError, Kernel, KernelError, Offer};

fn workgroup(declarations: &str, size: u32, body: &str) -> String {
    format!(
        "{declarations}
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size({size}) fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
    )
}

#[test]
fn dispatches_end_by_name() {
    use DispatchError as E;
    let shared = "var<workgroup> m: array<u32, 8>;";
    for (name, source, expected) in [
        ("a loop without end", alone("", "loop { }"), E::OutOfFuel),
        ("a loop that says continue", alone("", "loop { if (out[0] > 1u) { break; } continue; }"), E::OutOfFuel),
        (
            "loops in loops",
            alone(
                "",
                "for (var a = 0u; a < 99999u; a++) { for (var b = 0u; b < 99999u; b++) { for (var c = 0u; c < 99999u; c++) { out[0] += c; } } }",
            ),
            E::OutOfFuel,
        ),
        ("a write and a read", workgroup(shared, 2, "m[i] = 1u; out[i] = m[1u - i];"), E::Race),
        ("two writes", workgroup(shared, 2, "m[0] = 1u;"), E::Race),
        ("a read and a write", workgroup(shared, 2, "out[i] = m[0]; if (i == 1u) { m[0] = 1u; }"), E::Race),
        (
            "several read, one of them writes",
            workgroup(shared, 3, "out[i] = m[0]; if (i == 2u) { m[0] = 1u; }"),
            E::Race,
        ),
        (
            "a race behind a barrier",
            workgroup(shared, 2, "m[i] = 1u; workgroupBarrier(); m[1u - i] = 2u; out[i] = m[i];"),
            E::Race,
        ),
        ("some wait, some have ended", workgroup("", 2, "if (i == 0u) { workgroupBarrier(); }"), E::Divergence),
        (
            "different barriers",
            workgroup("", 2, "if (i == 0u) { workgroupBarrier(); } else { workgroupBarrier(); }"),
            E::Divergence,
        ),
        (
            "more barriers than others",
            workgroup("", 2, "for (var n = 0u; n < 1u + i; n++) { workgroupBarrier(); }"),
            E::Divergence,
        ),
        ("barriers without end", workgroup("", 2, "loop { workgroupBarrier(); }"), E::OutOfFuel),
    ] {
        let started = Instant::now();
        assert_eq!(run(&source, None, 1, 1), Err(expected), "{name}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name}");
    }
}

/// What is out of bounds reads zero and takes nothing; what was never written is zero.
#[test]
fn no_invocation_sees_what_is_not_its_own() {
    for (name, source) in [
        (
            "far indices",
            alone(
                "",
                "let i = arrayLength(&out) + 0x7fffffffu; out[i] = 9u; let j = i + 0x7fffffffu; out[0] = out[i] + out[j];",
            ),
        ),
        ("negative indices", alone("", "var a = array(1, 2, 3); var i = -1; a[i] = 7; out[0] = u32(a[i]);")),
        (
            "nested arrays",
            alone(
                "",
                "var a: array<array<u32, 2>, 2>; var i = 2u; a[i][0] = 5u; a[0][i] = 5u; out[0] = a[0][0] + a[1][0] + a[1][1] + a[i][1] + a[0][i];",
            ),
        ),
        (
            "variables",
            alone(
                "",
                "var a: array<u32, 1024>; var s = 0u; for (var i = 0u; i < 1030u; i++) { s += a[i]; } out[0] = s;",
            ),
        ),
        (
            "workgroup memory",
            workgroup(
                "var<workgroup> m: array<u32, 8>; var<workgroup> n: u32;",
                1,
                "n = 3u; var j = i + 8u; m[j] = 4u; out[0] = m[j] + n - 3u;",
            ),
        ),
    ] {
        let (out, _) = run(&source, None, 1, 1).unwrap();
        assert_eq!(out, [0], "{name}");
    }
    // What an earlier invocation left in registers is not there.
    let source = workgroup("var<private> p: u32;", 4, "var x: u32; x += i; p += x; out[i] = x + 10u * p;");
    assert_eq!(run(&source, None, 1, 1).unwrap().0, [0, 11, 22, 33]);
}

#[test]
fn after_a_race_there_are_zeros() {
    let kernel = Kernel::parse(&workgroup("var<workgroup> m: u32;", 2, "out[i] = 5u; m = i;"), "main").unwrap();
    let mut words = [1, 2];
    let done = kernel.dispatch(&mut [Binding::ReadWrite { words: &mut words, stride: 1 }], [1; 3], &mut 10_000);
    assert_eq!((done, words), (Err(DispatchError::Race), [0, 0]));
}

#[test]
fn what_does_not_fit_a_kernel_is_refused_before_it_runs() {
    let source = "
        struct Head { n: u32, rest: array<vec4<u32>> }
        @group(0) @binding(0) var<storage, read> head: Head;
        @group(0) @binding(1) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(64) fn main() { out[0] = head.n; }";
    let kernel = Kernel::parse(source, "main").unwrap();
    let check = |head: usize, out: usize, stride: u32, workgroups: [u32; 3]| {
        let offers = [Offer { words: head, stride: None }, Offer { words: out, stride: Some(stride) }];
        kernel.check(&offers, workgroups)
    };
    assert_eq!(check(8, 1, 1, [1; 3]), Ok(()));
    assert_eq!(check(7, 1, 1, [1; 3]), Err(DispatchError::BufferSize));
    assert_eq!(check(8, 0, 1, [1; 3]), Err(DispatchError::BufferSize));
    assert_eq!(check(8, 1, 0, [1; 3]), Err(DispatchError::Stride));
    assert_eq!(check(8, 1, 1, [65_536, 1, 1]), Err(DispatchError::Workgroups));
    assert_eq!(check(8, 1, 1, [65_535, 65, 1]), Err(DispatchError::Workgroups));
    assert_eq!(check(8, 1, 1, [0, 65_535, 65_535]), Ok(()));
    let read = Offer { words: 8, stride: None };
    assert_eq!(kernel.check(&[read], [1; 3]), Err(DispatchError::Bindings));
    assert_eq!(kernel.check(&[read; 2], [1; 3]), Err(DispatchError::Bindings));
}

/// Sources that would take long to read, or much memory, end quickly.
#[test]
fn bombs_are_refused() {
    let chain = |levels: usize| {
        let step = |level: usize| format!("fn g{}() -> u32 {{ return g{level}() + g{level}(); }}", level + 1);
        format!("fn g0() -> u32 {{ return 1u; }}{}", (0..levels).map(step).collect::<String>())
    };
    let structures = (1..15).fold("struct S0 { a: u32 }".to_owned(), |text, level| {
        let below = level - 1;
        let members = ["a", "b", "c", "d"].map(|name| format!("{name}: S{below}")).join(", ");
        format!("{text} struct S{level} {{ {members} }}")
    });
    let little = format!("fn n0() {{ {} }}", "_ = 1u;".repeat(2_000));
    let little = (1..13).fold(little, |text, level| {
        let below = level - 1;
        format!("{text} fn n{level}() {{ n{below}(); n{below}(); }}")
    });
    for (name, source, expected) in [
        ("calls of what takes no instruction", alone(&little, "n12();"), "statements and expressions"),
        ("functions that double", alone(&chain(20), "out[0] = g20();"), "instructions"),
        ("functions that are deep", alone(&chain(40), "out[0] = g40();"), "functions inside each other's calls"),
        ("structures of structures", alone(&(structures + "var<private> s: S14;"), "out[0] = 1u;"), "bytes of a type"),
        ("a huge variable", alone("", "var a: array<array<u32, 60000>, 60000>; out[0] = a[0][0];"), "bytes of a type"),
        ("a large variable", alone("", "var a: array<u32, 60000>; out[0] = a[0];"), "registers"),
        ("a large value", alone("", "var a: array<u32, 1000>; let b = a; out[0] = b[3];"), "words of a value"),
        ("a huge zero", alone("", "let a = -array<u32, 4000000000>(); out[0] = 1u;"), "elements of an array"),
        ("a huge workgroup", "@compute @workgroup_size(1024) fn main() { }".into(), "invocations of a workgroup"),
        ("a deep workgroup", "@compute @workgroup_size(1, 1, 65) fn main() { }".into(), "along z"),
        (
            "much workgroup memory",
            workgroup("var<workgroup> m: array<u32, 4097>;", 1, "out[0] = m[i];"),
            "words of workgroup memory",
        ),
    ] {
        let started = Instant::now();
        match Kernel::parse(&source, "main") {
            Err(KernelError::TooLarge { what, .. }) => assert!(what.contains(expected), "{name}: {what}"),
            other => panic!("{name}: {other:?}"),
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{name}");
    }
}

/// What is long, but not deep, or deep, but not as deep as the reader's stack.
#[test]
fn long_chains_are_read() {
    // Named before they are declared, so that whoever looks them up goes all the way.
    let chain = |count: usize, link: fn(usize) -> String| (1..count).rev().map(link).collect::<String>();
    let functions = chain(1_200, |i| format!("fn g{i}() {{ g{}(); }}", i - 1)) + "fn g0() { }";
    let aliases = chain(1_500, |i| format!("alias A{i} = A{};", i - 1)) + "alias A0 = u32;";
    let structures = chain(1_100, |i| format!("struct S{i} {{ s: S{} }}", i - 1)) + "struct S0 { s: u32 }";
    let nested = format!("{}u32{}", "vec2<".repeat(200), ">".repeat(200));
    for (name, declarations, body, is_taken) in [
        ("functions", functions.as_str(), "out[0] = 1u;".to_owned(), true),
        ("aliases", &aliases, "var a: A1499 = 1u; out[0] = a;".into(), true),
        ("structures", &structures, "out[0] = 1u;".into(), false),
        ("types in types", "", format!("var s: {nested}; out[0] = 1u;"), false),
        ("sums", "", format!("var s = 1u; s = s{}; out[0] = s;", " + s".repeat(500)), true),
        ("signs", "", format!("var s = true; s = {}s; out[0] = u32(s);", "!".repeat(200)), true),
        ("many signs", "", format!("var s = true; s = {}s; out[0] = u32(s);", "!".repeat(1_000)), false),
        ("members", "", format!("var s = vec2(1u); out[0] = s{}.x;", ".xy".repeat(450)), true),
        (
            "branches",
            "",
            format!("if (out[0] > 3u) {{ }} {}", "else if (out[0] > 4u) { out[0] = 1u; }".repeat(250)),
            true,
        ),
        ("blocks", "", format!("{}out[0] = 1u;{}", "{".repeat(60), "}".repeat(60)), true),
    ] {
        let taken = Kernel::parse(&alone(declarations, &body), "main");
        assert_eq!(taken.is_ok(), is_taken, "{name}: {:?}", taken.err());
    }
}

/// No workgroups take no time, however many there would be along the other axes.
#[test]
fn no_workgroups_are_done_at_once() {
    let kernel = Kernel::parse(&alone("", "out[0] = 1u;"), "main").unwrap();
    let started = Instant::now();
    let (mut words, mut budget) = ([0], 10);
    let mut bindings = [Binding::ReadWrite { words: &mut words, stride: 1 }];
    assert_eq!(kernel.dispatch(&mut bindings, [0, 65_535, 65_535], &mut budget), Ok(()));
    assert_eq!((budget, words), (10, [0]));
    assert!(started.elapsed() < Duration::from_secs(1));
}
