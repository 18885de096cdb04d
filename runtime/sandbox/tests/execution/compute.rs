//! `poai:compute`: a task's own kernels, in effects, fuel and memory.

use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Fuel, Outcome, TraceWriter, Trap};

use crate::components::task;
use crate::harness::{Case, Ended, trapped};
use crate::plain::rust;

fn matmul() -> Case {
    let params = r#"{"columns":20,"depth":33,"rows":17}"#.parse().unwrap();
    Case::new(&rust("matmul")).with(|run| (run.params, run.seed) = (params, 7))
}

/// Three dispatches.
pub(crate) fn nbody() -> Case {
    let params = r#"{"steps":3,"tiles":1}"#.parse().unwrap();
    Case::new(&rust("nbody")).with(|run| run.params = params)
}

/// SplitMix64's first numbers in [-0.5, 0.5), as the task draws them.
fn draws(seed: u64) -> impl Iterator<Item = f32> {
    (1..).map(move |count: u64| {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(count));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / 16_777_216.0 - 0.5
    })
}

#[test]
fn a_task_multiplies_by_its_own_kernel() {
    let ended = matmul().run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    let mut draws = draws(7);
    let left: Vec<f32> = draws.by_ref().take(17 * 33).collect();
    let right: Vec<f32> = draws.take(33 * 20).collect();
    let element = |place: usize| {
        let (row, column) = (place / 20, place % 20);
        (0..33).fold(0.0_f32, |sum, k| left[row * 33 + k].mul_add(right[k * 20 + column], sum))
    };
    let expected: Vec<u8> = (0..17 * 20).flat_map(|place| element(place).to_le_bytes()).collect();
    assert_eq!(ended.kept.outputs["product"], expected);
    assert_eq!(matmul().run().claim(), ended.claim());
}

#[test]
fn every_dispatch_is_an_effect() {
    let ended = nbody().run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    let effects = &ended.kept.effects;
    assert_eq!(effects.len(), 3);
    let mut writer = TraceWriter::default();
    for (effect, arguments, results) in effects {
        assert_eq!(effect.function, "poai:compute/kernels@0.1.0#[method]kernel.dispatch");
        assert_eq!((effect.arguments, effect.results), (cid_of(RAW, arguments), cid_of(RAW, results)));
        writer.push(effect.clone());
    }
    assert_eq!(writer.finish().0, ended.finished.trace);
    assert!(effects.is_sorted_by_key(|(effect, ..)| effect.fuel));
}

#[test]
fn fuel_ends_inside_a_dispatch() {
    let whole = matmul().run();
    let begun = whole.kept.effects[0].0.fuel.0;
    for limit in [begun + 10_000, whole.fuel() - 1] {
        let ended = matmul().with(|run| run.limits.fuel = Fuel(limit)).run();
        assert_eq!((ended.outcome(), ended.finished.fuel), (&trapped(Trap::OutOfFuel), Fuel(limit)));
    }
    let ended = matmul().with(|run| run.limits.fuel = Fuel(begun + 10_000)).run();
    assert_eq!(ended.kept.effects.len(), 0, "what did not end is no effect");
    let ended = matmul().with(|run| run.limits.fuel = Fuel(whole.fuel())).run();
    assert_eq!(*ended.outcome(), Outcome::Ok);
}

