//! What was asked for, and what came.

use std::fmt::Debug;

use crate::bindings::wasi::nn::errors::{Error, ErrorCode};
use crate::bindings::wasi::nn::graph::Graph;
use crate::bindings::wasi::nn::tensor::{Tensor, TensorType};

/// What is not as it should be, in words.
#[derive(Debug)]
pub(crate) struct Unexpected(pub(crate) String);

impl From<Error> for Unexpected {
    fn from(error: Error) -> Self {
        Self(format!("{:?}: {}", error.code(), error.data()))
    }
}

pub(crate) fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result<(), Unexpected> {
    if found == expected { Ok(()) } else { Err(Unexpected(format!("{what}: {found:?} instead of {expected:?}"))) }
}

/// Whether a call has the error that it should have, and says what: nothing of the host that it ran on.
pub(crate) fn expect_error<T>(what: &str, found: Result<T, Error>, expected: ErrorCode) -> Result<(), Unexpected> {
    let Err(error) = found else { return Err(Unexpected(format!("{what} has no error"))) };
    equal(what, &error.code(), &expected)?;
    let text = match expected {
        ErrorCode::InvalidArgument => "an argument does not fit the model",
        ErrorCode::InvalidEncoding => "the bytes are no model of a known encoding",
        ErrorCode::RuntimeError => "the model cannot compute these inputs",
        ErrorCode::UnsupportedOperation => "the operation is not supported",
        ErrorCode::TooLarge => "the model, a tensor or the computation is too large",
        ErrorCode::NotFound => "the program has no model of this name",
        ErrorCode::Timeout | ErrorCode::Security | ErrorCode::Unknown => "never said",
    };
    equal(what, &error.data(), &text.to_owned())
}

/// Computes, and takes the results apart by their names.
pub(crate) fn compute<const N: usize>(
    graph: &Graph,
    inputs: Vec<(&str, Tensor)>,
    results: [&str; N],
) -> Result<[Tensor; N], Unexpected> {
    let named = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    let outputs = graph.init_execution_context()?.compute(named)?;
    let names: Vec<_> = outputs.iter().map(|(name, _)| name.as_str()).collect();
    equal("results", &names, &results.to_vec())?;
    let tensors: Vec<_> = outputs.into_iter().map(|(_, tensor)| tensor).collect();
    tensors.try_into().map_err(|_| Unexpected("as many tensors as names".into()))
}

pub(crate) fn floats(dimensions: &[u32], values: &[f32]) -> Tensor {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor::new(dimensions, TensorType::Fp32, &bytes)
}

pub(crate) fn integers(dimensions: &[u32], values: &[i64]) -> Tensor {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor::new(dimensions, TensorType::I64, &bytes)
}
