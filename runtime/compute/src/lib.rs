//! Tasks' own kernels, written in WGSL, with the same bits everywhere.
//!
//! [`Kernel::parse`] takes what is left of WGSL when everything is left out that two devices may do differently;
//! [`Kernel::dispatch`] is the executor: plain Rust, one invocation after the other. docs/compute.md says what each
//! operation computes; [`arithmetic`] says the same in scalar code.
//!
//! Buffers are slices of words here. Handles, fuel of a run and the trace belong to `poai-sandbox`; devices to
//! `poai-vulkan`.

pub mod arithmetic; // what each operation computes
mod compile; // from naga's expressions to a program
mod cost; // fuel
mod device; // devices in the executor's place
mod error; // why a kernel is refused, how a dispatch ends
mod execute; // the executor
mod kernel; // reading a source
mod limits; // what a kernel may have
mod lowering; // WGSL for devices that does what the executor does
mod program; // flat instructions
mod proof; // that a kernel is free of races and divergence
mod shape; // types, and where their parts lie
mod source; // what is refused before a source is read
mod vocabulary; // WGSL's functions

pub use device::{Device, DeviceFault, NotReady, Ready, Resident};
pub use error::{DispatchError, KernelError};
pub use execute::{Binding, Offer};
pub use kernel::{Access, Kernel};
pub use limits::Limits;
pub use lowering::{Job, Lowered, Operation};
pub use proof::Unproven;

#[cfg(test)]
mod tests;
