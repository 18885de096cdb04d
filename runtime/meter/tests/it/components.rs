//! Wrappers, twins and the seam to the host: figures worked out by hand from the cost table.

use poai_meter::CostTable;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::harness::{Call, Ending, Host, Limits, Outcome, engine, metered_linker, on_big_stack, run_metered};

const COSTS: CostTable = CostTable::VERSION_1;
/// One instance of a module with nothing in it.
const INSTANCE: i64 = COSTS.instance as i64;
const HOST_CALL: i64 = COSTS.host_call as i64;
/// What the tests' host charges for each call.
const HOST_WORK: i64 = 1_000;

/// A linker with the interface `host`, each of whose functions charges [`HOST_WORK`].
fn linker(engine: &wasmtime::Engine) -> Linker<Host> {
    let mut linker = metered_linker(engine);
    let mut host = linker.instance("host").unwrap();
    host.func_wrap("double", |mut store: StoreContextMut<'_, Host>, (x,): (i32,)| {
        store.data_mut().charged += HOST_WORK;
        Ok((x * 2,))
    })
    .unwrap();
    host.func_wrap("fail", |mut store: StoreContextMut<'_, Host>, (): ()| -> wasmtime::Result<()> {
        store.data_mut().charged += HOST_WORK;
        Err(wasmtime::Error::msg("the host says no"))
    })
    .unwrap();
    host.func_wrap("greet", |mut store: StoreContextMut<'_, Host>, (name,): (String,)| {
        store.data_mut().charged += HOST_WORK;
        Ok((format!("hello {name}"),))
    })
    .unwrap();
    linker
}

fn run(text: &str, calls: &[Call<'_>], limits: Limits) -> (Ending, Host) {
    let component = wat::parse_str(text).unwrap();
    let engine = engine();
    on_big_stack(|| run_metered(&engine, &linker(&engine), &component, calls, limits))
}

fn ok(results: &[u64], spent: i64) -> Ending {
    let fuel_left = Limits::default().fuel - spent;
    Ending { results: results.to_vec(), outcome: Outcome::Ok, fuel_left }
}

pub(crate) const DOUBLE: &str = r#"(component
    (import "host" (instance $host (export "double" (func (param "x" s32) (result s32)))))
    (core func $double (canon lower (func $host "double")))
    (core module $m
        (import "host" "double" (func $double (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (i32.add (call $double (local.get 0)) (i32.const 1))))
    (core instance $i (instantiate $m (with "host" (instance (export "double" (func $double))))))
    (func (export "run") (param "x" s32) (result s32) (canon lift (core func $i "run"))))"#;

#[test]
fn a_call_out_hands_the_fuel_over_and_takes_the_charge_back() {
    let (ending, host) = run(DOUBLE, &[("run", &[20])], Limits::default());
    // local.get, call, i32.const, i32.add.
    let own = 1 + 4 + 1 + 1;
    assert_eq!(ending, ok(&[41], INSTANCE + own + HOST_CALL + HOST_WORK));
    let start = Limits::default().fuel - INSTANCE;
    let told = [start, start - own - HOST_CALL, start - own - HOST_CALL - HOST_WORK];
    assert_eq!(host.synced, told, "at instantiation, before the call, after the exported call");
    assert_eq!(host.charged, 0, "taken back");
}

#[test]
fn what_the_host_charges_can_end_the_run() {
    let enough = INSTANCE + 7 + HOST_CALL + HOST_WORK;
    for (fuel, outcome) in [(enough, Outcome::Ok), (enough - 1, Outcome::OutOfFuel), (INSTANCE, Outcome::OutOfFuel)] {
        let (ending, _) = run(DOUBLE, &[("run", &[20])], Limits { fuel, ..Limits::default() });
        assert_eq!(ending.outcome, outcome, "{fuel}");
    }
    let (ending, host) = run(DOUBLE, &[("run", &[20])], Limits { fuel: INSTANCE - 1, ..Limits::default() });
    assert_eq!((ending.outcome, ending.fuel_left), (Outcome::OutOfFuel, -1));
    assert_eq!(host.synced, [-1], "instantiation is paid before anything of the guest is made");
}

/// As wit-component makes them: a shim through a table, the main module, a fixup module; realloc and post-return.
pub(crate) const GREET: &str = r#"(component
    (import "host" (instance $host (export "greet" (func (param "name" string) (result string)))))
    (core module $shim
        (type $t (func (param i32 i32 i32)))
        (table (export "table") 1 1 funcref)
        (func (export "0") (type $t)
            (call_indirect (type $t) (local.get 0) (local.get 1) (local.get 2) (i32.const 0))))
    (core instance $shim (instantiate $shim))
    (core module $main
        (import "host" "greet" (func $greet (param i32 i32 i32)))
        (memory (export "memory") 1)
        (global $free (mut i32) (i32.const 1024))
        (global $freed (mut i32) (i32.const 0))
        (data (i32.const 0) "wasm world and nothing else")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (global.get $free)
            (global.set $free (i32.add (global.get $free) (local.get 3))))
        (func (export "run") (param i32) (result i32)
            (call $greet (i32.const 0) (local.get 0) (i32.const 512))
            (i32.const 512))
        (func (export "free") (param i32) (global.set $freed (i32.add (global.get $freed) (i32.const 1))))
        (func (export "freed") (result i32) (global.get $freed)))
    (core instance $main
        (instantiate $main (with "host" (instance (export "greet" (func $shim "0"))))))
    (core func $greet
        (canon lower (func $host "greet") (memory $main "memory") (realloc (func $main "realloc"))))
    (core module $fixup
        (import "" "0" (func (param i32 i32 i32)))
        (import "" "table" (table 1 1 funcref))
        (elem (i32.const 0) func 0))
    (core instance
        (instantiate $fixup (with "" (instance (export "0" (func $greet)) (export "table" (table $shim "table"))))))
    (func (export "run") (param "length" s32) (result string)
        (canon lift (core func $main "run") (memory $main "memory") (post-return (func $main "free"))))
    (func (export "freed") (result s32) (canon lift (core func $main "freed"))))"#;

