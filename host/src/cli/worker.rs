//! The hidden command that a daemon starts: this program as a worker.

use std::ffi::OsString;
use std::process::ExitCode;

use poai_sandbox::{Numerics, OptLevel};

/// The argument of workers that compile quickly rather than well.
const UNOPTIMISED: &str = "--unoptimised";
/// How the argument begins that names the kernels of models.
const KERNELS: &str = "--kernels=";
/// How the argument begins that says how many threads compute a model.
const THREADS: &str = "--threads=";

/// How a worker is started that tries so hard, and computes models so.
pub(crate) fn arguments(optimise: bool, numerics: Numerics) -> Vec<OsString> {
    let mut arguments = vec![super::WORKER_COMMAND.into()];
    if !optimise {
        arguments.push(UNOPTIMISED.into());
    }
    arguments.push(format!("{KERNELS}{}", numerics.kernels).into());
    arguments.push(format!("{THREADS}{}", numerics.threads).into());
    arguments
}

/// What [`arguments`] said. An argument that it does not make is not looked at: only this program starts workers.
fn settings(arguments: impl Iterator<Item = OsString>) -> (OptLevel, Numerics) {
    let (mut opt_level, mut numerics) = (OptLevel::Speed, Numerics::default());
    for argument in arguments.filter_map(|argument| argument.into_string().ok()) {
        if argument == UNOPTIMISED {
            opt_level = OptLevel::None;
        } else if let Some(kernels) = argument.strip_prefix(KERNELS).and_then(|name| name.parse().ok()) {
            numerics.kernels = kernels;
        } else if let Some(threads) = argument.strip_prefix(THREADS).and_then(|count| count.parse().ok()) {
            numerics.threads = threads;
        }
    }
    (opt_level, numerics)
}

/// Serves the daemon at the other end of standard input.
pub(crate) fn main() -> ExitCode {
    let (opt_level, numerics) = settings(std::env::args_os().skip(2));
    match poai_sandbox::worker::serve(opt_level, numerics) {
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
                let told = arguments(optimise, numerics).into_iter().skip(1);
                assert_eq!(settings(told), (opt_level, numerics));
            }
        }
    }
}
