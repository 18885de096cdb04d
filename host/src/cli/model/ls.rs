use super::super::invocation::Invocation;
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// List the models that are here: those of packages, of past runs, and what `model pull` brought
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    invocation.ask(Request::Models).await
}
