//! The virtual WASI, as a program sees it.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use poai_objects::Outcome;

use crate::components::command;
use crate::harness::{Case, Ended, failed};

/// `tests/guests/files.rs`, by the compiler that builds this.
static FILES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/files.rs");
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("files.wasm");
    let arguments = ["--target", "wasm32-wasip2", "--edition", "2024", "-O", "-C", "strip=symbols", "-o"];
    let compiled = Command::new("rustc").args(arguments).arg(&component).arg(&source).output().unwrap();
    let words = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "rustc, with its target wasm32-wasip2, is needed: {words}");
    std::fs::read(component).unwrap()
});

fn files(args: &[&str]) -> Case {
    let mut case = Case::new(&FILES).input("stdin", b"one\ntwo");
    let a = case.contents.file(b"the first text");
    let b = case.contents.file(b"the second");
    let corpus = case.contents.folder(&[("b.txt", b), ("a.txt", a)]);
    case.run.inputs.insert("corpus".parse().unwrap(), corpus);
    case.run.args = args.iter().map(|arg| (*arg).into()).collect();
    case.run.env.insert("LANG".into(), "C".into());
    case.run.clock_ns = 1_700_000_000 * 1_000_000_000;
    case
}

#[test]
fn a_program_finds_what_the_run_says_and_nothing_of_this_machine() {
    let ended = files(&["-v", "x"]).run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}\n{}", ended.log(), ended.output("stdout"));
    let expected = r#"args ["task", "-v", "x"]
vars [("LANG", "C")]
cwd Ok("/")
stdin ["one", "two"]
order [1, 2, 0, 3]
slept 3600
wall 1700003600
in ["corpus", "stdin"]
corpus ["a.txt", "b.txt"]
read "the second"
end "ext" of 14
folder true
sought "01__456"
out ["empty", "moved", "sought"]
moved ["final"]
copied 14
write /in: Read-only file system (os error 69)
overwrite /in: Read-only file system (os error 69)
remove /in: Read-only file system (os error 69)
write stdout: Operation not permitted (os error 63)
write /etc: No such file or directory (os error 44)
read /etc: No such file or directory (os error 44)
escape: Operation not permitted (os error 63)
read a folder: Is a directory (os error 31)
below a file: Not a directory (os error 54)
exists: File exists (os error 20)
not empty: Directory not empty (os error 55)
control character: Invalid argument (os error 28)
too long: Filename too long (os error 37)
link: Not supported (os error 58)
full: No space left on device (os error 51)
exists true
socket Err(Os { code: 58, kind: Unsupported, message: "Not supported" })
"#;
    assert_eq!(ended.output("stdout"), expected);
    assert_eq!(ended.log(), ["all done"], "standard error, without a line's end");
    assert_eq!(ended.output_names(), ["copy", "large", "moved/final", "sought", "stdout"]);
    assert_eq!(ended.output("moved/final"), "new and appended");
    assert_eq!(ended.output("sought"), "01__456");
    assert_eq!(ended.output("copy"), "the first text");
}

#[test]
fn a_failed_program_keeps_its_outputs() {
    let ended = files(&["a", "b", "c"]).run();
    assert_eq!(*ended.outcome(), failed("exit status 1"));
    assert_eq!(ended.output_names().len(), 5);
}

