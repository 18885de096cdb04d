//! The hidden command that a daemon starts: this program as a worker.

use std::ffi::OsString;
use std::process::ExitCode;

use poai_sandbox::worker::OpenAccelerator;
use poai_sandbox::{Numerics, OptLevel};

use crate::accelerator::Chosen;

/// The argument of workers that compile quickly rather than well.
const UNOPTIMISED: &str = "--unoptimised";
/// How the argument begins that names the kernels of models.
const KERNELS: &str = "--kernels=";
/// How the argument begins that says how many threads compute a model.
const THREADS: &str = "--threads=";

/// How the argument begins that says which device computes models beside the processor.
const ACCELERATOR: &str = "--accelerator=";

/// How a worker is started that tries so hard, and computes models so.
pub(crate) fn arguments(optimise: bool, numerics: Numerics, accelerator: Option<&Chosen>) -> Vec<OsString> {
    let mut arguments = vec![super::WORKER_COMMAND.into()];
    if !optimise {
        arguments.push(UNOPTIMISED.into());
    }
    arguments.push(format!("{KERNELS}{}", numerics.kernels).into());
    arguments.push(format!("{THREADS}{}", numerics.threads).into());
    if let Some(chosen) = accelerator {
        let words = serde_json::to_string(chosen).expect("it is plain data");
        arguments.push(format!("{ACCELERATOR}{words}").into());
    }
    arguments
}

/// What [`arguments`] said. An argument that it does not make is not looked at: only this program starts workers.
fn settings(arguments: impl Iterator<Item = OsString>) -> (OptLevel, Numerics, Option<Chosen>) {
    let (mut opt_level, mut numerics, mut accelerator) = (OptLevel::Speed, Numerics::default(), None);
    for argument in arguments.filter_map(|argument| argument.into_string().ok()) {
        if argument == UNOPTIMISED {
            opt_level = OptLevel::None;
        } else if let Some(kernels) = argument.strip_prefix(KERNELS).and_then(|name| name.parse().ok()) {
            numerics.kernels = kernels;
        } else if let Some(threads) = argument.strip_prefix(THREADS).and_then(|count| count.parse().ok()) {
            numerics.threads = threads;
        } else if let Some(words) = argument.strip_prefix(ACCELERATOR) {
            accelerator = serde_json::from_str(words).ok();
        }
    }
    (opt_level, numerics, accelerator)
}

/// Serves the daemon at the other end of standard input.
pub(crate) fn main() -> ExitCode {
    let (opt_level, numerics, accelerator) = settings(std::env::args_os().skip(2));
    let open = accelerator.map(|chosen| -> OpenAccelerator { Box::new(move || chosen.open()) });
    match poai_sandbox::worker::serve(opt_level, numerics, open) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::render::worker_failure(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use poai_sandbox::Kernels;

    use super::*;

    #[test]
    fn a_worker_reads_what_it_was_told() {
        for (optimise, opt_level) in [(true, OptLevel::Speed), (false, OptLevel::None)] {
            for (kernels, threads) in [(Kernels::Auto, 1), (Kernels::Scalar, 7)] {
                let numerics = Numerics { kernels, threads: NonZeroUsize::new(threads).unwrap() };
                for accelerator in [None, Some(Chosen::sample())] {
                    let told = arguments(optimise, numerics, accelerator.as_ref()).into_iter().skip(1);
                    assert_eq!(settings(told), (opt_level, numerics, accelerator));
                }
            }
        }
    }
}
