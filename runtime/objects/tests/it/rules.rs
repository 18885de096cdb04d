//! What each type refuses beyond its shape.

use std::collections::BTreeMap;
use std::iter;

use poai_objects::codec::{RAW, cid_of};
use poai_objects::{
    Claim, Contributor, Delegation, Effect, EngineName, Field, Fuel, Limits, Link, Model, Object, Outcome, Package,
    Params, Program, Receipt, Role, Run, Sample, SampledVerdict, Telemetry, TraceChunk, TraceRoot, Trap, Verdict,
};

use crate::samples;

fn refusal<T: Object>(object: &T) -> String {
    match object.seal() {
        Ok(_) => panic!("accepted"),
        Err(error) => {
            assert!(T::from_bytes(&object.to_bytes()).is_err(), "refused here, accepted elsewhere");
            error.to_string()
        }
    }
}

type Change<T> = fn(&mut T);

/// A sample after one change.
fn changed<T>(mut object: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut object);
    object
}

fn file() -> Link {
    cid_of(RAW, b"").try_into().unwrap()
}

fn weights() -> Link {
    cid_of(RAW, b"weights").try_into().unwrap()
}

fn names<T: Ord + std::str::FromStr<Err: std::fmt::Debug>>(count: usize) -> impl Iterator<Item = T> {
    (0..count).map(|number| format!("{number}").parse().unwrap())
}

