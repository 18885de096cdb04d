//! What the kernels reach: products against the processor's own fused-multiply-add peak, measured in the same run.
//!
//! Prints a table and writes `target/bench/numerics.json`. An argument is a filter on names; `--kernels NAME` chooses.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark reports on the terminal, and ends if it cannot"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use poai_numerics::{Epilogue, Kernels, Matrices, Packed, Processor, Unary};

/// Times that each is measured; the median counts.
const ROUNDS: usize = 5;
/// The least time of one measurement, in seconds.
const SPAN: f64 = 0.02;

/// The median time of a call, in seconds.
fn time(mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    work();
    let repeats = (SPAN / start.elapsed().as_secs_f64()).ceil().clamp(1.0, 1e5) as usize;
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..repeats).for_each(|_| work());
            start.elapsed().as_secs_f64() / repeats as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

struct Report {
    filter: String,
    lines: Vec<String>,
}

impl Report {
    /// Measures `work` units a call, unless the filter leaves it out.
    fn measure(&mut self, name: &str, unit: &str, work: f64, peer: Option<(&str, f64)>, run: impl FnMut()) -> f64 {
        let name = format!("numerics/{name}");
        if !name.contains(&self.filter) {
            return 0.0;
        }
        let value = work / time(run);
        let (peer, peer_value, ratio) = match peer.filter(|(_, peer)| *peer > 0.0) {
            Some((peer, peer_value)) => {
                (format!("{peer:?}"), format!("{peer_value:.3}"), format!("{:.3}", value / peer_value))
            }
            None => ("null".into(), "null".into(), "null".into()),
        };
        println!("{name:<40} {value:>9.2} {unit:<8} {ratio}");
        self.lines.push(format!(
            r#"{{"name": "{name}", "value": {value:.4}, "unit": "{unit}", "better": "higher", "peer": {peer}, "peer_value": {peer_value}, "ratio": {ratio}, "goal": null}}"#
        ));
        value
    }
}

/// A product so small that it never leaves the first-level cache: what the multiply-add units give.
fn peak(report: &mut Report, processor: &Processor) -> f64 {
    let (rows, depth, columns) = (72, 64, 48);
    let a = vec![0.5; rows * depth];
    let packed = Packed::new(depth, columns, Matrices::one(&vec![0.5; depth * columns], columns)).unwrap();
    let mut out = vec![0.0; rows * columns];
    let flops = 2.0 * (rows * depth * columns) as f64 / 1e9;
    report.measure("matmul/in-cache", "GFLOP/s", flops, None, || {
        processor.matmul_packed(rows, Matrices::one(&a, depth), &packed, &Epilogue::default(), &mut out).unwrap();
        black_box(&mut out);
    })
}

fn products(report: &mut Report, processor: &Processor, name: &str, peak: f64) {
    for size in [128, 512, 1024] {
        let (a, b) = (ramp(size * size), ramp(size * size));
        let packed = Packed::new(size, size, Matrices::one(&b, size)).unwrap();
        let mut out = vec![0.0; size * size];
        let flops = 2.0 * (size as f64).powi(3) / 1e9;
        report.measure(&format!("matmul/f32/{size}/{name}"), "GFLOP/s", flops, Some(("in-cache", peak)), || {
            processor.matmul_packed(size, Matrices::one(&a, size), &packed, &Epilogue::default(), &mut out).unwrap();
            black_box(&mut out);
        });
        let bytes = (size * size * 4) as f64 / 1e9;
        report.measure(&format!("gemv/f32/{size}/{name}"), "GB/s", bytes, None, || {
            let row = Matrices::one(&a[..size], size);
            processor.matmul_packed(1, row, &packed, &Epilogue::default(), &mut out[..size]).unwrap();
            black_box(&mut out);
        });
    }
}

fn functions(report: &mut Report, processor: &Processor, name: &str) {
    let input = ramp(1 << 16);
    let mut out = vec![0.0; input.len()];
    for function in
        [Unary::Exp, Unary::Log, Unary::Tanh, Unary::Sigmoid, Unary::Erf, Unary::Gelu, Unary::Silu, Unary::Sin]
    {
        let label = format!("{function:?}/{name}").to_lowercase();
        report.measure(&label, "Gelem/s", input.len() as f64 / 1e9, None, || {
            processor.unary(function, &input, &mut out).unwrap();
            black_box(&mut out);
        });
    }
}

fn ramp(length: usize) -> Vec<f32> {
    (0..length).map(|i| (i % 251) as f32 / 125.0 - 1.0).collect()
}

fn main() {
    let mut arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut kernels = Kernels::Auto;
    if let Some(at) = arguments.iter().position(|argument| argument == "--kernels") {
        kernels = arguments.remove(at + 1).parse().unwrap();
        arguments.remove(at);
    }
    let mut report = Report { filter: arguments.first().cloned().unwrap_or_default(), lines: Vec::new() };
    let single = Processor::new(kernels, 1).unwrap();
    let peak = peak(&mut report, &single);
    for threads in [1, 2] {
        let processor = Processor::new(kernels, threads).unwrap();
        let name = format!("{}x{threads}", processor.kernels());
        products(&mut report, &processor, &name, peak);
        functions(&mut report, &processor, &name);
    }
    write_json(&report.lines);
}

fn write_json(lines: &[String]) {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), Into::into);
    let folder = target.join("bench");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("numerics.json"), format!("[\n  {}\n]\n", lines.join(",\n  "))).unwrap();
}
