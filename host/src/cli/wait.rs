use std::time::Duration;

use super::invocation::Invocation;
use super::run_input::duration;
use crate::control::{AttemptName, Request};
use crate::errors::{Exit, Failure};

/// Wait for a run's end, and show its result as `run` does
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An attempt's number, or a run's CID
    #[arg(value_name = "ATTEMPT")]
    attempt: AttemptName,
    /// Give up after a while; the run goes on
    #[arg(long, value_name = "D", value_parser = duration)]
    timeout: Option<Duration>,
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Wait { attempt: args.attempt.clone(), timeout: args.timeout }).await
}
