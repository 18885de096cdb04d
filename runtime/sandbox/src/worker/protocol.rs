//! What daemon and worker say to each other: the whole protocol.
//!
//! A frame is a length (4 bytes, big-endian) and that many bytes of canonical DAG-CBOR, on a socket
//! pair that the worker inherits. Some messages to a worker come with one descriptor; none to the
//! daemon does. The worker says [`Hello`](FromWorker::Hello) first. Then it answers one order at a time:
//!
//! | order | what the worker sends meanwhile | what ends it |
//! |---|---|---|
//! | `Compile` | `Code`… | `Compiled`, `Refused` or `Faulted` |
//! | `Load` | | `Loaded` or `Faulted` |
//! | `Start` | `Open`, `Block`, `Whole` and `Recall`, each answered by `Node`, `Payload`, `Recalled`, `Compute` or `Missing`; `Output`, `Tensor`…, `Effect` with its `Bytes`…, `Word` | `Done` or `Faulted` |
//!
//! A worker that has compiled is not used again; one that has loaded serves that program only. There
//! is no order to stop: the daemon kills the worker.

use cid::Cid;
use poai_objects::{
    DecodeLimits, Effect, EngineName, Fuel, Link, ObjectError, Outcome, OutputName, Program, Run, TraceRoot, codec,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::layers::Layers;
use crate::{Accelerated, Call, Fault, Node, Word};

/// Raised with every change of this file that the other side would notice.
pub(crate) const PROTOCOL_VERSION: u32 = 4;
/// Bytes of one message. A file of 100 GB in chunks of 1 MiB has a layout of about 6 MB.
pub(crate) const MESSAGE_BYTES: usize = 8 << 20;
/// What a decoder accepts: every CID that a message has room for.
const LIMITS: DecodeLimits = DecodeLimits { bytes: MESSAGE_BYTES, depth: 16, links: 200_000 };
/// Bytes of content in one message; longer content comes in pieces.
pub(crate) const PIECE_BYTES: usize = 256 << 10;

/// What the daemon says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum ToWorker {
    /// Compile the component that the descriptor holds.
    Compile { program: Program, component_bytes: u64 },
    /// Load the compiled code that the descriptor holds.
    Load { program: Program, code_bytes: u64 },
    /// Execute a run of the loaded program.
    /// `tensor_bytes` of results' tensors are wanted; of a replay, calls are recalled.
    Start { run: Run, tensor_bytes: u64, is_replay: bool },
    /// Answers `Open`.
    Node(Node),
    /// Answers `Block`: the descriptor holds a verified block, its payload at `offset`. Answers `Whole`: it holds a file,
    /// which nobody can change any more.
    Payload { offset: u64, bytes: u64 },
    /// Answers `Recall`: what is recorded of the call. The worker may ask for the blocks that it names.
    Recalled {
        #[serde(with = "serde_bytes")]
        results: Vec<u8>,
        recompute: bool,
    },
    /// Answers `Recall`: nothing that could be used is recorded.
    Compute,
    /// Answers `Open`, `Block` or `Recall`: it cannot be had.
    Missing(Fault),
}

/// What a worker says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum FromWorker {
    /// The first message: who the worker is, and how it is confined.
    Hello {
        protocol: u32,
        engine: EngineName,
        /// What compiled code must have been made for.
        #[serde(with = "serde_bytes")]
        code_identity: [u8; 32],
        layers: Layers,
    },
    /// The next piece of compiled code.
    Code(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The code is complete.
    Compiled { code_bytes: u64 },
    /// The program breaks a static rule.
    Refused { rule: String, message: String },
    /// The program is ready to run.
    Loaded,
    /// What does this link name?
    Open(Link),
    /// Give me this block.
    Block(Cid),
    /// Give me this file as one descriptor, to be mapped.
    Whole(Link),
    /// What is recorded of this call?
    Recall(Call),
    /// Adds bytes to an output; no bytes create it.
    Output {
        name: OutputName,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// A tensor that the next effect's results name.
    Tensor(#[serde(with = "serde_bytes")] Vec<u8>),
    /// An accelerated call; its arguments and then its results follow as `Bytes`.
    Effect { effect: Effect, arguments_bytes: u64, results_bytes: u64 },
    /// The next piece of an effect's arguments or results.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Advisory words.
    Word(Word),
    /// The run ended: the fields of [`Finished`](crate::Finished).
    Done {
        outcome: Outcome,
        fuel: Fuel,
        outputs: Vec<OutputName>,
        trace: TraceRoot,
        first_difference: Option<u64>,
        guest_us: u64,
        accelerated: Accelerated,
    },
    /// The order came to nothing, by no fault of the guest.
    Faulted(Fault),
}

/// Whether a message brings a descriptor along.
pub(crate) trait Message: Serialize + DeserializeOwned {
    fn has_descriptor(&self) -> bool;
}

impl Message for ToWorker {
    fn has_descriptor(&self) -> bool {
        matches!(self, Self::Compile { .. } | Self::Load { .. } | Self::Payload { .. })
    }
}

impl Message for FromWorker {
    fn has_descriptor(&self) -> bool {
        false
    }
}

/// Why bytes are no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("a message of {bytes} bytes is over the limit of {MESSAGE_BYTES}")]
    TooLarge { bytes: usize },
    #[error(transparent)]
    Malformed(#[from] ObjectError),
}

/// A message's bytes, without their length.
pub(crate) fn encode(message: &impl Message) -> Result<Vec<u8>, ProtocolError> {
    let bytes = codec::encode(message);
    if bytes.len() > MESSAGE_BYTES {
        return Err(ProtocolError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// The message that some bytes are, by the rules of poai's objects: they have no other form.
pub(crate) fn decode<M: Message>(bytes: &[u8]) -> Result<M, ProtocolError> {
    Ok(codec::decode_value(bytes, &LIMITS, "worker message")?)
}

#[cfg(test)]
pub(super) mod tests;
