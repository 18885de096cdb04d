use std::path::Path;

use super::invocation::{Invocation, absolute};
use super::run_input::{is_path, multiaddr, place};
use crate::control::{Place, Request, VerifyTarget};
use crate::errors::{Exit, Failure};

/// Replay a run, and compare: exit 0 if the claim is the same, 5 if it differs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A receipt's, claim's or run's CID, or an archive with one (see `export`)
    #[arg(value_name = "CID|FILE")]
    target: String,
    /// Where to replay: `local`, `network`, or a host's peer id
    #[arg(long, value_name = "PLACE", default_value = "local", value_parser = place)]
    on: Place,
    /// A peer to connect to
    #[arg(long = "peer", value_name = "MULTIADDR", value_parser = multiaddr)]
    peers: Vec<String>,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let target = if is_path(&args.target) {
        VerifyTarget::File(absolute(Path::new(&args.target))?)
    } else {
        VerifyTarget::Cid(args.target)
    };
    invocation.ask(Request::Verify { target, on: args.on, peers: args.peers }).await
}
