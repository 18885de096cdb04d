//! The hidden command that a daemon starts: this program as a worker.

use std::process::ExitCode;

/// Serves the daemon at the other end of standard input.
pub(crate) fn main() -> ExitCode {
    match poai_sandbox::worker::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::render::worker_failure(&error);
            ExitCode::FAILURE
        }
    }
}
