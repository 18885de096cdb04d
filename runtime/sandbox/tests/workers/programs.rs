//! Components in text.

use crate::components::task;

/// A plain program whose `run` is the core function `run` of a module: 0 is ok.
pub(crate) fn command(module: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $module {module})
            (core instance $instance (instantiate $module))
            (func $run (result (result)) (canon lift (core func $instance "run")))
            (instance $interface (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $interface)))"#
    );
    wat::parse_str(text).unwrap()
}

/// Does nothing, well.
pub(crate) fn nothing() -> Vec<u8> {
    command(r#"(func (export "run") (result i32) (i32.const 0))"#)
}

/// Never ends.
pub(crate) fn spin() -> Vec<u8> {
    command(r#"(func (export "run") (result i32) (loop $again (br $again)) (i32.const 0))"#)
}

/// Breaks down.
pub(crate) fn unreachable() -> Vec<u8> {
    command(r#"(func (export "run") (result i32) unreachable)"#)
}

/// Recurses for ever.
pub(crate) fn recurse() -> Vec<u8> {
    command(r#"(func $deeper (export "run") (result i32) (i32.add (call $deeper) (i32.const 1)))"#)
}

/// Works for a while: some ten million turns of a loop.
pub(crate) fn work() -> Vec<u8> {
    command(
        r#"(func (export "run") (result i32)
            (local $left i32)
            (local.set $left (i32.const 10000000))
            (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            (i32.const 0))"#,
    )
}

/// Is ok if its memory, table and globals are as they were made, and leaves something in all of them.
pub(crate) fn leave_traces() -> Vec<u8> {
    command(
        r#"(memory 16)
        (global $left_behind (mut i64) (i64.const 0))
        (func (export "run") (result i32)
            (local $at i32)
            (if (i64.ne (global.get $left_behind) (i64.const 0)) (then (return (i32.const 1))))
            (global.set $left_behind (i64.const 1))
            (loop $again
                (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (i32.const 1))))
                (i64.store (local.get $at) (i64.const 0x7365637265742121))
                (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 1048576))))
            ;; What grows beyond the first pages is somebody's old memory too.
            (drop (memory.grow (i32.const 16)))
            (loop $again
                (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (i32.const 1))))
                (i64.store (local.get $at) (i64.const 0x7365637265742121))
                (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 2097152))))
            (i32.const 0))"#,
    )
}

/// Copies the input `source` to the output `source`, and says so.
pub(crate) fn copy() -> Vec<u8> {
    task(
        r#"
        (import "poai:task/inputs@0.1.0" "open" (func $open (param i32 i32 i32)))
        (import "poai:task/inputs@0.1.0" "[method]file.read" (func $read (param i32 i64 i32 i32)))
        (import "poai:task/outputs@0.1.0" "create" (func $create (param i32 i32 i32)))
        (import "poai:task/outputs@0.1.0" "[method]output.append" (func $append (param i32 i32 i32)))
        (import "poai:task/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))
        (data (i32.const 100) "source")
        (func (export "run") (result i32)
            (local $in i32) (local $out i32) (local $at i64)
            (call $open (i32.const 100) (i32.const 6) (i32.const 16))
            (local.set $in (i32.load (i32.const 20)))
            (call $create (i32.const 100) (i32.const 6) (i32.const 16))
            (local.set $out (i32.load (i32.const 20)))
            (block $end
                (loop $again
                    (call $read (local.get $in) (local.get $at) (i32.const 65536) (i32.const 32))
                    (br_if $end (i32.eqz (i32.load (i32.const 36))))
                    (call $append (local.get $out) (i32.load (i32.const 32)) (i32.load (i32.const 36)))
                    (local.set $at (i64.add (local.get $at) (i64.extend_i32_u (i32.load (i32.const 36)))))
                    (global.set $free (i32.const 32768))
                    (br $again)))
            (call $log (i32.const 2) (i32.const 100) (i32.const 6))
            (i32.const 0))"#,
    )
}

/// Grows its memory to a gibibyte, and is ok if it may.
pub(crate) fn grow() -> Vec<u8> {
    command(r#"(memory 1) (func (export "run") (result i32) (i32.eq (memory.grow (i32.const 16383)) (i32.const -1)))"#)
}

/// Begins with a gibibyte of memory.
pub(crate) fn begin_large() -> Vec<u8> {
    command(r#"(memory 16384) (func (export "run") (result i32) (i32.const 0))"#)
}

/// Takes the compiler long: many functions, each of many blocks that all meet.
pub(crate) fn long_to_compile() -> Vec<u8> {
    let arms: String = (0..400).map(|arm| format!("(if (i32.eq (local.get 0) (i32.const {arm})) (then (local.set 0 (i32.mul (local.get 0) (local.get 1)))))")).collect();
    let functions: String = (0..2_000)
        .map(|number| format!("(func (export \"f{number}\") (param i32 i32) (result i32) {arms} (local.get 0))"))
        .collect();
    command(&format!(r#"{functions}(func (export "run") (result i32) (i32.const 0))"#))
}