#[test]
fn runs_are_bounded() {
    let changes: [(Change<Run>, &str); 10] = [
        (|run| run.limits.fuel = Fuel((1 << 60) + 1), "limit fuel of 1152921504606846976"),
        (|run| run.limits.stack_units = (8 << 20) + 1, "limit stack_units of 8388608"),
        (|run| run.limits.memory_bytes = u64::MAX, "limit memory_bytes"),
        (|run| run.limits.output_bytes = u64::MAX, "limit output_bytes"),
        (|run| run.limits.output_count = 8_193, "limit output_count of 8192"),
        (|run| run.args = vec![String::new(); 1_025], "limit args of 1024"),
        (|run| run.args = vec!["x".repeat(65_537)], "limit text bytes of 65536"),
        (|run| run.args = vec!["x".repeat(65_536); 17], "limit bytes of 1048576"),
        (|run| run.args = vec!["a\0b".into()], "has a NUL"),
        (|run| run.inputs = names(4_097).zip(iter::repeat(file())).collect(), "limit inputs of 4096"),
    ];
    for (change, expected) in changes {
        let error = refusal(&changed(samples::run(), change));
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    for name in ["", "A=B"] {
        let run = changed(samples::run(), |run| run.env = BTreeMap::from([(name.into(), String::new())]));
        assert!(refusal(&run).contains("not a valid environment variable"));
    }
}

#[test]
fn a_run_of_nothing_else_has_the_documented_defaults() {
    let run = Run::new(samples::some_program(), EngineName::CURRENT);
    assert_eq!((run.clock_ns, run.seed, run.params.as_str()), (0, 0, "{}"));
    let limits = Limits {
        fuel: Fuel(10_000_000_000_000),
        memory_bytes: 4 << 30,
        stack_units: 8 << 20,
        output_bytes: 64 << 30,
        output_count: 8_192,
    };
    assert_eq!(run.limits, limits);
    run.seal().unwrap();
}

#[test]
fn claims_are_bounded_and_the_greatest_fits_its_block() {
    let claim = samples::claim();
    let greatest = changed(claim.clone(), |claim| {
        let name = |number| format!("{number:064}").parse().unwrap();
        claim.outputs = (0..8_192).map(|number: u32| (name(number), file())).collect();
    });
    greatest.seal().unwrap();
    let more = changed(greatest.clone(), |claim| {
        claim.outputs.insert("x".parse().unwrap(), file());
    });
    assert!(refusal(&more).contains("limit outputs of 8192"));
    let longer = changed(greatest, |claim| {
        claim.outputs.pop_first();
        claim.outputs.insert("x".repeat(65).parse().unwrap(), file());
    });
    assert!(refusal(&longer).contains("limit output name bytes of 524288"));

    let trapped = changed(claim.clone(), |claim| claim.outcome = Outcome::Trapped { trap: Trap::Stack });
    assert!(refusal(&trapped).contains("has no outputs"));
    let wordy = changed(claim.clone(), |claim| claim.outcome = Outcome::Failed { message: "x".repeat(4_097) });
    assert!(refusal(&wordy).contains("limit message bytes of 4096"));
    let endless = Claim { fuel: Fuel(u64::MAX), ..claim };
    assert!(refusal(&endless).contains("limit fuel"));
}

#[test]
fn the_first_differing_field_is_named() {
    let claim = samples::claim();
    let output = |name: &str| Field::Output { name: name.parse().unwrap() };
    let changes: [(Change<Claim>, Field); 7] = [
        (|claim| claim.run = Run::new(samples::some_program(), EngineName::CURRENT).id(), Field::Run),
        (|claim| claim.outcome = Outcome::failed(""), Field::Outcome),
        (|claim| _ = claim.outputs.insert("a".parse().unwrap(), file()), output("a")),
        (|claim| _ = claim.outputs.pop_first(), output("a/b")),
        (|claim| _ = claim.outputs.insert("stdout".parse().unwrap(), weights()), output("stdout")),
        (|claim| claim.fuel = Fuel(1), Field::Fuel),
        (|claim| claim.trace = TraceRoot { count: 1, chunks: vec![samples::chunk().id()] }.id(), Field::Trace),
    ];
    // From the last to the first, so that the first of several is named.
    let mut other = claim.clone();
    for (change, expected) in changes.into_iter().rev() {
        change(&mut other);
        assert_eq!(claim.first_difference(&other), Some(expected));
    }
}

#[test]
fn a_failures_message_is_cut_between_characters() {
    let cut = |message: &str| match Outcome::failed(message) {
        Outcome::Failed { message } => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(cut("short"), "short");
    assert_eq!(cut(&"é".repeat(3_000)), "é".repeat(2_048));
    assert_eq!(cut(&"€".repeat(3_000)), "€".repeat(1_365));
}

#[test]
fn programs_say_how_they_start() {
    let adapted = Program { adapter: Some(file()), ..samples::program() };
    assert!(refusal(&adapted).contains("an adapter belongs to a plain program"));
    for format in ["", "ONNX", "on nx", "x\u{1b}"] {
        let model = Model { graph: file(), format: format.into() };
        let program = Program { models: BTreeMap::from([("m".parse().unwrap(), model)]), ..samples::program() };
        assert!(refusal(&program).contains("format"));
    }
    let model = Model { graph: file(), format: "onnx".into() };
    let many = Program { models: names(257).zip(iter::repeat(model)).collect(), ..samples::program() };
    assert!(refusal(&many).contains("limit models of 256"));
}

#[test]
fn packages_credit_exactly_a_whole() {
    let package = samples::package();
    let first = package.contributors[0].clone();
    let with = |contributors: Vec<Contributor>| Package { contributors, ..package.clone() };
    with(vec![]).seal().unwrap();
    for (contributors, expected) in [
        (vec![first.clone()], "do not add up to 10000"),
        (vec![first.clone(); 2], "twice for one role"),
        (
            vec![
                Contributor { weight_bp: 10_000, ..first.clone() },
                Contributor { weight_bp: 0, role: Role::Data, ..first.clone() },
            ],
            "without a part",
        ),
        (vec![first; 257], "limit contributors of 256"),
    ] {
        let error = refusal(&with(contributors));
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    let changes: [(Change<Package>, &str); 7] = [
        (|package| package.version = String::new(), "its version is empty"),
        (|package| package.version = "1 0".into(), "its version is empty, or has a space"),
        (|package| package.licence = "\u{1b}]0;x".into(), "has a control character"),
        (|package| package.version = "1".repeat(65), "limit version bytes of 64"),
        (|package| package.summary = "x".repeat(4_097), "limit text bytes of 4096"),
        (|package| package.source = "x".repeat(4_097), "limit text bytes of 4096"),
        (|package| package.params = Params::parse(r#"{"pattern": "x"}"#).unwrap(), "\"pattern\" is not supported"),
    ];
    for (change, expected) in changes {
        let error = refusal(&changed(package.clone(), change));
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}

#[test]
fn verdicts_name_a_difference_exactly_if_there_is_one() {
    let (one, other) = (samples::claim().id(), Claim { fuel: Fuel(1), ..samples::claim() }.id());
    let same = Verdict { seen: one, found: one, first_difference: None };
    let silent = Verdict { seen: one, found: other, first_difference: None };
    same.seal().unwrap();
    assert!(refusal(&silent).contains("must name a difference exactly if"));
}

#[test]
fn sampled_verdicts_compute_something_and_not_more_than_there_is() {
    let verdict = samples::sampled_verdict(None);
    verdict.seal().unwrap();
    for per_million in [0, Sample::ALL + 1] {
        let sample = Sample { per_million, ..verdict.sample };
        assert!(refusal(&SampledVerdict { sample, ..verdict.clone() }).contains("between 1 and"));
    }
    assert!(refusal(&SampledVerdict { recomputed: 2_001, ..verdict }).contains("more effects than there are"));
}

#[test]
fn delegations_begin_before_they_end() {
    let delegation = samples::delegation();
    assert!(!delegation.holds_at(delegation.from_s - 1));
    assert!(delegation.holds_at(delegation.from_s));
    assert!(!delegation.holds_at(delegation.until_s));
    let never = Delegation { until_s: delegation.from_s, ..delegation };
    assert!(refusal(&never).contains("ends before it begins"));
}

#[test]
fn receipts_and_traces_are_bounded() {
    let telemetry = Telemetry { device: "x".repeat(257), ..Telemetry::default() };
    assert!(refusal(&Receipt { telemetry, ..samples::receipt() }).contains("limit device bytes of 256"));
    let telemetry = Telemetry { device: "\u{7}".into(), ..Telemetry::default() };
    assert!(refusal(&Receipt { telemetry, ..samples::receipt() }).contains("has a control character"));

    let chunk = samples::chunk();
    let effect = chunk.effects[0].clone();
    let with = |effect: Effect| TraceChunk { effects: vec![effect] };
    assert!(refusal(&with(Effect { function: "x".repeat(257), ..effect.clone() })).contains("limit function bytes"));
    let foreign = Effect { results: *samples::claim().id().cid(), ..effect.clone() };
    assert!(refusal(&with(foreign)).contains("not a CIDv1 of a raw block"));
    assert!(refusal(&TraceChunk { effects: vec![effect; 1_025] }).contains("limit effects of 1024"));
    let backwards = TraceChunk { effects: chunk.effects.iter().rev().cloned().collect() };
    assert!(refusal(&backwards).contains("fuel falls"));
    let short = TraceRoot { count: 1_025, chunks: vec![chunk.id()] };
    assert!(refusal(&short).contains("do not agree"));
    let longest = TraceRoot { count: 16_384 * 1_024, chunks: vec![chunk.id(); 16_384] };
    longest.seal().unwrap();
}
