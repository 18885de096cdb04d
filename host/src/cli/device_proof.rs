//! The hidden command that looks at devices for this program: drivers are strangers' code, and may take their process with them.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use poai_vulkan::device::{Description, DeviceError, Kind as DeviceKind, VulkanDevice, list};
use poai_vulkan::graph::remember;
use poai_vulkan::proof::{self, Speed, Verdict};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use super::DEVICE_PROOF_COMMAND;
use crate::errors::{Failure, Kind};

/// How long a child may take: compiling and running every check, on software too.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is asked of the child, as its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Which devices there are.
    List,
    /// The proof of one, by its place in the list; the verdict is kept in a folder, and what the driver made of shaders.
    Prove {
        /// Its place.
        index: usize,
        /// Where verdicts are kept.
        folder: PathBuf,
    },
}

/// What the child answers, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The devices, in order.
    Devices(Vec<Description>),
    /// There is no Vulkan here, for this reason.
    NoLoader(String),
    /// What came of a proof.
    Proof {
        /// The verdict.
        verdict: Verdict,
        /// How fast it multiplies.
        speed: Option<Speed>,
    },
    /// The device, or its driver, failed.
    Failed(String),
}

/// The arguments that ask a child.
fn arguments(ask: &Ask) -> Vec<OsString> {
    match ask {
        Ask::List => vec![DEVICE_PROOF_COMMAND.into()],
        Ask::Prove { index, folder } => vec![DEVICE_PROOF_COMMAND.into(), index.to_string().into(), folder.into()],
    }
}

/// Asks a child of this program. One that crashes or hangs is a reply too.
pub(crate) async fn ask(ask: &Ask) -> Result<Reply, Failure> {
    let no_child =
        |error: &dyn std::fmt::Display| Failure::new(Kind::HostFault, format!("a proof does not start: {error}"));
    let program = env::current_exe().map_err(|error| no_child(&error))?;
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

/// What [`arguments`] asked; none of any others: only this program starts proofs.
fn asked(mut arguments: impl Iterator<Item = OsString>) -> Option<Ask> {
    match (arguments.next(), arguments.next(), arguments.next()) {
        (None, ..) => Some(Ask::List),
        (Some(index), Some(folder), None) => {
            Some(Ask::Prove { index: index.to_str()?.parse().ok()?, folder: folder.into() })
        }
        _ => None,
    }
}

/// Answers on standard output.
pub(crate) fn main() -> ExitCode {
    let Some(ask) = asked(env::args_os().skip(2)) else {
        return ExitCode::FAILURE;
    };
    let reply = answer(&ask).unwrap_or_else(Reply::Failed);
    let mut line = serde_json::to_vec(&reply).expect("a reply is plain data");
    // A driver may have left words on the line before.
    line.insert(0, b'\n');
    crate::render::script(&line);
    ExitCode::SUCCESS
}

fn answer(ask: &Ask) -> Result<Reply, String> {
    let candidates = match list() {
        Err(DeviceError::NoLoader(reason)) => return Ok(Reply::NoLoader(reason)),
        candidates => candidates.map_err(|error| error.to_string())?,
    };
    let Ask::Prove { index, folder } = ask else {
        return Ok(Reply::Devices(candidates.iter().map(|candidate| candidate.description().clone()).collect()));
    };
    let candidate = candidates.get(*index).ok_or("the device is gone")?;
    let proven = proof::cached(folder, candidate.description(), || {
        let device = VulkanDevice::open(candidate)?;
        let verdict = proof::prove(&device)?;
        let speed = verdict.step.map(|step| proof::measure(&device, step)).transpose()?;
        Ok((verdict, speed))
    });
    let (verdict, speed) = proven.map_err(|error| error.to_string())?;
    // This process runs our own shaders alone, so that it may leave code to workers; what is not left costs them time
    // alone. Software leaves nothing.
    if verdict.serves() && candidate.description().kind != DeviceKind::Processor {
        remember(candidate, &verdict, folder).ok();
    }
    Ok(Reply::Proof { verdict, speed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_reads_what_it_was_asked() {
        for ask in [Ask::List, Ask::Prove { index: 3, folder: "/a b/c".into() }] {
            assert_eq!(asked(arguments(&ask).into_iter().skip(1)), Some(ask));
        }
        for odd in [vec!["x", "y"], vec!["0"], vec!["-1", "y"], vec!["0", "y", "z"]] {
            assert_eq!(asked(odd.into_iter().map(OsString::from)), None);
        }
    }
}
