use super::invocation::Invocation;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// List this home's packages and pins, or a folder's entries
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder's CID
    #[arg(value_name = "CID")]
    name: Option<String>,
    /// A peer to connect to, if the folder is not here
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::List { name: args.name, peers: args.peers }).await
}
