use super::invocation::Invocation;
use crate::control::{AttemptName, Request};
use crate::errors::{Exit, Failure};

/// Stop a run that is under way
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An attempt's number, or a run's CID
    #[arg(value_name = "ATTEMPT")]
    attempt: AttemptName,
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Cancel { attempt: args.attempt.clone() }).await
}
