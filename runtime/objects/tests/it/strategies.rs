//! Any valid object of each type.

use std::collections::BTreeMap;

use cid::Cid;
use poai_objects::codec::{DAG_CBOR, DAG_PB, RAW, cid_of};
use poai_objects::{
    Claim, Contributor, Delegation, Difference, Effect, EngineName, Field, Fuel, InputName, Limits, Link, Model,
    ObjectError, Offer, Outcome, OutputName, Package, PackageName, Params, Port, Price, Program, PublicKey, Receipt,
    Role, Run, Sample, SampledVerdict, SecretKey, Telemetry, TraceChunk, TraceRoot, Trap, Verdict, World,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

pub(crate) fn id<T: TryFrom<Cid, Error = ObjectError> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    any::<u64>().prop_map(|seed| cid_of(DAG_CBOR, &seed.to_le_bytes()).try_into().unwrap())
}

fn link() -> impl Strategy<Value = Link> {
    (any::<u64>(), prop_oneof![Just(RAW), Just(DAG_PB)])
        .prop_map(|(seed, codec)| cid_of(codec, &seed.to_le_bytes()).try_into().unwrap())
}

fn raw() -> impl Strategy<Value = Cid> {
    any::<u64>().prop_map(|seed| cid_of(RAW, &seed.to_le_bytes()))
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

fn input_name() -> impl Strategy<Value = InputName> {
    "[a-zé☃][a-z.é☃]{0,30}".prop_map(|name| name.parse().unwrap())
}

fn output_name() -> impl Strategy<Value = OutputName> {
    "[a-z☃]{1,9}(/[a-z☃]{1,30}){0,4}".prop_map(|name| name.parse().unwrap())
}

fn engine() -> impl Strategy<Value = EngineName> {
    any::<(u16, u16)>().prop_map(|(major, minor)| format!("poai-engine/{major}.{minor}").parse().unwrap())
}

fn key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(|seed| SecretKey::from_seed(&seed).public())
}

/// Any JSON value whose numbers have a canonical form.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53)..=1 << 53).prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        prop::num::f64::NORMAL
            .prop_filter("integers beyond 2^53", |x| x.abs() < 1e15 || x.abs() >= 1e21)
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

pub(crate) fn json_object() -> impl Strategy<Value = Value> {
    btree_map(any::<String>(), json(), 0..6).prop_map(|members| Value::Object(members.into_iter().collect()))
}

pub(crate) fn params() -> impl Strategy<Value = Params> {
    json_object().prop_map(|value| Params::parse(&value.to_string()).unwrap())
}

pub(crate) fn program() -> impl Strategy<Value = Program> {
    let model = (link(), "[a-z0-9-]{1,32}").prop_map(|(graph, format)| Model { graph, format });
    (any::<bool>(), link(), btree_map(input_name(), model, 0..4), prop::option::of(link())).prop_map(
        |(is_task, component, models, adapter)| Program {
            world: if is_task { World::Task } else { World::Command },
            component,
            models,
            adapter: adapter.filter(|_| !is_task),
        },
    )
}

pub(crate) fn package() -> impl Strategy<Value = Package> {
    let port = || (text(), any::<bool>()).prop_map(|(doc, required)| Port { doc, required });
    let name = "[a-z0-9][a-z0-9-]{0,62}".prop_map(|name| name.parse::<PackageName>().unwrap());
    (
        (id(), name, "[0-9a-z.+-]{1,64}", text(), text(), text()),
        btree_map(input_name(), port(), 0..4),
        btree_map(text(), port(), 0..4),
        vec((key(), 1..=1_000_u16), 0..9),
    )
        .prop_map(|((program, name, version, summary, licence, source), inputs, outputs, parts)| {
            let mut contributors: Vec<Contributor> = parts
                .into_iter()
                .map(|(account, weight_bp)| Contributor { account, role: Role::Model, weight_bp })
                .collect();
            let others: u16 = contributors.iter().skip(1).map(|contributor| contributor.weight_bp).sum();
            if let Some(first) = contributors.first_mut() {
                first.weight_bp = 10_000 - others;
            }
            let params = Params::default();
            Package { program, name, version, summary, params, inputs, outputs, contributors, licence, source }
        })
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        0..=Limits::MAX_FUEL.0,
        0..=Limits::MAX_BYTES,
        0..=Limits::MAX_STACK_UNITS,
        0..=Limits::MAX_BYTES,
        0..=Limits::MAX_OUTPUTS,
    )
        .prop_map(|(fuel, memory_bytes, stack_units, output_bytes, output_count)| Limits {
            fuel: Fuel(fuel),
            memory_bytes,
            stack_units,
            output_bytes,
            output_count,
        })
}

