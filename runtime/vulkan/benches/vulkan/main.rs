//! Every device of this machine beside its processor: products, convolutions, and networks of many nodes.
//!
//! `cargo bench -p poai-vulkan [-- FILTER]` proves each device, prints a table and writes `target/bench/vulkan.json`. A
//! device that does not pass is named and left out. Drivers are found as everywhere: `VK_DRIVER_FILES` names others.
//! Software devices are measured too, but say nothing about a GPU.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends if it cannot go on, and tells what it finds"
)]

mod networks; // what is computed

use std::env;
use std::sync::Arc;
use std::time::Instant;

use networks::Subject;
use poai_graph::{Budget, Cpu, Device, Session};
use poai_numerics::Kernels;
use poai_testing::bench::{Line, report};
use poai_vulkan::device::{Compute, Kind, VulkanDevice, list};
use poai_vulkan::graph::{Accelerator, Vulkan};
use poai_vulkan::proof::prove;

/// Times that each is measured; the median counts. Software is slow, and measured once.
const ROUNDS: usize = 5;
/// The least time of one measurement, in seconds.
const SPAN: f64 = 0.1;

fn main() {
    poai_numerics::prepare();
    let filter = env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let subjects: Vec<Subject> = networks::all().into_iter().filter(|subject| subject.name.contains(&filter)).collect();
    let threads = std::thread::available_parallelism().unwrap().get();
    let cpu = || Cpu::new(Kernels::Auto, threads).unwrap();
    let here: Vec<f64> = subjects.iter().map(|subject| seconds(subject, Arc::new(cpu()), ROUNDS)).collect();
    let mut lines = Vec::new();
    for candidate in list().unwrap() {
        let device = VulkanDevice::open(&candidate).unwrap();
        let verdict = prove(&device).unwrap();
        let name = device.description().name.clone();
        if !verdict.serves() {
            println!("{name} does not pass: {:?}", verdict.failures);
            continue;
        }
        let rounds = if device.description().kind == Kind::Processor { 1 } else { ROUNDS };
        let accelerator = Arc::new(Accelerator::new(device, &verdict, 0).unwrap());
        for (subject, here) in subjects.iter().zip(&here) {
            let there = seconds(subject, Arc::new(Vulkan::new(Arc::clone(&accelerator), cpu())), rounds);
            let label = format!("{}: {}", name, subject.name);
            lines.push(match subject.steps {
                // A fused step counts as two operations.
                Some(steps) => {
                    Line::higher(label, 2e-9 * steps / there, "Gflop/s").beside("the processor", 2e-9 * steps / here)
                }
                None => Line::lower(label, 1e3 * there, "ms").beside("the processor", 1e3 * here),
            });
        }
    }
    report("vulkan", &lines).unwrap();
}

/// How long a computation takes, its inputs' and outputs' ways included.
fn seconds(subject: &Subject, device: Arc<dyn Device>, rounds: usize) -> f64 {
    let session = Session::new(subject.graph.clone(), device).unwrap();
    let compute = || session.run(&[("x", subject.input.clone())], &mut Budget::UNBOUNDED.clone()).unwrap();
    compute();
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let (begun, mut count) = (Instant::now(), 0);
            while count == 0 || begun.elapsed().as_secs_f64() < SPAN {
                compute();
                count += 1;
            }
            begun.elapsed().as_secs_f64() / f64::from(count)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}
