//! Guests that mean harm: work that costs nothing, memory that is not counted, ends that differ.

use std::collections::BTreeMap;

use poai_objects::{Outcome, Trap};
use poai_sandbox::detect_world;

use crate::components::{bare, command, does};
use crate::harness::{Case, trapped};

/// The fuel of a program that hands `bytes` bytes of its memory to one call that the host refuses.
fn fuel_of_refused(imports: &str, call: impl Fn(u32) -> String, bytes: u32) -> u64 {
    let ended = Case::new(&command(&format!(
        r#"(import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $directories (param i32)))
        {imports}
        (func (export "wasi:cli/run@0.2.12#run") (result i32)
            (local $in i32)
            (call $directories (i32.const 16))
            (local.set $in (i32.load (i32.load (i32.const 16))))
            {}
            (i32.eqz (i32.load8_u (i32.const 64))))"#,
        call(bytes)
    )))
    .run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "the call is refused: {imports}");
    ended.fuel()
}

#[test]
fn what_a_refused_call_hands_over_is_charged() {
    const MORE: u32 = 16_000;
    let types = |name: &str, params: &str| {
        format!(r#"(import "wasi:filesystem/types@0.2.12" "[method]descriptor.{name}" (func $call (param {params})))"#)
    };
    let path = "(i32.const 1024)";
    for (name, params, before, after) in [
        ("link-at", "i32 i32 i32 i32 i32 i32 i32 i32", "(i32.const 0)", "(local.get $in) (i32.const 0) (i32.const 0)"),
        ("symlink-at", "i32 i32 i32 i32 i32 i32", "", "(i32.const 0) (i32.const 0)"),
        ("write", "i32 i32 i32 i64 i32", "", "(i64.const 0)"),
        ("open-at", "i32 i32 i32 i32 i32 i32 i32", "(i32.const 0)", "(i32.const 3) (i32.const 0)"),
        ("stat-at", "i32 i32 i32 i32 i32", "(i32.const 0)", ""),
        ("readlink-at", "i32 i32 i32 i32", "", ""),
        ("unlink-file-at", "i32 i32 i32 i32", "", ""),
        ("create-directory-at", "i32 i32 i32 i32", "", ""),
        ("rename-at", "i32 i32 i32 i32 i32 i32 i32", "", "(local.get $in) (i32.const 0) (i32.const 0)"),
    ] {
        let call =
            |bytes| format!("(call $call (local.get $in) {before} {path} (i32.const {bytes}) {after} (i32.const 64))");
        let [few, many] = [0, MORE].map(|bytes| fuel_of_refused(&types(name, params), call, bytes));
        assert!(many >= few + u64::from(MORE / 8), "{name}: {few} for nothing, {many} for {MORE} bytes");
    }
}

/// A component that calls an absent function of its own making with a list of so many bytes.
fn calls_absent(bytes: u32) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (import "wasi:sockets/made-up@0.2.0" (instance $absent
                (type $code' (enum "not-supported"))
                (export "code" (type $code (eq $code')))
                (export "call" (func (param "bytes" (list u8)) (result (result (error $code)))))))
            (core module $memory (memory (export "memory") 1))
            (core instance $memory (instantiate $memory))
            (alias export $absent "call" (func $call))
            (core func $call (canon lower (func $call) (memory $memory "memory")))
            (core module $module
                (import "absent" "call" (func $call (param i32 i32 i32)))
                (func (export "run") (result i32)
                    (call $call (i32.const 0) (i32.const {bytes}) (i32.const 65000)) (i32.const 0)))
            (core instance $instance (instantiate $module (with "absent" (instance (export "call" (func $call))))))
            (func $run (result (result)) (canon lift (core func $instance "run")))
            (instance $interface (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $interface)))"#
    ))
    .unwrap()
}

#[test]
fn what_an_absent_function_is_handed_is_charged_value_by_value() {
    let [few, many] = [0, 10_000].map(|bytes| Case::new(&calls_absent(bytes)).run().fuel());
    assert_eq!(many - few, 64 * 10_000);
}

/// Reads `reads` bytes of the input `data`, each `stride` bytes after the last.
fn reads(reads: u32, stride: u32) -> Vec<u8> {
    crate::components::task(&format!(
        r#"(import "poai:task/inputs@0.1.0" "open" (func $open (param i32 i32 i32)))
        (import "poai:task/inputs@0.1.0" "[method]file.read" (func $read (param i32 i64 i32 i32)))
        (data (i32.const 100) "data")
        (func (export "run") (result i32)
            (local $left i32) (local $at i64)
            (call $open (i32.const 100) (i32.const 4) (i32.const 16))
            (if (i32.load8_u (i32.const 16)) (then unreachable))
            (local.set $left (i32.const {reads}))
            (loop $again
                (call $read (i32.load (i32.const 20)) (local.get $at) (i32.const 1) (i32.const 32))
                (local.set $at (i64.add (local.get $at) (i64.const {stride})))
                (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            (i32.const 0))"#
    ))
}

#[test]
fn each_block_that_is_fetched_costs_as_much_as_opening_it() {
    // The tests' chunks have 7 bytes.
    let data: Vec<u8> = (0..700_u32).map(|byte| byte as u8).collect();
    let fuel = |stride| Case::new(&reads(50, stride)).input("data", &data).run().fuel();
    assert!(fuel(7) >= fuel(0) + 49 * 4_096, "{} {}", fuel(0), fuel(7));
}

#[test]
fn a_memory_that_grows_in_vain_from_nothing_was_not_too_large_to_begin_with() {
    let module =
        r#"(memory 0) (func (export "run") (result i32) (drop (memory.grow (i32.const 60000))) (i32.const 7))"#;
    assert_eq!(*Case::new(&bare(module)).run().outcome(), trapped(Trap::Abi));
}

/// Lists `/in` until no more listing fits, and keeps them all.
#[test]
fn listings_that_are_kept_count_against_the_memory_limit() {
    let module = r#"
        (import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $directories (param i32)))
        (import "wasi:filesystem/types@0.2.12" "[method]descriptor.read-directory" (func $list (param i32 i32)))
        (func (export "wasi:cli/run@0.2.12#run") (result i32)
            (local $in i32)
            (call $directories (i32.const 16))
            (local.set $in (i32.load (i32.load (i32.const 16))))
            (loop $again
                (call $list (local.get $in) (i32.const 32))
                (br_if $again (i32.eqz (i32.load8_u (i32.const 32)))))
            ;; insufficient-memory: the twenty-second of its cases, counted from 0
            (i32.ne (i32.load8_u (i32.const 36)) (i32.const 22)))"#;
    let case = Case::new(&command(module)).input("data", b"x").with(|run| run.limits.memory_bytes = 3 << 16);
    assert_eq!(*case.run().outcome(), Outcome::Ok);
}

/// Opens the input `data`, and keeps it open, until no more fits.
#[test]
fn layouts_of_files_that_are_kept_open_count_against_the_memory_limit() {
    let module = r#"
        (import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $directories (param i32)))
        (import "wasi:filesystem/types@0.2.12" "[method]descriptor.open-at"
            (func $open (param i32 i32 i32 i32 i32 i32 i32)))
        (import "wasi:filesystem/types@0.2.12" "[resource-drop]descriptor" (func $close (param i32)))
        (data (i32.const 100) "data")
        (func $try (param $in i32) (result i32)
            (call $open (local.get $in) (i32.const 0) (i32.const 100) (i32.const 4) (i32.const 0) (i32.const 1)
                (i32.const 32))
            (i32.load8_u (i32.const 32)))
        (func (export "wasi:cli/run@0.2.12#run") (result i32)
            (local $in i32) (local $opened i32)
            (call $directories (i32.const 16))
            (local.set $in (i32.load (i32.load (i32.const 16))))
            (loop $again
                (if (i32.eqz (call $try (local.get $in))) (then
                    (local.set $opened (i32.add (local.get $opened) (i32.const 1)))
                    (i32.store (i32.const 48) (i32.load (i32.const 36)))
                    (br $again))))
            ;; insufficient-memory: the twenty-second of its cases, counted from 0
            (if (i32.ne (i32.load8_u (i32.const 36)) (i32.const 22)) (then unreachable))
            (if (i32.ne (local.get $opened) (i32.const 5)) (then unreachable))
            ;; One that is closed makes room for one.
            (call $close (i32.load (i32.const 48)))
            (if (call $try (local.get $in)) (then unreachable))
            (i32.eqz (call $try (local.get $in))))"#;
    // The tests' chunks have 7 bytes: a layout of 100 chunks takes 12,800 bytes, and 65,536 are left.
    let case = Case::new(&command(module)).input("data", &[1; 700]).with(|run| run.limits.memory_bytes = 2 << 16);
    assert_eq!(*case.run().outcome(), Outcome::Ok);
}

/// The same by calls that have no error for it.
#[test]
fn a_file_that_has_no_room_ends_a_task() {
    let opens = r#"
        (import "poai:task/inputs@0.1.0" "open" (func $open (param i32 i32 i32)))
        (data (i32.const 100) "data")
        (func (export "run") (result i32)
            (loop $again (call $open (i32.const 100) (i32.const 4) (i32.const 16)) (br $again)) (unreachable))"#;
    let stdin = r#"
        (import "wasi:cli/stdin@0.2.12" "get-stdin" (func $stdin (result i32)))
        (func (export "wasi:cli/run@0.2.12#run") (result i32)
            (loop $again (drop (call $stdin)) (br $again)) (unreachable))"#;
    for (name, program) in [("data", crate::components::task(opens)), ("stdin", command(stdin))] {
        let case = Case::new(&program).input(name, &[1; 700]).with(|run| run.limits.memory_bytes = 2 << 16);
        assert_eq!(*case.run().outcome(), trapped(Trap::MemoryLimit), "{name}");
    }
}

/// Many values that the compiler keeps over a recursive call, though the program does not.
fn keeps_over_a_call(values: u32) -> Vec<u8> {
    let kept: String = (0..values)
        .map(|value| {
            let (turn, shift) = (value % 63 + 1, value / 63 + 1);
            format!(
                "(local.set $sum (i64.add (local.get $sum) (i64.mul (i64.rotl (local.get $x) (i64.const {turn}))
                    (i64.xor (local.get $y) (i64.shl (local.get $x) (i64.const {shift}))))))"
            )
        })
        .collect();
    bare(&format!(
        r#"(func $deeper (param $x i64) (param $y i64) (result i64)
            (local $sum i64)
            {kept}
            (local.set $sum (i64.add (local.get $sum) (call $deeper (i64.add (local.get $x) (i64.const 1)) (local.get $y))))
            {kept}
            (local.get $sum))
        (func (export "run") (result i32) (drop (call $deeper (i64.const 1) (i64.const 2))) (i32.const 0))"#
    ))
}

