use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use poai_objects::{InputName, World};

use super::guest;
use super::invocation::{Invocation, absolute, interrupts};
use super::run_input::{self, duration, is_path, multiaddr, pair, place};
use crate::config::Config;
use crate::control::{Answer, Endpoint, Place, Request, RunRequest, Source, Target, connect};
use crate::errors::{Exit, Failure, Kind};
use crate::home::Home;
use crate::program_file;

/// Run a task, here or on the network
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A package (name or CID), a .wasm file, or a task's folder (with a / or . in front)
    #[arg(value_name = "TARGET")]
    target: String,
    /// An input: a file, a folder, or content by CID
    #[arg(short, long = "input", value_name = "NAME=FILE|DIR|CID", value_parser = run_input::input)]
    inputs: Vec<(InputName, Source)>,
    /// A parameter: JSON, or else text
    #[arg(short, long = "param", value_name = "K=V", value_parser = pair)]
    params: Vec<(String, String)>,
    /// Where all randomness of the run comes from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The wall clock's reading at the start, nanoseconds since 1970
    #[arg(long, value_name = "NS", default_value_t = 0)]
    clock: u64,
    /// Units of metered work that it may do
    #[arg(long, value_name = "N")]
    fuel: Option<u64>,
    /// Bytes of memory that it may have
    #[arg(long, value_name = "N")]
    memory_bytes: Option<u64>,
    /// A variable of a plain program's environment
    #[arg(long = "env", value_name = "K=V", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Execute it even if its claim is known
    #[arg(long)]
    no_cache: bool,
    /// Write the outputs into a folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// What computes models and kernels beside the processor: cpu, auto, or a device that `poai devices` shows, by name or
    /// UUID, or vulkan:N, counted from 0
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Where to run: `local`, `network`, or a host's peer id
    #[arg(long, value_name = "PLACE", default_value = "local", value_parser = place)]
    on: Place,
    /// Have so many other hosts replay it
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=16))]
    verify: u32,
    /// A peer to connect to
    #[arg(long = "peer", value_name = "MULTIADDR", value_parser = multiaddr)]
    peers: Vec<String>,
    /// Leave it to this home's daemon, and return at once
    #[arg(short, long)]
    detach: bool,
    /// Stop it after a while: 500ms, 30s, 5m, 2h
    #[arg(long, value_name = "D", value_parser = duration)]
    timeout: Option<Duration>,
    /// A plain program's arguments
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let target = target_of(&args.target)?;
    let home = invocation.home()?;
    let mut layers = invocation.layers(&home)?;
    if let Some(device) = &args.device {
        if args.on != Place::Local {
            return Err(Failure::new(Kind::Usage, "--device names a device of this machine, and the run is another's"));
        }
        layers.add_flag("--device", "numerics.device", device.as_str())?;
    }
    let config = Config::from_layers(&layers)?;
    invocation.start_log(&config)?;
    let cancel = interrupts()?;
    let mut endpoint = connect(&home, &config).await?;
    let done = ask(args, target, &home, &mut endpoint, &cancel, invocation).await;
    endpoint.close().await;
    done
}

async fn ask(
    args: Args,
    target: Target,
    home: &Home,
    endpoint: &mut Endpoint,
    cancel: &tokio_util::sync::CancellationToken,
    invocation: &mut Invocation<'_>,
) -> Result<Exit, Failure> {
    if args.detach && !endpoint.is_daemon() {
        return Err(Failure::new(Kind::NoDaemon, "a detached run needs a daemon in this home, and there is none"));
    }
    if args.device.is_some() && endpoint.is_daemon() {
        let message = "this home's daemon runs it, and computes with what it was started with, not with --device";
        return Err(Failure::new(Kind::Usage, message).hint("`poai stop`, or start it by `poai host --device`"));
    }
    let scratch =
        tempfile::tempdir_in(home.scratch()).map_err(|error| Failure::file("write in", &home.scratch(), &error))?;
    let mut request = request_of(args, target)?;
    let wanted = !request.inputs.contains_key("stdin") && run_input::stdin_is_piped();
    if wanted && takes_stdin(&request.target, endpoint, cancel, invocation).await? {
        let path = tokio::select! {
            path = spool(scratch.path().join("stdin")) => path?,
            () = cancel.cancelled() => return Err(Failure::new(Kind::Interrupted, "interrupted while reading standard input")),
        };
        request.inputs.insert("stdin".parse().expect("a valid name"), Source::Path(path));
    }
    let stdout = scratch.path().join("stdout");
    if !invocation.screen.style().json && !request.detach {
        request.stdout_to = Some(stdout.clone());
    }
    let answer = invocation.ask_endpoint(endpoint, Request::Run(Box::new(request)), cancel).await?;
    if matches!(&answer, Answer::Ran(run) if run.plain) && stdout.exists() {
        let file = std::fs::File::open(&stdout).map_err(|error| Failure::file("read", &stdout, &error))?;
        invocation.screen.raw(file).map_err(|error| Failure::file("write", Path::new("stdout"), &error))?;
    }
    Ok(invocation.screen.answer(&answer))
}

