//! Programs that know nothing of poai: Rust, C by zig, Python by componentize-py.

use std::path::{Path, PathBuf};
use std::process::Command;

use poai_objects::{Fuel, Outcome};

use crate::harness::Case;

/// The guests' workspace.
fn tasks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tasks")
}

/// Runs a build, and fails with its own words.
fn build(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A Rust program of the guests' workspace.
fn rust(name: &str) -> Vec<u8> {
    let arguments = ["build", "--release", "--locked", "--target", "wasm32-wasip2", "--package", name];
    build(Command::new(env!("CARGO")).args(arguments).current_dir(tasks()).env_remove("CARGO_TARGET_DIR"));
    std::fs::read(tasks().join(format!("target/wasm32-wasip2/release/{name}.wasm"))).unwrap()
}

/// A program in another language, by `tasks/plain/build.sh`.
fn foreign(language: &str) -> Vec<u8> {
    let path = build(Command::new(tasks().join("plain/build.sh")).arg(language));
    std::fs::read(path.trim()).unwrap()
}

#[test]
fn a_rust_program_reads_its_input_and_writes_its_output() {
    let ended = Case::new(&rust("wordfreq")).input("stdin", b"to be or not to be").run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    println!("{}", ended.output("stdout"));
}

#[test]
fn a_task_on_the_sdk_greets() {
    let ended = Case::new(&rust("hello")).with(|run| run.params = r#"{"name":"Ada"}"#.parse().unwrap()).run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    assert_eq!(ended.output("greeting"), "Hello, Ada!\n");
    assert_eq!(ended.log(), ["Hello, Ada!"]);
}

#[test]
fn a_c_program_for_preview_1_counts() {
    let ended = Case::new(&foreign("c")).input("stdin", b"one two\nthree\n").run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    println!("{}", ended.output("stdout"));
}

#[test]
fn a_python_program_sums() {
    let case = Case::new(&foreign("python")).input("stdin", b"name,value\na,1\nb,2.5\n").with(|run| {
        run.args = vec!["value".into()];
        run.limits.fuel = Fuel(100_000_000_000);
    });
    let ended = case.run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    println!("{} {}", ended.fuel(), ended.output("stdout"));
    println!("{}", ended.output("summary.json"));
}
