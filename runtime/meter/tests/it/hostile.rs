//! Bad input: refused in words, without panic or delay.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use poai_meter::{Nans, StaticRule, StaticRules, check};
use wasm_encoder::{
    CodeSection, Component, ExportKind, ExportSection, Function, FunctionSection, Instruction, Module, ModuleSection,
    NestedComponentSection, RawSection, TypeSection, ValType,
};

use crate::against_naive::PROGRAMS;
use crate::components::{DOUBLE, GREET, RESOURCE};
use crate::harness::{component_around, instrumented, liftable};

#[path = "../../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz binary, which includes the same file")]
mod targets;
use targets::fuzz_component;

/// What checking and instrumenting anything within the limits may take here, at most. It takes a second or two on a
/// machine of its own; what grows with the square of its input takes hours.
const PATIENCE: Duration = Duration::from_secs(180);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fuzz_component")
}

/// `POAI_RENEW_VECTORS=1 cargo test -p poai-meter corpus` writes the corpus anew.
#[test]
fn the_corpus_is_what_its_sources_say() {
    let texts = [("double", DOUBLE), ("greet", GREET), ("resource", RESOURCE)];
    let components = texts.map(|(name, text)| (name.to_owned(), wat::parse_str(text).unwrap()));
    let around_programs = PROGRAMS.iter().map(|(name, text, _)| {
        let module = wat::parse_str(text).unwrap();
        (name.replace([' ', ','], "-"), component_around(&module, &liftable(&module)))
    });
    for (name, bytes) in components.into_iter().chain(around_programs) {
        let path = corpus().join(format!("{name}.wasm"));
        if std::env::var_os("POAI_RENEW_VECTORS").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        assert!(fs::read(&path).unwrap() == bytes, "{name}: renew the corpus");
    }
}

#[test]
fn the_fuzz_target_holds_on_its_corpus_and_near_it() {
    for entry in fs::read_dir(corpus()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        fuzz_component(&bytes);
        for length in 0..bytes.len() {
            fuzz_component(&bytes[..length]);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fuzz_component(&flipped);
        }
        for at in 0..bytes.len() {
            let mut overwritten = bytes.clone();
            overwritten[at..].iter_mut().take(5).for_each(|byte| *byte = 0xff);
            fuzz_component(&overwritten);
        }
    }
}

fn within_patience<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    assert!(start.elapsed() < PATIENCE, "{what} took {:?}", start.elapsed());
    done
}

fn refused(what: &str, component: &[u8]) -> StaticRule {
    fuzz_component(component);
    within_patience(what, || check(component, &StaticRules::default())).unwrap_err().rule()
}

/// A component of one module with one exported function of type `() -> ()`.
fn around(function: &Function) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    code.function(function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

fn nested_blocks(depth: usize) -> Function {
    let mut function = Function::new([]);
    (0..depth).for_each(|_| {
        function.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
    });
    (0..=depth).for_each(|_| {
        function.instruction(&Instruction::End);
    });
    function
}

#[test]
fn bombs_are_refused() {
    assert_eq!(refused("blocks", &around(&nested_blocks(300_000))), StaticRule::BlockNesting);

    let mut component = Component::new();
    for _ in 0..2_000 {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&component));
        component = outer;
    }
    assert_eq!(refused("components", &component.finish()), StaticRule::ComponentNesting);

    let locals = Function::new([(4_000_000_000, ValType::I64)]);
    assert_eq!(refused("locals", &around(&locals)), StaticRule::Valid);

    // Sections that announce four thousand million items, and have none.
    for id in [2u8, 6, 7, 8, 10, 11] {
        let mut component = Component::new();
        component.section(&RawSection { id, data: &[0xff, 0xff, 0xff, 0xff, 0x0f] });
        assert_eq!(refused("counts", &component.finish()), StaticRule::ComponentItems, "section {id}");
    }
    assert_eq!(refused("nothing", b""), StaticRule::Component);
    assert_eq!(refused("a core module", &Module::new().finish()), StaticRule::Component);
}

/// So many locals, each of a value of its own, and so many of `pieces`, which see the number of a local.
fn with_locals(locals: u32, count: u32, mut piece: impl FnMut(&mut Function, u32)) -> Function {
    let mut function = Function::new([(locals, ValType::I32)]);
    for local in 0..locals {
        function.instruction(&Instruction::I32Const(local as i32)).instruction(&Instruction::LocalSet(local));
    }
    (0..count).for_each(|index| piece(&mut function, index % locals));
    function
}

