use super::invocation::Invocation;
use crate::control::{AttemptName, Request};
use crate::errors::{Exit, Failure};

/// Show what a task said
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An attempt's number, or a run's CID
    #[arg(value_name = "ATTEMPT")]
    attempt: AttemptName,
    /// Go on as long as the attempt does
    #[arg(short, long)]
    follow: bool,
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Logs { attempt: args.attempt.clone(), follow: args.follow }).await
}
