//! The most memory that a model takes: each side in a process of its own, counted from before it is loaded.

use std::env;
use std::process::Command;

use poai_graph::Cpu;

use crate::models::Subject;
use crate::peer::Peer;

/// What a process of its own is asked with.
pub(crate) const FLAG: &str = "--memory";

/// Bytes in which a whole model was loaded and computed once, ours and the peer's.
pub(crate) fn of(subject: &Subject, threads: usize) -> [f64; 2] {
    let own = Command::new(env::current_exe().unwrap()).args([FLAG, &subject.name, &threads.to_string()]).output();
    let ours = String::from_utf8(own.unwrap().stdout).unwrap().trim().parse().unwrap();
    let mut peer = Peer::onnxruntime();
    peer.ready(subject, threads).unwrap();
    [ours, peer.memory()]
}

/// The answer of the process that was started for it.
pub(crate) fn answer(subject: &Subject, cpu: Cpu) -> u64 {
    let before = kilobytes("VmRSS:");
    let session = crate::load(subject, std::sync::Arc::new(cpu));
    let inputs: Vec<_> = subject.inputs.iter().map(|input| (input.name, crate::tensor(input))).collect();
    crate::run(&session, &inputs);
    1024 * (kilobytes("VmHWM:") - before)
}

/// A line of what Linux tells of a process.
fn kilobytes(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    found.trim().trim_end_matches(" kB").parse().unwrap()
}
