//! The interfaces of `poai:task`, as `wit/task.wit` has them.

use poai_objects::{Outcome, OutputName};
use poai_sandbox::{Level, Word};

use crate::components::task;
use crate::harness::Case;

/// Core imports of everything, and helpers: `$check` breaks down unless its argument is 1.
const IMPORTS: &str = r#"
    (import "poai:task/inputs@0.1.0" "list" (func $list (param i32 i32 i32)))
    (import "poai:task/inputs@0.1.0" "stat" (func $stat (param i32 i32 i32)))
    (import "poai:task/inputs@0.1.0" "open" (func $open (param i32 i32 i32)))
    (import "poai:task/inputs@0.1.0" "[method]file.size" (func $size (param i32) (result i64)))
    (import "poai:task/inputs@0.1.0" "[method]file.read" (func $read (param i32 i64 i32 i32)))
    (import "poai:task/outputs@0.1.0" "create" (func $create (param i32 i32 i32)))
    (import "poai:task/outputs@0.1.0" "[method]output.append" (func $append (param i32 i32 i32)))
    (import "poai:task/job@0.1.0" "params" (func $params (param i32)))
    (import "poai:task/job@0.1.0" "seed" (func $seed (result i64)))
    (import "poai:task/job@0.1.0" "get-limits" (func $limits (param i32)))
    (import "poai:task/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))
    (import "poai:task/telemetry@0.1.0" "progress" (func $progress (param i64 i32 i64 i32 i32)))
    (func $check (param i32) (if (i32.ne (local.get 0) (i32.const 1)) (then unreachable)))"#;

/// A task that does this, and is ok.
fn does(data: &str, body: &str) -> Case {
    Case::new(&task(&format!(
        r#"{IMPORTS} {data} (func (export "run") (result i32) (local $handle i32) {body} (i32.const 0))"#
    )))
}

/// Whether the call said the error of this number.
fn says(call: &str, error: u32) -> String {
    // The result of `stat` is aligned to 8 bytes, since an entry has a size.
    let error_at = if call.starts_with("(call $stat") { 24 } else { 20 };
    format!(
        "{call} (call $check (i32.load8_u (i32.const 16)))
        (call $check (i32.eq (i32.load8_u (i32.const {error_at})) (i32.const {error})))"
    )
}

#[test]
fn inputs_are_read_at_any_offset_across_chunks() {
    let body = r#"
        (call $open (i32.const 100) (i32.const 7) (i32.const 16))
        (call $check (i32.eqz (i32.load8_u (i32.const 16))))
        (local.set $handle (i32.load (i32.const 20)))
        (call $check (i64.eq (call $size (local.get $handle)) (i64.const 26)))
        (call $create (i32.const 100) (i32.const 7) (i32.const 16))
        (call $read (local.get $handle) (i64.const 5) (i32.const 10) (i32.const 32))
        (call $append (i32.load (i32.const 20)) (i32.load (i32.const 32)) (i32.load (i32.const 36)))
        (call $read (local.get $handle) (i64.const 20) (i32.const 1000) (i32.const 32))
        (call $append (i32.load (i32.const 20)) (i32.load (i32.const 32)) (i32.load (i32.const 36)))
        (call $read (local.get $handle) (i64.const 26) (i32.const 1000) (i32.const 32))
        (call $check (i32.eqz (i32.load (i32.const 36))))
        (call $read (local.get $handle) (i64.const -1) (i32.const 1000) (i32.const 32))
        (call $check (i32.eqz (i32.load (i32.const 36))))"#;
    let ended = does(r#"(data (i32.const 100) "letters")"#, body).input("letters", b"abcdefghijklmnopqrstuvwxyz").run();
    assert_eq!(*ended.outcome(), Outcome::Ok);
    assert_eq!(ended.output("letters"), "fghijklmnouvwxyz");
}

#[test]
fn inputs_are_found_or_the_error_says_why_not() {
    let data = r#"(data (i32.const 100) "corpus/a/bc/../x//y\00z")"#;
    let call = |function: &str, at: u32, length: u32| {
        format!("(call ${function} (i32.const {at}) (i32.const {length}) (i32.const 16))")
    };
    let (not_found, is_folder, is_file, invalid) = (0, 1, 2, 3);
    let body = [
        says(&call("open", 100, 3), not_found),
        says(&call("open", 100, 6), is_folder),
        says(&call("open", 100, 8), is_folder),
        says(&call("open", 0, 0), is_folder),
        says(&call("list", 100, 10), is_file),
        says(&call("open", 100, 11), not_found),
        says(&call("stat", 100, 14), invalid),
        says(&call("stat", 115, 4), invalid),
        says(&call("stat", 118, 3), invalid),
        // `corpus/a/b` is there, 4 bytes long, and a file.
        call("stat", 100, 10),
        "(call $check (i32.eqz (i32.load8_u (i32.const 16))))".into(),
        "(call $check (i32.eqz (i32.load8_u (i32.const 32))))".into(),
        "(call $check (i64.eq (i64.load (i32.const 40)) (i64.const 4)))".into(),
        // The root has one entry, the folder `corpus`.
        call("list", 0, 0),
        "(call $check (i32.eq (i32.load (i32.const 24)) (i32.const 1)))".into(),
        "(call $check (i32.eq (i32.load8_u (i32.add (i32.load (i32.const 20)) (i32.const 8))) (i32.const 1)))".into(),
    ];
    let mut case = does(data, &body.join("\n"));
    let file = case.contents.file(b"text");
    let inner = case.contents.folder(&[("b", file)]);
    let corpus = case.contents.folder(&[("a", inner)]);
    case.run.inputs.insert("corpus".parse().unwrap(), corpus);
    assert_eq!(*case.run().outcome(), Outcome::Ok);
}

#[test]
fn outputs_are_created_once_and_appended_to() {
    let data = r#"(data (i32.const 100) "plots/loss") (data (i32.const 200) "../x")"#;
    let call = |at: u32, length: u32| format!("(call $create (i32.const {at}) (i32.const {length}) (i32.const 16))");
    let (invalid, exists) = (0, 1);
    let body = [
        call(100, 10),
        "(local.set $handle (i32.load (i32.const 20)))".into(),
        says(&call(100, 10), exists),
        says(&call(100, 5), exists),
        says(&call(200, 4), invalid),
        says(&call(100, 0), invalid),
        says(&call(100, 6), invalid),
        "(call $append (local.get $handle) (i32.const 100) (i32.const 5))".into(),
        "(call $append (local.get $handle) (i32.const 105) (i32.const 5))".into(),
    ];
    let ended = does(data, &body.join("\n")).run();
    assert_eq!(*ended.outcome(), Outcome::Ok);
    assert_eq!(ended.output("plots/loss"), "plots/loss");
    assert_eq!(ended.output_names(), ["plots/loss"]);
}

#[test]
fn an_output_of_many_bytes_arrives_whole() {
    let body = r#"
        (drop (memory.grow (i32.const 16)))
        (call $create (i32.const 100) (i32.const 3) (i32.const 16))
        (memory.fill (i32.const 65536) (i32.const 120) (i32.const 1000000))
        (call $append (i32.load (i32.const 20)) (i32.const 65536) (i32.const 1000000))
        (call $append (i32.load (i32.const 20)) (i32.const 100) (i32.const 3))"#;
    let ended = does(r#"(data (i32.const 100) "big")"#, body).run();
    assert_eq!(*ended.outcome(), Outcome::Ok);
    assert_eq!(ended.output("big"), "x".repeat(1_000_000) + "big");
}

#[test]
fn the_job_is_what_the_run_says() {
    let body = r#"
        (call $params (i32.const 16))
        (call $create (i32.const 100) (i32.const 6) (i32.const 32))
        (call $append (i32.load (i32.const 36)) (i32.load (i32.const 16)) (i32.load (i32.const 20)))
        (call $check (i64.eq (call $seed) (i64.const 77)))
        (call $limits (i32.const 48))
        (call $check (i64.eq (i64.load (i32.const 48)) (i64.const 1000000000)))
        (call $check (i64.eq (i64.load (i32.const 56)) (i64.const 67108864)))
        (call $check (i64.eq (i64.load (i32.const 64)) (i64.const 8388608)))
        (call $check (i64.eq (i64.load (i32.const 72)) (i64.const 68719476736)))
        (call $check (i32.eq (i32.load (i32.const 80)) (i32.const 8192)))"#;
    let case = does(r#"(data (i32.const 100) "params")"#, body);
    let ended = case.with(|run| (run.seed, run.params) = (77, r#"{"rate":0.5}"#.parse().unwrap())).run();
    assert_eq!(*ended.outcome(), Outcome::Ok);
    assert_eq!(ended.output("params"), r#"{"rate":0.5}"#);
}

#[test]
fn words_reach_whoever_watches_without_control_characters() {
    let data = r#"(data (i32.const 100) "\1b[31mred\nnext")"#;
    let body = r#"
        (call $log (i32.const 4) (i32.const 100) (i32.const 13))
        (call $progress (i64.const 3) (i32.const 1) (i64.const 10) (i32.const 105) (i32.const 3))
        (call $progress (i64.const 4) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0))"#;
    let ended = does(data, body).run();
    let expected = [
        Word::Log { level: Level::Error, message: "[31mred next".into() },
        Word::Progress { done: 3, total: Some(10), what: "red".into() },
        Word::Progress { done: 4, total: None, what: String::new() },
    ];
    assert_eq!(ended.kept.words, expected);
    assert_eq!(ended.finished.outputs, Vec::<OutputName>::new());
}
