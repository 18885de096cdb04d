use std::path::{Path, PathBuf};

use poai_objects::PackageName;
use serde_json::json;

use super::invocation::Invocation;
use super::template;
use crate::errors::{Exit, Failure, Kind};

/// Begin a task in Rust: a folder with everything that it needs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to make; its name is the package's
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

pub(super) fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let name = name_of(&args.path)?;
    if args.path.exists() {
        let message = format!("{} exists already", args.path.display());
        return Err(Failure::new(Kind::BadInput, message).hint("name a folder that does not exist yet"));
    }
    for (path, text) in template::files(&name) {
        write(&args.path.join(path), &text)?;
    }
    let folder = args.path.display();
    let words = format!("{folder} is a task\n  try it:  cd {folder} && poai run . --param name=Ada");
    invocation.screen.value(&json!({ "path": folder.to_string(), "name": name.as_str() }), &words);
    Ok(Exit::Done)
}

fn name_of(path: &Path) -> Result<PackageName, Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name: PackageName = name.parse()?;
    if name.as_str().starts_with(|first: char| first.is_ascii_digit()) || template::RESERVED.contains(&name.as_str()) {
        let message = format!("{name} cannot be a crate's name");
        return Err(Failure::new(Kind::BadInput, message).hint("begin with a letter, and choose another word"));
    }
    Ok(name)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| Failure::file("write", path, error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    std::fs::write(path, text).map_err(|error| failed(&error))
}
