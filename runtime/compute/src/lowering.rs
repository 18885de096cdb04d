//! A kernel as WGSL for devices, which does exactly what the executor does.
//!
//! It is written from the program that the executor runs, not from the source: registers are variables, each operation
//! is a function of words, slices are checked at each access, and all that the executor charges is counted. What is
//! left to whoever compiles it are the functions of [`Operation`], with the rules of numbers.
//!
//! A device is given a part of a dispatch at a time: a [`Job`]. An invocation that spends more than the job's limit goes
//! on to its end without turning any loop again; the result is then worth nothing.

mod atomics; // words that are changed at once
mod frame; // what stands around a kernel's own text
mod job; // what a device is told, and what it answers
mod operations; // an operation in words of WGSL
mod writer; // from the tree to text

use std::collections::BTreeSet;

use atomics::Words;
pub use job::Job;
pub use operations::Operation;

use crate::program::Space;
use crate::proof::prove;
use crate::{Kernel, Unproven};

/// Instructions of a kernel for devices: compilers of drivers take long over more.
const INSTRUCTIONS: usize = 4_096;
/// Registers of a kernel for devices.
const REGISTERS: u32 = 2_048;

/// A kernel in WGSL.
#[derive(Debug)]
pub struct Lowered {
    /// Its entry point is `main`. The kernel's bindings come first, then the words of a [`Job`], then those of the job's
    /// account.
    pub source: String,
    /// The functions that the source calls and does not have.
    pub operations: BTreeSet<Operation>,
}

impl Kernel {
    /// The kernel as devices can run it.
    ///
    /// # Errors
    /// A kernel that may race or diverge, is not proven to do neither, or is too large.
    pub fn lowered(&self) -> Result<Lowered, Unproven> {
        let Kernel { program, .. } = self;
        if program.ops.len() > INSTRUCTIONS || program.registers > REGISTERS {
            let (ops, registers) = (program.ops.len(), program.registers);
            return Err(Unproven::new(format!("{ops} instructions and {registers} registers are many for devices")));
        }
        let proof = prove(self)?;
        let Some(shared) = Words::of(&program.changes(Space::Workgroup)) else {
            return Err(Unproven::new("workgroup memory has the least or greatest of i32 and of u32"));
        };
        Ok(writer::Writer::new(self, &proof, shared).write())
    }
}
