//! The hidden command that a daemon starts: this program as a worker.

use std::ffi::OsString;
use std::process::ExitCode;

use poai_sandbox::OptLevel;

/// The argument of workers that compile quickly rather than well.
const UNOPTIMISED: &str = "--unoptimised";

/// How a worker is started that tries so hard.
pub(crate) fn arguments(optimise: bool) -> Vec<OsString> {
    let mut arguments = vec![super::WORKER_COMMAND.into()];
    if !optimise {
        arguments.push(UNOPTIMISED.into());
    }
    arguments
}

/// Serves the daemon at the other end of standard input.
pub(crate) fn main() -> ExitCode {
    let unoptimised = std::env::args_os().nth(2).is_some_and(|argument| argument == UNOPTIMISED);
    let opt_level = if unoptimised { OptLevel::None } else { OptLevel::Speed };
    match poai_sandbox::worker::serve(opt_level) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::render::worker_failure(&error);
            ExitCode::FAILURE
        }
    }
}
