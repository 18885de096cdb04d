//! Models, computed by the host: bit for bit the same on every one.
//!
//! ```no_run
//! use poai_task::nn::{Model, Tensor};
//!
//! # fn main() -> poai_task::Result<()> {
//! let model = Model::named("classifier")?;
//! let image = Tensor::new(&[1, 28, 28], &[0.0_f32; 784]);
//! let mut results = model.compute([("image", image)])?;
//! let scores: Vec<f32> = results.take("scores")?.values()?;
//! # Ok(())
//! # }
//! ```
//!
//! A model is one that `package.toml` names under `[program.models]`, or ONNX bytes that the task has itself. Tensors
//! stay in the host until [`Tensor::values`] asks for them: a result can be the next computation's input without ever
//! being in the task's memory.

use std::fmt;

use crate::bindings::wasi::nn::errors::{Error as HostError, ErrorCode};
use crate::bindings::wasi::nn::graph::{ExecutionTarget, Graph, GraphEncoding, load, load_by_name};
use crate::bindings::wasi::nn::inference::GraphExecutionContext;
use crate::bindings::wasi::nn::tensor::Tensor as HostTensor;
pub use crate::bindings::wasi::nn::tensor::TensorType;

/// A model that is ready to compute. It has no state: what it computes follows from its inputs alone.
pub struct Model {
    context: GraphExecutionContext,
}

impl Model {
    /// A model of the package, by its name there.
    ///
    /// # Errors
    /// [`Problem::NotFound`] if the package has none of that name, or what is wrong with it.
    pub fn named(name: &str) -> Result<Self, Error> {
        let graph = load_by_name(name).map_err(|error| Error::of(format!("model `{name}`"), &error))?;
        Self::of(&graph)
    }

    /// A model that the task brings itself: an ONNX file of at most 64 MiB.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn onnx(bytes: &[u8]) -> Result<Self, Error> {
        let graph = load(&[bytes.to_vec()], GraphEncoding::Onnx, ExecutionTarget::Cpu);
        Self::of(&graph.map_err(|error| Error::of("the model", &error))?)
    }

    fn of(graph: &Graph) -> Result<Self, Error> {
        let context = graph.init_execution_context().map_err(|error| Error::of("the model", &error))?;
        Ok(Self { context })
    }

    /// Computes the model's outputs. Each input is used up.
    ///
    /// # Errors
    /// If the inputs are not those that the model takes, or it cannot compute them.
    pub fn compute<'a>(&self, inputs: impl IntoIterator<Item = (&'a str, Tensor)>) -> Result<Results, Error> {
        let named = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.0)).collect();
        let results = self.context.compute(named).map_err(|error| Error::of("the computation", &error))?;
        Ok(Results(results.into_iter().map(|(name, tensor)| (name, Tensor(tensor))).collect()))
    }
}

/// What a model computed, by name, in the model's order.
pub struct Results(Vec<(String, Tensor)>);

impl Results {
    /// Takes one of the results.
    ///
    /// # Errors
    /// [`Problem::NotFound`] if the model has none of that name, or it was taken already.
    pub fn take(&mut self, name: &str) -> Result<Tensor, Error> {
        let place = self.0.iter().position(|(known, _)| known == name);
        let place = place.ok_or_else(|| Error { what: format!("the result `{name}`"), problem: Problem::NotFound })?;
        Ok(self.0.remove(place).1)
    }
}

impl IntoIterator for Results {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Elements with dimensions, in the host's memory, which counts against the run's limit.
pub struct Tensor(HostTensor);

impl Tensor {
    /// A tensor of these elements, row by row. Whether there are as many as the dimensions say is checked by the
    /// computation that it is given to.
    pub fn new<T: Element>(dimensions: &[usize], values: &[T]) -> Self {
        let mut bytes = Vec::with_capacity(size_of_val(values));
        values.iter().for_each(|value| value.write(&mut bytes));
        Self::from_bytes(dimensions, T::TYPE, &bytes)
    }

    /// A tensor of any type, of its elements' bytes, little-endian.
    pub fn from_bytes(dimensions: &[usize], ty: TensorType, bytes: &[u8]) -> Self {
        // A task's sizes have 32 bits themselves.
        let sizes: Vec<u32> = dimensions.iter().map(|&size| u32::try_from(size).unwrap_or(u32::MAX)).collect();
        Self(HostTensor::new(&sizes, ty, bytes))
    }

