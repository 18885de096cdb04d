//! The same claim every time: repeated, compiled with and without optimisation.

use crate::components::{bare, command};
use crate::harness::{Case, Ended};

/// What a claim is made of.
fn deterministic(ended: &Ended) -> impl PartialEq + std::fmt::Debug + use<> {
    let finished = &ended.finished;
    (ended.claim(), finished.outcome.clone(), finished.fuel, finished.outputs.clone(), ended.kept.outputs.clone())
}

/// Floats of every kind, NaNs among them, memory, tables, growth and traps: what could differ.
fn programs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nan", bare(NANS)),
        ("relaxed", bare(RELAXED)),
        ("clock", command(CLOCK)),
        ("deep", bare(r#"(func $f (export "run") (result i32) (i32.add (call $f) (i32.const 1)))"#)),
        ("spin", bare(r#"(func (export "run") (result i32) (loop $again (br $again)) (i32.const 0))"#)),
        ("bounds", bare(r#"(memory 1) (func (export "run") (result i32) (local i32) (loop $l (i32.store8 (local.get 0) (i32.const 1)) (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br $l)) (i32.const 0))"#)),
    ]
}

#[test]
fn a_hundred_repetitions_and_both_compilers_agree() {
    for (name, program) in programs() {
        let mut case = Case::new(&program);
        case.run.limits.fuel.0 = 3_000_000;
        let first = deterministic(&case.run());
        for _ in 1..100 {
            assert!(deterministic(&case.run()) == first, "{name}");
        }
        let mut optimised = Case::optimised(&program);
        optimised.run.limits.fuel.0 = 3_000_000;
        assert_eq!(deterministic(&optimised.run()), first, "{name}");
    }
}

/// The bits of many NaNs, folded: exit status 0 if they are the canonical ones.
const NANS: &str = r#"
    (memory 1)
    (func $fold (param f64) (result i32) (i64.eq (i64.reinterpret_f64 (local.get 0)) (i64.const 0x7ff8000000000000)))
    (func (export "run") (result i32)
        (local $odd f64)
        (i64.store (i32.const 0) (i64.const 0xfff0000000000001))
        (local.set $odd (f64.load (i32.const 0)))
        (i32.eqz
            (i32.and
                (i32.and (call $fold (f64.add (local.get $odd) (f64.const 1))) (call $fold (f64.mul (local.get $odd) (local.get $odd))))
                (i32.and (call $fold (f64.div (f64.const 0) (f64.const 0))) (call $fold (f64.sqrt (f64.const -1)))))))"#;

/// Relaxed SIMD in its deterministic lowering.
const RELAXED: &str = r#"
    (func (export "run") (result i32)
        (i32.and
            (i32.const 0)
            (i32x4.extract_lane 0
                (i32x4.relaxed_trunc_f32x4_s
                    (f32x4.relaxed_madd (v128.const f32x4 1.1 nan inf 3) (v128.const f32x4 7.3 1 0 3) (v128.const f32x4 -8.03 1 0 3))))))"#;

/// Both clocks, a sleep, and random numbers, all written to standard output.
const CLOCK: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $subscribe (param i64) (result i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:clocks/wall-clock@0.2.12" "now" (func $wall (param i32)))
    (import "wasi:random/random@0.2.12" "get-random-u64" (func $random (result i64)))
    (import "wasi:random/insecure@0.2.12" "get-insecure-random-u64" (func $insecure (result i64)))
    (import "wasi:random/insecure-seed@0.2.12" "insecure-seed" (func $seed (param i32)))
    (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
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
