//! Programs for tests that are not about programs.

use std::path::{Path, PathBuf};

use crate::command::Home;

/// A task's entry, to be put after whatever a component is about. It does nothing, and succeeds.
pub(crate) const ENTRY: &str = r#"
    (core module $task (func (export "run") (result i32) (i32.const 0)) (memory (export "memory") 1))
    (core instance $t (instantiate $task))
    (func (export "run") (result (result (error string))) (canon lift (core func $t "run") (memory $t "memory")))"#;

/// A task that succeeds.
pub(crate) fn good_task() -> Vec<u8> {
    wat::parse_str(format!("(component {ENTRY})")).unwrap()
}

/// The folder `tasks/` of this clone.
pub(crate) fn tasks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tasks")
}

/// One of them.
pub(crate) fn task(name: &str) -> PathBuf {
    tasks().join(name)
}

/// Builds a task by `poai build`, and gives its component.
pub(crate) fn build(home: &Home, name: &str) -> PathBuf {
    let (exit, built) = home.json(["build".as_ref(), task(name).as_os_str()]);
    assert_eq!(exit, 0, "{built}");
    built["component"].as_str().unwrap().into()
}

/// A plain program (a preview 1 module) whose start is `body`; `$exit` ends it with a status.
pub(crate) fn plain(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") {body}))"#
    );
    wat::parse_str(text).unwrap()
}

/// A plain program that says a line on stderr, then does `body`.
pub(crate) fn talker(line: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\10\00\00\00{length}\00\00\00")
            (data (i32.const 16) "{line}\0a")
            (func (export "_start")
                (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
                {body}))"#,
        length = format_args!("\\{:02x}", line.len() + 1),
    );
    wat::parse_str(text).unwrap()
}
