//! Programs that break a static rule: refused by name, before anything runs.

use poai_objects::World;
use poai_sandbox::{Engine, EngineConfig, LoadError, detect_world, prepare};

use crate::components::{bare, does, preview1};

/// The rule that the bytes break.
fn refused(program: &[u8]) -> String {
    match detect_world(program).and_then(|world| prepare(program, world)) {
        Ok(_) => "not refused".into(),
        Err(refusal) => refusal.rule().into(),
    }
}

#[test]
fn programs_that_break_a_rule_are_refused_by_its_name() {
    let wat = |text: &str| wat::parse_str(text).unwrap();
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    let nested = format!("{}{}", "(component ".repeat(20), ")".repeat(20));
    for (what, program, rule) in [
        ("nothing", Vec::new(), "webassembly"),
        ("text", b"#!/bin/sh".to_vec(), "webassembly"),
        ("a truncated component", does("")[..40].to_vec(), "webassembly"),
        ("an empty component", wat("(component)"), "world"),
        ("a library", wat(r#"(module (func (export "add")))"#), "world"),
        (
            "a module for a browser",
            wat(r#"(module (import "env" "print" (func)) (func (export "_start")))"#),
            "adapter",
        ),
        (
            "an unknown import",
            wat(&format!(r#"(component (import "evil:corp/spy@1.0.0" (instance)) {})"#, &text(run))),
            "imports",
        ),
        (
            "wasi:nn in an earlier draft",
            wat(&format!(r#"(component (import "wasi:nn/tensor@0.2.0-rc-2024-06-25" (instance)) {})"#, &text(run))),
            "imports",
        ),
        ("threads", bare(&format!("(memory 1 1 shared) {run}")), "features"),
        ("64-bit memory", bare(&format!("(memory i64 1) {run}")), "features"),
        ("too many locals", bare(&format!("(func (local {})) {run}", "i32 ".repeat(5_000))), "locals"),
        ("a table of four billion", bare(&format!("(table 4000000000 funcref) {run}")), "table-elements"),
        (
            "too many memories",
            wat(&format!(
                "(component (core module $m (memory 1)) {} {})",
                "(core instance (instantiate $m)) ".repeat(9),
                text(run)
            )),
            "memories",
        ),
        (
            "a resource of its own",
            wat(&format!("(component (type (resource (rep i32))) {})", text(run))),
            "own-resource",
        ),
        ("deep nesting", wat(&format!("(component {nested} {})", text(run))), "component-nesting"),
    ] {
        assert_eq!(refused(&program), rule, "{what}");
    }
}

/// A command's innards, to put into a component.
fn text(module: &str) -> String {
    format!(
        r#"(core module $module {module})
        (core instance $instance (instantiate $module))
        (func $run (result (result)) (canon lift (core func $instance "run")))
        (instance $interface (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $interface))"#
    )
}

#[test]
fn a_program_of_another_world_than_described_is_refused() {
    assert_eq!(prepare(&does(""), World::Task).unwrap_err().rule(), "world");
}

#[test]
fn an_offered_interface_of_another_shape_is_refused_when_linked() {
    let imports = r#"(import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result string)))))"#;
    let program = wat::parse_str(format!(
        "(component {imports} {})",
        text(r#"(func (export "run") (result i32) (i32.const 0))"#)
    ))
    .unwrap();
    let prepared = prepare(&program, World::Command).unwrap();
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let Err(LoadError::Refused(refusal)) = engine.compile(&prepared) else { panic!("not refused") };
    assert_eq!(refusal.rule(), "link");
}

#[test]
fn cut_and_flipped_bytes_never_panic() {
    cut_and_flip(&does("(drop (i32.load (i32.const 0)))"));
    // What builds it into a component reads these sections too.
    cut_and_flip(&preview1(
        r#"(memory (export "memory") 1)
        (func $start (export "_start") (drop (i32.load (i32.const 0))))
        (@producers (language "C" "") (processed-by "clang" "20"))
        (@custom "component-type:none" "\00asm\0d\00\01\00")
        (@custom "other" "words")"#,
    ));
}

fn cut_and_flip(whole: &[u8]) {
    for end in 0..whole.len() {
        refused(&whole[..end]);
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << bit;
            refused(&flipped);
        }
    }
}
