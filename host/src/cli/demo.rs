use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::host;
use super::invocation::{Invocation, absolute, interrupts};
use crate::demo::cheat::Altering;
use crate::demo::{Setting, Stage, acceleration, inference, training};
use crate::errors::{Exit, Failure, Kind};
use crate::events::Event;
use crate::render;

/// Where poai's own tasks lie in a clone of it.
const TASKS: &str = "tasks";
/// A file by which one knows them.
const KNOWN: &str = "digits/package.toml";

/// Watch the whole story on this machine: five peers, a training run by run, and a cheat that is caught
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Run tasks with models instead: computed by the host's fastest code, and verified by other code; needs pip
    #[arg(long)]
    models: bool,
    /// Run a task on every GPU of this machine that passes its proof instead, and verify it on the processor
    #[arg(long, conflicts_with = "models")]
    gpu: bool,
    /// Keep the peers' homes in this folder, to look at them afterwards
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The folder of poai's own tasks (default: that of the clone around this folder or this program)
    #[arg(long, value_name = "DIR")]
    tasks: Option<PathBuf>,
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
    let tasks = args.tasks.map_or_else(find_tasks, |tasks| absolute(&tasks))?;
    let stage = args.keep.as_deref().map_or_else(Stage::temporary, Stage::kept)?;
    let screen = &mut *invocation.screen;
    let mut say = |message| screen.event(&Event::Notice { message });
    let setting = Setting { tasks: &tasks, stage: &stage, say: &mut say };
    let told = if args.gpu {
        acceleration::tell(setting, &cancel).await.map(|report| shown(&report, render::demo::devices(&report)))
    } else if args.models {
        inference::tell(setting, &cancel).await.map(|report| shown(&report, render::demo::models(&report)))
    } else {
        training::tell(setting, &cancel).await.map(|report| shown(&report, render::demo::training(&report)))
    };
    let closed = stage.close();
    let (value, words) = told?;
    closed?;
    invocation.screen.value(&value, &words);
    Ok(Exit::Done)
}

fn shown(report: &impl Serialize, words: String) -> (Value, String) {
    (serde_json::to_value(report).expect("a report has text keys and finite numbers"), words)
}

/// The tasks of the clone in which the user stands, or in which this program was built.
fn find_tasks() -> Result<PathBuf, Failure> {
    let folders = [std::env::current_dir(), std::env::current_exe()];
    let within = |folder: &Path| Some(folder.join(TASKS)).filter(|tasks| tasks.join(KNOWN).is_file());
    let found = folders.iter().flatten().flat_map(|folder| folder.ancestors()).find_map(within);
    found.ok_or_else(|| {
        Failure::new(Kind::NotFound, format!("there is no {TASKS}/{KNOWN} around this folder or this program"))
            .hint("go to a clone of poai, or name its folder of tasks with --tasks")
    })
}