/// Core imports of the interface, and helpers: `$is` breaks down unless a result has the byte, 0 for ok.
const IMPORTS: &str = r#"
    (import "poai:compute/kernels@0.1.0" "[static]buffer.create" (func $buffer (param i64 i32)))
    (import "poai:compute/kernels@0.1.0" "[method]buffer.size" (func $size (param i32) (result i64)))
    (import "poai:compute/kernels@0.1.0" "[method]buffer.write" (func $write (param i32 i64 i32 i32 i32)))
    (import "poai:compute/kernels@0.1.0" "[method]buffer.read" (func $read (param i32 i64 i64 i32)))
    (import "poai:compute/kernels@0.1.0" "[static]kernel.create" (func $kernel (param i32 i32 i32 i32 i32)))
    (import "poai:compute/kernels@0.1.0" "[method]kernel.dispatch" (func $dispatch (param i32 i32 i32 i32 i32 i32 i32)))
    (func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
    (func $ok (call $check (i32.eqz (i32.load8_u (i32.const 16)))))
    (func $says (param $at i32) (param $error i32)
        (call $check (i32.load8_u (i32.const 16)))
        (call $check (i32.eq (i32.load8_u (local.get $at)) (local.get $error))))
    (func $binding (param $at i32) (param $buffer i32) (param $stride i32)
        (i32.store (local.get $at) (local.get $buffer))
        (i32.store (i32.add (local.get $at) (i32.const 4)) (i32.ne (local.get $stride) (i32.const -1)))
        (i32.store (i32.add (local.get $at) (i32.const 8)) (local.get $stride)))"#;

/// A task that has a kernel `main` of this source at hand, does this, and is ok.
fn does(source: &str, body: &str) -> Ended {
    let source_bytes = source.len();
    let text = format!(
        r#"{IMPORTS} (data (i32.const 100) "main") (data (i32.const 1000) "{source}")
        (func (export "run") (result i32) (local $a i32) (local $k i32)
            (call $buffer (i64.const 64) (i32.const 16)) (call $ok)
            (local.set $a (i32.load (i32.const 20)))
            (call $kernel (i32.const 1000) (i32.const {source_bytes}) (i32.const 100) (i32.const 4) (i32.const 16))
            {body} (i32.const 0))"#
    );
    Case::new(&task(&text)).run()
}

/// Each error is a value, of the number that it has in `wit/compute.wit`.
#[test]
fn what_cannot_be_done_is_an_error() {
    const KERNEL: &str = "@group(0) @binding(0) var<storage, read_write> out: array<u32, 16>; var<workgroup> m: u32; \
        @compute @workgroup_size(2) fn main(@builtin(local_invocation_index) i: u32) { out[i] = 7u; %BODY% }";
    let with = |body: &str| KERNEL.replace("%BODY%", body);
    let ready = "(call $ok) (local.set $k (i32.load (i32.const 20))) (call $binding (i32.const 200) (local.get $a) (i32.const 4))";
    let dispatch = |count: u32, groups: u32| {
        format!(
            "{ready} (call $dispatch (local.get $k) (i32.const 200) (i32.const {count}) (i32.const {groups}) (i32.const 1) (i32.const 1) (i32.const 16))"
        )
    };
    let twice = "(call $binding (i32.const 212) (local.get $a) (i32.const -1))";
    let says = |at: u32, error: u32| format!("(call $says (i32.const {at}) (i32.const {error}))");
    for (what, source, body, word) in [
        ("no WGSL", "fn".to_owned(), says(20, 0), "invalid-kernel"),
        ("no such entry point", "@compute @workgroup_size(1) fn other() { }".into(), says(20, 0), "invalid-kernel"),
        (
            "an atomic whose order would show",
            "var<workgroup> u: atomic<u32>; @compute @workgroup_size(1) fn main() { atomicExchange(&u, 1u); }".into(),
            says(20, 1),
            "unsupported",
        ),
        ("a large workgroup", "@compute @workgroup_size(512) fn main() { }".into(), says(20, 2), "too-large"),
        (
            "a large buffer",
            with(""),
            format!("(call $buffer (i64.const 0x8000004) (i32.const 16)) {}", says(20, 2)),
            "too-large",
        ),
        (
            "no room for a buffer",
            with(""),
            format!("(call $buffer (i64.const 0x4000000) (i32.const 16)) {}", says(20, 2)),
            "too-large",
        ),
        (
            "no room for a buffer of atomics twice",
            KERNEL.replace("var<storage, read_write> out: array<u32, 16>", "var<storage, read_write> out: array<atomic<u32>>")
                .replace("out[i] = 7u; %BODY%", "atomicAdd(&out[i], 1u);"),
            format!(
                "{ready} (call $buffer (i64.const 0x2400000) (i32.const 16)) (call $ok)
                (call $binding (i32.const 200) (i32.load (i32.const 20)) (i32.const 0))
                (call $dispatch (local.get $k) (i32.const 200) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 16)) {}",
                says(17, 2)
            ),
            "too-large",
        ),
        ("half a word", with(""), format!("(call $buffer (i64.const 6) (i32.const 16)) {}", says(20, 3)), "misaligned"),
        (
            "a write at an odd place",
            with(""),
            format!(
                "(call $write (local.get $a) (i64.const 2) (i32.const 0) (i32.const 4) (i32.const 16)) {}",
                says(17, 3)
            ),
            "misaligned",
        ),
        (
            "a read behind the end",
            with(""),
            format!("(call $read (local.get $a) (i64.const 60) (i64.const 8) (i32.const 16)) {}", says(20, 4)),
            "out-of-bounds",
        ),
        (
            "a read far behind the end",
            with(""),
            format!("(call $read (local.get $a) (i64.const -8) (i64.const 8) (i32.const 16)) {}", says(20, 4)),
            "out-of-bounds",
        ),
        ("no bindings", with(""), dispatch(0, 1) + &says(17, 5), "invalid-bindings"),
        (
            "a buffer that is written and read",
            with(""),
            dispatch(1, 0)
                .replace(ready, &format!("{ready} {twice}"))
                .replace("(i32.const 1) (i32.const 0)", "(i32.const 2) (i32.const 0)")
                + &says(17, 5),
            "invalid-bindings",
        ),
        ("too many workgroups", with(""), dispatch(1, 65_536) + &says(17, 2), "too-large"),
        (
            "an atomic operation, and another access",
            with("atomicAdd(&n, 1u); atomicStore(&n, 1u);")
                .replace("var<workgroup>", "var<workgroup> n: atomic<u32>; var<workgroup>"),
            dispatch(1, 1) + &says(17, 6),
            "race",
        ),
        ("a race", with("m = i;"), dispatch(1, 1) + &says(17, 6), "race"),
        (
            "a barrier for some",
            with("if (i == 0u) { workgroupBarrier(); }"),
            dispatch(1, 1) + &says(17, 7),
            "divergence",
        ),
    ] {
        let ended = does(&source, &body);
        assert_eq!(*ended.outcome(), Outcome::Ok, "{what}: {:?}", ended.log());
        assert!(ended.log()[0].starts_with(&format!("poai-compute: {word}: ")), "{what}: {:?}", ended.log());
        // A dispatch that has begun is an effect, however it ends.
        assert_eq!(ended.kept.effects.len(), usize::from(word == "race" || word == "divergence"), "{what}");
    }
}

