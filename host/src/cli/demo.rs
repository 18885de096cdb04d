use std::path::{Path, PathBuf};

use super::host;
use super::invocation::{Invocation, interrupts};
use crate::demo::cheat::Altering;
use crate::demo::{Setting, Stage, tell};
use crate::errors::{Exit, Failure, Kind};
use crate::events::Event;
use crate::render;

/// Where the task lies in a clone of poai.
const TASK: &str = "tasks/digits";

/// Watch the whole story on this machine: five peers, a training run by run, and a cheat that is caught
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Keep the peers' homes in this folder, to look at them afterwards
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The folder of the task `digits` (default: that of the clone around this folder or this program)
    #[arg(long, value_name = "PATH")]
    task: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// Parts that a demo's peers play which no other command plays.
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// `poai host`, but with altered results: to be caught.
    #[command(hide = true)]
    CheatingHost(host::Args),
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    if let Some(Part::CheatingHost(args)) = args.part {
        return host::run_with(args, invocation, Box::new(Altering)).await;
    }
    let cancel = interrupts()?;
    let task = args.task.map_or_else(find_task, Ok)?;
    let stage = args.keep.as_deref().map_or_else(Stage::temporary, Stage::kept)?;
    let screen = &mut *invocation.screen;
    let mut say = |message| screen.event(&Event::Notice { message });
    let told = tell(Setting { task: &task, stage: &stage, say: &mut say }, &cancel).await;
    let closed = stage.close();
    let report = told?;
    closed?;
    let value = serde_json::to_value(&report).expect("a report has text keys and finite numbers");
    invocation.screen.value(&value, &render::demo::words(&report));
    Ok(Exit::Done)
}

/// The task of the clone in which the user stands, or in which this program was built.
fn find_task() -> Result<PathBuf, Failure> {
    let folders = [std::env::current_dir(), std::env::current_exe()];
    let within = |folder: &Path| Some(folder.join(TASK)).filter(|task| task.join("package.toml").is_file());
    let found = folders.iter().flatten().flat_map(|folder| folder.ancestors()).find_map(within);
    found.ok_or_else(|| {
        Failure::new(Kind::NotFound, format!("there is no {TASK} around this folder or this program"))
            .hint("go to a clone of poai, or name the task's folder with --task")
    })
}
