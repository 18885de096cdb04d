//! What can be wrong with a model, or with a computation.

use crate::DType;

/// Why an operator cannot compute such operands. Deterministic: it depends on nothing but the model and its inputs.
/// Lower case, without the node's name: whoever knows it adds it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// Nobody could compute it: it makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// It makes sense, and is not built.
    #[error("unsupported: {0}")]
    Unsupported(String),
}

impl OpError {
    /// Bytes of a reason, which may hold a model's numbers: beyond, it ends with dots.
    const LONGEST_BYTES: usize = 512;

    /// What makes no sense.
    pub fn new(reason: impl Into<String>) -> Self {
        Self::Wrong(Self::shortened(reason.into()))
    }

    /// What is not built.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(Self::shortened(what.into()))
    }

    fn shortened(mut reason: String) -> String {
        if reason.len() > Self::LONGEST_BYTES {
            let end = (0..=Self::LONGEST_BYTES).rev().find(|&end| reason.is_char_boundary(end));
            reason.truncate(end.expect("0 is a boundary"));
            reason.push('…');
        }
        reason
    }
}

impl From<poai_numerics::NumericsError> for OpError {
    fn from(error: poai_numerics::NumericsError) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// Why a file is no model that can be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The file is not of its format.
    #[error("the model is malformed: {0}")]
    Malformed(String),
    /// It asks for something that is not built.
    #[error("node {node} ({op}): unsupported: {reason}")]
    Unsupported {
        /// The node's name.
        node: String,
        /// Its operator, with its domain if that is not ONNX's own.
        op: String,
        /// What exactly.
        reason: String,
    },
    /// An operator's attributes or operands make no sense.
    #[error("node {node}: {reason}")]
    Node {
        /// The node's name.
        node: String,
        /// What is wrong.
        reason: OpError,
    },
    /// A value's type, shape or elements make no sense, or its name does not.
    #[error("value {value}: {reason}")]
    Value {
        /// The value's name.
        value: String,
        /// What is wrong.
        reason: OpError,
    },
    /// It is larger than may be.
    #[error("the model has {found} {what}, and {limit} are allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

impl ModelError {
    /// What an operator says, at its node.
    pub(crate) fn at(node: &str, op: &str, reason: OpError) -> Self {
        match reason {
            OpError::Unsupported(reason) => Self::Unsupported { node: node.to_owned(), op: op.to_owned(), reason },
            reason @ OpError::Wrong(_) => Self::Node { node: node.to_owned(), reason },
        }
    }
}

/// Why a computation did not end with results.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// An input that the model does not have.
    #[error("the model has no input {0}")]
    UnknownInput(String),
    /// An input that was not given.
    #[error("the model's input {0} was not given")]
    MissingInput(String),
    /// An input of another type or shape than the model declares.
    #[error("input {name} is {found_dtype}{found:?}, and the model takes {expected}")]
    Input {
        /// The input's name.
        name: String,
        /// The type given.
        found_dtype: DType,
        /// The shape given.
        found: Vec<usize>,
        /// Type and shape as the model declares them.
        expected: String,
    },
    /// An operator cannot compute what it was given.
    #[error("node {node}: {reason}")]
    Node {
        /// The node's name.
        node: String,
        /// What is wrong.
        reason: OpError,
    },
    /// The next operator would cost more than is left. It did not run.
    #[error("out of fuel at node {0}")]
    OutOfFuel(String),
    /// The next operator would hold more memory than is allowed. It did not run.
    #[error("node {node} needs {bytes} bytes more than the {limit_bytes} that the computation may hold")]
    OutOfMemory {
        /// The node's name.
        node: String,
        /// Bytes beyond the limit.
        bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The device failed: a fault of this host, never of the model.
    #[error("the device was lost: {0}")]
    Device(String),
}
