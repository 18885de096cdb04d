use super::invocation::Invocation;
use super::run_input::multiaddr;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// List this home's packages, or a folder's entries
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder's CID
    #[arg(value_name = "CID")]
    name: Option<String>,
    /// Also all that is kept from garbage collection, and why
    #[arg(long)]
    pins: bool,
    /// A peer to connect to, if the folder is not here
    #[arg(long = "peer", value_name = "MULTIADDR", value_parser = multiaddr)]
    peers: Vec<String>,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::List { name: args.name, pins: args.pins, peers: args.peers }).await
}
