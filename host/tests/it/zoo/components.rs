use std::path::Path;

use serde_json::Value;

use super::Surprises;
use crate::command::Home;
use crate::programs::{ENTRY, good_task};

/// Enough for every program here that ends by itself, and little enough for those that do not.
const FUEL: &str = "300000000";
/// Memory of each run, bytes.
const MEMORY: &str = "67108864";

/// How a program must end.
enum End {
    Ok,
    Failed(&'static str),
    Trapped(&'static str),
    /// The rule's name or words of its message.
    Refused(&'static str),
}
use End::{Failed, Ok, Refused, Trapped};

fn run(home: &Home, file: &Path) -> (i32, Value) {
    home.json([
        "run".as_ref(),
        file.as_os_str(),
        "--fuel".as_ref(),
        FUEL.as_ref(),
        "--memory-bytes".as_ref(),
        MEMORY.as_ref(),
    ])
}

fn expect_end(surprises: &mut Surprises, name: &str, ended: &(i32, Value), expected: &End) {
    let (exit, value) = ended;
    let outcome = &value["outcome"];
    let (code, kind, rest) = match expected {
        Ok => (0, "ok", true),
        Failed(words) => {
            let message = outcome["message"].as_str().unwrap_or_default();
            (3, "failed", message.contains(words) && !message.chars().any(char::is_control))
        }
        Trapped(trap) => (4, "trapped", outcome["trap"] == *trap && value["outputs"] == serde_json::json!({})),
        Refused(words) => return surprises.expect_failure(name, ended, (1, "refused", words)),
    };
    surprises.expect(*exit == code && outcome["kind"] == kind && rest, || {
        format!("{name}: not {kind}: exit {exit}: {value}")
    });
}

#[test]
fn hostile_programs_end_as_documented() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    for (name, expected) in [
        ("spin", Trapped("out-of-fuel")),
        ("spin-in-start", Trapped("out-of-fuel")),
        ("stdout-flood", Trapped("out-of-fuel")),
        ("recursion", Trapped("stack")),
        ("huge-frames", Trapped("stack")),
        ("mutual-recursion-by-table", Trapped("stack")),
        ("memory-at-once", Trapped("memory-limit")),
        ("memory-bit-by-bit", Ok),
        ("table-bit-by-bit", Ok),
        ("table-of-four-billion", Refused("table-elements")),
        ("unreachable", Trapped("unreachable")),
        ("out-of-bounds", Trapped("bounds")),
        ("data-out-of-bounds", Trapped("bounds")),
        ("division", Trapped("division")),
        ("conversion", Trapped("conversion")),
        ("indirect-call", Trapped("indirect-call")),
        ("broken-result", Trapped("abi")),
        ("outputs-without-end", Trapped("output-limit")),
        ("output-path-trick", Ok),
        ("exit-status", Failed("exit status 1")),
        ("failure-with-escapes", Failed("bad")),
        ("socket", Failed("wasi:sockets/instance-network")),
        ("log-flood", Ok),
        ("unknown-import", Refused("evil:host/files")),
        ("shared-memory", Refused("shared memories")),
        ("no-entry", Refused("nothing to call")),
        ("wrong-entry", Refused("link")),
    ] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo").join(format!("{name}.wat"));
        let component = wat::parse_file(&source).unwrap_or_else(|error| panic!("{error}"));
        let file = home.file("program.wasm", &component);
        expect_end(&mut surprises, name, &run(&home, &file), &expected);
    }
}

/// Programs too large to write down.
#[test]
fn bombs_are_refused_before_they_are_compiled() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let module = |inside: &str| format!("(module (memory (export \"memory\") 1) (func (export \"_start\")) {inside})");
    let component = |inside: &str| format!("(component {inside})");
    let times = |count: usize, text: &str| text.repeat(count);
    let jumps =
        |targets: usize| format!("(func (param i32) (block (br_table {} 0 (local.get 0))))", times(targets, "0 "));
    let loops = |loops: usize, locals: usize| {
        let one = |at: usize| {
            let (to, from, last) = (at % locals, (at + 1) % locals, at * 7 % locals);
            format!(
                "(loop (local.set {to} (i64.add (local.get {from}) (i64.const 1)))
                    (br_if 0 (i32.wrap_i64 (local.get {last}))))"
            )
        };
        let all: String = (0..loops).map(one).collect();
        let ends: String = (0..locals).map(|at| format!("(i64.store (i32.const 0) (local.get {at}))")).collect();
        module(&format!("(func $loops (local {}) {all} {ends}) (start $loops)", times(locals, "i64 ")))
    };
    for (name, text, expected) in [
        ("locals", module(&format!("(func (local {}))", times(4_097, "i64 "))), Refused("locals")),
        (
            "deep blocks",
            module(&format!("(func {} {})", times(4_097, "(block "), times(4_097, ")"))),
            Refused("block-nesting"),
        ),
        ("long body", module(&format!("(func {})", times(600_000, "(drop (i32.const 0))"))), Refused("body-bytes")),
        ("jump table", module(&jumps(32_001)), Refused("jump-targets")),
        ("largest jump table", module(&jumps(32_000)), Ok),
        // Small, and the compiler would take minutes: it follows each variable through every loop.
        ("loops", loops(1_025, 1), Refused("loops")),
        ("loops and locals", loops(1_000, 1_000), Refused("joins")),
        ("functions", module(&times(200_000, "(func)")), Refused("functions")),
        ("tables", module(&times(9, "(table 1 funcref)")), Refused("tables")),
        ("globals", module(&times(4_097, "(global i32 (i32.const 0))")), Refused("globals")),
        (
            "instances",
            component(&format!("(core module $m) {} {}", times(65, "(core instance (instantiate $m))"), ENTRY)),
            Refused("core-instances"),
        ),
        (
            "memories",
            component(&format!(
                "(core module $n (memory 1)) {} {}",
                times(9, "(core instance (instantiate $n))"),
                ENTRY
            )),
            Refused("memories"),
        ),
        (
            "nesting",
            component(&format!("{}{}{ENTRY}", times(9, "(component "), times(9, ")"))),
            Refused("component-nesting"),
        ),
    ] {
        let file = home.file("program.wasm", &wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")));
        expect_end(&mut surprises, name, &run(&home, &file), &expected);
    }
}

