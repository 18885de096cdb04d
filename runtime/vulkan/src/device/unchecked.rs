//! The two calls that vulkano cannot check: a module's words, and what a shader does.
#![expect(unsafe_code, reason = "vulkano trusts the words of a module and the memory accesses of a shader")]

use std::sync::Arc;

use vulkano::command_buffer::{AutoCommandBufferBuilder, PrimaryAutoCommandBuffer};
use vulkano::device::Device;
use vulkano::shader::{ShaderModule, ShaderModuleCreateInfo};

use super::DeviceError;
use crate::spirv::Shader;

/// The shader as a module of the device.
pub(super) fn module(device: &Arc<Device>, shader: &Shader) -> Result<Arc<ShaderModule>, DeviceError> {
    // SAFETY: a `Shader` is only made of WGSL that naga validated and translated; the pass over its words adds
    // decorations, and modes that `Description` read from this kind of device (vulkano checks them once more).
    Ok(unsafe { ShaderModule::new(Arc::clone(device), ShaderModuleCreateInfo::new(shader.words())) }?)
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
