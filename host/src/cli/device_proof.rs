//! The hidden command that `poai devices` starts: drivers are strangers' code, and may take their process with them.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use poai_vulkan::device::{Description, DeviceError, VulkanDevice, list};
use poai_vulkan::proof::{self, Speed, Verdict};
use serde::{Deserialize, Serialize};

use super::DEVICE_PROOF_COMMAND;

/// What is asked of the child, as its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Which devices there are.
    List,
    /// The proof of one, by its place in the list; the verdict is kept in a folder.
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
pub(crate) fn arguments(ask: &Ask) -> Vec<OsString> {
    match ask {
        Ask::List => vec![DEVICE_PROOF_COMMAND.into()],
        Ask::Prove { index, folder } => vec![DEVICE_PROOF_COMMAND.into(), index.to_string().into(), folder.into()],
    }
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
