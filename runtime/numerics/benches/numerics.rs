//! The kernels beside ONNX Runtime: products, rows of products, softmax, layer norm, functions; one thread and two.
//!
//! `cargo bench -p poai-numerics [-- FILTER] [--kernels NAME] [--peer]` prints a table and writes
//! `target/bench/numerics.json`. With `--peer`, ONNX Runtime from PyPI (put by pip into `target/bench-peer`) does the
//! same work in turn with ours, so that other work on the machine disturbs neither. Medians count. With
//! `--kernels avx2`, the peer is held to AVX2 too (`avx2_only.c`).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark reports on the terminal, and ends if it cannot"
)]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use poai_numerics::{
    Affine, Aligned, Axis, BlockWeights, Bytes, ConvolutionEpilogue, Direction, Epilogue, Filter, Kernels, Matrices,
    Normalisation, Packed, PackedBlocks, PackedIntegers, Processor, Unary, Window, ZeroPoints,
};

/// Times that each is measured.
const ROUNDS: usize = 9;
/// The least time of one measurement, in seconds.
const SPAN: f64 = 0.02;
/// Rows of what works by rows.
const ROWS: usize = 256;

/// ONNX Runtime in a Python process; see `peer.py`.
struct Peer {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(kernels: Kernels) -> Self {
        let packages = target().join("bench-peer");
        if !packages.join("onnxruntime").exists() {
            let pip = ["-m", "pip", "install", "--quiet", "--target"];
            let status =
                Command::new("python3").args(pip).arg(&packages).args(["onnxruntime", "onnx", "numpy"]).status();
            assert!(status.unwrap().success(), "pip gave no ONNX Runtime");
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer.py");
        let mut command = Command::new("python3");
        if kernels == Kernels::Avx2 {
            command.env("LD_PRELOAD", avx2_only());
        }
        let pipes = command.arg(script).env("PYTHONPATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let (asked, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, asked, answers }
    }

    fn ask(&mut self, request: &str) -> String {
        writeln!(self.asked, "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the peer ended at {request:?}");
        answer.trim().into()
    }
}

/// Builds what hides newer instructions from the peer.
fn avx2_only() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/avx2_only.c");
    let library = target().join("bench/avx2_only.so");
    fs::create_dir_all(target().join("bench")).unwrap();
    let status = Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(status.unwrap().success(), "the C compiler gave no library");
    library.canonicalize().unwrap()
}

/// Seconds of one call, on the average of a span.
fn seconds_of(work: &mut impl FnMut()) -> f64 {
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

/// What is measured: a name, what the peer calls it, and how much work a call is.
struct Subject<'a> {
    kind: &'a str,
    size: usize,
    unit: &'a str,
    work: f64,
    goal: Option<f64>,
}

struct Report {
    filter: String,
    peer: Option<Peer>,
    lines: Vec<String>,
}

impl Report {
    fn measure(&mut self, processor: &Processor, subject: &Subject<'_>, mut run: impl FnMut()) {
        let Subject { kind, size, unit, work, goal } = subject;
        let threads = processor.threads();
        let name = format!("numerics/{kind}/{size}/{}/{threads}", processor.kernels());
        if !name.contains(&self.filter) {
            return;
        }
        run();
        // The peer's product with blocks of weights rounds otherwise: no match.
        let mut peer = self.peer.as_mut().filter(|_| *kind != "blocks");
        if let Some(peer) = &mut peer {
            assert_eq!(peer.ask(&format!("make {kind} {size} {threads}")), "ok");
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(seconds_of(&mut run));
            if let Some(peer) = &mut peer {
                theirs.push(peer.ask(&format!("time {SPAN}")).parse::<f64>().unwrap());
            }
        }
        let value = work / median(ours);
        let (peer, peer_value, ratio) = if theirs.is_empty() {
            ("null", "null".into(), "null".into())
        } else {
            let peer = work / median(theirs);
            ("\"onnxruntime\"", format!("{peer:.4}"), format!("{:.3}", value / peer))
        };
        let goal = goal.map_or("null".into(), |goal| goal.to_string());
        println!("{name:<36} {value:>9.2} {unit:<8} peer {peer_value:>10}  ratio {ratio}");
        self.lines.push(format!(
            r#"{{"name": "{name}", "value": {value:.4}, "unit": "{unit}", "better": "higher", "peer": {peer}, "peer_value": {peer_value}, "ratio": {ratio}, "goal": {goal}}}"#
        ));
    }
}

/// Begins on a cache line, as tensors do.
fn ramp(length: usize) -> Aligned<f32> {
    let mut values = Aligned::zeros(length);
    values.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 251) as f32 / 125.0 - 1.0);
    values
}

