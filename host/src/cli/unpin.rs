use super::invocation::Invocation;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Leave content to garbage collection
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A CID, or a package's `name[@version]`
    #[arg(value_name = "CID")]
    name: String,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Unpin { name: args.name }).await
}
