//! The ONNX file format: protobuf in, [`Graph`](crate::Graph) out.

mod declared; // what a file declares of values
mod function; // operators that a file defines itself
mod import; // messages become a graph
mod order; // in which order nodes can be computed
mod outline; // how much a file holds
mod proto; // the messages
mod scope; // names, in a graph and the bodies within it
mod source; // a node as operators read it
mod tensor; // elements, in the file or beside it

#[cfg(test)]
mod corpus; // small models of every kind, as files
#[cfg(test)]
mod hostile; // those models with one thing wrong
#[cfg(test)]
mod sample; // messages by hand
#[cfg(test)]
mod tests; // models made by hand

use std::ops::Range;

use bytes::Bytes;
use prost::Message;

use crate::limits::within;
use crate::{Graph, Inspection, ModelError, ModelLimits};

pub use scope::Body;
pub use source::{Attribute, Source};

/// Files beside a model, which its weights may lie in.
pub trait Beside {
    /// The bytes of one, mapped or read; none if there is no such file. `location` is what the model says, unchecked.
    fn file(&self, location: &str) -> Option<Bytes>;

    /// A part of such a file, which lies within it: to be let go of alone where that gains anything.
    fn part(&self, _location: &str, whole: &Bytes, range: Range<usize>) -> Bytes {
        whole.slice(range)
    }
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
    import::graph(decode(bytes, limits)?, beside, limits)
}

/// Reads a model as far as it is built: an operator that is not supported is part of the answer, not an error.
///
/// # Errors
/// See [`ModelError`].
pub fn inspect(bytes: Bytes, beside: &dyn Beside, limits: &ModelLimits) -> Result<Inspection, ModelError> {
    import::inspect(decode(bytes, limits)?, beside, limits)
}

fn decode(bytes: Bytes, limits: &ModelLimits) -> Result<proto::ModelProto, ModelError> {
    within("bytes", bytes.len(), limits.file_bytes)?;
    within("fields", outline::fields(&bytes), limits.fields)?;
    proto::ModelProto::decode(bytes).map_err(|error| ModelError::Malformed(error.to_string()))
}
