use super::invocation::Invocation;
use super::run_input::multiaddr;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Show an object: a package, run, claim, receipt, file or folder
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A CID, or a package's `name[@version]`
    #[arg(value_name = "CID|NAME")]
    name: String,
    /// A peer to connect to, if the object is not here
    #[arg(long = "peer", value_name = "MULTIADDR", value_parser = multiaddr)]
    peers: Vec<String>,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Show { name: args.name, peers: args.peers }).await
}