/// Three instances, tables of one element, one segment of one element, one page, 27 bytes of data.
const GREET_INSTANCES: i64 = 3 * INSTANCE + 1 + 1 + 1_024 + 27 / 8;
const GREET_SHIM: i64 = 4 + 8;
const GREET_REALLOC: i64 = 1 + 4;
const GREET_RUN: i64 = 3 + 4 + 1;
const GREET_FREE: i64 = 4;

#[test]
fn realloc_post_return_shims_and_fixups_count() {
    on_big_stack(|| {
        let component = wat::parse_str(GREET).unwrap();
        let engine = engine();
        let linker = linker(&engine);
        let (ending, host) =
            run_metered(&engine, &linker, &component, &[("run", &[10]), ("freed", &[])], Limits::default());
        let told = GREET_INSTANCES + GREET_RUN + GREET_SHIM + HOST_CALL;
        let spent = told + GREET_REALLOC + HOST_WORK + GREET_FREE + 1;
        assert_eq!(ending.outcome, Outcome::Ok);
        assert_eq!(Limits::default().fuel - ending.fuel_left, spent);
        assert_eq!(host.synced[1], Limits::default().fuel - told);
    });
}

#[test]
fn errors_of_the_component_model_have_exact_figures() {
    let limit = Limits::default().fuel;
    // The name reaches beyond the memory: lifting an argument fails, before the host is asked and before realloc.
    let (ending, _) = run(GREET, &[("run", &[70_000])], Limits::default());
    assert!(matches!(ending.outcome, Outcome::Other(_)), "{ending:?}");
    assert_eq!(limit - ending.fuel_left, GREET_INSTANCES + GREET_RUN + GREET_SHIM + HOST_CALL);

    // The result is no UTF-8: lifting it fails, when no guest code is left to ask.
    let broken = GREET.replace("(i32.const 512))\n        (func (export \"free\")", "(i32.store (i32.const 600) (i32.const 1024)) (i32.store (i32.const 604) (i32.const 1)) (i32.store8 (i32.const 1024) (i32.const 255)) (i32.const 600))\n        (func (export \"free\")");
    assert_ne!(broken, GREET);
    let (ending, _) = run(&broken, &[("run", &[10])], Limits::default());
    assert!(matches!(ending.outcome, Outcome::Other(_)), "{ending:?}");
    let stores = 3 * (1 + 1 + 2);
    let spent = GREET_INSTANCES + GREET_RUN + stores + GREET_SHIM + HOST_CALL + GREET_REALLOC + HOST_WORK;
    assert_eq!(limit - ending.fuel_left, spent);

    // Realloc answers an address beyond the memory: lowering the result fails after realloc ran.
    let broken = GREET.replace("(global $free (mut i32) (i32.const 1024))", "(global $free (mut i32) (i32.const -4))");
    let (ending, _) = run(&broken, &[("run", &[10])], Limits::default());
    assert!(matches!(ending.outcome, Outcome::Other(_)), "{ending:?}");
    let spent = GREET_INSTANCES + GREET_RUN + GREET_SHIM + HOST_CALL + GREET_REALLOC + HOST_WORK;
    assert_eq!(limit - ending.fuel_left, spent);

    // Realloc itself traps, inside the host's call.
    let broken = GREET.replace("(global.get $free)\n", "(drop (i32.load (i32.const -1))) (global.get $free)\n");
    let (ending, _) = run(&broken, &[("run", &[10])], Limits::default());
    assert_eq!(ending.outcome, Outcome::Trap("MemoryOutOfBounds".into()));
    assert_eq!(limit - ending.fuel_left, spent + 1 + 2);
}

