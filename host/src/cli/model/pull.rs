use super::super::invocation::Invocation;
use super::super::run::target_of;
use super::super::run_input::multiaddr;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Bring a task's models before they are needed, and keep them here for a while
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A package (`name[@version]` or CID), a program's CID, or a task's folder, whose models may come by pip
    #[arg(value_name = "TARGET")]
    target: String,
    /// A peer to connect to
    #[arg(long = "peer", value_name = "MULTIADDR", value_parser = multiaddr)]
    peers: Vec<String>,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let target = target_of(&args.target)?;
    invocation.ask(Request::PullModels { target, peers: args.peers }).await
}
