//! Fuel, memory, stack, outputs, words: each limit to the unit.

use poai_objects::{Fuel, Limits, Outcome, Trap};

use crate::components::{bare, command, does, task};
use crate::harness::{Case, trapped};

const WORK: &str = r#"(func $work (param i32) (result i32)
        (local $sum i32)
        (loop $again
            (local.set $sum (i32.add (local.get $sum) (i32.mul (local.get 0) (local.get 0))))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get $sum))
    (func (export "run") (result i32) (drop (call $work (i32.const 1000))) (i32.const 0))"#;

#[test]
fn a_run_may_spend_its_last_unit_and_not_one_more() {
    for program in [bare(WORK), does(""), logs(10)] {
        let mut case = Case::new(&program);
        let whole = case.run().fuel();
        assert!(whole > 0);
        case.run.limits.fuel = Fuel(whole);
        assert_eq!((case.run().outcome(), case.run().fuel()), (&Outcome::Ok, whole));
        for short in [whole - 1, whole / 2, 1, 0] {
            case.run.limits.fuel = Fuel(short);
            let ended = case.run();
            assert_eq!((ended.outcome(), ended.fuel()), (&trapped(Trap::OutOfFuel), short));
            assert!(ended.output_names().is_empty());
        }
    }
}

#[test]
fn a_trap_costs_the_blocks_that_were_entered() {
    let fuel_of = |body: &str| Case::new(&does(body)).run().fuel();
    let load = "(drop (i32.load (i32.const 0)))";
    let bad = "(drop (i32.load (i32.const -1)))";
    assert_eq!(
        fuel_of(&format!("{bad} (loop {load} {load})")),
        fuel_of(&format!("{bad} (loop)")),
        "what comes after is free"
    );
    assert!(fuel_of(&format!("(loop {load}) {bad}")) > fuel_of(&format!("(loop) {bad}")), "what came before is not");
}

