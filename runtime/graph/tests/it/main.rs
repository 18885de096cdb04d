//! Models from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../examples/conformance/case.rs"]
mod case; // a case of ONNX's, its model and its tensors
mod cases; // ONNX's own cases, with pinned bits
#[path = "../../examples/conformance/comparison.rs"]
mod comparison; // what came out against what should
mod fuzz; // damaged files
#[path = "../../examples/conformance/verdict.rs"]
mod verdict; // one case, computed
