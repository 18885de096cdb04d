//! Every instruction whose code depends on the processor's extensions: with all that this one has, and with none.

use std::fmt::Write;

use poai_objects::codec::{DAG_CBOR, cid_of};
use poai_objects::{Effect, EngineName, Link, Outcome, OutputName, Run, World};

use super::*;
use crate::{BlockFile, Content, Node, Sink, Word, execute, prepare};

struct Nothing;

impl Content for Nothing {
    fn open(&self, _: &Link) -> Result<Node, Fault> {
        unreachable!("the program has no inputs")
    }

    fn block(&self, _: &cid::Cid) -> Result<BlockFile, Fault> {
        unreachable!("the program has no inputs")
    }
}

impl Sink for Nothing {
    fn output(&mut self, _: &OutputName, _: &[u8]) -> Result<(), Fault> {
        unreachable!("the program has no outputs")
    }

    fn effect(&mut self, _: &Effect, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        unreachable!("the program has no effects")
    }

    fn word(&mut self, _: Word) {}
}

/// Vectors of numbers that are hard to treat alike: NaNs, zeros, infinities, subnormals, halves, extremes.
const VECTORS: [&str; 9] = [
    "f32x4 nan -nan:0x1 nan:0x200000 -nan:0x3fffff",
    "f32x4 0 -0 inf -inf",
    "f32x4 0.5 -0.5 1.5 -2.5",
    "f32x4 0x1p-149 -0x1p-127 0x1.fffffep127 16777217",
    "f64x2 nan:0x1 -0",
    "f64x2 0x1p-1074 -0x1.fffffffffffffp1023",
    "f64x2 9223372036854775807 -2147483648.5",
    "i32x4 0x80000000 0x7fffffff 0xffff8000 0x00ff7f80",
    "i64x2 0x8000000000000000 -1",
];

const UNARY: &[&str] = &[
    "f32x4.ceil",
    "f32x4.floor",
    "f32x4.trunc",
    "f32x4.nearest",
    "f32x4.sqrt",
    "f32x4.abs",
    "f32x4.neg",
    "f64x2.ceil",
    "f64x2.floor",
    "f64x2.trunc",
    "f64x2.nearest",
    "f64x2.sqrt",
    "f64x2.promote_low_f32x4",
    "f32x4.demote_f64x2_zero",
    "f32x4.convert_i32x4_s",
    "f32x4.convert_i32x4_u",
    "f64x2.convert_low_i32x4_s",
    "f64x2.convert_low_i32x4_u",
    "i32x4.trunc_sat_f32x4_s",
    "i32x4.trunc_sat_f32x4_u",
    "i32x4.trunc_sat_f64x2_s_zero",
    "i32x4.trunc_sat_f64x2_u_zero",
    "i32x4.relaxed_trunc_f32x4_s",
    "i32x4.relaxed_trunc_f32x4_u",
    "i32x4.relaxed_trunc_f64x2_s_zero",
    "i32x4.relaxed_trunc_f64x2_u_zero",
    "i8x16.popcnt",
    "i8x16.abs",
    "i16x8.abs",
    "i32x4.abs",
    "i64x2.abs",
    "i16x8.extadd_pairwise_i8x16_s",
    "i16x8.extadd_pairwise_i8x16_u",
    "i32x4.extadd_pairwise_i16x8_s",
    "i32x4.extend_high_i16x8_u",
    "i64x2.extend_low_i32x4_s",
];

