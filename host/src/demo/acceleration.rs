//! The story of the demo with GPUs: a task computes its models on a device of one host, and on the processor of the
//! verifier, to the same claim; once for every device of this machine that has passed its proof.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Instant;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::peers::{Conduct, Part};
use super::plan::{AUTHOR, AUTO, VERIFIER};
use super::report::{DeviceRow, DevicesReport};
use super::scene::{COMMAND, Scene, Setting, play};
use crate::control::PublishAnswer;
use crate::errors::{Failure, Kind};

/// The task, a folder of poai's own: it loads models in every way there is, and they are a few bytes in the clone.
const TASK: &str = "nn-check";
/// The hosts, one a device: more devices than this are not shown.
const HOSTS: [&str; 4] = ["gpu-1", "gpu-2", "gpu-3", "gpu-4"];
/// The verifier's code, which is the definition.
const SCALAR: &str = "scalar";

/// Where a home keeps the verdicts on devices.
const VERDICTS: &str = "devices";

/// What `poai devices` answers, as far as it is asked for here.
#[derive(Deserialize)]
struct Devices {
    devices: Vec<Found>,
    absent: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    proof: Option<Proof>,
    unproven: Option<String>,
}

#[derive(Deserialize)]
struct Proof {
    step: Option<String>,
}

/// Tells the story of the devices.
pub(crate) async fn tell(setting: Setting<'_>, cancel: &CancellationToken) -> Result<DevicesReport, Failure> {
    play(setting, cancel, async |scene| story(scene).await).await
}

async fn story(scene: &mut Scene<'_>) -> Result<DevicesReport, Failure> {
    let devices = proven(scene).await?;
    let folder = scene.task(TASK);
    scene.build(&folder).await?;
    let begun = Instant::now();
    scene.enter(Part { name: AUTHOR, ..PLAIN }).await?;
    let task = scene.publish(&folder).await?;
    let known = scene.peer(AUTHOR).addresses.clone();
    scene.enter(Part { name: VERIFIER, kernels: SCALAR, peers: &known, ..PLAIN }).await?;
    let accept = [format!("program:{}", task.program)];
    let mut rows = Vec::new();
    for (name, device) in HOSTS.into_iter().zip(&devices) {
        lend_verdicts(&scene.setting.stage.home(AUTHOR), &scene.setting.stage.home(name))?;
        scene.enter(Part { name, device: Some(device), accept: &accept, peers: &known, ..PLAIN }).await?;
        rows.push(compute(scene, name, &task).await?);
    }
    Ok(DevicesReport {
        task,
        peers: scene.rows().await?,
        devices: rows,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        kept: scene.kept(),
        program: scene.program.shown(),
    })
}

/// A peer that takes nobody's runs.
const PLAIN: Part<'_> =
    Part { name: "", conduct: Conduct::Honest, kernels: AUTO, device: None, accept: &[], peers: &[] };

/// The names of the devices that have passed their proof; says of every other why not.
async fn proven(scene: &mut Scene<'_>) -> Result<Vec<String>, Failure> {
    scene.say("proving this machine's devices");
    let home = scene.setting.stage.home(AUTHOR);
    let found: Devices = scene.program.ask(&home, &["devices"], COMMAND).await?;
    let mut names = Vec::new();
    for device in found.devices {
        if device.proof.is_some_and(|proof| proof.step.is_some()) {
            scene.say(format!("{}: it computes the right bits", device.name));
            names.push(device.name);
        } else {
            let reason = device.unproven.unwrap_or_else(|| "it computes other bits".to_owned());
            scene.say(format!("{}: it serves nothing: {reason}", device.name));
        }
    }
    if names.is_empty() {
        let reason = found.absent.unwrap_or_else(|| "none has passed its proof".to_owned());
        return Err(Failure::new(Kind::NotFound, format!("this machine has no device to show: {reason}"))
            .hint("two drivers in software, without root: export $(runtime/vulkan/scripts/drivers.sh)"));
    }
    Ok(names)
}

/// The proofs were made on this very machine: no home of it needs to make them again.
fn lend_verdicts(from: &Path, to: &Path) -> Result<(), Failure> {
    let [from, to] = [from, to].map(|home| home.join(VERDICTS));
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&to);
    made.map_err(|error| Failure::file("make the folder", &to, &error))?;
    let entries = fs::read_dir(&from).map_err(|error| Failure::file("read", &from, &error))?;
    for entry in entries.flatten() {
        fs::copy(entry.path(), to.join(entry.file_name()))
            .map_err(|error| Failure::file("copy", &entry.path(), &error))?;
    }
    Ok(())
}

/// Has a host compute the task's models on its device, and the verifier compute them again.
async fn compute(scene: &mut Scene<'_>, host: &'static str, task: &PublishAnswer) -> Result<DeviceRow, Failure> {
    let place = scene.peer(host).address()?.to_owned();
    let (host, run) = scene.run(TASK, &task.package, vec!["--on".to_owned(), place]).await?;
    scene.say(format!("  {host} computed on {}", run.telemetry.device));
    let row = scene.replay(TASK, host, run).await?;
    if row.differs() {
        return Err(Failure::new(Kind::Bug, format!("{host}: the verifier comes to another claim than the device")));
    }
    let status = scene.row(scene.peer(host)).await?;
    let device = status.device.ok_or_else(|| Failure::new(Kind::Bug, format!("{host} computes without a device")))?;
    Ok(DeviceRow { row, device, verifier_kernels: SCALAR.into() })
}
