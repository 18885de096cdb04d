//! Models: ONNX and GGUF files become one typed [`Graph`], and a [`Session`] computes it.
//!
//! The way of a model: a file is read ([`onnx`], [`gguf`]) into a [`Graph`] of [`Node`]s, each an [`Op`] with typed
//! attributes; shapes are inferred as far as they can be; rewrites that keep every bit make it faster; a [`Session`]
//! has a [`Device`] prepare each node and runs them, against a [`Budget`] of work and memory.
//!
//! What an operator computes is `poai-numerics/1` and stands in docs/numerics.md; what it *costs* is a formula over
//! shapes ([`Cost`]), charged before it runs. So a model's results, its fuel and the place where a limit ends it are the
//! same everywhere. Nothing here opens a file, reads the environment or talks to a terminal: bytes come in, mapped or
//! not, and tensors go out.

mod budget; // what a computation may cost
mod builder; // graphs by hand
mod device; // where operators run
mod dtype; // types of elements
mod error; // what can be wrong with a model, or with a computation
mod fact; // what is known of a value before it is computed
pub mod gguf; // the file format of llama.cpp
mod graph; // values, nodes, graphs
mod inspect; // what a model is
mod limits; // what a model may ask for
pub mod onnx; // the file format
pub mod op; // operators, by family
mod rewrite; // graphs made faster without changing a bit
mod session; // a graph, prepared, and its computations
mod tensor; // elements in memory

pub use budget::{Budget, Cost};
pub use builder::Builder;
pub use device::{Cpu, Device, Group, Grouped, Kernel, KernelError};
pub use dtype::{DType, Element};
pub use error::{ModelError, OpError, RunError};
pub use fact::{Dim, Fact};
pub use graph::{Graph, Node, Value, ValueId};
pub use inspect::{Declared, Inspection, Unsupported};
pub use limits::ModelLimits;
pub use op::Op;
pub use session::Session;
pub use tensor::{Distant, Tensor, TensorMut};
