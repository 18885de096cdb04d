use serde_json::json;

use super::device_proof::{Ask, Reply, ask};
use super::invocation::Invocation;
use crate::errors::{Exit, Failure, Kind};
use crate::render::devices::{Found, State, words};

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
