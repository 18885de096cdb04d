use std::path::PathBuf;

use super::invocation::{Invocation, absolute};
use crate::control::Request;
use crate::errors::{Exit, Failure};

/// Take archives, files or folders into the store
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Archives that end in .car; anything else is taken in as a file or folder
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Take every path as an archive, or as plain content
    #[arg(long, value_name = "FORM")]
    form: Option<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// CARv1 archives.
    Car,
    /// Files and folders.
    Files,
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let is_car = |path: &PathBuf| match args.form {
        Some(form) => form == Form::Car,
        None => path.extension().is_some_and(|extension| extension == "car"),
    };
    let paths = args.paths.iter().map(|path| Ok((absolute(path)?, is_car(path)))).collect::<Result<_, Failure>>()?;
    invocation.ask(Request::Import { paths }).await
}