#[test]
fn a_host_that_fails_leaves_an_exact_figure() {
    let text = DOUBLE
        .replace(r#"(export "double" (func (param "x" s32) (result s32)))"#, r#"(export "fail" (func))"#)
        .replace(r#"$host "double""#, r#"$host "fail""#)
        .replace("(func $double (param i32) (result i32))", "(func $double)")
        .replace("(i32.add (call $double (local.get 0)) (i32.const 1))", "(call $double) (i32.const 1)");
    let (ending, _) = run(&text, &[("run", &[20])], Limits::default());
    assert_eq!(ending.outcome, Outcome::Other("the host says no".into()));
    assert_eq!(Limits::default().fuel - ending.fuel_left, INSTANCE + 5 + HOST_CALL + HOST_WORK);
}

pub(crate) const RESOURCE: &str = r#"(component
        (core module $owner
            (global $dropped (export "dropped") (mut i32) (i32.const 0))
            (func (export "dtor") (param i32) (global.set $dropped (i32.add (global.get $dropped) (local.get 0)))))
        (core instance $owner (instantiate $owner))
        (type $r (resource (rep i32) (dtor (func $owner "dtor"))))
        (core func $new (canon resource.new $r))
        (core func $rep (canon resource.rep $r))
        (core func $drop (canon resource.drop $r))
        (core module $m
            (import "r" "new" (func $new (param i32) (result i32)))
            (import "r" "rep" (func $rep (param i32) (result i32)))
            (import "r" "drop" (func $drop (param i32)))
            (import "r" "dropped" (global $dropped (mut i32)))
            (func (export "run") (param i32) (result i32) (local i32)
                (local.set 1 (call $new (local.get 0)))
                (local.set 0 (call $rep (local.get 1)))
                (call $drop (local.get 1))
                (i32.add (local.get 0) (global.get $dropped)))
            (func (export "wrong") (call $drop (i32.const 77))))
        (core instance $i (instantiate $m (with "r" (instance
            (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))
            (export "dropped" (global $owner "dropped"))))))
        (func (export "run") (param "x" s32) (result s32) (canon lift (core func $i "run")))
        (func (export "wrong") (canon lift (core func $i "wrong"))))"#;

#[test]
fn resources_and_their_destructors_count() {
    let calls = 3 * (4 + HOST_CALL);
    let run_cost = calls + 2 + 2 + 1 + 3;
    let (ending, _) = run(RESOURCE, &[("run", &[21])], Limits::default());
    assert_eq!(ending, ok(&[42], 2 * INSTANCE + run_cost + 4));
    let (ending, _) = run(RESOURCE, &[("wrong", &[])], Limits::default());
    assert!(matches!(ending.outcome, Outcome::Other(_)), "{ending:?}");
    assert_eq!(Limits::default().fuel - ending.fuel_left, 2 * INSTANCE + 1 + 4 + HOST_CALL);
}

#[test]
fn what_ran_before_a_failed_instantiation_is_known() {
    let text = r#"(component
        (core module $first
            (func $start (local i32)
                (loop $l (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 9)))))
            (start $start))
        (core module $second (memory 1) (data (i32.const 65535) "two"))
        (core instance (instantiate $first))
        (core instance (instantiate $second)))"#;
    let (ending, host) = run(text, &[], Limits::default());
    assert_eq!(ending.outcome, Outcome::Trap("MemoryOutOfBounds".into()));
    let start = 2 * INSTANCE + 1_024;
    assert_eq!(Limits::default().fuel - ending.fuel_left, start + 9 * 7);
    assert_eq!(host.synced.len(), 2, "at the start, and after the start function");
}

#[test]
fn the_stack_goes_on_through_the_host() {
    // Realloc recurses; what is left of the stack depends on how deep the call out was.
    let text = GREET.replace("(global.get $free)\n", "(drop (call $deep (i32.const 20))) (global.get $free)\n");
    let text = text.replace(
        "(func (export \"realloc\")",
        "(func $deep (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))
        (func (export \"realloc\")",
    );
    // 21 frames of 64 + 16 × (1 + 2) units, and something for those around them.
    for (stack, outcome) in [(4_000, Outcome::Ok), (21 * 112 + 200, Outcome::Stack)] {
        let (ending, _) = run(&text, &[("run", &[10])], Limits { stack, ..Limits::default() });
        assert_eq!(ending.outcome, outcome, "{stack}");
    }
}
