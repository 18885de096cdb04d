//! Programs for tests that are not about programs.

use std::path::{Path, PathBuf};

use crate::command::Home;

/// A task's entry, to be put after whatever a component is about. It does nothing, and succeeds.
pub const ENTRY: &str = r#"
    (core module $task (func (export "run") (result i32) (i32.const 0)) (memory (export "memory") 1))
    (core instance $t (instantiate $task))
    (func (export "run") (result (result (error string))) (canon lift (core func $t "run") (memory $t "memory")))"#;

/// A task that succeeds.
pub fn good_task() -> Vec<u8> {
    wat::parse_str(format!("(component {ENTRY})")).unwrap()
}

/// A folder of `tasks/` in this clone.
pub fn task(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tasks").join(name)
}

/// Builds a task by `poai build`, and gives its component.
pub fn build(home: &Home, name: &str) -> PathBuf {
    let (exit, built) = home.json(["build".as_ref(), task(name).as_os_str()]);
    assert_eq!(exit, 0, "{built}");
    built["component"].as_str().unwrap().into()
}
