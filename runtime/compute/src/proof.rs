//! Whether a kernel is free of races and its barriers are reached by all, whatever its buffers hold.
//!
//! Invocations cannot race for buffers, as each has slices of its own, or only
//! changes words at once, in the one way that all do. For the rest, [`walk`] goes through the program's
//! tree with what is known of every register: the word of every invocation of a workgroup, if it depends on nothing but
//! the invocation's place; that it is the same for all; or nothing. So it knows where control is the same for all, and
//! refuses a barrier anywhere else. [`intervals`] then looks at all that happens between two barriers: no word of
//! workgroup memory that one invocation writes there may be touched by another, and none that is changed by an atomic
//! operation be touched in another way.
//!
//! The proof also holds for invocations that are stopped because they are out of fuel, as [`lowering`](crate::lowering)
//! stops them: a loop that all turn together is left together, at its head.

mod effects; // what instructions do to registers
mod flow; // how invocations come to places
mod intervals; // what happens between two barriers
mod loops; // turns
mod registers; // arrays among an invocation's registers
mod since; // what was touched since the last barrier
mod value; // what is known of a register
mod walk; // through the tree

pub(crate) use registers::{Arrays, extents};

use walk::Walk;

use crate::Kernel;
use crate::program::{Op, Space};

/// Why a kernel is not for devices. It runs on the processor, which finds races and divergence when they happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unproven(pub(crate) String);

impl Unproven {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// What is proven of a kernel.
#[derive(Debug)]
pub(crate) struct Proof {
    /// Of every instruction, whether all invocations of a workgroup execute it together.
    uniform: Vec<bool>,
}

impl Proof {
    /// Whether all invocations of a workgroup execute the instruction of this place together, each time.
    pub(crate) fn is_uniform(&self, place: usize) -> bool {
        self.uniform[place]
    }
}

/// Proves a kernel free of races and divergence.
pub(crate) fn prove(kernel: &Kernel) -> Result<Proof, Unproven> {
    let program = &kernel.program;
    let touches = |op: &Op| op.touch().is_some_and(|touch| touch.space == Space::Workgroup);
    if !kernel.has_barriers && !program.ops.iter().any(touches) {
        return Ok(Proof { uniform: vec![false; program.ops.len()] });
    }
    let walked = Walk::new(kernel).run()?;
    intervals::check(&walked)?;
    Ok(Proof { uniform: walked.uniform })
}

#[cfg(test)]
mod tests;
