//! The ONNX file format: protobuf in, [`Graph`](crate::Graph) out.

mod source; // a node as operators read it

use bytes::Bytes;

use crate::{Graph, ModelError, ModelLimits};

pub use source::{Attribute, Source};

/// Files beside a model, which its weights may lie in.
pub trait Beside {
    /// The bytes of one, mapped or read; none if there is no such file. `location` is what the model says, unchecked.
    fn file(&self, location: &str) -> Option<Bytes>;
}

/// Nothing lies beside the model.
impl Beside for () {
    fn file(&self, _location: &str) -> Option<Bytes> {
        None
    }
}

/// Reads a model: checks it against the limits, imports its nodes and infers types and shapes as far as they follow.
///
/// # Errors
/// See [`ModelError`].
pub fn read(bytes: Bytes, beside: &dyn Beside, limits: &ModelLimits) -> Result<Graph, ModelError> {
    let _ = (bytes, beside, limits);
    Err(ModelError::Malformed("the reader is not built yet".into()))
}