#[test]
fn what_a_kernel_writes_is_read() {
    let kernel = "@group(0) @binding(0) var<storage, read_write> out: array<u32>; \
        @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) { out[i] += i * i; }";
    let body = "(call $ok) (local.set $k (i32.load (i32.const 20)))
        (i32.store (i32.const 300) (i32.const 100))
        (call $write (local.get $a) (i64.const 12) (i32.const 300) (i32.const 4) (i32.const 16)) (call $ok)
        (call $binding (i32.const 200) (local.get $a) (i32.const 4))
        (call $dispatch (local.get $k) (i32.const 200) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 16)) (call $ok)
        (call $read (local.get $a) (i64.const 8) (i64.const 8) (i32.const 16)) (call $ok)
        (call $check (i32.eq (i32.load (i32.load (i32.const 20))) (i32.const 4)))
        (call $check (i32.eq (i32.load offset=4 (i32.load (i32.const 20))) (i32.const 109)))
        (call $check (i64.eq (call $size (local.get $a)) (i64.const 64)))";
    let ended = does(kernel, body);
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    assert_eq!(ended.kept.effects.len(), 1);
}

/// A stride of 0 says that nobody owns slices of it.
#[test]
fn a_buffer_of_atomics_is_changed_by_all() {
    let kernel = "@group(0) @binding(0) var<storage, read_write> all: array<atomic<u32>, 16>; \
        @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) { atomicAdd(&all[2], i); }";
    let dispatch = |stride: u32| {
        format!(
            "(call $binding (i32.const 200) (local.get $a) (i32.const {stride}))
            (call $dispatch (local.get $k) (i32.const 200) (i32.const 1) (i32.const 3) (i32.const 1) (i32.const 1) (i32.const 16))"
        )
    };
    let body = format!(
        "(call $ok) (local.set $k (i32.load (i32.const 20))) {} (call $says (i32.const 17) (i32.const 5)) {} (call $ok)
        (call $read (local.get $a) (i64.const 8) (i64.const 4) (i32.const 16)) (call $ok)
        (call $check (i32.eq (i32.load (i32.load (i32.const 20))) (i32.const 18)))",
        dispatch(4),
        dispatch(0)
    );
    let ended = does(kernel, &body);
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    assert_eq!(ended.kept.effects.len(), 1);
}

#[test]
fn a_kernel_without_end_is_out_of_fuel() {
    let kernel = "@compute @workgroup_size(1) fn main() { loop { } }";
    let body = "(call $ok) (call $dispatch (i32.load (i32.const 20)) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 16))";
    let ended = does(kernel, body);
    assert_eq!((ended.outcome(), ended.fuel()), (&trapped(Trap::OutOfFuel), 1_000_000_000));
}