#[test]
fn the_compiler_s_own_values_never_end_a_run() {
    for values in [10, 500, 3_000] {
        let program = keeps_over_a_call(values);
        let ends = [Case::new(&program), Case::optimised(&program)].map(|case| case.run().finished);
        assert_eq!(ends[0].outcome, trapped(Trap::Stack), "{values}");
        assert_eq!((&ends[0].outcome, ends[0].fuel), (&ends[1].outcome, ends[1].fuel), "{values}");
    }
}

#[test]
fn labels_and_results_that_carry_many_values_are_refused() {
    let many = "i64 ".repeat(17);
    let consts = "(i64.const 1)".repeat(17);
    let drops = "drop ".repeat(17);
    for module in [
        format!(
            "(func $many (result {many}) {consts}) (func (export \"run\") (result i32) (call $many) {drops} (i32.const 0))"
        ),
        format!("(func (export \"run\") (result i32) {consts} (loop (param {many}) (br 0 {consts})) (i32.const 0))"),
    ] {
        let program = bare(&module);
        let refusal = poai_sandbox::prepare(&program, detect_world(&program).unwrap()).unwrap_err();
        assert_eq!(refusal.rule(), "results", "{module}");
    }
}

/// Two things go wrong close to each other: the first one decides, however the compiler orders its code.
#[test]
fn the_first_of_two_traps_decides() {
    let (load, divide) = ("(i32.load (i32.const -1))", "(i32.div_u (i32.const 1) (local.get $zero))");
    let table: BTreeMap<String, Trap> = [
        (format!("(i32.store (i32.const -1) {divide})"), Trap::Division),
        (format!("(i32.store (i32.const 0) (i32.add {load} {divide}))"), Trap::Bounds),
        (format!("(drop {load}) (drop {divide})"), Trap::Bounds),
        (format!("(drop {divide}) (drop {load}) (drop {divide})"), Trap::Division),
        (format!("(drop (select {divide} {load} (i32.const 1)))"), Trap::Division),
        (format!("(call_indirect $table (type $nothing) {divide})"), Trap::Division),
        (format!("(drop (i32.trunc_f32_s (f32.const nan))) (drop {load})"), Trap::Conversion),
        ("(drop (i64.load offset=4294967295 (i32.const -1)))".into(), Trap::Bounds),
        ("(v128.store offset=65521 (i32.const 0) (v128.const i64x2 1 1)) unreachable".into(), Trap::Bounds),
        ("(memory.fill (i32.const 65000) (i32.const 1) (i32.const 5000)) unreachable".into(), Trap::Bounds),
        ("(memory.fill (i32.const 0) (i32.const 1) (i32.const -1)) unreachable".into(), Trap::Bounds),
        ("(memory.copy (i32.const 65536) (i32.const 0) (i32.const 1)) unreachable".into(), Trap::Bounds),
        ("(drop (memory.grow (i32.const 1))) (drop (i32.load (i32.const 131069)))".into(), Trap::Bounds),
        ("(loop $l (drop (i32.div_u (i32.const 1) (i32.sub (local.tee $zero (i32.add (local.get $zero) (i32.const 1))) (i32.const 9)))) (br_if $l (i32.lt_u (local.get $zero) (i32.const 20))))".into(), Trap::Division),
    ]
    .into();
    for (body, expected) in table {
        let program = does(&format!("(local $zero i32) {body}"));
        let ends = [Case::new(&program), Case::optimised(&program)].map(|case| case.run().finished);
        assert_eq!(ends[0].outcome, trapped(expected), "{body}");
        assert_eq!((&ends[0].outcome, ends[0].fuel), (&ends[1].outcome, ends[1].fuel), "{body}");
    }
}
