use super::invocation::Invocation;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Show how this home's node does: peers, offers, runs, disk
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Status).await
}
