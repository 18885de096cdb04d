use super::invocation::Invocation;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// List runs that are under way, and with --all those that have ended
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also those that have ended
    #[arg(short, long)]
    all: bool,
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Processes { all: args.all }).await
}
