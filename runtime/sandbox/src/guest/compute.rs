//! `poai:compute`: a guest's own kernels.
//!
//! A guest reads of an error no more than its case: what exactly is wrong goes to whoever watches the run. Every dispatch
//! is an effect of the run's trace.

mod buffers; // poai:compute/kernels.buffer
mod dispatching; // running a kernel
mod errors; // why a call does not succeed
mod kernels; // poai:compute/kernels.kernel
mod manifest; // what the trace says of a dispatch
mod prepared; // where a kernel runs
mod recall; // results that an earlier execution computed

pub use buffers::ComputeBuffer;
pub use kernels::ComputeKernel;

use super::Guest;
use super::bindings::poai::compute::kernels as wit;

impl wit::Host for Guest {}