fn floats(report: &mut Report, processor: &Processor) {
    let goal = if matches!(processor.kernels(), Kernels::Avx512 | Kernels::Amx) { 1.1 } else { 1.0 };
    for size in [128, 256, 512, 1024, 2048] {
        let (a, b) = (ramp(size * size), ramp(size * size));
        let packed = Packed::new(size, size, Matrices::one(&b, size)).unwrap();
        let mut out = Aligned::zeros(size * size);
        let work = 2.0 * (size as f64).powi(3) / 1e9;
        report.measure(processor, &Subject { kind: "matmul", size, unit: "GFLOP/s", work, goal: Some(goal) }, || {
            processor.matmul_packed(size, Matrices::one(&a, size), &packed, &Epilogue::default(), &mut out).unwrap();
            black_box(&mut out);
        });
        let work = (size * size * 4) as f64 / 1e9;
        report.measure(processor, &Subject { kind: "gemv", size, unit: "GB/s", work, goal: Some(1.2) }, || {
            let row = Matrices::one(&a[..size], size);
            processor.matmul_packed(1, row, &packed, &Epilogue::default(), &mut out[..size]).unwrap();
            black_box(&mut out);
        });
    }
}

/// The two products of MiniLM's attention: 12 heads of 32 columns, over so many tokens; no operand is packed before.
fn attention(report: &mut Report, processor: &Processor) {
    const HEADS: usize = 12;
    const WIDTH: usize = 32;
    for tokens in [16, 128] {
        let (queries, values) = (ramp(HEADS * tokens * WIDTH), ramp(HEADS * tokens * WIDTH));
        let mut scores = ramp(HEADS * tokens * tokens);
        let starts: Vec<usize> = (0..HEADS).map(|head| head * tokens * WIDTH).collect();
        let score_starts: Vec<usize> = (0..HEADS).map(|head| head * tokens * tokens).collect();
        let work = 2.0 * (HEADS * tokens * tokens * WIDTH) as f64 / 1e9;
        let subject = |kind| Subject { kind, size: tokens, unit: "GFLOP/s", work, goal: Some(1.0) };
        let rows = Matrices { data: &queries, starts: &starts, row_stride: WIDTH, column_stride: 1 };
        let columns = Matrices { data: &values, starts: &starts, row_stride: 1, column_stride: WIDTH };
        report.measure(processor, &subject("scores"), || {
            let shape = [tokens, WIDTH, tokens];
            processor.matmul(shape, rows, columns, &Epilogue::default(), &mut scores).unwrap();
            black_box(&mut scores);
        });
        let mut out = Aligned::zeros(HEADS * tokens * WIDTH);
        let shares = Matrices { data: &scores, starts: &score_starts, row_stride: tokens, column_stride: 1 };
        let rows = Matrices { data: &values, starts: &starts, row_stride: WIDTH, column_stride: 1 };
        report.measure(processor, &subject("context"), || {
            processor.matmul([tokens, tokens, WIDTH], shares, rows, &Epilogue::default(), &mut out).unwrap();
            black_box(&mut out);
        });
    }
}

/// Q4_0 weights of a small language model's layer, 576 × 1536: a token at a time, and a text at once.
fn blocks(report: &mut Report, processor: &Processor) {
    let [depth, columns, block] = [576, 1536, 32];
    let quants: Vec<u8> = (0..depth * columns / 2).map(|i| (i % 251) as u8).collect();
    let scales = ramp(depth * columns / block);
    let source = BlockWeights { bits: 4, block, quants: &quants, scales: &scales, zeros: None };
    let packed = PackedBlocks::new(depth, columns, source).unwrap();
    for size in [1, 128] {
        let input = ramp(size * depth);
        let mut out = Aligned::zeros(size * columns);
        let work = 2.0 * (size * depth * columns) as f64 / 1e9;
        let subject = Subject { kind: "blocks", size, unit: "GOP/s", work, goal: None };
        report.measure(processor, &subject, || {
            processor.matmul_blocks(size, &input, &packed, &Epilogue::default(), &mut out).unwrap();
            black_box(&mut out);
        });
    }
}

