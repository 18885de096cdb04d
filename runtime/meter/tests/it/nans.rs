//! Canonical NaNs by the meter, against those by the compiler: no program can tell them apart.

use poai_meter::Nans;

use crate::driver::with_drivers;
use crate::harness::{
    Call, Limits, Outcome, component_around, engine_with, instrumented, liftable, metered_linker, on_big_stack,
    run_instrumented,
};
use crate::random::{float_module, noise};

/// Runs a core module both ways.
fn assert_same(what: &str, module: &[u8], calls: &[Call<'_>], fuel: i64) -> Outcome {
    let names: Vec<_> =
        liftable(module).into_iter().filter(|(name, _)| calls.iter().any(|call| call.0 == name)).collect();
    let component = component_around(module, &names);
    let [expected, found] = [Nans::ByCompiler, Nans::ByMeter].map(|nans| {
        let engine = engine_with(nans);
        let component = instrumented(&component, nans);
        let limits = Limits { fuel, ..Limits::default() };
        run_instrumented(&engine, &metered_linker(&engine), &component, calls, limits).0
    });
    assert_eq!(found, expected, "{what}");
    found.outcome
}

const MADE: u64 = 0x7ff8_0000_0000_0000;
/// A NaN with a sign and a payload, as a program may load it.
const LOADED: u64 = 0xfff4_dead_beef_0001;

/// Functions of two doubles and a number, and what is to be seen of their result's bits, for the arguments
/// infinity, infinity, and a number that is not 0.
const PROGRAMS: &[(&str, &str, u64)] = &[
    ("a difference is stored", "(f64.store (i32.const 0) (f64.sub (local.get 0) (local.get 1)))", MADE),
    ("a loaded value stays", "(f64.store (i32.const 0) (f64.load (i32.const 8)))", LOADED),
    (
        "one local for a loaded value and a difference",
        "(local.set 3 (f64.load (i32.const 8)))
         (f64.store (i32.const 0) (local.get 3))
         (local.set 3 (f64.sub (local.get 0) (local.get 1)))
         (f64.store (i32.const 16) (local.get 3))",
        LOADED,
    ),
    (
        "they merge in a local",
        "(if (local.get 2)
             (then (local.set 3 (f64.load (i32.const 8))))
             (else (local.set 3 (f64.sub (local.get 0) (local.get 1)))))
         (f64.store (i32.const 0) (local.get 3))",
        LOADED,
    ),
    (
        "they merge in a local, the other way",
        "(if (i32.eqz (local.get 2))
             (then (local.set 3 (f64.load (i32.const 8))))
             (else (local.set 3 (f64.sub (local.get 0) (local.get 1)))))
         (f64.store (i32.const 0) (local.get 3))",
        MADE,
    ),
    (
        "they merge by select",
        "(f64.store (i32.const 0)
             (select (f64.load (i32.const 8)) (f64.sub (local.get 0) (local.get 1)) (local.get 2)))",
        LOADED,
    ),
    (
        "they merge as a block's result",
        "(f64.store (i32.const 0)
             (block (result f64)
                 (f64.load (i32.const 8)) (br_if 0 (local.get 2)) (drop)
                 (f64.sub (local.get 0) (local.get 1))))",
        LOADED,
    ),
    (
        "a loop brings a difference back to where a loaded value was",
        "(local.set 3 (f64.load (i32.const 8)))
         (loop $l
             (f64.store (i32.const 0) (local.get 3))
             (local.set 3 (f64.sub (local.get 0) (local.get 1)))
             (br_if $l (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))",
        LOADED,
    ),
    (
        "the sign of a made NaN",
        "(f64.store (i32.const 0) (f64.neg (f64.sub (local.get 0) (local.get 1))))",
        MADE | 1 << 63,
    ),
    (
        "the absolute value of a made NaN",
        "(f64.store (i32.const 0) (f64.abs (f64.sub (local.get 0) (local.get 1))))",
        MADE,
    ),
    (
        "the absolute value of a loaded NaN",
        "(f64.store (i32.const 0) (f64.abs (f64.load (i32.const 8))))",
        LOADED & !(1 << 63),
    ),
    (
        "copysign from a made NaN",
        "(f64.store (i32.const 0) (f64.copysign (f64.const 1) (f64.sub (local.get 0) (local.get 1))))",
        0x3ff0_0000_0000_0000,
    ),
    (
        "doubles for singles",
        "(v128.store (i32.const 0)
             (f32x4.pmin (f64x2.sub (f64x2.splat (local.get 0)) (f64x2.splat (local.get 1)))
                         (f32x4.splat (f32.const 0x1p100))))",
        // The low half of the canonical double is the single 0; the high half is a NaN for singles, and pmin keeps it.
        MADE,
    ),
    (
        "a vector made by arithmetic, taken for integers",
        "(v128.store (i32.const 0)
             (f32x4.convert_i32x4_u (f64x2.sub (f64x2.splat (local.get 0)) (f64x2.splat (local.get 1)))))",
        0x4eff_f000_0000_0000,
    ),
    (
        "an integer sees it",
        "(i64.store (i32.const 0) (i64.reinterpret_f64 (f64.sub (local.get 0) (local.get 1))))",
        MADE,
    ),
    ("a call", "(f64.store (i32.const 0) (call $same (f64.sub (local.get 0) (local.get 1))))", MADE),
    (
        "results of blocks, two at once",
        "(block (result f64 f64)
             (f64.sub (local.get 0) (local.get 1)) (f64.sub (local.get 0) (local.get 1)))
         (local.set 3)
         (i64.reinterpret_f64)
         (local.set 4)
         (i64.store (i32.const 0) (local.get 4))",
        MADE,
    ),
];

#[test]
fn every_way_for_a_nan_to_be_seen() {
    for (name, body, expected) in PROGRAMS {
        let text = format!(
            r#"(module
                (memory 1)
                (data (i32.const 8) "\01\00\ef\be\ad\de\f4\ff")
                (func $same (param f64) (result f64) (local.get 0))
                (func (export "run") (param f64 f64 i32) (result i64) (local f64 i64)
                    {body}
                    (i64.load (i32.const 0))))"#
        );
        let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let infinity = f64::INFINITY.to_bits();
        let component = component_around(&module, &liftable(&module));
        for nans in [Nans::ByCompiler, Nans::ByMeter] {
            let engine = engine_with(nans);
            let (ending, _) = on_big_stack(|| {
                let calls: &[Call<'_>] = &[("run", &[infinity, infinity, 1])];
                let component = instrumented(&component, nans);
                run_instrumented(&engine, &metered_linker(&engine), &component, calls, Limits::default())
            });
            assert_eq!(ending.results, [*expected], "{name}, {nans:?}");
        }
    }
}

/// Random programs that are tried.
const RANDOM_PROGRAMS: u64 = 100;

#[test]
fn random_programs_cannot_tell() {
    let (mut runs, mut well) = (0, 0);
    for seed in 0..RANDOM_PROGRAMS {
        let (module, names) = with_drivers(&float_module(seed), |index| noise(seed << 32 | index));
        for name in &names {
            let what = format!("seed {seed}, {name}");
            let outcome = on_big_stack(|| assert_same(&what, &module, &[(name.as_str(), &[])], 300_000));
            runs += 1;
            well += usize::from(outcome == Outcome::Ok);
        }
    }
    assert!(runs == 200 && well > 150, "{well} of {runs} end well");
}