#[test]
fn the_entry_alone_is_a_good_task() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let file = home.file("program.wasm", &good_task());
    expect_end(&mut surprises, "entry", &run(&home, &file), &Ok);
}

#[test]
fn damaged_files_are_refused_in_words() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let good = good_task();
    let cut = |bytes: usize| good[..bytes].to_vec();
    let deep = {
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        // Sections of components inside components, each ending where the file ends: 10,000 levels.
        for _ in 0..10_000 {
            component.extend([4, 8]);
            component.extend(b"\0asm\x0d\0\x01\0");
        }
        component
    };
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("text", b"hello, I am a program".to_vec()),
        ("magic only", cut(4)),
        ("header only", cut(8)),
        ("cut in half", cut(good.len() / 2)),
        ("cut at the end", cut(good.len() - 1)),
        ("components in components", deep),
        ("a length of four billion", b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\x0f".to_vec()),
    ] {
        let ended = run(&home, &home.file("program.wasm", &bytes));
        surprises.expect_failure(name, &ended, (1, "refused", ""));
    }
}

/// Whatever bit is flipped: an end that the documentation knows.
#[test]
fn flipped_bits_do_no_harm() {
    let home = Home::new();
    let good = good_task();
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let (exit, value) = run(&home, &home.file("program.wasm", &bad));
        let refused = value["error"]["kind"] == "refused" && exit == 1;
        let ended = value["outcome"].is_object() && [0, 3, 4].contains(&exit);
        assert!(refused || ended, "byte {at}: exit {exit}: {value}");
    }
}

#[test]
fn what_is_no_file_of_a_sane_size_is_refused() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let large = home.scratch().join("large.wasm");
    let file = std::fs::File::create(&large).unwrap();
    // A custom section of 2²⁸ bytes, without a name.
    std::os::unix::fs::FileExt::write_all_at(&file, b"\0asm\x0d\0\x01\0\0\x80\x80\x80\x80\x01\0", 0).unwrap();
    file.set_len(8 + 6 + (1 << 28)).unwrap();
    surprises.expect_failure("oversized", &run(&home, &large), (1, "refused", "component-bytes"));

    let fifo = home.scratch().join("fifo.wasm");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    surprises.expect_failure("fifo", &run(&home, &fifo), (1, "bad-input", ""));
    surprises.expect_failure("endless", &run(&home, Path::new("/dev/zero")), (1, "bad-input", ""));
    surprises.expect_failure("missing", &run(&home, &home.scratch().join("missing.wasm")), (1, "not-found", ""));
}
