use std::path::PathBuf;

use super::invocation::{Invocation, absolute};
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Show this home's keys, or let another host act for its account
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Sign that a host may act for this home's account
    Delegate {
        /// The host's key, as `poai key` shows it there
        #[arg(value_name = "HOST KEY")]
        host: String,
        /// How long it holds, days
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3660))]
        days: u32,
        /// The file to write; put it into the other home as keys/delegation
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let request = match args.action {
        None => Request::Key,
        Some(Action::Delegate { host, days, output }) => Request::Delegate { host, days, output: absolute(&output)? },
    };
    invocation.ask(request).await
}
