//! Random programs: whatever a guest is, it ends in an outcome, the same with and without optimisation.

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use poai_sandbox::{detect_world, prepare};
use wasm_smith::{Config, Module};

use crate::components::command_of;
use crate::harness::Case;

/// How many random programs are tried.
const PROGRAMS: u64 = 150;
/// Bytes that a program is drawn from.
const RANDOM_BYTES: u64 = 5_000;

/// A module without imports whose `run` is a plain program's, or none for this seed.
fn random_module(seed: u64) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = (0..RANDOM_BYTES).map(|index| noise(seed << 32 | index)).collect();
    let config = Config {
        exports: Some(
            wat::parse_str(r#"(module (func (export "wasi:cli/run@0.2.12#run") (result i32) unreachable))"#).unwrap(),
        ),
        max_imports: 0,
        max_memories: 1,
        max_memory32_bytes: 8 << 16,
        max_table_elements: 1_000,
        allow_start_export: true,
        memory64_enabled: false,
        reference_types_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        tail_call_enabled: true,
        ..Config::default()
    };
    Module::new(config, &mut Unstructured::new(&bytes)).ok().map(|module| module.to_bytes())
}

/// SplitMix64's high byte: no pattern, and the same each time.
fn noise(index: u64) -> u8 {
    let mut z = index.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 56) as u8
}

#[test]
fn random_programs_end_in_the_same_outcome() {
    let mut endings = BTreeMap::<String, u32>::new();
    for seed in 0..PROGRAMS {
        let Some(module) = random_module(seed) else { continue };
        let program = command_of(module);
        if let Err(refusal) = detect_world(&program).and_then(|world| prepare(&program, world)) {
            *endings.entry(format!("refused({})", refusal.rule())).or_default() += 1;
            continue;
        }
        let claim = |mut case: Case| {
            case.run.limits.fuel.0 = 200_000;
            let ended = case.run();
            (ended.outcome().clone(), ended.fuel())
        };
        let (outcome, fuel) = claim(Case::new(&program));
        assert_eq!(claim(Case::optimised(&program)), (outcome.clone(), fuel), "seed {seed}");
        assert_eq!(claim(Case::oracle(&program)), (outcome.clone(), fuel), "seed {seed}");
        *endings.entry(format!("{outcome:?}")).or_default() += 1;
    }
    // The programs must be worth something: few are refused, and they end in many ways.
    let run: u32 = endings.iter().filter(|(ending, _)| !ending.starts_with("refused")).map(|(_, count)| count).sum();
    assert!(run > 80 && endings.len() > 5, "{endings:?}");
}
