//! Every way in which a run ends.

use poai_objects::{Outcome, Trap};
use poai_sandbox::Fault;

use crate::components::{bare, command, does, preview1, task};
use crate::content::Contents;
use crate::harness::{Case, failed, trapped};

#[test]
fn core_code_ends_as_documented() {
    for (body, expected) in [
        ("", Outcome::Ok),
        ("(return (i32.const 1))", failed("exit status 1")),
        ("unreachable", trapped(Trap::Unreachable)),
        ("(drop (i32.load (i32.const 65533)))", trapped(Trap::Bounds)),
        ("(i64.store (i32.const -1) (i64.const 0))", trapped(Trap::Bounds)),
        ("(memory.fill (i32.const 65535) (i32.const 0) (i32.const 2))", trapped(Trap::Bounds)),
        ("(memory.copy (i32.const 0) (i32.const 65535) (i32.const 2))", trapped(Trap::Bounds)),
        ("(drop (table.get $table (i32.const 2)))", trapped(Trap::Bounds)),
        ("(call_indirect $table (type $nothing) (i32.const 2))", trapped(Trap::Bounds)),
        ("(call_indirect $table (type $nothing) (i32.const 1))", trapped(Trap::IndirectCall)),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", trapped(Trap::Division)),
        ("(drop (i64.rem_u (i64.const 1) (i64.const 0)))", trapped(Trap::Division)),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", trapped(Trap::Division)),
        ("(drop (i32.trunc_f64_s (f64.const nan)))", trapped(Trap::Conversion)),
        ("(drop (i64.trunc_f32_u (f32.const -1)))", trapped(Trap::Division)),
        ("(loop $again (br $again))", trapped(Trap::OutOfFuel)),
        ("(return (i32.const 7))", trapped(Trap::Abi)),
    ] {
        assert_eq!(*Case::new(&does(body)).run().outcome(), expected, "{body}");
    }
}

