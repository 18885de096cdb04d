use super::invocation::Invocation;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Keep content from garbage collection
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A CID, or a package's `name[@version]`
    #[arg(value_name = "CID")]
    name: String,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Pin { name: args.name }).await
}
