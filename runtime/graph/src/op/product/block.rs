//! Weights in blocks of few bits: those of GGUF files, and com.microsoft's MatMulNBits.

mod bits; // MatMulNBits
mod format; // blocks as GGUF files have them
mod matmul; // products with such blocks
mod rows; // rows of them, as floats

pub use bits::BitsMatMul;
pub use format::{BLOCK, BlockFormat};
pub use matmul::BlockMatMul;
pub use rows::BlockRows;