const BINARY: &[&str] = &[
    "f32x4.add",
    "f32x4.sub",
    "f32x4.mul",
    "f32x4.div",
    "f32x4.min",
    "f32x4.max",
    "f32x4.pmin",
    "f32x4.pmax",
    "f64x2.add",
    "f64x2.mul",
    "f64x2.div",
    "f64x2.min",
    "f64x2.max",
    "f64x2.pmin",
    "f32x4.relaxed_min",
    "f32x4.relaxed_max",
    "f64x2.relaxed_min",
    "f64x2.relaxed_max",
    "i8x16.swizzle",
    "i8x16.relaxed_swizzle",
    "i64x2.mul",
    "i32x4.mul",
    "i16x8.q15mulr_sat_s",
    "i16x8.relaxed_q15mulr_s",
    "i16x8.relaxed_dot_i8x16_i7x16_s",
    "i32x4.dot_i16x8_s",
    "i8x16.narrow_i16x8_s",
    "i16x8.narrow_i32x4_u",
    "i8x16.avgr_u",
    "i8x16.add_sat_s",
    "i16x8.sub_sat_u",
    "i8x16.min_s",
    "i32x4.max_u",
    "i64x2.gt_s",
    "i32x4.lt_u",
    "i16x8.extmul_high_i8x16_s",
    "i64x2.extmul_low_i32x4_u",
    "f32x4.lt",
    "f64x2.ge",
];

const TERNARY: &[&str] = &[
    "f32x4.relaxed_madd",
    "f32x4.relaxed_nmadd",
    "f64x2.relaxed_madd",
    "f64x2.relaxed_nmadd",
    "v128.bitselect",
    "i8x16.relaxed_laneselect",
    "i64x2.relaxed_laneselect",
    "i32x4.relaxed_dot_i8x16_i7x16_add_s",
];

/// Scalar expressions of `$a` and `$b`, vectors both.
const SCALAR: &[&str] = &[
    "f32.ceil (f32x4.extract_lane 0 (local.get $a))",
    "f32.nearest (f32x4.extract_lane 2 (local.get $a))",
    "f32.min (f32x4.extract_lane 1 (local.get $a)) (f32x4.extract_lane 0 (local.get $b))",
    "f32.max (f32x4.extract_lane 1 (local.get $a)) (f32x4.extract_lane 0 (local.get $b))",
    "f32.copysign (f32x4.extract_lane 0 (local.get $a)) (f32x4.extract_lane 1 (local.get $b))",
    "f32.demote_f64 (f64x2.extract_lane 0 (local.get $a))",
    "f32.convert_i64_u (i64x2.extract_lane 0 (local.get $a))",
    "f32.convert_i64_s (i64x2.extract_lane 1 (local.get $a))",
    "f32.reinterpret_i32 (i32.trunc_sat_f64_u (f64x2.extract_lane 0 (local.get $a)))",
    "f32.reinterpret_i32 (i32.popcnt (i32x4.extract_lane 2 (local.get $a)))",
    "f32.reinterpret_i32 (i32.clz (i32x4.extract_lane 1 (local.get $a)))",
    "f32.reinterpret_i32 (i32.ctz (i32x4.extract_lane 3 (local.get $a)))",
    "f32.reinterpret_i32 (i32.wrap_i64 (i64.popcnt (i64x2.extract_lane 1 (local.get $a))))",
    "f32.reinterpret_i32 (i32.wrap_i64 (i64.clz (i64x2.extract_lane 0 (local.get $a))))",
    "f32.reinterpret_i32 (i32.wrap_i64 (i64.ctz (i64x2.extract_lane 0 (local.get $a))))",
    "f32.reinterpret_i32 (i32.wrap_i64 (i64.trunc_sat_f32_u (f32x4.extract_lane 3 (local.get $a))))",
    "f32.reinterpret_i32 (i32.rotl (i32x4.extract_lane 1 (local.get $a)) (i32x4.extract_lane 2 (local.get $b)))",
    "f32.reinterpret_i32 (i8x16.bitmask (v128.or (local.get $a) (local.get $b)))",
    "f32.demote_f64 (f64.nearest (f64.mul (f64x2.extract_lane 0 (local.get $a)) (f64.const 0.5)))",
    "f32.demote_f64 (f64.convert_i64_u (i64x2.extract_lane 0 (local.get $a)))",
];

