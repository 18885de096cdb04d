//! How long a run takes to begin: `cargo bench -p poai-sandbox`.
//!
//! Prints a table and writes `target/bench/sandbox.json`. The program is its own worker.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints its results, and may fail loudly")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cid::Cid;
use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Effect, EngineName, Link, Object, Outcome, OutputName, Program, Run, World};
use poai_sandbox::worker::{Attempt, Cancel, Ran, Workers, WorkersConfig, serve};
use poai_sandbox::{
    BlockFile, Chunk, Content, Engine, EngineConfig, Fault, FileLayout, LocalKey, Node, Numerics, OptLevel, Sink,
    Stage, Word, prepare,
};
use serde_json::{Value, json};

/// Does nothing, well: what is left is the cost of having a sandbox.
const NOTHING: &str = r#"(component
    (core module $module (func (export "run") (result i32) (i32.const 0)))
    (core instance $instance (instantiate $module))
    (func $run (result (result)) (canon lift (core func $instance "run")))
    (instance $interface (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $interface)))"#;

const WARM_RUNS: usize = 5_000;
const COLD_STARTS: usize = 50;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("worker") => match serve(OptLevel::Speed, Numerics::default(), None) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Some("--bench") => {
            report(&measure());
            ExitCode::SUCCESS
        }
        // `cargo test --all-targets` also starts benches; times are then of no use.
        _ => ExitCode::SUCCESS,
    }
}

fn measure() -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let component = wat::parse_str(NOTHING).unwrap();
    let case = Case::new(component);

    let mut in_process = case.in_process();
    let workers = case.workers(home.path());
    let compile_us = case.run_in(&workers).prepare_us;
    let mut warm = Vec::with_capacity(WARM_RUNS);
    for _ in 0..WARM_RUNS {
        let started = Instant::now();
        let ran = case.run_in(&workers);
        warm.push(started.elapsed());
        assert!(ran.warm);
    }
    let mut from_blank: Vec<_> = (0..COLD_STARTS).map(|_| case.first_run(home.path(), true)).collect();
    let mut from_nothing: Vec<_> = (0..COLD_STARTS).map(|_| case.first_run(home.path(), false)).collect();

    let base = us(percentile(&mut in_process, 50));
    vec![
        row("warm-start", us(percentile(&mut warm, 50)), Some(("the same run in this process", base)), Some(100.0)),
        row("warm-start/p99", us(percentile(&mut warm, 99)), None, None),
        row("start/blank-worker", us(percentile(&mut from_blank, 50)), None, None),
        row("start/new-process", us(percentile(&mut from_nothing, 50)), None, None),
        row("compile/nothing", compile_us as f64, None, None),
    ]
}

fn row(name: &str, value: f64, peer: Option<(&str, f64)>, goal: Option<f64>) -> Value {
    let (peer, peer_value) = peer.unzip();
    json!({
        "name": name, "value": value, "unit": "us", "better": "lower",
        "peer": peer, "peer_value": peer_value, "ratio": peer_value.map(|peer| value / peer), "goal": goal,
    })
}

fn report(rows: &[Value]) {
    println!("{:<24} {:>10} {:>5} {:>8}", "name", "value", "unit", "goal");
    for row in rows {
        let goal = row["goal"].as_f64().map_or(String::new(), |goal| format!("< {goal}"));
        println!(
            "{:<24} {:>10.1} {:>5} {:>8}",
            row["name"].as_str().unwrap(),
            row["value"].as_f64().unwrap(),
            "us",
            goal
        );
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("sandbox.json"), serde_json::to_vec_pretty(rows).unwrap()).unwrap();
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() - 1) * percent / 100]
}

fn us(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1_000.0
}

/// A program of one block, a run of it, and a sink that forgets.
struct Case {
    component: Vec<u8>,
    program: Program,
    run: Run,
}

impl Case {
    fn new(component: Vec<u8>) -> Self {
        let link = Link::try_from(cid_of(RAW, &component)).unwrap();
        let program = Program { world: World::Command, component: link, models: BTreeMap::new(), adapter: None };
        let run = Run::new(program.id(), EngineName::CURRENT);
        Self { component, program, run }
    }

    fn workers(&self, home: &Path) -> Workers {
        let executable = std::env::current_exe().unwrap();
        Workers::start(WorkersConfig::new(
            executable,
            vec!["worker".into()],
            home.join("code"),
            LocalKey::from_bytes([1; 32]),
        ))
        .unwrap()
    }

    fn run_in(&self, workers: &Workers) -> Ran {
        let ran = workers
            .run(Attempt { program: &self.program, run: &self.run }, self, &mut Forget, &Cancel::new().unwrap())
            .unwrap();
        assert_eq!(ran.finished.outcome, Outcome::Ok);
        ran
    }

    /// The time of a program's first run in new workers, its code being cached: from a worker that waits for a
    /// program, or with the process too.
    fn first_run(&self, home: &Path, blank: bool) -> Duration {
        let started = Instant::now();
        let workers = self.workers(home);
        let started = if blank { Instant::now() } else { started };
        let ran = self.run_in(&workers);
        assert!(!ran.warm);
        started.elapsed()
    }

    fn in_process(&self) -> Vec<Duration> {
        let engine = Engine::new(&EngineConfig::default()).unwrap();
        let artefact = engine.compile(&prepare(&self.component, World::Command).unwrap()).unwrap();
        let loaded = engine.load(&artefact).unwrap();
        let mut stage = Stage::new().unwrap();
        let timed = |_| {
            let started = Instant::now();
            stage.execute(&loaded, &self.run, self, &mut Forget).unwrap();
            started.elapsed()
        };
        (0..WARM_RUNS).map(timed).collect()
    }
}

impl Content for Case {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        let bytes = self.component.len() as u64;
        Ok(Node::File(FileLayout { size_bytes: bytes, chunks: vec![Chunk { cid: *link.cid(), bytes }] }))
    }

    fn block(&self, _: &Cid) -> Result<BlockFile, Fault> {
        let mut file: File = tempfile::tempfile().unwrap();
        file.write_all(&self.component).unwrap();
        Ok(BlockFile { file, offset: 0, bytes: self.component.len() as u64 })
    }
}

struct Forget;

impl Sink for Forget {
    fn output(&mut self, _: &OutputName, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn effect(&mut self, _: &Effect, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn word(&mut self, _: Word) {}
}
