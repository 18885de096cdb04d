use clap::CommandFactory;

use super::CommandLine;
use crate::errors::{Exit, Failure};
use crate::render;

/// Write completions for a shell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "poai", &mut script);
    render::script(&script);
    Ok(Exit::Done)
}
