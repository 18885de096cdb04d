//! Vulkan compute that gives the bits of `poai-numerics`, on any vendor's device.
//!
//! [`spirv`] turns WGSL into SPIR-V that leaves a driver no choice of arithmetic; [`device`] runs it; [`kernels`] are
//! operations of numerics in WGSL; [`proof`] decides whether a device serves at all; [`graph`] has a device that passed
//! compute nodes of `poai-graph`. docs/vulkan.md says what is proven and how.
//!
//! Nothing here links Vulkan: the loader is opened when a device is asked for, so that everything builds and runs on
//! a machine without one.

pub mod device; // buffers, kernels, dispatch
pub mod graph; // nodes of graphs on a device
pub mod kernels; // operations of numerics in WGSL
pub mod proof; // that a device keeps the rules
pub mod spirv; // from WGSL to words
pub mod task; // kernels that tasks bring
mod whole_file; // what is kept on disk
