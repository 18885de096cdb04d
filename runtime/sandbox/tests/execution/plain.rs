//! Programs that know nothing of poai: Rust, C by zig, Python by componentize-py.

use std::path::{Path, PathBuf};
use std::process::Command;

use poai_objects::{Fuel, Outcome};

use crate::harness::{Case, failed};

/// The guests' workspace.
pub(crate) fn tasks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tasks")
}

/// Runs a build, and fails with its own words.
fn build(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A Rust program of the guests' workspace.
pub(crate) fn rust(name: &str) -> Vec<u8> {
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
    let program = rust("wordfreq");
    let ended = Case::new(&program).input("stdin", b"to be or not to be").run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    assert_eq!(ended.output("stdout"), "       2 be\n       2 to\n       1 not\n       1 or\n");
    assert_eq!(ended.output_names(), ["stdout", "top.csv"]);
    assert_eq!(Case::optimised(&program).input("stdin", b"to be or not to be").run().claim(), ended.claim());
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
    let program = foreign("c");
    let case =
        |path: &str| Case::new(&program).input("text", b"one two\nthree\n").with(|run| run.args = vec![path.into()]);
    let ended = case("/in/text").run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    assert_eq!((ended.output("stdout"), ended.output("counts")), ("2 3 14\n".into(), "2 3 14\n".into()));
    let ended = case("/in/other").run();
    assert_eq!(*ended.outcome(), failed("exit status 1"));
    assert_eq!(ended.log(), ["wc: /in/other: No such file or directory"]);
}

#[test]
fn a_python_program_sums() {
    let case = Case::new(&foreign("python")).input("stdin", b"name,value\na,1\nb,2.5\n").with(|run| {
        run.args = vec!["value".into()];
        run.limits.fuel = Fuel(100_000_000_000);
    });
    let ended = case.run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    assert_eq!(ended.output("stdout"), "rows 2\nsum 3.5\nleast 1.0\ngreatest 2.5\n");
    assert_eq!(ended.output("summary.json"), r#"{"rows": 2, "sum": 3.5, "least": 1.0, "greatest": 2.5}"#);
    assert_eq!(case.run().claim(), ended.claim());
}