#[test]
fn the_seed_and_only_the_seed_changes_what_is_random() {
    let stdout = |seed: u64| files(&[]).with(|run| run.seed = seed).run().output("stdout");
    let differing = |one: &str, other: &str| {
        let lines = one.lines().zip(other.lines());
        lines
            .filter(|(one, other)| one != other)
            .map(|(one, _)| one.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(stdout(1), stdout(1));
    assert!((1..9).any(|seed| differing(&stdout(0), &stdout(seed)) == ["order"]));
}

const STREAMS: &str = r#"
    (import "wasi:cli/stdin@0.2.12" "get-stdin" (func $stdin (result i32)))
    (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
    (import "wasi:cli/environment@0.2.12" "get-environment" (func $environment (param i32)))
    (import "wasi:cli/terminal-stdout@0.2.12" "get-terminal-stdout" (func $terminal (param i32)))
    (import "wasi:io/streams@0.2.12" "[method]input-stream.read" (func $read (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.12" "[method]input-stream.skip" (func $skip (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.12" "[method]input-stream.subscribe" (func $readable (param i32) (result i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.check-write" (func $check_write (param i32 i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.write-zeroes" (func $zeros (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.splice" (func $splice (param i32 i32 i64 i32)))
    (import "wasi:io/poll@0.2.12" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:io/poll@0.2.12" "[resource-drop]pollable" (func $drop_pollable (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $timer (param i64) (result i32)))
    (func $check (param i32) (if (i32.ne (local.get 0) (i32.const 1)) (then unreachable)))"#;

/// A program that does this with streams and timers, and is ok.
fn does(body: &str) -> Ended {
    let module = format!(
        r#"{STREAMS} (func (export "wasi:cli/run@0.2.12#run") (result i32) (local $in i32) (local $out i32) (local $begin i64)
            (local.set $in (call $stdin)) (local.set $out (call $stdout)) {body} (i32.const 0))"#
    );
    let ended = Case::new(&command(&module)).input("stdin", &[b'a'; 70_000]).run();
    assert_eq!(*ended.outcome(), Outcome::Ok, "{body}");
    ended
}

#[test]
fn a_read_gives_what_was_asked_or_is_left_up_to_64_kib() {
    does(
        r#"(call $read (local.get $in) (i64.const 10) (i32.const 16))
        (call $check (i32.eq (i32.load (i32.const 24)) (i32.const 10)))
        (call $read (local.get $in) (i64.const 0) (i32.const 16))
        (call $check (i32.eqz (i32.load (i32.const 24))))
        (call $read (local.get $in) (i64.const -1) (i32.const 16))
        (call $check (i32.eq (i32.load (i32.const 24)) (i32.const 65536)))
        (call $skip (local.get $in) (i64.const 4450) (i32.const 16))
        (call $check (i64.eq (i64.load (i32.const 24)) (i64.const 4450)))
        (call $read (local.get $in) (i64.const 10) (i32.const 16))
        (call $check (i32.eq (i32.load (i32.const 24)) (i32.const 4)))
        ;; the end: an error, and it is `closed`
        (call $read (local.get $in) (i64.const 10) (i32.const 16))
        (call $check (i32.load8_u (i32.const 16)))
        (call $check (i32.eq (i32.load8_u (i32.const 20)) (i32.const 1)))"#,
    );
}

#[test]
fn what_can_be_written_never_depends_on_what_was() {
    let ended = does(
        r#"(call $check_write (local.get $out) (i32.const 16))
        (call $check (i64.eq (i64.load (i32.const 24)) (i64.const 65536)))
        (call $splice (local.get $out) (local.get $in) (i64.const 5) (i32.const 16))
        (call $check (i64.eq (i64.load (i32.const 24)) (i64.const 5)))
        (call $zeros (local.get $out) (i64.const 5000) (i32.const 16))
        (call $check_write (local.get $out) (i32.const 16))
        (call $check (i64.eq (i64.load (i32.const 24)) (i64.const 65536)))"#,
    );
    assert_eq!(ended.output("stdout"), "aaaaa".to_owned() + &"\0".repeat(5_000));
}

#[test]
fn streams_are_ready_and_timers_when_their_time_has_come() {
    does(
        r#";; handles: 1 and 2 are the streams, 3 the stream's pollable, 4 and 5 the timers
        (i32.store (i32.const 100) (call $timer (i64.const 2000000000)))
        (i32.store (i32.const 104) (call $timer (i64.const 1000000000)))
        (i32.store (i32.const 108) (call $readable (local.get $in)))
        (call $check (i32.and (i32.eq (i32.load (i32.const 100)) (i32.const 3)) (i32.eq (i32.load (i32.const 108)) (i32.const 5))))
        (local.set $begin (call $now))
        ;; the stream alone is ready, and no time passes
        (call $poll (i32.const 100) (i32.const 3) (i32.const 16))
        (call $check (i32.eq (i32.load (i32.const 20)) (i32.const 1)))
        (call $check (i32.eq (i32.load (i32.load (i32.const 16))) (i32.const 2)))
        (call $check (i64.lt_u (i64.sub (call $now) (local.get $begin)) (i64.const 1000000)))
        ;; without it the clock jumps to the earlier timer
        (call $poll (i32.const 100) (i32.const 2) (i32.const 16))
        (call $check (i32.eq (i32.load (i32.const 20)) (i32.const 1)))
        (call $check (i32.eq (i32.load (i32.load (i32.const 16))) (i32.const 1)))
        (call $check (i64.lt_u (i64.sub (i64.sub (call $now) (local.get $begin)) (i64.const 999000000)) (i64.const 2000000)))
        ;; then to the later one, and both are ready, in their order
        (i32.store (i32.const 108) (i32.load (i32.const 100)))
        (call $poll (i32.const 108) (i32.const 1) (i32.const 16))
        (call $poll (i32.const 100) (i32.const 2) (i32.const 16))
        (call $check (i64.eq (i64.load (i32.load (i32.const 16))) (i64.const 0x100000000)))"#,
    );
}

#[test]
fn there_is_no_terminal() {
    does("(call $terminal (i32.const 16)) (call $check (i32.eqz (i32.load8_u (i32.const 16))))");
}

/// Handles are numbered from 1, the latest free number first; lists are allocated from the inside out.
#[test]
fn the_guest_sees_the_same_numbers_and_allocations_everywhere() {
    let ended = does(
        r#"(call $check (i32.and (i32.eq (local.get $in) (i32.const 1)) (i32.eq (local.get $out) (i32.const 2))))
        (call $check (i32.eq (call $timer (i64.const 1)) (i32.const 3)))
        (call $check (i32.eq (call $timer (i64.const 1)) (i32.const 4)))
        (call $drop_pollable (i32.const 3))
        (call $drop_pollable (i32.const 4))
        (call $check (i32.eq (call $timer (i64.const 1)) (i32.const 4)))
        (call $check (i32.eq (call $timer (i64.const 1)) (i32.const 3)))"#,
    );
    assert!(ended.fuel() > 0);
}

#[test]
fn strings_are_allocated_in_a_pinned_order() {
    let module = format!(
        r#"{STREAMS}
        (func (export "wasi:cli/run@0.2.12#run") (result i32)
            (call $environment (i32.const 16))
            (call $write (call $stdout) (i32.load (i32.const 16)) (i32.const 32) (i32.const 100))
            (i32.const 0))"#
    );
    let case = Case::new(&command(&module)).with(|run| {
        run.env.insert("A".into(), "12".into());
        run.env.insert("BC".into(), "345".into());
    });
    let words: Vec<_> =
        case.run().kept.outputs["stdout"].chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    // The list of 32 bytes, then each name and value as it comes: address and length.
    let list = 32_768;
    assert_eq!(words, [list + 32, 1, list + 33, 2, list + 35, 2, list + 37, 3]);
}
