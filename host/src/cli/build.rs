use std::path::PathBuf;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::guest;
use super::invocation::Invocation;
use crate::errors::{Exit, Failure};

/// What to do with a component that has no folder.
pub(super) const FILE_HINT: &str = "write a package.toml beside it, with `component = \"FILE.wasm\"` under [program]";

/// Build a task's component: the same bytes in any folder
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The task's folder, with its package.toml
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

pub(super) fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let component = guest::build(&args.path)?.component;
    let bytes = std::fs::read(&component).map_err(|error| Failure::file("read", &component, &error))?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let value = json!({ "component": component.display().to_string(), "bytes": bytes.len(), "sha256": digest });
    let words = format!("{}\n  {} bytes, sha256 {digest}", component.display(), bytes.len());
    invocation.screen.value(&value, &words);
    Ok(Exit::Done)
}
