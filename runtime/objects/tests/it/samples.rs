//! One or more examples of every type, whose bytes and CIDs `tests/vectors.txt` pins.

use std::collections::BTreeMap;

use poai_objects::codec::{DAG_CBOR, DAG_PB, RAW, cid_of};
use poai_objects::{
    Claim, Contributor, Delegation, Difference, Effect, EngineName, Field, Fuel, Limits, Link, Model, Object, Offer,
    Outcome, Package, Params, Port, Price, Program, ProgramId, PublicKey, Receipt, Role, Run, Sample as Choice,
    SampledVerdict, SecretKey, Signed, Telemetry, TraceChunk, TraceRoot, Trap, Verdict, World,
};

/// An example: its name in the vectors, its kind, and its canonical bytes.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// All examples, in the order of the vectors.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples = vec![
        sample("program-task", &program()),
        sample("program-command", &command()),
        sample("package", &package()),
        sample("run-plain", &Run::new(program().id(), engine())),
        sample("run-full", &run()),
        sample("claim-ok", &claim()),
        sample("claim-failed", &claim_of(Outcome::failed("no such file: /in/text"))),
        sample("receipt", &receipt()),
        sample("verdict-same", &Verdict { seen: claim().id(), found: claim().id(), first_difference: None }),
        sample("verdict-effect", &verdict(Difference::Effect { index: 41 })),
        sample("verdict-output", &verdict(Difference::Field(Field::Output { name: "weights".parse().unwrap() }))),
        sample("verdict-fuel", &verdict(Difference::Field(Field::Fuel))),
        sample("offer", &offer()),
        sample("delegation", &delegation()),
        sample("trace-empty", &TraceRoot::default()),
        sample("trace", &TraceRoot { count: 2, chunks: vec![chunk().id()] }),
        sample("trace-chunk", &chunk()),
        signed("envelope-package", package()),
        signed("envelope-receipt", receipt()),
        signed("envelope-verdict", verdict(Difference::Field(Field::Trace))),
        signed("envelope-offer", offer()),
        signed("envelope-delegation", delegation()),
    ];
    for trap in Trap::ALL {
        let claim = Claim { outputs: BTreeMap::new(), ..claim_of(Outcome::Trapped { trap }) };
        samples.push(sample(&format!("claim-trapped-{trap}"), &claim));
    }
    for (name, first_difference) in [("same", None), ("effect", Some(Difference::Effect { index: 41 }))] {
        samples.push(sample(&format!("sampled-verdict-{name}"), &sampled_verdict(first_difference)));
    }
    samples
}

fn sample<T: Object>(name: &str, object: &T) -> Sample {
    let (_, bytes) = object.seal().unwrap();
    Sample { name: name.to_owned(), kind: T::KIND, bytes }
}

fn signed<T: Object>(name: &str, object: T) -> Sample {
    sample(name, Signed::sign(object, &secret()).unwrap().envelope())
}

pub(crate) fn secret() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn account(seed: u8) -> PublicKey {
    SecretKey::from_seed(&[seed; 32]).public()
}

fn engine() -> EngineName {
    "poai-engine/0.1".parse().unwrap()
}

fn file(content: &str) -> Link {
    cid_of(RAW, content.as_bytes()).try_into().unwrap()
}

fn folder(content: &str) -> Link {
    cid_of(DAG_PB, content.as_bytes()).try_into().unwrap()
}

pub(crate) fn program() -> Program {
    let model = Model { graph: file("a network"), format: "onnx".into() };
    Program {
        world: World::Task,
        component: file("a component"),
        models: BTreeMap::from([("digits.onnx".parse().unwrap(), model)]),
        adapter: None,
    }
}

fn command() -> Program {
    Program {
        world: World::Command,
        component: file("a core module"),
        models: BTreeMap::new(),
        adapter: Some(file("an adapter")),
    }
}

pub(crate) fn package() -> Package {
    let schema = r#"{"type": "object", "properties": {"epochs": {"type": "integer", "minimum": 1, "default": 3}}}"#;
    Package {
        program: program().id(),
        name: "digits".parse().unwrap(),
        version: "0.1.0".into(),
        summary: "handwritten digits".into(),
        params: Params::parse(schema).unwrap(),
        inputs: BTreeMap::from([("images".parse().unwrap(), Port { doc: "8×8 images".into(), required: true })]),
        outputs: BTreeMap::from([("weights".into(), Port { doc: "trained weights".into(), required: false })]),
        contributors: vec![
            Contributor { account: account(1), role: Role::Author, weight_bp: 7_500 },
            Contributor { account: account(2), role: Role::Data, weight_bp: 2_500 },
        ],
        licence: "Apache-2.0".into(),
        source: "https://example.org/digits".into(),
    }
}

pub(crate) fn run() -> Run {
    Run {
        program: program().id(),
        inputs: BTreeMap::from([
            ("images".parse().unwrap(), folder("images")),
            ("stdin".parse().unwrap(), file("words")),
        ]),
        params: Params::parse(r#"{"rate": 0.01, "epochs": 3}"#).unwrap(),
        args: vec!["--fast".into(), "ünïcode".into()],
        env: BTreeMap::from([("LANG".into(), "C".into())]),
        clock_ns: 1_700_000_000_000_000_000,
        seed: u64::MAX,
        limits: Limits { fuel: Fuel(1_000_000), output_count: 16, ..Limits::default() },
        engine: engine(),
    }
}

pub(crate) fn claim() -> Claim {
    claim_of(Outcome::Ok)
}

fn claim_of(outcome: Outcome) -> Claim {
    Claim {
        run: run().id(),
        outcome,
        outputs: BTreeMap::from([("stdout".parse().unwrap(), file("")), ("a/b".parse().unwrap(), folder("weights"))]),
        fuel: Fuel(987_654),
        trace: TraceRoot::default().id(),
    }
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        claim: claim().id(),
        package: Some(package().id()),
        telemetry: Telemetry { started_ms: 1_700_000_000_000, wall_us: 1_234, prepare_us: 56, device: "cpu".into() },
    }
}

pub(crate) fn sampled_verdict(first_difference: Option<Difference>) -> SampledVerdict {
    let choice = Choice { seed: [9; 32], per_million: 10_000 };
    SampledVerdict { seen: claim().id(), sample: choice, effects: 2_000, recomputed: 23, first_difference }
}

fn verdict(difference: Difference) -> Verdict {
    Verdict { seen: claim().id(), found: claim_of(Outcome::failed("")).id(), first_difference: Some(difference) }
}

fn offer() -> Offer {
    Offer {
        engine: engine(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
        devices: vec!["llvmpipe".into()],
        fuel_per_s: 2_000_000_000,
        price: Price(12),
        free_slots: 2,
        memory_bytes: 8 << 30,
        open: false,
        sequence: 3,
        expires_s: 1_700_000_600,
    }
}

pub(crate) fn delegation() -> Delegation {
    Delegation { host: account(3), from_s: 1_700_000_000, until_s: 1_702_592_000 }
}

pub(crate) fn chunk() -> TraceChunk {
    let effect = |fuel| Effect {
        function: "wasi:nn/inference@0.2.0-rc-2024-10-28#compute".into(),
        fuel: Fuel(fuel),
        arguments: cid_of(RAW, b"arguments"),
        results: cid_of(RAW, b"results"),
    };
    TraceChunk { effects: vec![effect(10), effect(20)] }
}

/// A program's id that names nothing.
pub(crate) fn some_program() -> ProgramId {
    cid_of(DAG_CBOR, b"some program").try_into().unwrap()
}