/// Layers of ResNet and MobileNet, by the channels of their result.
fn convolutions(report: &mut Report, processor: &Processor) {
    for (kind, side, kernel, [channels, results], groups) in [
        ("conv3x3", 56, 3, [64, 64], 1),
        ("conv3x3", 14, 3, [256, 256], 1),
        ("conv1x1", 14, 1, [256, 1024], 1),
        ("depthwise", 56, 3, [144, 144], 144),
    ] {
        let axis = Axis { before: kernel / 2, behind: kernel / 2, ..Axis::new(side, kernel) };
        let window = Window { images: 1, channels, height: axis, width: axis };
        let weights = ramp(kernel * kernel * channels / groups * results);
        let filter = Filter::new(kernel * kernel, channels, results, groups, &weights).unwrap();
        let input = ramp(side * side * channels);
        let mut out = Aligned::zeros(side * side * results);
        let work = 2.0 * (weights.len() * side * side) as f64 / 1e9;
        let subject = Subject { kind, size: results, unit: "GFLOP/s", work, goal: Some(0.95) };
        report.measure(processor, &subject, || {
            let epilogue = ConvolutionEpilogue::default();
            processor.convolve(&window, Direction::Gather, &filter, epilogue, &input, &mut out).unwrap();
            black_box(&mut out);
        });
    }
}

fn integers(report: &mut Report, processor: &Processor) {
    for size in [128, 512, 1024] {
        let unsigned: Vec<u8> = (0..size * size).map(|i| (i % 251) as u8).collect();
        let signed: Vec<i8> = unsigned.iter().map(|&x| x.wrapping_sub(125).cast_signed()).collect();
        let zero = ZeroPoints::One(0);
        let packed = PackedIntegers::new(size, size, Bytes::Signed(&signed), zero).unwrap();
        let mut out = Aligned::zeros(size * size);
        let work = 2.0 * (size as f64).powi(3) / 1e9;
        for (kind, left, goal) in [("u8s8", Bytes::Unsigned(&unsigned), 1.2), ("s8s8", Bytes::Signed(&signed), 20.0)] {
            report.measure(processor, &Subject { kind, size, unit: "GOP/s", work, goal: Some(goal) }, || {
                processor.matmul_integer(size, left, zero, &packed, &mut out).unwrap();
                black_box(&mut out);
            });
        }
    }
}

fn rows(report: &mut Report, processor: &Processor) {
    let size = 768;
    let input = ramp(ROWS * size);
    let (scale, shift) = (vec![1.0; size], vec![1.0; size]);
    let affine = Some(Affine { scale: &scale, shift: Some(&shift) });
    let mut out = input.clone();
    let work = input.len() as f64 / 1e9;
    let subject = |kind| Subject { kind, size, unit: "Gelem/s", work, goal: None };
    report.measure(processor, &subject("softmax"), || {
        processor.softmax_from(size, &input, &mut out).unwrap();
        black_box(&mut out);
    });
    report.measure(processor, &subject("layernorm"), || {
        let layer = Normalisation::Layer { epsilon: 1e-5 };
        processor.normalise_from(layer, affine, size, &input, &mut out).unwrap();
        black_box(&mut out);
    });
    let functions = [("gelu", Unary::Gelu), ("sigmoid", Unary::Sigmoid), ("tanh", Unary::Tanh), ("exp", Unary::Exp)];
    for (kind, function) in functions {
        report.measure(processor, &subject(kind), || {
            processor.unary(function, &input, &mut out).unwrap();
            black_box(&mut out);
        });
    }
}

fn main() {
    let mut arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut kernels = Kernels::Auto;
    poai_numerics::prepare();
    if let Some(at) = arguments.iter().position(|argument| argument == "--kernels") {
        kernels = arguments.remove(at + 1).parse().unwrap();
        arguments.remove(at);
    }
    let peer = arguments.iter().position(|argument| argument == "--peer").map(|at| arguments.remove(at));
    let filter = arguments.first().cloned().unwrap_or_default();
    let mut report = Report { filter, peer: peer.map(|_| Peer::start(kernels)), lines: Vec::new() };
    for threads in [1, 2] {
        let processor = Processor::new(kernels, threads).unwrap();
        floats(&mut report, &processor);
        attention(&mut report, &processor);
        convolutions(&mut report, &processor);
        blocks(&mut report, &processor);
        integers(&mut report, &processor);
        rows(&mut report, &processor);
    }
    if let Some(Peer { mut child, asked, .. }) = report.peer {
        drop(asked);
        child.wait().unwrap();
    }
    write_json(&report.lines);
}

fn target() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR");
    folder.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), Into::into)
}

fn write_json(lines: &[String]) {
    let folder = target().join("bench");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("numerics.json"), format!("[\n  {}\n]\n", lines.join(",\n  "))).unwrap();
}
