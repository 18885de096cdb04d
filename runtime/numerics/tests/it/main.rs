//! Every kernel against the oracle, bit for bit; accuracy of the functions; pinned results.

mod convolution;
mod elementwise;
mod functions;
mod integer;
mod matmul;
mod pooling;
mod quantise;
mod reduce;
mod values;
