//! Reproducible kernels: `poai-numerics/1`.
//!
//! The same bits on every processor, for any number of threads, tile or batch. [`oracle`] is the definition, in scalar
//! code to be read; docs/numerics.md is the definition in words. A [`Processor`] runs the operations: it chooses the
//! [`Kernels`] (software step, AVX2, AVX-512, AMX, NEON) and keeps warm threads. Weights are packed once
//! ([`Packed`]) and serve every kernel.
//!
//! Tensors are plain slices here. Shapes, graphs and memory plans belong to `poai-graph`; nothing here reads files or
//! the environment, or talks to a terminal.

mod block_dot; // products with weights in blocks of few bits
mod buffer; // memory on cache lines
mod convolution; // channels-last, as products of patches
mod elementwise; // one or two numbers at a time
mod error; // what can be wrong with a call
pub mod float_environment; // the control word that all of this assumes
pub mod formula; // operations, written down for other devices
mod functions; // exp, log, tanh, … by our own polynomials
mod integer; // exact products of bytes
mod isa; // instruction sets, and the inner loops
mod lanes; // floats side by side
mod matmul; // products of floats
pub mod operations; // lists of what there is to prove
pub mod oracle; // the definition
mod pairs; // two numbers at a time, many side by side
mod pool; // warm threads
mod pooling; // pooling and resizing of images
mod processor; // the choice of kernels
mod quantise; // between floats and bytes
mod reduce; // sums in sixteen lanes
mod rows; // softmax, normalisation
mod sequence; // several element-wise operations on a block
pub mod step; // the fused step, and what counts as zero
mod stream; // numbers that pass through lanes
mod window; // sliding windows

pub use block_dot::{BLOCK_LIMIT, PackedBlocks, round_row};
pub use buffer::Aligned;
pub use convolution::{ConvolutionEpilogue, Direction, Filter, convolution_places};
pub use elementwise::{Binary, Strided, Unary};
pub use error::NumericsError;
pub use integer::{Bytes, IntegerFilter, PackedIntegers, ZeroPoints};
pub use matmul::{Epilogue, Matrices, Packed};
pub use pool::THREADS_LIMIT;
pub use pooling::{Pooling, Resampling, Tap};
pub use processor::{Kernels, Processor, prepare};
pub use quantise::{BlockWeights, Range, dequantise, dynamic_scale, quantise};
pub use reduce::{LANES, Reduction};
pub use rows::{Affine, Normalisation};
pub use sequence::{Following, RANK_LIMIT, Sequence, Source, Step};
pub use window::{Axis, Window};

/// The name of the rules that this crate keeps.
pub const NUMERICS: &str = "poai-numerics/1";
