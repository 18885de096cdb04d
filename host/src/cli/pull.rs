use std::path::PathBuf;

use super::invocation::{Invocation, absolute, interrupts};
use super::run_input::multiaddr;
use crate::control::{Request, connect};
use crate::errors::{Exit, Failure};

/// Fetch content from peers, and with --output write it as files
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A CID, or a package's `name[@version]`
    #[arg(value_name = "CID")]
    name: String,
    /// The file or folder to write; `-` writes a file to stdout
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// A peer to connect to
    #[arg(long = "peer", value_name = "MULTIADDR", value_parser = multiaddr)]
    peers: Vec<String>,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    if args.output.as_deref().is_some_and(|output| output.as_os_str() == "-") {
        return to_stdout(args, invocation).await;
    }
    let output = args.output.as_deref().map(absolute).transpose()?;
    invocation.ask(Request::Pull { name: args.name, output, peers: args.peers }).await
}

async fn to_stdout(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let home = invocation.home()?;
    let config = invocation.config(&home)?;
    let cancel = interrupts()?;
    let mut endpoint = connect(&home, &config).await?;
    let scratch =
        tempfile::tempdir_in(home.scratch()).map_err(|error| Failure::file("write in", &home.scratch(), &error))?;
    let path = scratch.path().join("content");
    let request = Request::Pull { name: args.name, output: Some(path.clone()), peers: args.peers };
    let answer = invocation.ask_endpoint(&mut endpoint, request, &cancel).await;
    endpoint.close().await;
    answer?;
    let file = std::fs::File::open(&path).map_err(|error| Failure::file("read", &path, &error))?;
    invocation.screen.raw(file).map_err(|error| Failure::file("write", std::path::Path::new("stdout"), &error))?;
    Ok(Exit::Done)
}
