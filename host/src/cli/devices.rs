use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use super::device_proof::{Ask, Reply, arguments};
use super::invocation::Invocation;
use crate::errors::{Exit, Failure, Kind};
use crate::render::devices::{Found, State, words};

/// How long a child may take: compiling and running every check, on software too.
const PATIENCE: Duration = Duration::from_secs(180);

/// Look for GPUs, and prove that they compute the right bits
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let folder = invocation.home()?.devices();
    let (devices, absent) = match ask(&Ask::List).await? {
        Reply::Devices(devices) => (devices, None),
        Reply::NoLoader(reason) | Reply::Failed(reason) => (Vec::new(), Some(reason)),
        Reply::Proof { .. } => return Err(Failure::new(Kind::Bug, "a list was asked for and a proof came")),
    };
    let mut found = Vec::new();
    for (index, device) in devices.into_iter().enumerate() {
        let state = match ask(&Ask::Prove { index, folder: folder.clone() }).await? {
            Reply::Proof { verdict, speed } => State::Proven { verdict, speed },
            Reply::NoLoader(reason) | Reply::Failed(reason) => State::Unproven { reason },
            Reply::Devices(_) => return Err(Failure::new(Kind::Bug, "a proof was asked for and a list came")),
        };
        found.push(Found { device, state });
    }
    let value = json!({ "devices": found, "absent": absent });
    invocation.screen.value(&value, &words(&found, absent.as_deref()));
    Ok(Exit::Done)
}

/// Asks a child of this program. One that crashes or hangs is a reply too.
async fn ask(ask: &Ask) -> Result<Reply, Failure> {
    let no_child =
        |error: &dyn std::fmt::Display| Failure::new(Kind::HostFault, format!("a proof does not start: {error}"));
    let program = std::env::current_exe().map_err(|error| no_child(&error))?;
    let mut command = Command::new(program);
    command.args(arguments(ask)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let child = command.spawn().map_err(|error| no_child(&error))?;
    let output = match timeout(PATIENCE, child.wait_with_output()).await {
        Ok(output) => output.map_err(|error| no_child(&error))?,
        Err(_) => return Ok(Reply::Failed(format!("its driver has not answered for {} s", PATIENCE.as_secs()))),
    };
    let reply = output.stdout.rsplit(|&byte| byte == b'\n').next().and_then(|line| serde_json::from_slice(line).ok());
    Ok(reply.unwrap_or_else(|| Reply::Failed(format!("its driver ended the process: {}", output.status))))
}