/// A task that fails with a hash of all results, a digit a letter.
fn program() -> Vec<u8> {
    let mut body = String::new();
    for expression in SCALAR {
        writeln!(body, "(call $mix (f32x4.splat ({expression})))").unwrap();
    }
    for name in UNARY {
        writeln!(body, "(call $mix ({name} (local.get $a)))").unwrap();
    }
    for name in BINARY {
        writeln!(body, "(call $mix ({name} (local.get $a) (local.get $b)))").unwrap();
    }
    for name in TERNARY {
        writeln!(body, "(call $mix ({name} (local.get $a) (local.get $b) (local.get $c)))").unwrap();
    }
    let mut calls = String::new();
    for (index, a) in VECTORS.iter().enumerate() {
        for b in VECTORS {
            let c = VECTORS[(index + 3) % VECTORS.len()];
            writeln!(calls, "(call $all (v128.const {a}) (v128.const {b}) (v128.const {c}))").unwrap();
        }
    }
    let text = format!(
        r#"(component
            (core module $module
                (memory (export "memory") 1)
                (global $hash (mut i64) (i64.const 0))
                (func $mix (param $v v128)
                    (global.set $hash (i64.mul (i64.rotl (i64.xor (global.get $hash) (i64x2.extract_lane 0 (local.get $v))) (i64.const 23)) (i64.const 0x9e3779b97f4a7c15)))
                    (global.set $hash (i64.mul (i64.rotl (i64.xor (global.get $hash) (i64x2.extract_lane 1 (local.get $v))) (i64.const 23)) (i64.const 0x9e3779b97f4a7c15))))
                (func $all (param $a v128) (param $b v128) (param $c v128) {body})
                (func (export "run") (result i32)
                    (local $at i32)
                    {calls}
                    (loop $digits
                        (i32.store8 (i32.add (i32.const 100) (local.get $at))
                            (i32.add (i32.const 97) (i32.and (i32.wrap_i64 (global.get $hash)) (i32.const 15))))
                        (global.set $hash (i64.shr_u (global.get $hash) (i64.const 4)))
                        (br_if $digits (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 16))))
                    (i32.store8 (i32.const 0) (i32.const 1))
                    (i32.store (i32.const 4) (i32.const 100))
                    (i32.store (i32.const 8) (i32.const 16))
                    (i32.const 0)))
            (core instance $instance (instantiate $module))
            (func (export "run") (result (result (error string)))
                (canon lift (core func $instance "run") (memory $instance "memory"))))"#
    );
    wat::parse_str(text).unwrap()
}

fn end_of(program: &[u8], config: &Config) -> (Outcome, u64) {
    let engine = Engine { wasmtime: wasmtime::Engine::new(config).unwrap(), nans: Nans::ByMeter };
    let prepared = prepare(program, World::Task).unwrap();
    let component = Component::from_binary(&engine.wasmtime, prepared.component()).unwrap();
    let loaded = link::load(&engine.wasmtime, &component, World::Task).unwrap();
    let run = Run::new(cid_of(DAG_CBOR, b"program").try_into().unwrap(), EngineName::CURRENT);
    let finished = execute(&loaded, &run, &Nothing, &mut Nothing).unwrap();
    (finished.outcome, finished.fuel.0)
}

#[test]
fn a_processor_without_extensions_comes_to_the_same_bits() {
    let program = program();
    let mut ends = Vec::new();
    for opt_level in [OptLevel::None, OptLevel::Speed] {
        let config = EngineConfig { opt_level, ..EngineConfig::default() };
        let mut plain = pinned(&config);
        // Naming a target turns off whatever was found out about this processor.
        plain.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).unwrap();
        ends.push(end_of(&program, &pinned(&config)));
        ends.push(end_of(&program, &plain));
    }
    assert!(matches!(&ends[0].0, Outcome::Failed { message } if message.len() == 16), "{:?}", ends[0]);
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
}
