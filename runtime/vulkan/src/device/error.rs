use std::time::Duration;

use vulkano::buffer::AllocateBufferError;
use vulkano::command_buffer::CommandBufferExecError;
use vulkano::memory::allocator::MemoryAllocatorError;
use vulkano::{Validated, ValidationError, VulkanError};

/// What can go wrong with a device: a fault of the host, never of the work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The machine has no Vulkan loader, or one that does not start.
    #[error("this machine has no working Vulkan loader: {0}")]
    NoLoader(String),
    /// The device lacks what every kernel needs.
    #[error("the device does not serve: {0}")]
    Unsuitable(String),
    /// The device is gone: reset, removed or hung.
    #[error("the device was lost")]
    Lost,
    /// There is no memory left, on the device or for its driver.
    #[error("the device is out of memory")]
    OutOfMemory,
    /// A buffer of more words than there may be.
    #[error("{words} words were asked of a buffer that can have {limit}")]
    TooLarge {
        /// Wanted.
        words: usize,
        /// Allowed.
        limit: usize,
    },
    /// A dispatch did not end within the device's patience.
    #[error("the device has not answered for {after:?} and is given up")]
    TimedOut {
        /// The patience.
        after: Duration,
    },
    /// A call that breaks a rule of Vulkan, or a shader that the driver does not take.
    #[error("the device refuses: {0}")]
    Refused(String),
    /// Any other word of the driver.
    #[error("the driver reports: {0}")]
    Driver(String),
}

impl From<VulkanError> for DeviceError {
    fn from(error: VulkanError) -> Self {
        match error {
            VulkanError::DeviceLost => Self::Lost,
            VulkanError::OutOfHostMemory | VulkanError::OutOfDeviceMemory | VulkanError::OutOfPoolMemory => {
                Self::OutOfMemory
            }
            VulkanError::InvalidShader => Self::Refused("the shader".to_owned()),
            other => Self::Driver(other.to_string()),
        }
    }
}

impl From<Box<ValidationError>> for DeviceError {
    fn from(error: Box<ValidationError>) -> Self {
        Self::Refused(error.to_string())
    }
}

impl<E> From<Validated<E>> for DeviceError
where
    Self: From<E>,
{
    fn from(error: Validated<E>) -> Self {
        match error {
            Validated::Error(error) => error.into(),
            Validated::ValidationError(error) => error.into(),
        }
    }
}

impl From<AllocateBufferError> for DeviceError {
    fn from(error: AllocateBufferError) -> Self {
        match error {
            AllocateBufferError::CreateBuffer(error) | AllocateBufferError::BindMemory(error) => error.into(),
            AllocateBufferError::AllocateMemory(MemoryAllocatorError::AllocateDeviceMemory(error)) => error.into(),
            AllocateBufferError::AllocateMemory(_) => Self::OutOfMemory,
        }
    }
}

impl From<CommandBufferExecError> for DeviceError {
    fn from(error: CommandBufferExecError) -> Self {
        Self::Driver(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_device_and_missing_memory_are_errors_of_their_own() {
        for (word, expected) in [
            (VulkanError::DeviceLost, DeviceError::Lost),
            (VulkanError::OutOfHostMemory, DeviceError::OutOfMemory),
            (VulkanError::OutOfDeviceMemory, DeviceError::OutOfMemory),
            (VulkanError::OutOfPoolMemory, DeviceError::OutOfMemory),
        ] {
            assert_eq!(DeviceError::from(word), expected);
            assert_eq!(DeviceError::from(Validated::Error(word)), expected);
            let allocation = MemoryAllocatorError::AllocateDeviceMemory(Validated::Error(word));
            assert_eq!(DeviceError::from(AllocateBufferError::AllocateMemory(allocation)), expected);
        }
        let full = AllocateBufferError::AllocateMemory(MemoryAllocatorError::FindMemoryType);
        assert_eq!(DeviceError::from(full), DeviceError::OutOfMemory);
    }
}