#[test]
fn whole_modules_end_as_documented() {
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    for (what, module, expected) in [
        (
            "spins in its start function",
            "(func $start (loop $again (br $again))) (start $start)",
            trapped(Trap::OutOfFuel),
        ),
        ("breaks down in its start function", "(func $start unreachable) (start $start)", trapped(Trap::Unreachable)),
        (
            "recurses in its start function",
            "(func $start (call $start) (call $start)) (start $start)",
            trapped(Trap::Stack),
        ),
        ("data out of bounds", r#"(memory 1) (data (i32.const 65536) "x")"#, trapped(Trap::Bounds)),
        ("elements out of bounds", "(table 1 funcref) (func $f) (elem (i32.const 1) $f)", trapped(Trap::Bounds)),
        ("more memory than its limit", "(memory 2000)", trapped(Trap::MemoryLimit)),
        ("all of memory", "(memory 65536)", trapped(Trap::MemoryLimit)),
        ("as much memory as its limit", "(memory 1024)", Outcome::Ok),
    ] {
        assert_eq!(*Case::new(&bare(&format!("{module} {run}"))).run().outcome(), expected, "{what}");
    }
}

#[test]
fn a_call_of_another_type_is_an_indirect_call() {
    let module = r#"
        (type $other (func (param i32)))
        (func $f)
        (table 1 funcref)
        (elem (i32.const 0) $f)
        (func (export "run") (result i32) (call_indirect (type $other) (i32.const 1) (i32.const 0)) (i32.const 0))"#;
    assert_eq!(*Case::new(&bare(module)).run().outcome(), trapped(Trap::IndirectCall));
}

#[test]
fn recursion_of_every_kind_ends_at_the_metered_stack() {
    let wide: String = (0..4_000).map(|_| "i64 ").collect();
    for (what, module) in [
        ("direct", r#"(func $f (export "run") (result i32) (i32.add (call $f) (i32.const 1)))"#.to_owned()),
        (
            "mutual",
            r#"(func $f (export "run") (result i32) (i32.add (call $g) (i32.const 1)))
               (func $g (result i32) (i32.add (call $f) (i32.const 1)))"#
                .to_owned(),
        ),
        (
            "through a table",
            r#"(type $t (func (result i32)))
               (table 1 funcref) (elem (i32.const 0) $f)
               (func $f (export "run") (result i32) (i32.add (call_indirect (type $t) (i32.const 0)) (i32.const 1)))"#
                .to_owned(),
        ),
        (
            "of huge frames",
            format!(
                r#"(func $f (export "run") (result i32) (local {wide}) (local.set 3999 (i64.const 1)) (i32.add (call $f) (i32.wrap_i64 (local.get 3999))))"#
            ),
        ),
    ] {
        assert_eq!(*Case::new(&bare(&module)).run().outcome(), trapped(Trap::Stack), "{what}");
        assert_eq!(*Case::optimised(&bare(&module)).run().outcome(), trapped(Trap::Stack), "{what}");
    }
}

#[test]
fn tail_calls_take_no_stack() {
    let module = r#"
        (func $f (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
            (return_call $f (i32.sub (local.get 0) (i32.const 1))))
        (func (export "run") (result i32) (call $f (i32.const 1000000)))"#;
    assert_eq!(*Case::new(&bare(module)).run().outcome(), Outcome::Ok);
}

#[test]
fn a_task_speaks_for_itself() {
    // The result lies at 0: the case, and 4 bytes on, the text and its length.
    let says = |memory: &str| {
        task(&format!(
            r#"(func (export "run") (result i32) {memory} (i32.const 0)) (data (i32.const 100) "out of luck\07")"#
        ))
    };
    let error = "(i32.store8 (i32.const 0) (i32.const 1))";
    let text = |at: i64, length: i64| {
        format!("{error} (i32.store (i32.const 4) (i32.const {at})) (i32.store (i32.const 8) (i32.const {length}))")
    };
    for (memory, expected) in [
        (String::new(), Outcome::Ok),
        (text(100, 12), failed("out of luck")),
        (text(100, 0), failed("")),
        (text(100, -1), trapped(Trap::Abi)),
        (text(70_000, 4), trapped(Trap::Abi)),
        (format!("{} (i32.store8 (i32.const 100) (i32.const 0xff))", text(100, 4)), trapped(Trap::Abi)),
        ("(i32.store8 (i32.const 0) (i32.const 2))".into(), trapped(Trap::Abi)),
    ] {
        assert_eq!(*Case::new(&says(&memory)).run().outcome(), expected, "{memory}");
    }
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let euros = "€".repeat(2_000);
    let module = format!(
        r#"(data (i32.const 100) "{euros}")
        (func (export "run") (result i32)
            (i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 100)) (i32.store (i32.const 8) (i32.const 6000))
            (i32.const 0))"#
    );
    assert_eq!(*Case::new(&task(&module)).run().outcome(), failed(&"€".repeat(4_096 / 3)));
}

#[test]
fn exit_ends_a_program_wherever_it_is() {
    let exits = |call: &str| {
        command(&format!(
            r#"(import "wasi:cli/exit@0.2.12" "exit" (func $exit (param i32)))
            (import "wasi:cli/exit@0.2.12" "exit-with-code" (func $exit_with_code (param i32)))
            (func (export "wasi:cli/run@0.2.12#run") (result i32) {call} unreachable)"#
        ))
    };
    for (call, expected) in [
        ("(call $exit (i32.const 0))", Outcome::Ok),
        ("(call $exit (i32.const 1))", failed("exit status 1")),
        ("(call $exit_with_code (i32.const 0))", Outcome::Ok),
        ("(call $exit_with_code (i32.const 42))", failed("exit status 42")),
        ("(call $exit (i32.const 2))", trapped(Trap::Abi)),
    ] {
        assert_eq!(*Case::new(&exits(call)).run().outcome(), expected, "{call}");
    }
}

#[test]
fn a_preview_1_module_exits_through_its_adapter() {
    let exits = |status: u32| {
        preview1(&format!(
            r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit (i32.const {status})))"#
        ))
    };
    assert_eq!(*Case::new(&exits(0)).run().outcome(), Outcome::Ok);
    assert_eq!(*Case::new(&exits(3)).run().outcome(), failed("exit status 1"));
}

#[test]
fn breaking_the_component_model_s_rules_is_abi() {
    let poll = r#"(import "wasi:io/poll@0.2.12" "poll" (func $poll (param i32 i32 i32)))"#;
    let pollable = r#"(import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
        (import "wasi:io/poll@0.2.12" "[resource-drop]pollable" (func $drop (param i32)))
        (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $subscribe (param i64) (result i32)))"#;
    let log = r#"(import "poai:task/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let random = r#"(import "wasi:random/random@0.2.12" "get-random-bytes" (func $random (param i64 i32)))"#;
    for (what, imports, call) in [
        ("an empty poll list", poll, "(call $poll (i32.const 0) (i32.const 0) (i32.const 16))"),
        ("a poll list out of bounds", poll, "(call $poll (i32.const 0) (i32.const 100000) (i32.const 16))"),
        ("a list that is not aligned", poll, "(call $poll (i32.const 1) (i32.const 1) (i32.const 16))"),
        ("a handle that stands for nothing", pollable, "(call $block (i32.const 77))"),
        ("dropping what is not there", pollable, "(call $drop (i32.const 77))"),
        ("dropping twice", pollable, "(call $subscribe (i64.const 1)) (call $drop) (call $drop (i32.const 1))"),
        ("no such case of an enum", log, "(call $log (i32.const 9) (i32.const 0) (i32.const 0))"),
        (
            "text that is not UTF-8",
            log,
            "(i32.store8 (i32.const 0) (i32.const 0xff)) (call $log (i32.const 0) (i32.const 0) (i32.const 1))",
        ),
        ("text out of bounds", log, "(call $log (i32.const 0) (i32.const 65535) (i32.const 2))"),
        ("a result out of bounds", random, "(call $random (i64.const 1) (i32.const 65533))"),
        ("more random bytes than one call gives", random, "(call $random (i64.const 67108865) (i32.const 16))"),
    ] {
        let module =
            format!(r#"{imports} (func (export "wasi:cli/run@0.2.12#run") (result i32) {call} (i32.const 0))"#);
        assert_eq!(*Case::new(&command(&module)).run().outcome(), trapped(Trap::Abi), "{what}");
    }
}