    /// Its dimensions; `[1]` if it is a single value.
    pub fn dimensions(&self) -> Vec<usize> {
        self.0.dimensions().into_iter().map(|size| size as usize).collect()
    }

    /// The type of its elements.
    pub fn element_type(&self) -> TensorType {
        self.0.ty()
    }

    /// A copy of its elements.
    ///
    /// # Errors
    /// [`Problem::InvalidArgument`] if they are of another type.
    pub fn values<T: Element>(&self) -> Result<Vec<T>, Error> {
        if self.element_type() != T::TYPE {
            let what = format!("a tensor of {:?} read as {:?}", self.element_type(), T::TYPE);
            return Err(Error { what, problem: Problem::InvalidArgument });
        }
        Ok(self.to_bytes().chunks_exact(size_of::<T>()).map(T::read).collect())
    }

    /// A copy of its elements' bytes, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.data()
    }
}

/// A type that a tensor's elements can be read as: `f32`, `f64`, `u8`, `i32` and `i64`.
pub trait Element: Copy + sealed::Bytes {
    /// What wasi-nn calls it.
    const TYPE: TensorType;
}

mod sealed {
    /// Little-endian, of its own size.
    pub trait Bytes {
        fn write(self, bytes: &mut Vec<u8>);
        fn read(bytes: &[u8]) -> Self;
    }
}

macro_rules! elements {
    ($($rust:ty => $ty:ident),*) => { $(
        impl Element for $rust {
            const TYPE: TensorType = TensorType::$ty;
        }

        impl sealed::Bytes for $rust {
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn read(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("as many bytes as it has"))
            }
        }
    )* };
}

elements!(f32 => Fp32, f64 => Fp64, u8 => U8, i32 => I32, i64 => I64);

/// Why a model was not loaded, or did not compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct Error {
    /// What was asked for.
    pub what: String,
    /// What is wrong with it. The host's log says more to whoever watches the run.
    pub problem: Problem,
}

impl Error {
    fn of(what: impl Into<String>, error: &HostError) -> Self {
        let problem = match error.code() {
            ErrorCode::InvalidArgument => Problem::InvalidArgument,
            ErrorCode::InvalidEncoding => Problem::InvalidEncoding,
            ErrorCode::RuntimeError => Problem::RuntimeError,
            ErrorCode::UnsupportedOperation => Problem::UnsupportedOperation,
            ErrorCode::TooLarge => Problem::TooLarge,
            ErrorCode::NotFound => Problem::NotFound,
            ErrorCode::Timeout | ErrorCode::Security | ErrorCode::Unknown => Problem::Unknown,
        };
        Self { what: what.into(), problem }
    }
}

/// What can be wrong with a model, its inputs or its computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Names, types or dimensions are not those that the model has.
    InvalidArgument,
    /// The bytes are no model.
    InvalidEncoding,
    /// These inputs cannot be computed: an index is beyond a table's end, for instance.
    RuntimeError,
    /// The model has an operator, or a tensor has a type, that no host computes.
    UnsupportedOperation,
    /// The model, a tensor, or what the computation needs is more than the run's memory has room for.
    TooLarge,
    /// There is nothing of that name.
    NotFound,
    /// Something that poai's hosts never say.
    Unknown,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "it does not fit the model",
            Self::InvalidEncoding => "it is no model of a known encoding",
            Self::RuntimeError => "the model cannot compute these inputs",
            Self::UnsupportedOperation => "it needs an operation that is not supported",
            Self::TooLarge => "it is too large",
            Self::NotFound => "it does not exist",
            Self::Unknown => "it failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::sealed::Bytes;
    use super::*;

    #[test]
    fn elements_are_read_as_they_are_written() {
        let mut bytes = Vec::new();
        (-2.5_f32).write(&mut bytes);
        (-7_i64).write(&mut bytes);
        assert_eq!(bytes, [0, 0, 0x20, 0xc0, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!((f32::read(&bytes[..4]), i64::read(&bytes[4..])), (-2.5, -7));
    }

    #[test]
    fn an_error_says_what_and_why() {
        let error = Error { what: "model `net`".into(), problem: Problem::NotFound };
        assert_eq!(error.to_string(), "model `net`: it does not exist");
    }
}
