//! What vulkano cannot check or read: a module's words, what a shader does, and what a driver said before.
#![expect(unsafe_code, reason = "vulkano trusts words, of modules and of drivers, and a shader's memory accesses")]

use std::ptr;
use std::sync::Arc;

use ash::vk;
use vulkano::command_buffer::{AutoCommandBufferBuilder, PrimaryAutoCommandBuffer};
use vulkano::device::Device;
use vulkano::pipeline::cache::{PipelineCache, PipelineCacheCreateInfo};
use vulkano::shader::{ShaderModule, ShaderModuleCreateInfo};
use vulkano::{VulkanError, VulkanObject};

use super::DeviceError;
use crate::spirv::Shader;

/// The shader as a module of the device, which must offer the shader's controls. The driver gets the shader's words;
/// vulkano, which panics over instructions that it does not know, reads the interface in its readable ones.
pub(super) fn module(device: &Arc<Device>, shader: &Shader) -> Result<Arc<ShaderModule>, DeviceError> {
    let create = vk::ShaderModuleCreateInfo::default().code(shader.words());
    let mut handle = vk::ShaderModule::null();
    // SAFETY: the handle is the device's, and the words outlive the call. A `Shader` is only made of WGSL that naga
    // validated and translated; the passes over its words add decorations, and modes and an instruction that the
    // device offers.
    let made = unsafe {
        (device.fns().v1_0.create_shader_module)(device.handle(), &raw const create, ptr::null(), &raw mut handle)
    };
    made.result().map_err(VulkanError::from)?;
    // SAFETY: the handle was made of this device just now, of words with the same interface.
    Ok(unsafe { ShaderModule::from_handle(Arc::clone(device), handle, ShaderModuleCreateInfo::new(shader.readable())) })
}

/// A place for what the driver makes of shaders, with what it made before, which has its header.
pub(super) fn pipelines(device: &Arc<Device>, before: Vec<u8>) -> Result<Arc<PipelineCache>, DeviceError> {
    let create = PipelineCacheCreateInfo { initial_data: before, ..PipelineCacheCreateInfo::default() };
    // SAFETY: this is nothing, or what `Pipelines` found by its digest to be what such a driver gave this program.
    Ok(unsafe { PipelineCache::new(Arc::clone(device), create) }?)
}

/// Records a dispatch of the pipeline and the buffers that are bound.
pub(super) fn dispatch(
    commands: &mut AutoCommandBufferBuilder<PrimaryAutoCommandBuffer>,
    groups: [u32; 3],
) -> Result<(), DeviceError> {
    // SAFETY: the shader's indices are bounds-checked by naga (`ReadZeroSkipWrite`), also against the buffers bound;
    // it has no pointers, images or push constants; its loops are bounded; buffers and workgroup memory are zeroed.
    unsafe { commands.dispatch(groups) }?;
    Ok(())
}
