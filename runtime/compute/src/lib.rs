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
mod error; // why a kernel is refused, how a dispatch ends
mod execute; // the executor
mod kernel; // reading a source
mod limits; // what a kernel may have
mod program; // flat instructions
mod shape; // types, and where their parts lie
mod source; // what is refused before a source is read
mod vocabulary; // WGSL's functions

pub use error::{DispatchError, KernelError};
pub use execute::{Binding, Offer};
pub use kernel::{Access, Kernel};
pub use limits::Limits;

#[cfg(test)]
mod tests;