pub(crate) fn run() -> impl Strategy<Value = Run> {
    (
        (id(), engine(), limits(), params()),
        btree_map(input_name(), link(), 0..6),
        vec(text(), 0..4),
        btree_map("[A-Z]{1,9}", text(), 0..4),
        any::<(u64, u64)>(),
    )
        .prop_map(|((program, engine, limits, params), inputs, args, env, (clock_ns, seed))| Run {
            program,
            inputs,
            params,
            args,
            env,
            clock_ns,
            seed,
            limits,
            engine,
        })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Ok),
        any::<String>().prop_map(|message| Outcome::failed(&message)),
        prop::sample::select(&Trap::ALL[..]).prop_map(|trap| Outcome::Trapped { trap }),
    ]
}

pub(crate) fn claim() -> impl Strategy<Value = Claim> {
    (id(), outcome(), btree_map(output_name(), link(), 0..6), 0..=Limits::MAX_FUEL.0, id()).prop_map(
        |(run, outcome, outputs, fuel, trace)| {
            let outputs = if matches!(outcome, Outcome::Trapped { .. }) { BTreeMap::new() } else { outputs };
            Claim { run, outcome, outputs, fuel: Fuel(fuel), trace }
        },
    )
}

pub(crate) fn receipt() -> impl Strategy<Value = Receipt> {
    (id(), prop::option::of(id()), any::<(u64, u64, u64)>(), text()).prop_map(|(claim, package, times, device)| {
        let (started_ms, wall_us, prepare_us) = times;
        Receipt { claim, package, telemetry: Telemetry { started_ms, wall_us, prepare_us, device } }
    })
}

pub(crate) fn verdict() -> impl Strategy<Value = Verdict> {
    let difference = prop_oneof![
        any::<u64>().prop_map(|index| Difference::Effect { index }),
        output_name().prop_map(|name| Difference::Field(Field::Output { name })),
        prop::sample::select(vec![Field::Run, Field::Outcome, Field::Fuel, Field::Trace]).prop_map(Difference::Field),
    ];
    (id(), id(), difference).prop_map(|(seen, found, difference)| Verdict {
        seen,
        found,
        first_difference: (seen != found).then_some(difference),
    })
}

pub(crate) fn sampled_verdict() -> impl Strategy<Value = SampledVerdict> {
    (id(), any::<[u8; 32]>(), 1..=Sample::ALL, any::<(u64, u64)>(), prop::option::of(any::<u64>())).prop_map(
        |(seen, seed, per_million, (one, other), index)| SampledVerdict {
            seen,
            sample: Sample { seed, per_million },
            effects: one.max(other),
            recomputed: one.min(other),
            first_difference: index.map(|index| Difference::Effect { index }),
        },
    )
}

pub(crate) fn offer() -> impl Strategy<Value = Offer> {
    (engine(), vec(text(), 0..4), vec(text(), 0..4), any::<(u64, u64, u32, u64)>(), any::<(bool, u64, u64)>()).prop_map(
        |(engine, addresses, devices, (fuel_per_s, price, free_slots, memory_bytes), (open, sequence, expires_s))| {
            let price = Price(price);
            Offer { engine, addresses, devices, fuel_per_s, price, free_slots, memory_bytes, open, sequence, expires_s }
        },
    )
}

pub(crate) fn delegation() -> impl Strategy<Value = Delegation> {
    (key(), 0..u64::MAX).prop_flat_map(|(host, from_s)| {
        (from_s + 1..=u64::MAX).prop_map(move |until_s| Delegation { host, from_s, until_s })
    })
}

pub(crate) fn trace_chunk() -> impl Strategy<Value = TraceChunk> {
    let effect = (text(), any::<u64>(), raw(), raw()).prop_map(|(function, fuel, arguments, results)| Effect {
        function,
        fuel: Fuel(fuel),
        arguments,
        results,
    });
    vec(effect, 0..8).prop_map(|mut effects| {
        effects.sort_by_key(|effect| effect.fuel);
        TraceChunk { effects }
    })
}

pub(crate) fn trace_root() -> impl Strategy<Value = TraceRoot> {
    (vec(id(), 0..6), 1..=TraceChunk::EFFECTS as u64).prop_map(|(chunks, last)| {
        let full = (chunks.len() as u64).saturating_sub(1) * TraceChunk::EFFECTS as u64;
        TraceRoot { count: if chunks.is_empty() { 0 } else { full + last }, chunks }
    })
}
