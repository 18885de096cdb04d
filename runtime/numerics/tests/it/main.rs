//! Every kernel against the oracle, bit for bit; accuracy of the functions; pinned results.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod block_dot;
mod convolution;
mod elementwise;
mod functions;
mod integer;
mod matmul;
mod pinned;
mod pooling;
mod quantise;
mod reduce;
mod sequence;
mod values;
