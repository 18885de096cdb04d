//! The logical device, as Vulkan's own calls make it: vulkano's headers are older than `VK_KHR_shader_fma`, and it would
//! neither find that extension nor enable it.
#![expect(unsafe_code, reason = "Vulkan's own calls, and a structure of theirs")]

use std::ffi::{CStr, c_void};
use std::sync::Arc;
use std::{ptr, slice};

use ash::vk;
use vulkano::device::physical::PhysicalDevice;
use vulkano::device::{Device, DeviceCreateInfo, DeviceExtensions, DeviceFeatures, Queue, QueueCreateInfo};
use vulkano::{Version, VulkanError, VulkanObject};

use super::DeviceError;

/// Its instruction, `OpFmaKHR`, is rounded once by its specification.
const SHADER_FMA: &CStr = c"VK_KHR_shader_fma";
/// What a device that is a layer over another interface has to be told that one knows.
const PORTABILITY_SUBSET: &CStr = c"VK_KHR_portability_subset";

/// `VkPhysicalDeviceShaderFmaFeaturesKHR`, as the specification of `VK_KHR_shader_fma` has it.
#[repr(C)]
struct ShaderFmaFeatures {
    s_type: vk::StructureType,
    p_next: *mut c_void,
    float16: vk::Bool32,
    float32: vk::Bool32,
    float64: vk::Bool32,
}

// SAFETY: it begins with its type and a pointer to the next, and is only made with the type below.
unsafe impl vk::TaggedStructure for ShaderFmaFeatures {
    /// The extension is the 580th, and each has a thousand numbers, from 1,000,000,000 on.
    const STRUCTURE_TYPE: vk::StructureType = vk::StructureType::from_raw(1_000_579_000);
}
// SAFETY: the registry says that it extends both.
unsafe impl vk::ExtendsPhysicalDeviceFeatures2 for ShaderFmaFeatures {}
// SAFETY: as above.
unsafe impl vk::ExtendsDeviceCreateInfo for ShaderFmaFeatures {}

impl ShaderFmaFeatures {
    /// Of f32 alone, or of nothing.
    fn new(float32: bool) -> Self {
        let s_type = <Self as vk::TaggedStructure>::STRUCTURE_TYPE;
        Self { s_type, p_next: ptr::null_mut(), float16: vk::FALSE, float32: float32.into(), float64: vk::FALSE }
    }
}

/// Whether a device has `OpFmaKHR` for f32.
pub(super) fn offers_fused(physical: &PhysicalDevice) -> bool {
    let name = SHADER_FMA.to_str().expect("it is ASCII");
    if physical.api_version().min(physical.instance().api_version()) < Version::V1_1
        || !physical.extension_properties().iter().any(|it| it.extension_name == name)
    {
        return false;
    }
    let mut fma = ShaderFmaFeatures::new(false);
    let mut features = vk::PhysicalDeviceFeatures2::default().push_next(&mut fma);
    let ask = physical.instance().fns().v1_1.get_physical_device_features2;
    // SAFETY: the handle is the device's; the chain's two structures outlive the call, and the device has the
    // extension that the second belongs to.
    unsafe { ask(physical.handle(), &raw mut features) };
    fma.float32 == vk::TRUE
}

/// Makes the device with one queue of a family; with `OpFmaKHR` if that is wanted, which the device must offer.
pub(super) fn open(
    physical: &Arc<PhysicalDevice>,
    family: u32,
    fused: bool,
) -> Result<(Arc<Device>, Arc<Queue>), DeviceError> {
    let robust = physical.supported_features().robust_buffer_access;
    let portability = physical.supported_extensions().khr_portability_subset;
    let names = [(portability, PORTABILITY_SUBSET), (fused, SHADER_FMA)];
    let names: Vec<_> = names.into_iter().filter(|&(wanted, _)| wanted).map(|(_, name)| name.as_ptr()).collect();
    let queue = vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0]);
    let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(robust);
    let mut fma = ShaderFmaFeatures::new(fused);
    let mut create = vk::DeviceCreateInfo::default()
        .queue_create_infos(slice::from_ref(&queue))
        .enabled_extension_names(&names)
        .enabled_features(&features);
    if fused {
        create = create.push_next(&mut fma);
    }
    // What vulkano is to know of it; its queue has the same priority.
    let known = DeviceCreateInfo {
        queue_create_infos: vec![QueueCreateInfo { queue_family_index: family, ..QueueCreateInfo::default() }],
        enabled_features: DeviceFeatures { robust_buffer_access: robust, ..DeviceFeatures::empty() },
        enabled_extensions: DeviceExtensions { khr_portability_subset: portability, ..DeviceExtensions::empty() },
        ..DeviceCreateInfo::default()
    };
    let mut handle = vk::Device::null();
    // SAFETY: the handle is the device's; all that `create` points to outlives the call; the device has the family,
    // the extensions and the features.
    let made = unsafe {
        (physical.instance().fns().v1_0.create_device)(
            physical.handle(),
            &raw const create,
            ptr::null(),
            &raw mut handle,
        )
    };
    made.result().map_err(VulkanError::from)?;
    // SAFETY: the handle was made of this device just now, with all that `known` says; vulkano has no part for
    // `VK_KHR_shader_fma`, which brings no call and no object.
    let (device, mut queues) = unsafe { Device::from_handle(Arc::clone(physical), handle, known) };
    Ok((device, queues.next().expect("one queue was asked for")))
}
