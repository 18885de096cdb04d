//! The device that computes models beside the processor: chosen once, by its proof, and opened by every worker.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use poai_graph::{Cpu, Device};
use poai_vulkan::device::{Compute, Description, Kind as DeviceKind, list};
use poai_vulkan::graph::{Accelerator, Vulkan, open};
use poai_vulkan::proof::Verdict;
use poai_vulkan::task::Tasks;
use serde::{Deserialize, Serialize};

use crate::cli::device_proof::{Ask, Reply, ask};
use crate::errors::{Failure, Kind};

/// The name of no device: the processor computes alone.
pub(crate) const CPU: &str = "cpu";
/// The name of whichever is found.
const AUTO: &str = "auto";
/// What helps whoever named a device that does not serve.
const HINT: &str = "`poai devices` shows this machine's devices and their proofs";

/// A device that has passed its proof: what a worker is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    device: Description,
    verdict: Verdict,
    /// Fused steps below which a node stays on the processor.
    least: u64,
    /// The folder with what its driver made of our shaders; none if its name is no text.
    kept: Option<String>,
}

impl Chosen {
    /// The device's name.
    pub(crate) fn name(&self) -> &str {
        &self.device.name
    }

    /// Opens the device in this process.
    pub(crate) fn open(&self) -> Result<Arc<dyn poai_sandbox::Accelerator>, String> {
        let words = |error: &dyn Display| format!("{}: {error}", self.name());
        let candidates = list().map_err(|error| words(&error))?;
        // Another driver, or another version of it, would have to be proven first.
        let candidate = candidates.iter().find(|candidate| *candidate.description() == self.device);
        let candidate = candidate.ok_or_else(|| words(&"it is gone, or its driver is another since it was proven"))?;
        let kept = self.kept.as_ref().map(Path::new);
        let accelerator = open(candidate, &self.verdict, self.least, kept).map_err(|error| words(&error))?;
        let tasks = Tasks::new(Arc::clone(accelerator.device()), &self.verdict).map(Arc::new);
        let makes_code = self.device.kind == DeviceKind::Processor;
        Ok(Arc::new(Opened { accelerator: Arc::new(accelerator), tasks, makes_code }))
    }
}

/// What of this process's environment a worker needs to find the driver; what keeps strangers' layers out; and no cache on
/// disk, which a guest that broke out could write to for the next worker.
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    const KEPT: [&str; 4] = ["LD_LIBRARY_PATH", "VK_ADD_DRIVER_FILES", "VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
    const SET: [(&str, &str); 3] =
        [("VK_LOADER_LAYERS_DISABLE", "~all~"), ("MESA_SHADER_CACHE_DISABLE", "true"), ("__GL_SHADER_DISK_CACHE", "0")];
    let kept = KEPT.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    kept.chain(SET.map(|(name, value)| (name.into(), value.into()))).collect()
}

/// An open device, as workers take it.
struct Opened<D: Compute> {
    accelerator: Arc<Accelerator<Arc<D>>>,
    tasks: Option<Arc<Tasks<D>>>,
    makes_code: bool,
}

impl<D: Compute> poai_sandbox::Accelerator for Opened<D> {
    fn over(self: Arc<Self>, cpu: Cpu) -> Arc<dyn Device> {
        Arc::new(Vulkan::new(Arc::clone(&self.accelerator), cpu))
    }

    fn for_kernels(&self) -> Option<Arc<dyn poai_compute::Device>> {
        self.tasks.clone().map(|tasks| tasks as _)
    }

    fn runs(&self) -> u64 {
        self.accelerator.runs()
    }

    fn makes_code(&self) -> bool {
        self.makes_code
    }
}

/// Finds the device that an operator wants, and has it proven; none if the processor is to compute alone. A device that
/// is named, or numbered in the order of `poai devices` (`vulkan:0`, or `vulkan`), and does not serve is a failure: nothing
/// takes its place. Verdicts are kept in `verdicts`.
pub(crate) async fn choose(wanted: &str, least: u64, verdicts: &Path) -> Result<Option<Chosen>, Failure> {
    if wanted == CPU {
        return Ok(None);
    }
    if let Some(number) = number(wanted) {
        return numbered(number, least, verdicts).await.map(Some);
    }
    let devices = match devices().await? {
        Ok(devices) => devices,
        Err(reason) if wanted == AUTO => {
            tracing::info!(%reason, "no GPU: the processor computes models alone");
            return Ok(None);
        }
        Err(reason) => return Err(absent(wanted, &reason)),
    };
    if wanted != AUTO {
        let index = named(wanted, &devices)?;
        let chosen = serving(index, &devices[index], least, verdicts).await?;
        tracing::info!(device = chosen.name(), "computes models, as it was named");
        return Ok(Some(chosen));
    }
    // Software is slower than the processor that runs it.
    for (index, device) in devices.iter().enumerate().filter(|(_, device)| device.kind != DeviceKind::Processor) {
        match prove(index, device, least, verdicts).await? {
            Ok(chosen) => {
                tracing::info!(device = chosen.name(), "computes models: the first GPU that passed its proof");
                return Ok(Some(chosen));
            }
            Err(reason) => tracing::warn!(device = device.name, %reason, "computes no models"),
        }
    }
    tracing::info!("no GPU that passed its proof: the processor computes models alone");
    Ok(None)
}

/// The number in `vulkan:N`; `vulkan` is the first.
fn number(wanted: &str) -> Option<usize> {
    match wanted.strip_prefix("vulkan")? {
        "" => Some(0),
        number => number.strip_prefix(':')?.parse().ok(),
    }
}

