//! Deterministic metered execution against plain wasmtime, kernel by kernel.
//!
//! Both run the same component; one is instrumented, with its NaNs made canonical by the meter. The two are timed
//! in turn and each is given its best time, so that other work on the machine disturbs neither. Prints a table and
//! writes `target/bench/meter.json`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark reports on the terminal, and ends if it cannot"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use poai_meter::Nans;
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Config, Engine, Store};

use harness::{Host, Limits, component_around, instrumented, liftable, metered_linker};

#[path = "../tests/it/harness.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod harness;

/// Core module made by `kernels/build.sh`.
const KERNELS: &[u8] = include_bytes!("kernels/kernels.wasm");

/// Kernel, argument. The argument makes a run last some tens of milliseconds.
const INTEGER: &[(&str, i32)] = &[
    ("crc32", 300),
    ("sha256", 40_000),
    ("sieve", 2_000_000),
    ("fib", 32),
    ("sort", 400_000),
    ("matmul-i32", 256),
    ("hash-table", 3_000_000),
    ("interpreter", 2_000_000),
    ("queens", 12),
    ("words", 400),
    ("lists", 20_000_000),
];
const FLOAT: &[(&str, i32)] = &[
    ("nbody", 200_000),
    ("matmul-f32", 256),
    ("mandelbrot", 400),
    ("spectral-norm", 700),
    ("fft", 600),
    ("softmax", 2_000),
    ("dot-simd", 10_000),
];

/// Times that each kernel is run in each way.
const ROUNDS: usize = 9;
/// The goals for the median kernel of each group, as time with over time without.
const INTEGER_GOAL: f64 = 1.15;
const FLOAT_GOAL: f64 = 1.5;

struct Timing {
    name: String,
    metered: Duration,
    plain: Duration,
    goal: f64,
}

impl Timing {
    fn ratio(&self) -> f64 {
        self.metered.as_secs_f64() / self.plain.as_secs_f64()
    }
}

/// One way to run the kernels.
struct Way {
    engine: Engine,
    component: Component,
    linker: Linker<Host>,
}

impl Way {
    fn new(component: &[u8]) -> Self {
        let mut config = Config::new();
        config.relaxed_simd_deterministic(true);
        let engine = Engine::new(&config).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let linker = metered_linker(&engine);
        Self { engine, component, linker }
    }

    /// The time of one call in a fresh instance, and what it answered.
    fn run(&self, kernel: &str, argument: i32) -> (Duration, Val) {
        let mut store = Store::new(&self.engine, Host::new(Limits { fuel: 1 << 60, stack: 8 << 20 }));
        let instance = self.linker.instantiate(&mut store, &self.component).unwrap();
        let function = instance.get_func(&mut store, kernel).unwrap();
        let mut results = [Val::Bool(false)];
        let start = Instant::now();
        function.call(&mut store, &[Val::S32(argument)], &mut results).unwrap();
        (start.elapsed(), results[0].clone())
    }
}

fn main() {
    let filter = env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let component = component_around(KERNELS, &liftable(KERNELS));
    let plain = Way::new(&component);
    let metered = Way::new(&instrumented(&component, Nans::ByMeter));
    let mut lines = Vec::new();
    for (group, kernels, goal) in [("int", INTEGER, INTEGER_GOAL), ("float", FLOAT, FLOAT_GOAL)] {
        let mut timings = Vec::new();
        for &(kernel, argument) in kernels {
            let name = format!("meter/{group}/{kernel}");
            if name.contains(&filter) {
                timings.push(time(name, &plain, &metered, kernel, argument, goal));
            }
        }
        if !timings.is_empty() {
            lines.extend(report(group, &mut timings, goal));
        }
    }
    write_json(&lines);
}

fn time(name: String, plain: &Way, metered: &Way, kernel: &str, argument: i32, goal: f64) -> Timing {
    let mut timing = Timing { name, metered: Duration::MAX, plain: Duration::MAX, goal };
    for _ in 0..ROUNDS {
        let (without, expected) = plain.run(kernel, argument);
        let (with, found) = metered.run(kernel, argument);
        assert_eq!(found, expected, "{kernel}");
        timing.plain = timing.plain.min(without);
        timing.metered = timing.metered.min(with);
    }
    println!(
        "{:<28} {:>9.2} ms {:>9.2} ms   {:.3}",
        timing.name,
        timing.metered.as_secs_f64() * 1e3,
        timing.plain.as_secs_f64() * 1e3,
        timing.ratio()
    );
    timing
}

/// Prints a group's median and worst, and gives its lines of JSON.
fn report(group: &str, timings: &mut [Timing], goal: f64) -> Vec<String> {
    let mut lines: Vec<String> = timings.iter().map(line).collect();
    timings.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let median = timings[timings.len() / 2].ratio();
    let worst = timings[timings.len() - 1].ratio();
    println!("meter/{group}: median {median:.3} (goal {goal}), worst {worst:.3}\n");
    lines.push(format!(
        r#"{{"name": "meter/{group}/median", "value": {median:.4}, "unit": "ratio", "better": "lower", "peer": "wasmtime", "peer_value": 1, "ratio": {median:.4}, "goal": {goal}}}"#
    ));
    lines
}

fn line(timing: &Timing) -> String {
    let mut line = String::new();
    let (with, without) = (timing.metered.as_secs_f64() * 1e3, timing.plain.as_secs_f64() * 1e3);
    write!(
        line,
        r#"{{"name": "{}", "value": {with:.4}, "unit": "ms", "better": "lower", "peer": "wasmtime", "peer_value": {without:.4}, "ratio": {:.4}, "goal": {}}}"#,
        timing.name,
        timing.ratio(),
        timing.goal
    )
    .unwrap();
    line
}

fn write_json(lines: &[String]) {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), Into::into);
    let folder = target.join("bench");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("meter.json"), format!("[\n  {}\n]\n", lines.join(",\n  "))).unwrap();
}
