//! ONNX's own test cases, computed and compared: what passes, what fails and why, what is not built.
//!
//! `cargo run -p poai-graph --example conformance -- DIR [FILTER…] [-v] [--kernels K] [--threads N] [--write FILE]`
//!
//! DIR is what `scripts/onnx-cases.py` wrote. A FILTER is part of a case's `kind/name`, or an operator's name in full.
//! Failures are always printed, all other cases with `-v`. `--write` writes the table of operators, docs/onnx-operators.md.
//! Integers have to be equal; floats may differ by the tolerance that the case declares, for that is a comparison with
//! another implementation. Ends with an error if a case failed, but for `deviations`.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod case; // a case, its model and its tensors
mod comparison; // what came out against what should
mod deviations; // failures that are understood
mod operators; // the table by operator
mod verdict; // one case, computed

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use bytes::Bytes;
use poai_graph::Cpu;
use poai_numerics::Kernels;

use case::Case;
use operators::Operators;
use verdict::Verdict;

type Error = Box<dyn std::error::Error>;

#[derive(Default)]
struct Arguments {
    cases: PathBuf,
    filters: Vec<String>,
    verbose: bool,
    kernels: Kernels,
    threads: usize,
    write: Option<PathBuf>,
}

impl Arguments {
    fn read() -> Result<Self, Error> {
        let mut arguments = Self { threads: 1, ..Self::default() };
        let mut words = env::args().skip(1);
        arguments.cases = words.next().ok_or("which folder are the cases in?")?.into();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "-v" => arguments.verbose = true,
                "--kernels" => arguments.kernels = value()?.parse()?,
                "--threads" => arguments.threads = value()?.parse()?,
                "--write" => arguments.write = Some(value()?.into()),
                _ => arguments.filters.push(word),
            }
        }
        Ok(arguments)
    }

    fn wants(&self, case: &Case) -> bool {
        let matches = |filter: &String| case.name.contains(filter) || operators::named(case).contains(filter);
        self.filters.is_empty() || self.filters.iter().any(matches)
    }
}

/// What a folder holds, by name.
fn entries(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let named = entries.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
    });
    named.collect()
}

fn files(folder: &Path) -> Result<BTreeMap<String, Bytes>, Error> {
    entries(folder)?.into_iter().map(|(name, path)| Ok((name, fs::read(path)?.into()))).collect()
}

fn main() -> Result<ExitCode, Error> {
    poai_numerics::prepare();
    let arguments = Arguments::read()?;
    let cpu = Cpu::new(arguments.kernels, arguments.threads)?;
    let (mut totals, mut operators) = (BTreeMap::<_, usize>::new(), Operators::default());
    for (kind, folder) in entries(&arguments.cases)? {
        for (name, folder) in entries(&folder)? {
            let case = Case::new(format!("{kind}/{name}"), &files(&folder)?)?;
            if !arguments.wants(&case) {
                continue;
            }
            let verdict = verdict::of(&case, &cpu);
            if arguments.verbose || matches!(verdict, Verdict::Failed(_)) {
                println!("{}: {verdict}", case.name);
            }
            *totals.entry(verdict.kind()).or_default() += 1;
            operators.add(&case, &verdict);
        }
    }
    if let Some(path) = &arguments.write {
        fs::write(path, operators.page())?;
    }
    print!("{}", operators.summary());
    let totals: Vec<_> = totals.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    println!("{}", totals.join(", "));
    Ok(if operators.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