/// The device of a number, once it is proven. One that does not serve is a failure.
async fn numbered(number: usize, least: u64, verdicts: &Path) -> Result<Chosen, Failure> {
    let devices = devices().await?;
    let count = devices.as_ref().map_or(0, Vec::len);
    let Some(device) = devices.as_ref().ok().and_then(|devices| devices.get(number)) else {
        let reason = devices.err().unwrap_or_else(|| format!("it has {count}, and they are counted from 0"));
        let message = format!("this machine has no Vulkan device {number}: {reason}");
        return Err(Failure::new(Kind::NotFound, message).hint(HINT));
    };
    serving(number, device, least, verdicts).await
}

/// This machine's devices, or why it has none.
async fn devices() -> Result<Result<Vec<Description>, String>, Failure> {
    match ask(&Ask::List).await? {
        Reply::Devices(devices) => Ok(Ok(devices)),
        Reply::NoLoader(reason) | Reply::Failed(reason) => Ok(Err(reason)),
        Reply::Proof { .. } => Err(Failure::new(Kind::Bug, "a list was asked for and a proof came")),
    }
}

/// A device that somebody named: if it does not serve, that is a failure.
async fn serving(index: usize, device: &Description, least: u64, verdicts: &Path) -> Result<Chosen, Failure> {
    prove(index, device, least, verdicts).await?.map_err(|reason| {
        Failure::new(Kind::HostFault, format!("{} computes no models: {reason}", device.name)).hint(HINT)
    })
}

/// The place of the one device of this name, or part of a name, or UUID.
fn named(wanted: &str, devices: &[Description]) -> Result<usize, Failure> {
    let lower = wanted.to_lowercase();
    let fits = |device: &Description| device.uuid == lower || device.name.to_lowercase().contains(&lower);
    let mut fitting = (0..devices.len()).filter(|&index| fits(&devices[index]));
    let list = || devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>().join(", ");
    match (fitting.next(), fitting.next()) {
        (Some(index), None) => Ok(index),
        (None, _) if devices.is_empty() => Err(absent(wanted, "it has none")),
        (None, _) => Err(absent(wanted, &format!("it has {}", list()))),
        (Some(_), Some(_)) => {
            let message = format!("more than one of this machine's devices is called {wanted:?}: {}", list());
            Err(Failure::new(Kind::Config, message).hint("name it in full, or by its UUID"))
        }
    }
}

fn absent(wanted: &str, reason: &str) -> Failure {
    Failure::new(Kind::Config, format!("this machine has no device {wanted:?}: {reason}")).hint(HINT)
}

/// Has a device proven, or gives the reason why it does not serve.
async fn prove(
    index: usize,
    device: &Description,
    least: u64,
    verdicts: &Path,
) -> Result<Result<Chosen, String>, Failure> {
    Ok(match ask(&Ask::Prove { index, folder: verdicts.to_owned() }).await? {
        Reply::Proof { verdict, .. } if verdict.serves() => {
            let kept = verdicts.to_str().map(str::to_owned);
            Ok(Chosen { device: device.clone(), verdict, least, kept })
        }
        Reply::Proof { verdict, .. } => {
            let failed = verdict.failures.iter().map(|failure| failure.check.as_str()).collect::<Vec<_>>();
            Err(format!("it has not passed its proof: {}", failed.join(", ")))
        }
        Reply::NoLoader(reason) | Reply::Failed(reason) => Err(format!("it has no proof: {reason}")),
        Reply::Devices(_) => return Err(Failure::new(Kind::Bug, "a proof was asked for and a list came")),
    })
}

#[cfg(test)]
mod tests {
    use poai_vulkan::device::{Driver, Features};
    use poai_vulkan::kernels::Step;

    use super::*;

    impl Chosen {
        /// A device that no machine has.
        pub(crate) fn sample() -> Self {
            let verdict = Verdict { step: Some(Step::Fma), failures: Vec::new(), undecorated: Vec::new() };
            Self { device: device("a device", "00"), verdict, least: 7, kept: Some("/a/folder".into()) }
        }
    }

    #[test]
    fn a_device_may_be_called_by_its_number() {
        for (wanted, expected) in
            [("vulkan", Some(0)), ("vulkan:0", Some(0)), ("vulkan:12", Some(12)), ("vulkan:x", None), ("vulkans", None)]
        {
            assert_eq!(number(wanted), expected, "{wanted}");
        }
    }

    fn device(name: &str, uuid: &str) -> Description {
        Description {
            name: name.into(),
            kind: DeviceKind::Discrete,
            uuid: uuid.into(),
            driver: Driver { name: String::new(), info: String::new(), version: 1, vulkan: "1.3.0".into() },
            memory_bytes: 1,
            features: Features { nearest_even: false, special_values: false, integer_dot: false, fused: false },
        }
    }

    #[test]
    fn a_device_is_found_by_part_of_its_name_or_its_uuid_and_only_one() {
        let devices = [device("Radeon RX 1", "aa"), device("Radeon RX 2", "bb"), device("Arc", "cc")];
        for (wanted, index) in [("arc", 2), ("RX 2", 1), ("aa", 0), ("BB", 1)] {
            assert_eq!(named(wanted, &devices), Ok(index), "{wanted}");
        }
        for (wanted, devices, message) in [
            ("radeon", &devices[..], "more than one of this machine's devices is called \"radeon\": Radeon RX 1, "),
            ("geforce", &devices, "this machine has no device \"geforce\": it has Radeon RX 1, Radeon RX 2, Arc"),
            ("arc", &[], "this machine has no device \"arc\": it has none"),
        ] {
            let failure = named(wanted, devices).unwrap_err();
            assert!(failure.message.starts_with(message) && failure.hint.is_some(), "{failure:?}");
        }
    }
}
