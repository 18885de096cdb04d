//! What is known of a value before it is computed.

use std::fmt;
use std::sync::Arc;

use crate::{DType, Tensor};

/// One dimension: a size, or a name that stands for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Known.
    Size(usize),
    /// The same wherever the name stands in a graph (`batch`, `sequence`).
    Named(Arc<str>),
    /// Nothing is known of it.
    Unknown,
}

impl Dim {
    /// Its size, if known.
    pub fn size(&self) -> Option<usize> {
        if let Self::Size(size) = self { Some(*size) } else { None }
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Self::Size(size)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => write!(f, "{size}"),
            Self::Named(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// The type of a value, its dimensions as far as they are known, and the value itself where it is known: shapes are
/// computed from values (Reshape, Slice, Expand…).
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The type of its elements.
    pub dtype: DType,
    /// Its dimensions; none if not even their number is known.
    pub shape: Option<Vec<Dim>>,
    /// The value: a constant, or, when a session runs, whatever the value is then.
    pub value: Option<Tensor>,
}

impl Fact {
    /// A value of this type and these dimensions.
    pub fn new(dtype: DType, shape: impl IntoIterator<Item = impl Into<Dim>>) -> Self {
        Self { dtype, shape: Some(shape.into_iter().map(Into::into).collect()), value: None }
    }

    /// A value of this type, of which nothing else is known.
    pub fn of_type(dtype: DType) -> Self {
        Self { dtype, shape: None, value: None }
    }

    /// All that can be known of a tensor.
    pub fn of(tensor: &Tensor) -> Self {
        let shape = tensor.shape().iter().map(|&size| Dim::Size(size)).collect();
        Self { dtype: tensor.dtype(), shape: Some(shape), value: Some(tensor.clone()) }
    }

    /// The number of dimensions, if known.
    pub fn rank(&self) -> Option<usize> {
        self.shape.as_ref().map(Vec::len)
    }

    /// Its sizes, if all of them are known.
    pub fn sizes(&self) -> Option<Vec<usize>> {
        self.shape.as_ref()?.iter().map(Dim::size).collect()
    }

    /// How many elements it has, as far as a `u64` counts; 0 while sizes are unknown.
    pub fn elements(&self) -> u64 {
        let sizes = self.sizes();
        sizes.map_or(0, |sizes| sizes.iter().fold(1, |product: u64, &size| product.saturating_mul(size as u64)))
    }

    /// How many bytes its elements take, as far as a `u64` counts; 0 while sizes are unknown.
    pub fn bytes(&self) -> u64 {
        self.elements().saturating_mul(self.dtype.bytes() as u64)
    }
}

/// Type and dimensions: `f32[batch, 3, 224, 224]`, or `f32[..]` if not even their number is known.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shape) = &self.shape else { return write!(f, "{}[..]", self.dtype) };
        let dims: Vec<_> = shape.iter().map(Dim::to_string).collect();
        write!(f, "{}[{}]", self.dtype, dims.join(", "))
    }
}