/// Writes so many lines of log, and is ok.
fn logs(lines: u32) -> Vec<u8> {
    task(&format!(
        r#"(import "poai:task/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))
        (data (i32.const 100) "again")
        (func (export "run") (result i32)
            (local $left i32)
            (local.set $left (i32.const {lines}))
            (loop $again
                (call $log (i32.const 2) (i32.const 100) (i32.const 5))
                (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            (i32.const 0))"#
    ))
}

#[test]
fn a_flood_of_words_is_cut_and_costs_the_same() {
    let (some, flood) = (Case::new(&logs(1_000)).run(), Case::new(&logs(101_000)).run());
    assert_eq!(flood.outcome(), &Outcome::Ok);
    assert_eq!((some.log().len(), flood.log().len()), (1_000, 100_000));
    assert!(flood.log().last().unwrap().contains("100000 lines"));
    let each = (flood.fuel() - some.fuel()) / 100_000;
    assert_eq!(flood.fuel(), some.fuel() + each * 100_000);
}

#[test]
fn growing_beyond_the_limit_fails_as_wasm_says() {
    // One page to begin with; grows by 3 of 4, then not by 1 more.
    let module = r#"(memory 1) (table 4096 8192 funcref)
        (func $grow (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "run") (result i32)
            (if (i32.ne (call $grow (i32.const 3)) (i32.const -1)) (then (return (i32.const 1))))
            (if (i32.ne (call $grow (i32.const 2)) (i32.const 1)) (then (return (i32.const 1))))
            (if (i32.ne (call $grow (i32.const 1)) (i32.const -1)) (then (return (i32.const 1))))
            (if (i32.ne (table.grow (ref.null func) (i32.const 1)) (i32.const -1)) (then (return (i32.const 1))))
            (if (i32.ne (call $grow (i32.const 0)) (i32.const 3)) (then (return (i32.const 1))))
            (i32.const 0))"#;
    // The table's 4,096 elements are the fourth page.
    let mut case = Case::new(&bare(module)).with(|run| run.limits.memory_bytes = 4 << 16);
    assert_eq!(*case.run().outcome(), Outcome::Ok);
    case.run.limits.memory_bytes = 2 << 16;
    assert!(matches!(case.run().outcome(), Outcome::Failed { .. }), "as much as it begins with");
    case.run.limits.memory_bytes = (2 << 16) - 1;
    assert_eq!(*case.run().outcome(), trapped(Trap::MemoryLimit));
}

#[test]
fn a_program_that_grows_for_ever_gets_all_and_no_more() {
    let module = r#"(memory 0)
        (func (export "run") (result i32)
            (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            (i32.ne (memory.size) (i32.const 1024)))"#;
    assert_eq!(*Case::new(&bare(module)).run().outcome(), Outcome::Ok);
}

#[test]
fn a_table_holds_at_most_what_the_static_rules_allow() {
    let module = r#"(table 1 funcref)
        (func (export "run") (result i32)
            (loop $again (br_if $again (i32.ne (table.grow (ref.null func) (i32.const 1000)) (i32.const -1))))
            (i32.ne (table.size) (i32.const 199001)))"#;
    assert_eq!(*Case::new(&bare(module)).run().outcome(), Outcome::Ok);
}

#[test]
fn the_stack_limit_is_the_run_s() {
    let deep = |depth: u32| {
        bare(&format!(
            r#"(func $deeper (param i32) (result i32)
                (if (result i32) (local.get 0) (then (i32.add (call $deeper (i32.sub (local.get 0) (i32.const 1))) (i32.const 0))) (else (i32.const 0))))
            (func (export "run") (result i32) (call $deeper (i32.const {depth})))"#
        ))
    };
    let case = Case::new(&deep(1_000));
    assert_eq!(*case.run().outcome(), Outcome::Ok);
    // 64 units and 16 for the parameter and each operand: more than 80,000 for a thousand calls.
    assert_eq!(*case.with(|run| run.limits.stack_units = 80_000).run().outcome(), trapped(Trap::Stack));
    assert_eq!(*Case::new(&deep(10_000_000)).run().outcome(), trapped(Trap::Stack));
    assert_eq!(Limits::default().stack_units, 8 << 20);
}

/// Writes `bytes` bytes to standard output, then opens `files` files under `/out`.
fn writes(bytes: u32, files: u32) -> Vec<u8> {
    command(&format!(
        r#"(import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
        (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
        (import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $directories (param i32)))
        (import "wasi:filesystem/types@0.2.12" "[method]descriptor.open-at" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
        (data (i32.const 100) "a")
        (func (export "wasi:cli/run@0.2.12#run") (result i32)
            (local $out i32) (local $left i32)
            (call $write (call $stdout) (i32.const 0) (i32.const {bytes}) (i32.const 16))
            (if (i32.load8_u (i32.const 16)) (then unreachable))
            (call $directories (i32.const 16))
            (local.set $out (i32.load (i32.add (i32.load (i32.const 16)) (i32.const 12))))
            (local.set $left (i32.const {files}))
            (block $done
                (loop $again
                    (br_if $done (i32.eqz (local.get $left)))
                    (i32.store8 (i32.const 100) (i32.add (i32.const 96) (local.get $left)))
                    ;; create, write
                    (call $open (local.get $out) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 1) (i32.const 2) (i32.const 16))
                    (if (i32.load8_u (i32.const 16)) (then unreachable))
                    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                    (br $again)))
            (i32.const 0))"#
    ))
}

#[test]
fn outputs_are_limited_in_bytes_and_in_number() {
    for (bytes, files, limit_bytes, limit_count, expected) in [
        (10, 2, 10, 3, Outcome::Ok),
        (10, 2, 9, 3, trapped(Trap::OutputLimit)),
        (10, 2, 10, 2, trapped(Trap::OutputLimit)),
        (0, 0, 0, 1, Outcome::Ok),
        (0, 0, 0, 0, trapped(Trap::OutputLimit)),
    ] {
        let case = Case::new(&writes(bytes, files));
        let ended =
            case.with(|run| (run.limits.output_bytes, run.limits.output_count) = (limit_bytes, limit_count)).run();
        assert_eq!(*ended.outcome(), expected, "{bytes} bytes, {files} files");
        let names: &[&str] =
            if expected == Outcome::Ok { &["a", "b", "stdout"][3 - 1 - files as usize..] } else { &[] };
        assert_eq!(ended.output_names(), names);
    }
}