/// A file, a folder that is built here, or a name that the node looks up.
pub(super) fn target_of(text: &str) -> Result<Target, Failure> {
    if !is_path(text) {
        return Ok(Target::Named(text.to_owned()));
    }
    let path = absolute(Path::new(text))?;
    let about = std::fs::metadata(&path).map_err(|error| Failure::file("open", &path, &error))?;
    if about.is_dir() {
        return Ok(Target::Draft(Box::new(guest::build(&path)?)));
    }
    Ok(Target::File(path))
}

fn request_of(args: Args, target: Target) -> Result<RunRequest, Failure> {
    let once = |what: &str, name: &str| Failure::new(Kind::Usage, format!("the {what} {name} is given twice"));
    let mut inputs = std::collections::BTreeMap::new();
    for (name, source) in args.inputs {
        let source = match source {
            Source::Path(path) => Source::Path(absolute(&path)?),
            cid => cid,
        };
        if inputs.insert(name.clone(), source).is_some() {
            return Err(once("input", name.as_str()));
        }
    }
    let mut env = std::collections::BTreeMap::new();
    for (name, value) in args.env {
        if env.insert(name.clone(), value).is_some() {
            return Err(once("variable", &name));
        }
    }
    Ok(RunRequest {
        label: args.target,
        target,
        inputs,
        params: args.params,
        args: args.args,
        env,
        seed: args.seed,
        clock_ns: args.clock,
        fuel: args.fuel,
        memory_bytes: args.memory_bytes,
        on: args.on,
        peers: args.peers,
        verify: args.verify,
        cache: !args.no_cache,
        detach: args.detach,
        timeout: args.timeout,
        output: args.output.as_deref().map(absolute).transpose()?,
        stdout_to: None,
    })
}

/// Whether a pipe is meant for the program: it is a plain one, or its package has an input `stdin`.
async fn takes_stdin(
    target: &Target,
    endpoint: &mut Endpoint,
    cancel: &tokio_util::sync::CancellationToken,
    invocation: &mut Invocation<'_>,
) -> Result<bool, Failure> {
    match target {
        Target::Draft(draft) => Ok(draft.takes_stdin()),
        Target::File(path) => {
            let bytes = program_file::read(path)?;
            // What is no program at all is refused in better words when it is run.
            Ok(poai_sandbox::detect_world(&bytes).is_ok_and(|world| world == World::Command))
        }
        Target::Named(name) => {
            let request = Request::Describe { name: name.clone() };
            match invocation.ask_endpoint(endpoint, request, cancel).await {
                Ok(Answer::Described(described)) => Ok(described.takes_stdin),
                // The run itself says what is wrong with the name, or fetches what it names.
                Ok(_) | Err(_) => Ok(false),
            }
        }
    }
}

/// Copies standard input to a file, on a thread that may be left behind if nobody ever closes the pipe.
async fn spool(path: PathBuf) -> Result<PathBuf, Failure> {
    let copy = move || {
        let mut file = std::fs::File::create_new(&path).map_err(|error| Failure::file("write", &path, &error))?;
        let mut stdin = std::io::stdin().lock();
        std::io::copy(&mut stdin.by_ref(), &mut file).map_err(|error| Failure::file("copy stdin to", &path, &error))?;
        Ok(path)
    };
    tokio::task::spawn_blocking(copy)
        .await
        .map_err(|error| Failure::new(Kind::Bug, format!("reading stdin broke off: {error}")))?
}
