use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::invocation::Invocation;
use super::{guest, model_file};
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

/// A file with its size and hash.
fn described(what: &str, file: &Path) -> Result<(Value, String), Failure> {
    let (digest, bytes) = model_file::digest(file)?;
    let digest = model_file::hexadecimal(&digest);
    let value = json!({ what: file.display().to_string(), "bytes": bytes, "sha256": digest });
    Ok((value, format!("{}\n  {bytes} bytes, sha256 {digest}", file.display())))
}

pub(super) fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let draft = guest::build(&args.path)?;
    let (mut value, mut words) = described("component", &draft.component)?;
    let mut models = serde_json::Map::new();
    for (name, model) in &draft.models {
        let (value, line) = described("file", &model.file)?;
        models.insert(name.to_string(), value);
        let _ = write!(words, "\nmodel {name}: {line}");
    }
    if !models.is_empty() {
        value["models"] = models.into();
    }
    invocation.screen.value(&value, &words);
    Ok(Exit::Done)
}
