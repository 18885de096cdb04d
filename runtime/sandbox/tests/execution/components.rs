//! Guests in text.

use std::path::Path;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// A plain program whose `run` is the core function `run` of a module without imports: 0 is ok.
pub(crate) fn bare(module: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $module {module})
            (core instance $instance (instantiate $module))
            (func $run (result (result)) (canon lift (core func $instance "run")))
            (instance $interface (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $interface)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A bare program that does one thing.
pub(crate) fn does(body: &str) -> Vec<u8> {
    bare(&format!(
        r#"(memory 1) (table $table 2 funcref) (type $nothing (func)) (func (export "run") (result i32) {body} (i32.const 0))"#
    ))
}

/// A plain program of a core module whose imports are interfaces of `wit/`.
pub(crate) fn command(module: &str) -> Vec<u8> {
    component("command", module)
}

/// A task of a core module whose imports are interfaces of `wit/`.
pub(crate) fn task(module: &str) -> Vec<u8> {
    component("task", module)
}

/// A plain program of a core module in binary, which exports `wasi:cli/run@0.2.12#run`.
pub(crate) fn command_of(module: Vec<u8>) -> Vec<u8> {
    component_of("command", module)
}

/// A core module for preview 1.
pub(crate) fn preview1(module: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {module})")).unwrap()
}

static WIT: LazyLock<(Resolve, WorldId, WorldId)> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    let (poai, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    let worlds = "
        package poai:tests;
        world command {
            include poai:task/task-imports@0.1.0;
            include poai:task/wasi-imports@0.1.0;
            import wasi:sockets/instance-network@0.2.12;
            import wasi:sockets/tcp-create-socket@0.2.12;
            export wasi:cli/run@0.2.12;
        }";
    let tests = resolve.push_str("tests.wit", worlds).unwrap();
    let command = resolve.select_world(&[tests], Some("command")).unwrap();
    let task = resolve.select_world(&[poai], Some("task")).unwrap();
    (resolve, command, task)
});

fn component(world: &str, module: &str) -> Vec<u8> {
    component_of(world, wat::parse_str(format!("(module {module} {PRELUDE})")).unwrap())
}

fn component_of(world: &str, mut module: Vec<u8>) -> Vec<u8> {
    let (resolve, command, task) = &*WIT;
    let world = if world == "task" { *task } else { *command };
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// One page of memory, and an allocator that never frees: its memory begins at 32 KiB.
const PRELUDE: &str = r#"
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 32768))
    (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
        (local $begin i32)
        (local.set $begin
            (i32.and
                (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
                (i32.sub (i32.const 0) (local.get $align))))
        (global.set $free (i32.add (local.get $begin) (local.get $size)))
        (block $fits
            (loop $again
                (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
                (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
            unreachable)
        (local.get $begin))
"#;
