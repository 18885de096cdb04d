//! Where operators run.

mod cpu; // this machine's processor
mod group; // element-wise nodes that are computed as one

pub use cpu::Cpu;
pub use group::{Group, Grouped};

use crate::{Node, OpError, RunError, Tensor};

/// Where a graph's operators run. Every device gives the same bits: see docs/numerics.md.
pub trait Device: Send + Sync {
    /// What this device is, for receipts' telemetry and people.
    fn name(&self) -> String;

    /// Makes a node ready to run: constants are packed, transferred, compiled for. `constants` has the operands that are
    /// always the same, none in place of the others.
    ///
    /// # Errors
    /// If no operands of such types could be computed.
    fn prepare(&self, node: &Node, constants: &[Option<&Tensor>]) -> Result<Box<dyn Kernel>, OpError>;

    /// Makes nodes ready to run as one, if that is any faster. What they cost and hold is counted node by node all the
    /// same; only the results between them need not exist.
    fn prepare_group(&self, _group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        None
    }

    /// The same for a group of which some nodes read what a product gives, and nobody else does: the kernel computes that
    /// first, from operands of its own.
    fn prepare_following(&self, _product: &Node, _group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        None
    }

    /// Why results that lie on it cannot be had any more: from then on, whatever was computed is void.
    fn failure(&self) -> Option<String> {
        None
    }

    /// Takes back a value that nobody needs any more: its memory may serve the next result.
    fn release(&self, _value: Tensor) {}
}

/// A node, or a group of them, ready to run on its device.
pub trait Kernel: Send + Sync {
    /// Computes the node's results; constants are given again among the inputs, if it still needs them.
    ///
    /// # Errors
    /// See [`KernelError`].
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError>;

    /// Whether it needs an operand again that it was made ready with. A constant that nobody needs again is dropped: it
    /// may be none among the inputs.
    fn needs_constant(&self, _operand: usize) -> bool {
        true
    }
}

/// Why a kernel has no results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelError {
    /// These operands cannot be computed: the same on every device.
    Op(OpError),
    /// The device failed: a fault of this host.
    Device(String),
}

impl From<OpError> for KernelError {
    fn from(error: OpError) -> Self {
        Self::Op(error)
    }
}

impl KernelError {
    /// The error of a computation, in which the node has a name.
    pub(crate) fn at(self, node: &Node) -> RunError {
        match self {
            Self::Op(reason) => RunError::Node { node: node.name.clone(), reason },
            Self::Device(reason) => RunError::Device(reason),
        }
    }
}