#[test]
fn handles_that_are_never_dropped_end_the_run() {
    let module = r#"
        (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $subscribe (param i64) (result i32)))
        (func (export "wasi:cli/run@0.2.12#run") (result i32) (loop $again (drop (call $subscribe (i64.const 1))) (br $again)) (i32.const 0))"#;
    assert_eq!(*Case::new(&command(module)).run().outcome(), trapped(Trap::Abi));
}

#[test]
fn a_call_that_hands_over_too_much_ends_the_run() {
    let module = r#"
        (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
        (import "wasi:io/streams@0.2.12" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
        (func (export "wasi:cli/run@0.2.12#run") (result i32)
            (drop (memory.grow (i32.const 3000)))
            (call $write (call $stdout) (i32.const 0) (i32.const 134217729) (i32.const 16))
            (i32.const 0))"#;
    let case = Case::new(&command(module)).with(|run| run.limits.memory_bytes = 1 << 30);
    assert_eq!(*case.run().outcome(), trapped(Trap::Abi));
}

#[test]
fn a_program_at_the_static_limits_finds_its_place_in_the_pool() {
    let tables = "(table 1 funcref)".repeat(8);
    let instances =
        "(core instance (instantiate $tables))".repeat(56) + &"(core instance (instantiate $memory))".repeat(7);
    let program = wat::parse_str(format!(
        r#"(component
            (core module $tables {tables})
            (core module $memory (memory 1))
            (core module $module {tables} (memory 1) (func (export "run") (result i32) (i32.const 0)))
            {instances}
            (core instance $instance (instantiate $module))
            (func $run (result (result)) (canon lift (core func $instance "run")))
            (instance $interface (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $interface)))"#
    ));
    let case = Case::new(&program.unwrap());
    for _ in 0..10 {
        assert_eq!(*case.run().outcome(), Outcome::Ok);
    }
}

#[test]
fn sockets_can_be_imported_and_say_that_they_are_absent() {
    let module = |call: &str| {
        command(&format!(
            r#"(import "wasi:sockets/tcp-create-socket@0.2.12" "create-tcp-socket" (func $create (param i32 i32)))
            (import "wasi:sockets/instance-network@0.2.12" "instance-network" (func $network (result i32)))
            (func (export "wasi:cli/run@0.2.12#run") (result i32) {call})"#
        ))
    };
    assert_eq!(*Case::new(&module("(i32.const 0)")).run().outcome(), Outcome::Ok);
    // An error, and it is `not-supported`: the third of its cases, counted from 0.
    let create = "(call $create (i32.const 0) (i32.const 16))
        (i32.eqz (i32.and (i32.eq (i32.load8_u (i32.const 16)) (i32.const 1)) (i32.eq (i32.load8_u (i32.const 20)) (i32.const 2))))";
    assert_eq!(*Case::new(&module(create)).run().outcome(), Outcome::Ok);
    let expected = "the task called wasi:sockets/instance-network@0.2.12#instance-network, which a run does not offer";
    assert_eq!(*Case::new(&module("(call $network)")).run().outcome(), failed(expected));
}

#[test]
fn content_that_is_missing_is_a_fault_never_an_outcome() {
    let opens = task(
        r#"(import "poai:task/inputs@0.1.0" "open" (func $open (param i32 i32 i32)))
        (import "poai:task/inputs@0.1.0" "[method]file.read" (func $read (param i32 i64 i32 i32)))
        (data (i32.const 100) "weights")
        (func (export "run") (result i32)
            (call $open (i32.const 100) (i32.const 7) (i32.const 16))
            (if (i32.load8_u (i32.const 16)) (then unreachable))
            (call $read (i32.load (i32.const 20)) (i64.const 0) (i32.const 100) (i32.const 32))
            (i32.const 0))"#,
    );
    let mut case = Case::new(&opens).input("weights", b"some weights");
    assert_eq!(*case.run().outcome(), Outcome::Ok);
    case.contents.lose_blocks();
    assert!(matches!(case.try_run().map(drop), Err(Fault::Content { .. })));
    case.run.inputs.insert("weights".parse().unwrap(), Contents::missing());
    assert!(matches!(case.try_run().map(drop), Err(Fault::Content { .. })));
}

#[test]
fn a_run_of_another_engine_is_not_executed() {
    let case = Case::new(&does("")).with(|run| run.engine = "poai-engine/9.9".parse().unwrap());
    assert!(matches!(case.try_run().map(drop), Err(Fault::WrongEngine { .. })));
}
