//! Every kernel against the oracle, bit for bit; accuracy of the functions; pinned results.

mod elementwise;
mod functions;
mod integer;
mod matmul;
mod quantise;
mod reduce;
mod values;
