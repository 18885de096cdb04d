//! The workspace of `tasks/`, which is not part of this one: its own tests, and what its components come out as.

use std::path::Path;
use std::process::Command;

use crate::programs::task;

/// Runs a command in `tasks/`, free of what cargo sets for this test; its words are shown if it fails.
fn succeed(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_") && name != "CARGO_HOME" || name.starts_with("RUST") && name != "RUSTUP_HOME" {
            command.env_remove(name);
        }
    }
    let output =
        command.current_dir(task("")).output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}:\n{words}");
}

#[test]
fn the_tasks_pass_their_own_tests() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tasks");
    succeed(Command::new("cargo").args(["test", "--locked", "--workspace", "--target-dir"]).arg(folder));
}

#[test]
fn components_come_out_the_same_in_any_folder() {
    succeed(&mut Command::new(task("same-bytes.sh")));
}
