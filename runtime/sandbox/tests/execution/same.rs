//! The same claim every time: repeated, compiled with and without optimisation.

use std::path::Path;

use crate::components::{bare, command};
use crate::harness::{Case, Ended};

/// What a claim is made of.
fn deterministic(ended: &Ended) -> impl PartialEq + std::fmt::Debug + use<> {
    let finished = &ended.finished;
    (ended.claim(), finished.outcome.clone(), finished.fuel, finished.outputs.clone(), ended.kept.outputs.clone())
}

/// Floats of every kind, NaNs among them, clocks, random numbers, and traps: what could differ.
fn programs() -> Vec<(&'static str, Vec<u8>)> {
    let deep = r#"(func $f (export "run") (result i32) (i32.add (call $f) (i32.const 1)))"#;
    let spin = r#"(func (export "run") (result i32) (loop $again (br $again)) (i32.const 0))"#;
    vec![
        ("nan", command(&format!("{OUT} {NANS}"))),
        ("relaxed", command(&format!("{OUT} {RELAXED}"))),
        ("clock", command(&format!("{OUT} {CLOCK}"))),
        ("deep", bare(deep)),
        ("spin", bare(spin)),
        ("bounds", bare(BOUNDS)),
    ]
}

fn small(mut case: Case) -> Case {
    case.run.limits.fuel.0 = 3_000_000;
    case
}

#[test]
fn a_hundred_repetitions_and_both_compilers_agree() {
    for (name, program) in programs() {
        let case = small(Case::new(&program));
        let first = deterministic(&case.run());
        for _ in 1..100 {
            assert_eq!(deterministic(&case.run()), first, "{name}");
        }
        assert_eq!(deterministic(&small(Case::optimised(&program)).run()), first, "{name}");
        assert_eq!(deterministic(&small(Case::oracle(&program)).run()), first, "{name}");
    }
}

/// The claims of these programs on every machine: if one changes, the engine's name is to be raised.
/// `POAI_RENEW_VECTORS=1 cargo test -p poai-sandbox --test execution claims` writes them anew.
#[test]
fn the_claims_are_the_pinned_ones() {
    let claims = programs().into_iter().map(|(name, program)| {
        let ended = small(Case::optimised(&program)).run();
        format!("{name} {} {} {:?}\n", ended.claim(), ended.finished.fuel, ended.outcome())
    });
    let claims: String = claims.collect();
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/execution/claims.txt");
    if std::env::var_os("POAI_RENEW_VECTORS").is_some() {
        std::fs::write(&pinned, &claims).unwrap();
    }
    assert_eq!(std::fs::read_to_string(pinned).unwrap(), claims);
}

/// Writes the memory's first bytes to standard output.
const OUT: &str = r#"
    (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))"#;

/// The bits of NaNs of many kinds.
const NANS: &str = r#"
    (func (export "wasi:cli/run@0.2.12#run") (result i32)
        (local $odd f64)
        (i64.store (i32.const 200) (i64.const 0xfff0000000000001))
        (local.set $odd (f64.load (i32.const 200)))
        (f64.store (i32.const 0) (local.get $odd))
        (f64.store (i32.const 8) (f64.neg (local.get $odd)))
        (f64.store (i32.const 16) (f64.add (local.get $odd) (f64.const 1)))
        (f64.store (i32.const 24) (f64.div (f64.const 0) (f64.const 0)))
        (f64.store (i32.const 32) (f64.sqrt (f64.const -1)))
        (f64.store (i32.const 40) (f64.min (f64.const 1) (local.get $odd)))
        (f64.store (i32.const 48) (f64.copysign (f64.sub (f64.const inf) (f64.const inf)) (f64.const -1)))
        (f32.store (i32.const 56) (f32.demote_f64 (local.get $odd)))
        (f64.store (i32.const 64) (f64.promote_f32 (f32.mul (f32.const 0) (f32.const inf))))
        (v128.store (i32.const 72) (f32x4.max (v128.const f32x4 nan:0x1 -nan 0 1) (v128.const f32x4 0 nan -0 nan:0x200000)))
        (call $write (call $stdout) (i32.const 0) (i32.const 88) (i32.const 300))
        (i32.const 0))"#;

/// Relaxed SIMD in its deterministic lowering.
const RELAXED: &str = r#"
    (func (export "wasi:cli/run@0.2.12#run") (result i32)
        (v128.store (i32.const 0)
            (f32x4.relaxed_madd (v128.const f32x4 1.1 nan inf 3) (v128.const f32x4 7.3 1 0 3) (v128.const f32x4 -8.03 1 0 3)))
        (v128.store (i32.const 16) (i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 nan 3e9 -3e9 1.5)))
        (v128.store (i32.const 32) (i8x16.relaxed_swizzle (v128.load (i32.const 0)) (v128.const i32x4 0x10ff7f80 0x01020304 -1 0x0f)))
        (v128.store (i32.const 48) (f32x4.relaxed_min (v128.const f32x4 -0 nan 1 0) (v128.const f32x4 0 1 nan -0)))
        (v128.store (i32.const 64)
            (i16x8.relaxed_dot_i8x16_i7x16_s (v128.const i32x4 -1 0x80808080 0x7f7f7f7f 5) (v128.const i32x4 -1 0x80808080 0x7f7f7f7f 5)))
        (v128.store (i32.const 80) (i16x8.relaxed_q15mulr_s (v128.const i32x4 0x80008000 1 2 3) (v128.const i32x4 0x80008000 1 2 3)))
        (v128.store (i32.const 96)
            (i32x4.relaxed_laneselect (v128.const i32x4 1 2 3 4) (v128.const i32x4 5 6 7 8) (v128.const i32x4 -1 0 0x0f 0x80000000)))
        (call $write (call $stdout) (i32.const 0) (i32.const 112) (i32.const 300))
        (i32.const 0))"#;

/// Stores up to the end of memory, and beyond.
const BOUNDS: &str = r#"
    (memory 1)
    (func (export "run") (result i32)
        (local $at i32)
        (loop $again
            (i32.store8 (local.get $at) (i32.const 1))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $again))
        (i32.const 0))"#;

/// Both clocks, a sleep, and random numbers, all written to standard output.
const CLOCK: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $subscribe (param i64) (result i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:clocks/wall-clock@0.2.12" "now" (func $wall (param i32)))
    (import "wasi:random/random@0.2.12" "get-random-u64" (func $random (result i64)))
    (import "wasi:random/insecure@0.2.12" "get-insecure-random-u64" (func $insecure (result i64)))
    (import "wasi:random/insecure-seed@0.2.12" "insecure-seed" (func $seed (param i32)))
    (func (export "wasi:cli/run@0.2.12#run") (result i32)
        (i64.store (i32.const 0) (call $now))
        (call $block (call $subscribe (i64.const 5000000000)))
        (i64.store (i32.const 8) (call $now))
        (call $wall (i32.const 16))
        (i64.store (i32.const 32) (call $random))
        (i64.store (i32.const 40) (call $insecure))
        (call $seed (i32.const 48))
        (call $write (call $stdout) (i32.const 0) (i32.const 64) (i32.const 100))
        (i32.const 0))"#;
