use std::sync::Arc;

use vulkano::device::physical::PhysicalDevice;
use vulkano::instance::{Instance, InstanceCreateFlags, InstanceCreateInfo};
use vulkano::{Version, VulkanLibrary};

use super::{Description, DeviceError};

/// A device that can be opened.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub(super) physical: Arc<PhysicalDevice>,
    description: Description,
}

impl Candidate {
    /// What it is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }
}

/// The devices of this machine, those with memory of their own first. Loads the drivers into this process.
///
/// # Errors
/// [`DeviceError::NoLoader`] on a machine without Vulkan; a driver that does not start.
pub fn list() -> Result<Vec<Candidate>, DeviceError> {
    let library = VulkanLibrary::new().map_err(|error| DeviceError::NoLoader(error.to_string()))?;
    let create = InstanceCreateInfo {
        flags: InstanceCreateFlags::ENUMERATE_PORTABILITY,
        max_api_version: Some(Version::V1_3),
        ..InstanceCreateInfo::application_from_cargo_toml()
    };
    let instance = Instance::new(library, create)?;
    let mut found: Vec<_> = instance
        .enumerate_physical_devices()?
        .map(|physical| Candidate { description: Description::of(&physical), physical })
        .collect();
    found.sort_by_key(|candidate| candidate.description.kind);
    Ok(found)
}
