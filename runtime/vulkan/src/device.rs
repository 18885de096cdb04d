//! Devices that run compute shaders.
//!
//! [`Compute`] is the whole contract; [`VulkanDevice`] implements it over vulkano, which can be replaced behind it.
//! Buffers are 32-bit words and start as zeros. What is asked of a device is done in order, and whoever waits for it does
//! no longer than its patience; what a driver reports is a [`DeviceError`] of its own kind, never a panic.

mod command; // what a device is to do next
mod description; // what a device is
mod error; // what can go wrong with it
mod list; // which devices there are
mod logical; // a device as Vulkan's own calls make it
mod memory; // buffers that serve again
mod pipelines; // what drivers made of shaders
mod unchecked; // what vulkano cannot check or read
mod vulkan; // the contract over vulkano

pub use description::{Description, Driver, Features, Kind};
pub use error::DeviceError;
pub use list::{Candidate, list};
pub use memory::Words;
pub use pipelines::Pipelines;
pub use vulkan::{Kernel, PATIENCE, VulkanDevice};

use std::sync::Arc;

use crate::spirv::Shader;

/// A device that runs compute shaders, a dispatch at a time.
pub trait Compute: Send + Sync + 'static {
    /// Words in the device's memory.
    type Buffer: Send + Sync + 'static;
    /// A shader, compiled for the device.
    type Kernel: Send + Sync + 'static;

    /// What the device is.
    fn description(&self) -> &Description;

    /// The words of the largest buffer that a kernel can be given.
    fn largest_buffer(&self) -> usize;

    /// Buffers that one kernel can be given.
    fn most_bindings(&self) -> u32;

    /// So many 32-bit words of zeros.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`]; [`DeviceError::TooLarge`] beyond what one binding may have; a lost device.
    fn buffer(&self, words: usize) -> Result<Self::Buffer, DeviceError>;

    /// A buffer of these words.
    ///
    /// # Errors
    /// As [`Compute::buffer`] and [`Compute::write`].
    fn filled(&self, words: &[u32]) -> Result<Self::Buffer, DeviceError>;

    /// A buffer of a few words that kernels read where the host has written them: nothing is moved.
    ///
    /// # Errors
    /// As [`Compute::buffer`].
    fn shown(&self, words: &[u32]) -> Result<Self::Buffer, DeviceError>;

    /// A buffer of whatever words there were: for what a kernel of ours writes whole before anybody reads it.
    ///
    /// # Errors
    /// As [`Compute::buffer`].
    fn unwritten(&self, words: usize) -> Result<Self::Buffer, DeviceError>;

    /// A buffer of the same words as another.
    ///
    /// # Errors
    /// As [`Compute::buffer`].
    fn copied(&self, buffer: &Self::Buffer) -> Result<Self::Buffer, DeviceError>;

    /// Writes words from the buffer's beginning.
    ///
    /// # Errors
    /// [`DeviceError::TooLarge`] if the buffer has fewer; a lost device.
    fn write(&self, buffer: &Self::Buffer, words: &[u32]) -> Result<(), DeviceError>;

    /// Every word of a buffer.
    ///
    /// # Errors
    /// A lost device, or one without memory to pass them through.
    fn read(&self, buffer: &Self::Buffer) -> Result<Vec<u32>, DeviceError>;

    /// Compiles a shader.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] if the driver does not take it; a lost device.
    fn kernel(&self, shader: &Shader) -> Result<Self::Kernel, DeviceError>;

    /// Runs `groups` workgroups over the shader's bindings 0, 1, … and waits for the end.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] for another number of buffers than the shader binds, or too many groups;
    /// [`DeviceError::TimedOut`], after which the device serves nothing more; a lost device.
    fn run(&self, kernel: &Self::Kernel, buffers: &[&Self::Buffer], groups: [u32; 3]) -> Result<(), DeviceError>;

    /// The same, but perhaps not before something is read, or enough waits: `work` is about how many fused steps it takes.
    /// A device that fails then serves nothing more.
    ///
    /// # Errors
    /// As [`Compute::run`], of what was asked for before too.
    fn run_later(
        &self,
        kernel: &Self::Kernel,
        buffers: &[&Self::Buffer],
        groups: [u32; 3],
        _work: u64,
    ) -> Result<(), DeviceError> {
        self.run(kernel, buffers, groups)
    }
}

impl<D: Compute> Compute for Arc<D> {
    type Buffer = D::Buffer;
    type Kernel = D::Kernel;

    fn description(&self) -> &Description {
        (**self).description()
    }

    fn largest_buffer(&self) -> usize {
        (**self).largest_buffer()
    }

    fn most_bindings(&self) -> u32 {
        (**self).most_bindings()
    }

    fn buffer(&self, words: usize) -> Result<D::Buffer, DeviceError> {
        (**self).buffer(words)
    }

    fn filled(&self, words: &[u32]) -> Result<D::Buffer, DeviceError> {
        (**self).filled(words)
    }

    fn shown(&self, words: &[u32]) -> Result<D::Buffer, DeviceError> {
        (**self).shown(words)
    }

    fn unwritten(&self, words: usize) -> Result<D::Buffer, DeviceError> {
        (**self).unwritten(words)
    }

    fn copied(&self, buffer: &D::Buffer) -> Result<D::Buffer, DeviceError> {
        (**self).copied(buffer)
    }

    fn write(&self, buffer: &D::Buffer, words: &[u32]) -> Result<(), DeviceError> {
        (**self).write(buffer, words)
    }

    fn read(&self, buffer: &D::Buffer) -> Result<Vec<u32>, DeviceError> {
        (**self).read(buffer)
    }

    fn kernel(&self, shader: &Shader) -> Result<D::Kernel, DeviceError> {
        (**self).kernel(shader)
    }

    fn run(&self, kernel: &D::Kernel, buffers: &[&D::Buffer], groups: [u32; 3]) -> Result<(), DeviceError> {
        (**self).run(kernel, buffers, groups)
    }

    fn run_later(
        &self,
        kernel: &D::Kernel,
        buffers: &[&D::Buffer],
        groups: [u32; 3],
        work: u64,
    ) -> Result<(), DeviceError> {
        (**self).run_later(kernel, buffers, groups, work)
    }
}
