//! The ONNX file format: protobuf in, [`Graph`](crate::Graph) out.

mod source; // a node as operators read it

pub use source::{Attribute, Source};
