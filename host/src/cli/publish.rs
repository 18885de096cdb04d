use std::path::{Path, PathBuf};

use super::invocation::{Invocation, absolute};
use super::{build, guest};
use crate::control::Request;
use crate::errors::{Exit, Failure, Kind};
use crate::package_file::Draft;

/// Sign a task as a package, and keep it where peers can fetch it
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The task's folder, with its package.toml
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let draft = draft_of(&args.path)?;
    invocation.ask(Request::Publish(draft)).await
}

fn draft_of(path: &Path) -> Result<Draft, Failure> {
    let path = absolute(path)?;
    if path.is_file() {
        let message = format!("{} is a file: a package is published from its folder", path.display());
        return Err(Failure::new(Kind::BadInput, message).hint(build::FILE_HINT));
    }
    guest::build(&path)
}
