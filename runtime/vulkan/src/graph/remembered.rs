use std::path::Path;
use std::sync::Arc;

use super::{Accelerator, AcceleratorError, Shaders};
use crate::device::{Candidate, Pipelines, VulkanDevice};
use crate::proof::Verdict;

/// Opens a proven device with its kernels, from what [`remember`] has kept in a folder, if that is there and good.
///
/// # Errors
/// As [`VulkanDevice::open`] and [`Accelerator::new`].
pub fn open(
    candidate: &Candidate,
    verdict: &Verdict,
    least: u64,
    folder: Option<&Path>,
) -> Result<Accelerator<Arc<VulkanDevice>>, AcceleratorError> {
    let shaders = Shaders::new(candidate.description(), verdict)?;
    let before = folder.and_then(|folder| Pipelines::read(folder, candidate.description(), shaders.digest()));
    let device = VulkanDevice::open(candidate)?;
    let device = if before.is_some() { device.remembering(before)? } else { device };
    Accelerator::of(Arc::new(device), &shaders, least)
}

/// Compiles a proven device's kernels and keeps in a folder what the driver made of them, for [`open`]; unless that is
/// there already. Only a process that runs no shaders but ours may do it: what is kept is executed.
///
/// # Errors
/// As [`open`]; a folder that cannot be written is none, for it costs time alone.
pub fn remember(candidate: &Candidate, verdict: &Verdict, folder: &Path) -> Result<(), AcceleratorError> {
    let shaders = Shaders::new(candidate.description(), verdict)?;
    let digest = shaders.digest();
    if Pipelines::read(folder, candidate.description(), digest).is_some() {
        return Ok(());
    }
    let device = Arc::new(VulkanDevice::open(candidate)?.remembering(None)?);
    Accelerator::of(Arc::clone(&device), &shaders, 0)?;
    if let Some(pipelines) = device.pipelines()? {
        pipelines.keep(folder, candidate.description(), digest).ok();
    }
    Ok(())
}
