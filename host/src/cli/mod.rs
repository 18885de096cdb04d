//! The command line: one command a file.

mod build;
mod cancel;
mod completions;
mod config_show;
mod demo;
pub(crate) mod device_proof;
mod devices;
mod doctor;
mod export;
mod gc;
mod guest;
mod host;
mod import;
mod invocation;
mod key;
mod logs;
mod ls;
mod model;
mod model_file;
mod new;
mod pin;
mod ps;
mod publish;
mod pull;
mod run;
mod run_input;
mod show;
mod status;
mod stop;
mod template;
mod unpin;
mod verify;
mod wait;
pub(crate) mod worker;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand, ValueEnum};

use crate::demo::tether;
use crate::errors::{Exit, Failure, Kind};
use crate::home::Places;
use crate::render::{Screen, Style};

use invocation::Invocation;

/// The hidden command that makes this program a worker.
pub(crate) const WORKER_COMMAND: &str = "worker";
/// The hidden command that makes this program prove a device.
pub(crate) const DEVICE_PROOF_COMMAND: &str = "device-proof";

/// Run AI tasks on computers that you need not trust, and verify the results.
#[derive(Debug, Parser)]
#[command(name = "poai", version, disable_help_subcommand = false, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, clap::Args)]
struct Global {
    /// The folder with everything that poai keeps (default: by the XDG rules)
    #[arg(long, value_name = "DIR", global = true, env = "POAI_HOME")]
    home: Option<PathBuf>,
    /// Answer with one JSON object, the last line on stdout
    #[arg(long, global = true)]
    json: bool,
    /// How to show what is going on: `json` writes events as JSON lines on stderr
    #[arg(long, value_name = "FORM", global = true)]
    progress: Option<ProgressForm>,
    /// The configuration file (default: config.toml in the home)
    #[arg(long, value_name = "FILE", global = true, env = "POAI_CONFIG")]
    config: Option<PathBuf>,
    /// Show results and errors only
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Log more; twice, even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// End when standard input closes: set by the demo, whose peers must not outlive it
    #[arg(long, global = true, hide = true)]
    tethered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProgressForm {
    /// One event a line, as JSON.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::Args),
    Build(build::Args),
    Model(model::Args),
    Publish(publish::Args),
    Run(Box<run::Args>),
    Ps(ps::Args),
    Logs(logs::Args),
    Wait(wait::Args),
    Cancel(cancel::Args),
    Host(host::Args),
    Stop(stop::Args),
    Verify(verify::Args),
    Show(show::Args),
    Ls(ls::Args),
    Pull(pull::Args),
    Pin(pin::Args),
    Unpin(unpin::Args),
    Gc(gc::Args),
    Export(export::Args),
    Import(import::Args),
    Key(key::Args),
    Config(config_show::Args),
    Status(status::Args),
    Doctor(doctor::Args),
    Devices(devices::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    /// Serves a daemon as a worker; started by poai itself.
    #[command(name = WORKER_COMMAND, hide = true)]
    Worker,
}

/// Reads the command line, does what it says, and gives the exit code.
pub(crate) fn main() -> Exit {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return usage(&error),
    };
    let style = Style {
        json: line.global.json,
        json_events: line.global.progress == Some(ProgressForm::Json),
        quiet: line.global.quiet,
    };
    let mut screen = Screen::new(style);
    if line.global.tethered
        && let Err(error) = tether::hold()
    {
        return screen.failure(&no_threads(&error));
    }
    let done = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let done = runtime.block_on(dispatch(line, &mut screen));
            // A thread that still reads a stdin nobody closes must not keep the program.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(no_threads(&error)),
    };
    done.unwrap_or_else(|failure| screen.failure(&failure))
}

fn no_threads(error: &std::io::Error) -> Failure {
    Failure::new(Kind::HostFault, format!("this machine has no threads left: {error}"))
}

async fn dispatch(line: CommandLine, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut invocation = Invocation::new(line.global, places(), screen);
    let invocation = &mut invocation;
    match line.command {
        Command::New(args) => new::run(&args, invocation),
        Command::Build(args) => build::run(&args, invocation),
        Command::Model(args) => model::run(args, invocation).await,
        Command::Publish(args) => publish::run(&args, invocation).await,
        Command::Run(args) => run::run(*args, invocation).await,
        Command::Ps(args) => ps::run(&args, invocation).await,
        Command::Logs(args) => logs::run(&args, invocation).await,
        Command::Wait(args) => wait::run(&args, invocation).await,
        Command::Cancel(args) => cancel::run(&args, invocation).await,
        Command::Host(args) => host::run(args, invocation).await,
        Command::Stop(args) => stop::run(&args, invocation).await,
        Command::Verify(args) => verify::run(args, invocation).await,
        Command::Show(args) => show::run(args, invocation).await,
        Command::Ls(args) => ls::run(args, invocation).await,
        Command::Pull(args) => pull::run(args, invocation).await,
        Command::Pin(args) => pin::run(args, invocation).await,
        Command::Unpin(args) => unpin::run(args, invocation).await,
        Command::Gc(args) => gc::run(&args, invocation).await,
        Command::Export(args) => export::run(args, invocation).await,
        Command::Import(args) => import::run(&args, invocation).await,
        Command::Key(args) => key::run(args, invocation).await,
        Command::Config(args) => config_show::run(&args, invocation),
        Command::Status(args) => status::run(&args, invocation).await,
        Command::Doctor(args) => doctor::run(&args, invocation).await,
        Command::Devices(args) => devices::run(&args, invocation).await,
        Command::Demo(args) => demo::run(args, invocation).await,
        Command::Completions(args) => completions::run(&args),
        Command::Worker => Err(Failure::new(Kind::Usage, "a worker is started by poai itself")),
    }
}

/// What the environment says about where things are.
fn places() -> Places {
    let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Places { xdg_data_home: path("XDG_DATA_HOME"), user_home: path("HOME"), xdg_runtime_dir: path("XDG_RUNTIME_DIR") }
}

/// A command line that cannot be understood; also how `--help` and `--version` end.
fn usage(error: &clap::Error) -> Exit {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let json = std::env::args_os().skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json");
    if json && !asked_for {
        let text = error.to_string();
        // What is wrong comes first, perhaps over several lines; then an empty one, and what would be right.
        let wrong: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        let wrong = wrong.join(" ");
        let message = wrong.strip_prefix("error: ").unwrap_or(&wrong);
        let mut screen = Screen::new(Style { json: true, json_events: false, quiet: false });
        return screen.failure(&Failure::new(Kind::Usage, message));
    }
    // A reader that has gone away is not an error of the command.
    let _ = error.print();
    if asked_for { Exit::Done } else { Exit::Usage }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::CommandLine::command().debug_assert();
    }
}
