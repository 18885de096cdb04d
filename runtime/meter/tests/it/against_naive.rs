//! Exact figures, against the oracle: on programs written to be awkward, and on random ones.

use crate::driver::with_drivers;
use crate::harness::{
    Call, Ending, Limits, Outcome, component_around, engine, liftable, metered_linker, on_big_stack, run_metered,
    run_naive, run_plain,
};
use crate::naive::{Mode, instance_cost, naive};
use crate::random::{noise, random_module};

/// Runs a core module four ways and asserts that they agree.
fn assert_exact(what: &str, module: &[u8], calls: &[Call<'_>], limits: Limits) -> Ending {
    let engine = engine();
    let names: Vec<_> =
        liftable(module).into_iter().filter(|(name, _)| calls.iter().any(|call| call.0 == name)).collect();
    let component = component_around(module, &names);
    let (metered, _) = run_metered(&engine, &metered_linker(&engine), &component, calls, limits);

    let fuel = limits.fuel - instance_cost(module);
    let expected = run_naive(&engine, &naive(module, Mode::Points, fuel, limits.stack), calls);
    assert_eq!(metered, expected, "{what}: metered, and by the rules");

    if !matches!(metered.outcome, Outcome::OutOfFuel | Outcome::Stack) {
        let plain = run_plain(&engine, module, calls);
        assert_eq!((&metered.results, &metered.outcome), (&plain.results, &plain.outcome), "{what}: without a meter");
    }
    if metered.outcome == Outcome::Ok {
        let executed = run_naive(&engine, &naive(module, Mode::Instructions, fuel, limits.stack), calls);
        assert_eq!(metered.fuel_left, executed.fuel_left, "{what}: what was executed");
    }
    metered
}

pub(crate) const PROGRAMS: &[(&str, &str, &[&[Call<'static>]])] = &include!("programs.rs");

#[test]
fn awkward_programs_are_counted_exactly() {
    on_big_stack(|| {
        for (name, text, sequences) in PROGRAMS {
            let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            for calls in *sequences {
                let what = format!("{name} {calls:x?}");
                let ending = assert_exact(&what, &module, calls, Limits::default());
                // The same with less and less fuel: it ends elsewhere, and exactly.
                let start = instance_cost(&module);
                let spent = Limits::default().fuel - ending.fuel_left - start;
                for part in [0, 1, 3, 7, 11, 12] {
                    let limits = Limits { fuel: start + spent * part / 12, ..Limits::default() };
                    assert_exact(&format!("{what} with {part}/12 of {spent} fuel"), &module, calls, limits);
                }
            }
        }
    });
}

/// How many random programs are tried.
const RANDOM_PROGRAMS: u64 = 120;

#[test]
fn random_programs_are_counted_exactly() {
    let mut endings = std::collections::BTreeMap::<String, usize>::new();
    for seed in 0..RANDOM_PROGRAMS {
        let Some(module) = random_module(seed) else { continue };
        let (module, names) = with_drivers(&module, |index| noise(seed << 32 | index));
        let fuel = instance_cost(&module) + 200_000;
        // Each function first and alone, since a trap ends everything; then all.
        let mut sequences: Vec<Vec<Call<'_>>> = names.iter().map(|name| vec![(name.as_str(), &[][..])]).collect();
        sequences.push(sequences.concat());
        for calls in sequences {
            let ending = on_big_stack(|| {
                assert_exact(&format!("seed {seed}, {calls:?}"), &module, &calls, Limits { fuel, ..Limits::default() })
            });
            *endings.entry(format!("{:?}", ending.outcome)).or_default() += 1;
        }
    }
    // The programs must be worth something: many end well, and many kinds of trap are among them.
    assert!(endings.values().sum::<usize>() > 300, "{endings:?}");
    assert!(endings["Ok"] > 50 && endings.len() > 6, "{endings:?}");
}
