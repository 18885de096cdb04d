//! Memory and time of large content: a file of 10 GB, and a folder of 100,000 files.
//!
//! `cargo bench -p poai-store --bench memory` prints a table and writes `target/bench/store-memory.json`. Each step
//! is a process of its own, whose greatest resident memory the system tells; it needs 25 GB of disk.
#![expect(clippy::print_stdout, reason = "a step's process says what it took")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use cid::Cid;
use poai_store::unixfs::{self, ExportLimits, ImportLimits, LayoutLimits};
use poai_store::{Durability, Store, StoreLimits};
use poai_testing::bench::{self, Line};

type Failure = Box<dyn std::error::Error>;

const FILE_BYTES: u64 = 10_000_000_000;
/// The file has holes; bytes that differ stand this far apart, so that its blocks are not all the same.
const MARK_EVERY: usize = 16 << 20;
const FILES: usize = 100_000;
/// Memory must not grow with the file.
const FILE_GOAL_MB: f64 = 200.0;

/// The name of a step, and what is given to it.
const STEPS: [(&str, &str); 5] = [
    ("import/10GB-file", "file"),
    ("export/10GB-file", "file"),
    ("import/100k-files", "folder"),
    ("list/100k-files", "folder"),
    ("export/100k-files", "folder"),
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("step") => step(&arguments[2], Path::new(&arguments[3]), &arguments[4]),
        // Cargo's own flags (`--bench`, a filter) choose nothing here.
        _ => measure(),
    }
}

fn measure() -> Result<(), Failure> {
    let scratch = tempfile::tempdir_in(bench::folder()?)?;
    make_file(&scratch.path().join("file"))?;
    make_folder(&scratch.path().join("folder"))?;
    let mut lines = Vec::new();
    for (name, content) in STEPS {
        let begin = Instant::now();
        let step = Command::new(std::env::current_exe()?)
            .args(["step", name])
            .arg(scratch.path())
            .arg(content)
            .stderr(Stdio::inherit())
            .output()?;
        let seconds = begin.elapsed().as_secs_f64();
        let peak_mb: f64 = String::from_utf8(step.stdout)?.trim().parse().map_err(|_| format!("{name} failed"))?;
        let memory = Line::lower(format!("{name}/memory"), peak_mb, "MB");
        lines.push(if content == "file" { memory.goal(FILE_GOAL_MB) } else { memory });
        lines.push(Line::lower(format!("{name}/time"), seconds, "s"));
    }
    Ok(bench::report("store-memory", &lines)?)
}

fn make_file(path: &Path) -> Result<(), Failure> {
    let file = File::create_new(path)?;
    file.set_len(FILE_BYTES)?;
    for offset in (0..FILE_BYTES).step_by(MARK_EVERY) {
        file.write_all_at(&offset.to_le_bytes(), offset)?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir(path)?;
    for number in 0..FILES {
        std::fs::write(path.join(format!("file {number:06}")), format!("the text of file {number}\n"))?;
    }
    Ok(())
}

/// What one process does; at its end it says how many megabytes it had at most.
fn step(name: &str, scratch: &Path, content: &str) -> Result<(), Failure> {
    let limits = StoreLimits { durability: Durability::OnRequest, ..StoreLimits::default() };
    let store = Store::open(scratch.join("store"), limits)?;
    let root_file = scratch.join(format!("{content}.cid"));
    let root = || -> Result<Cid, Failure> { Ok(std::fs::read_to_string(&root_file)?.parse()?) };
    let exported: PathBuf = scratch.join(format!("{content}.exported"));
    match name.split('/').next() {
        Some("import") => {
            let in_use = store.in_use();
            let imported = unixfs::import(&store, &scratch.join(content), &ImportLimits::default(), &in_use)?;
            store.sync()?;
            std::fs::write(&root_file, imported.written.cid.to_string())?;
        }
        Some("list") => {
            let links = unixfs::list(&store, &root()?, &LayoutLimits::default())?.ok_or("it is a folder")?;
            assert_eq!(links.len(), FILES);
        }
        _ => {
            let done = unixfs::export(&store, &root()?, &exported, &ExportLimits::default())?;
            assert!(done.files == FILES as u64 || done.bytes == FILE_BYTES, "{done:?}");
            // Room for the next one.
            if exported.is_dir() { std::fs::remove_dir_all(&exported)? } else { std::fs::remove_file(&exported)? }
        }
    }
    println!("{:.1}", peak_mb()?);
    Ok(())
}

/// The most memory that this process had resident, in megabytes.
fn peak_mb() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the system does not tell")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}
