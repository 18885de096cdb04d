use super::invocation::Invocation;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Drop content that nothing keeps
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also check every block against its CID, and drop damaged ones
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::CollectGarbage { check: args.check }).await
}
