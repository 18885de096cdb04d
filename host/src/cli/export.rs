use std::path::PathBuf;

use super::invocation::{Invocation, absolute};
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Write objects and all that they link to into an archive (CARv1)
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CIDs, or packages' `name[@version]`
    #[arg(value_name = "CID", required = true)]
    names: Vec<String>,
    /// The archive to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let output = absolute(&args.output)?;
    invocation.ask(Request::Export { names: args.names, output }).await
}
