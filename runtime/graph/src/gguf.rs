//! The GGUF file format of llama.cpp: metadata and tensors in, [`Graph`](crate::Graph) out.
//!
//! A file names an architecture and its sizes; the graph of that architecture is written here. Of architectures, `llama`
//! is built. Tensors may be F32, F16, BF16, Q4_0, Q4_1 and Q8_0; blocks of few bits stay as they are, and share the
//! file's memory.

mod cursor; // bytes, read in order
mod file; // metadata and tensors
mod llama; // the graph of Llama's family

use bytes::Bytes;

use crate::{Graph, Inspection, ModelError, ModelLimits, Unsupported};

pub use file::{File, Metadata, Weight};

/// What every file begins with.
pub const MAGIC: &[u8; 4] = b"GGUF";

/// Reads a language model.
///
/// Its inputs are `tokens` (i64, 1 × n), `position` (i64, of the first token) and, for each layer, `past_key.LAYER` and
/// `past_value.LAYER` (f32, 1 × heads × past × elements); its outputs `logits` (f32, 1 × n × vocabulary), `present_key.LAYER`
/// and `present_value.LAYER`, which are the past of what follows. A token's logits are the same bits whether its text is
/// computed at once or token by token.
///
/// # Errors
/// See [`ModelError`].
pub fn read(bytes: Bytes, limits: &ModelLimits) -> Result<Graph, ModelError> {
    let file = File::parse(bytes, limits)?;
    let architecture = file.text("general.architecture")?;
    limits.name(architecture)?;
    match architecture {
        "llama" => llama::graph(file),
        other => Err(unsupported("general.architecture", format!("the architecture {other}"))),
    }
}

/// What a model is: an architecture that is not supported is part of the answer, not an error.
///
/// # Errors
/// See [`ModelError`].
pub fn inspect(bytes: Bytes, limits: &ModelLimits) -> Result<Inspection, ModelError> {
    match read(bytes, limits) {
        Ok(graph) => Ok(Inspection::of(&graph)),
        Err(ModelError::Unsupported { node, op, reason }) => {
            Ok(Inspection { unsupported: vec![Unsupported { node, op, reason }], ..Inspection::default() })
        }
        Err(error) => Err(error),
    }
}

/// What a file asks for and is not built.
fn unsupported(what: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Unsupported { node: what.to_owned(), op: "GGUF".into(), reason: reason.into() }
}