/// Small functions over which the compiler would take minutes.
#[test]
fn bombs_for_the_compiler_are_refused() {
    let empty = wasm_encoder::BlockType::Empty;
    let decide = |function: &mut Function, local, then: &[Instruction<'_>]| {
        function.instruction(&Instruction::LocalGet(local));
        then.iter().for_each(|instruction| {
            function.instruction(instruction);
        });
    };
    let ifs = with_locals(4_096, 30_000, |function, local| {
        decide(function, local, &[Instruction::If(empty), Instruction::Nop, Instruction::End]);
    });
    let loops = with_locals(4_096, 30_000, |function, local| {
        function.instruction(&Instruction::Loop(empty));
        decide(function, local, &[Instruction::BrIf(0), Instruction::End]);
    });
    let setting_loops = with_locals(1_000, 30_000, |function, local| {
        function.instruction(&Instruction::Loop(empty));
        decide(function, local, &[Instruction::LocalSet((local + 1) % 1_000)]);
        decide(function, local, &[Instruction::BrIf(0), Instruction::End]);
    });
    let setting_branches = with_locals(1_000, 5_000, |function, local| {
        decide(function, local, &[Instruction::LocalSet((local + 1) % 1_000)]);
        decide(function, local, &[Instruction::BrIf(0)]);
    });
    let operands = {
        let mut function = Function::new([]);
        (0..50_000).for_each(|value| {
            function.instruction(&Instruction::I32Const(value));
        });
        for _ in 0..30_000 {
            function.instruction(&Instruction::If(empty)).instruction(&Instruction::End);
            function.instruction(&Instruction::I32Const(0));
        }
        (0..50_000).for_each(|_| {
            function.instruction(&Instruction::Drop);
        });
        function
    };
    let mut nested = with_locals(1_000, 4_000, |function, _| {
        function.instruction(&Instruction::Loop(empty));
    });
    for local in 0..4_000 {
        decide(&mut nested, local % 1_000, &[Instruction::BrIf(0), Instruction::End]);
    }
    for (what, mut function, rule) in [
        ("ifs", ifs, StaticRule::Joins),
        ("loops", loops, StaticRule::Loops),
        ("loops that set", setting_loops, StaticRule::Loops),
        ("branches", setting_branches, StaticRule::Joins),
        ("operands", operands, StaticRule::Joins),
        ("nested loops", nested, StaticRule::LoopNesting),
    ] {
        function.instruction(&Instruction::End);
        assert_eq!(refused(what, &around(&function)), rule, "{what}");
    }
}

#[test]
fn the_worst_allowed_bodies_take_little_time() {
    // As deep as allowed, with branches to the outermost and the innermost frame in turn.
    let depth = StaticRules::default().block_nesting as u32;
    let mut function = Function::new([]);
    for _ in 0..depth {
        function.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
    }
    let branches = StaticRules::default().places as u32 - depth;
    for _ in 0..branches / 2 {
        for target in [depth, 0] {
            function.instruction(&Instruction::I32Const(0)).instruction(&Instruction::BrIf(target));
        }
    }
    for _ in 0..=depth {
        function.instruction(&Instruction::End);
    }
    within_patience("branches", || instrumented(&around(&function), Nans::ByMeter));

    // One table of branches as long as it may be.
    let mut function = Function::new([]);
    let targets: Vec<u32> = vec![0; StaticRules::default().jump_targets as usize];
    function
        .instruction(&Instruction::I32Const(0))
        .instruction(&Instruction::BrTable(targets.into(), 0))
        .instruction(&Instruction::End);
    within_patience("a table of branches", || instrumented(&around(&function), Nans::ByMeter));

    // Calls to a leaf that is charged at each, and loops without end: all of it grows.
    let mut function = Function::new([]);
    for _ in 0..200_000 {
        function
            .instruction(&Instruction::Loop(wasm_encoder::BlockType::Empty))
            .instruction(&Instruction::Br(0))
            .instruction(&Instruction::End);
    }
    function.instruction(&Instruction::End);
    within_patience("loops", || fuzz_component(&around(&function)));
}
