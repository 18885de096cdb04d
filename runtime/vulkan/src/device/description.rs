use std::fmt;

use serde::{Deserialize, Serialize};
use vulkano::device::physical::{PhysicalDevice, PhysicalDeviceType};
use vulkano::memory::MemoryHeapFlags;

use super::logical;
use crate::spirv::FloatControls;

/// What a device is, in the words of its driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The device's name.
    pub name: String,
    /// How it is built in.
    pub kind: Kind,
    /// The same device has the same one under every driver of this machine (32 hexadecimal digits).
    pub uuid: String,
    /// What drives it.
    pub driver: Driver,
    /// Bytes of its own memory.
    pub memory_bytes: u64,
    /// What it offers beyond Vulkan 1.2.
    pub features: Features,
}

/// What drives a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// Such as `radv` or `SwiftShader driver`.
    pub name: String,
    /// The driver's own description of its version.
    pub info: String,
    /// The version as a number; every vendor has a layout of its own.
    pub version: u32,
    /// The version of Vulkan, such as `1.3.0`.
    pub vulkan: String,
}

/// What kernels may make use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// It can be asked to round f32 to nearest, ties to even.
    pub nearest_even: bool,
    /// It can be asked to keep -0, infinities and NaN.
    pub special_values: bool,
    /// It has an instruction for dots of four bytes.
    pub integer_dot: bool,
    /// It has an instruction that is a fused multiply-add of f32 by its specification (`VK_KHR_shader_fma`).
    pub fused: bool,
}

impl Features {
    /// What shaders ask of this device, whatever their fused step is.
    #[must_use]
    pub fn controls(self) -> FloatControls {
        FloatControls { fused: false, ..self.every_control() }
    }

    /// What shaders may ask of this device.
    pub(crate) fn every_control(self) -> FloatControls {
        FloatControls { nearest_even: self.nearest_even, special_values: self.special_values, fused: self.fused }
    }
}

/// How a device is built in; the earlier is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A card with memory of its own.
    Discrete,
    /// Part of the processor's chip.
    Integrated,
    /// Lent to a virtual machine.
    Virtual,
    /// The processor itself: software.
    Processor,
    /// Anything else.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Processor => "processor",
            Self::Other => "other",
        })
    }
}

impl Description {
    pub(super) fn of(device: &PhysicalDevice) -> Self {
        let properties = device.properties();
        let uuid = properties.device_uuid.unwrap_or_default();
        let own = |heap: &&vulkano::memory::MemoryHeap| heap.flags.intersects(MemoryHeapFlags::DEVICE_LOCAL);
        Self {
            name: properties.device_name.clone(),
            kind: match properties.device_type {
                PhysicalDeviceType::DiscreteGpu => Kind::Discrete,
                PhysicalDeviceType::IntegratedGpu => Kind::Integrated,
                PhysicalDeviceType::VirtualGpu => Kind::Virtual,
                PhysicalDeviceType::Cpu => Kind::Processor,
                _ => Kind::Other,
            },
            uuid: uuid.iter().map(|byte| format!("{byte:02x}")).collect(),
            driver: Driver {
                name: properties.driver_name.clone().unwrap_or_default(),
                info: properties.driver_info.clone().unwrap_or_default(),
                version: properties.driver_version,
                vulkan: device.api_version().to_string(),
            },
            memory_bytes: device.memory_properties().memory_heaps.iter().filter(own).map(|heap| heap.size).sum(),
            features: Features {
                nearest_even: properties.shader_rounding_mode_rte_float32.unwrap_or(false),
                special_values: properties.shader_signed_zero_inf_nan_preserve_float32.unwrap_or(false),
                integer_dot: device.supported_features().shader_integer_dot_product,
                fused: logical::offers_fused(device),
            },
        }
    }
}
