//! `wasi:nn/tensor`.

use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use poai_graph::{DType, Fact, Tensor};
use poai_objects::codec::{RAW, cid_of};
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::bindings::wasi::nn::errors::ErrorCode;
use super::super::bindings::wasi::nn::tensor::{self, TensorType};
use super::super::memory::{Memory, Reserved};
use super::super::meter::cost;
use super::super::stop::Stop;
use super::errors::Failure;

/// Bytes of the run's memory limit that a tensor counts for besides its elements and dimensions.
const TENSOR_BYTES: u64 = 256;
/// Dimensions of a tensor that a model takes.
const MAX_RANK: usize = 16;

/// A tensor that a guest holds. Its elements lie in this host's memory, and count against the run's limit.
pub struct NnTensor {
    ty: TensorType,
    dimensions: Vec<u32>,
    elements: Elements,
    /// The CID (raw, sha2-256) of its elements' bytes, once the trace has needed it.
    digest: Option<Cid>,
    _reserved: Reserved,
}

/// A tensor as the owner of its bytes.
struct TensorBytes(Tensor);

impl AsRef<[u8]> for TensorBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

enum Elements {
    /// As the guest gave them, unchecked.
    Given(Bytes),
    /// As a model computed them.
    Computed(Tensor),
}

/// What types are called here and there. Models have more; a `bool` is a `u8` to guests.
const TYPES: [(TensorType, DType, &str); 7] = [
    (TensorType::Fp16, DType::F16, "fp16"),
    (TensorType::Fp32, DType::F32, "fp32"),
    (TensorType::Fp64, DType::F64, "fp64"),
    (TensorType::Bf16, DType::Bf16, "bf16"),
    (TensorType::U8, DType::U8, "u8"),
    (TensorType::I32, DType::I32, "i32"),
    (TensorType::I64, DType::I64, "i64"),
];

impl NnTensor {
    fn given(memory: &Arc<Memory>, dimensions: Vec<u32>, ty: TensorType, data: Vec<u8>) -> Option<Self> {
        let reserved = reserve(memory, dimensions.len(), data.len())?;
        let elements = Elements::Given(data.into());
        Some(Self { ty, dimensions, elements, digest: None, _reserved: reserved })
    }

    /// A recorded result, if it fits its dimensions, and the run has room for it.
    pub(super) fn recalled(memory: &Arc<Memory>, ty: &str, dimensions: &[u32], data: Vec<u8>) -> Option<Self> {
        let (ty, dtype, _) = TYPES.iter().find(|(.., name)| *name == ty)?;
        let elements = dimensions.iter().try_fold(1_usize, |product, &size| product.checked_mul(size as usize))?;
        let fits = elements.checked_mul(dtype.bytes()) == Some(data.len());
        if fits { Self::given(memory, dimensions.to_vec(), *ty, data) } else { None }
    }

    /// A model's result, if guests have a type for it, and the run room.
    pub(super) fn computed(memory: &Arc<Memory>, tensor: Tensor) -> Result<Self, Failure> {
        let dtype = if tensor.dtype() == DType::Bool { DType::U8 } else { tensor.dtype() };
        let ty = TYPES.iter().find(|(_, known, _)| *known == dtype).map(|&(ty, ..)| ty).ok_or_else(|| {
            Failure::refused(ErrorCode::UnsupportedOperation, format!("wasi-nn has no tensors of {dtype}"))
        })?;
        let too_large = |what: &str| Failure::refused(ErrorCode::TooLarge, format!("the result {tensor:?} {what}"));
        let mut dimensions = tensor.shape().iter().map(|&size| u32::try_from(size)).collect::<Result<Vec<_>, _>>();
        // A single value has the dimensions `[1]`, as the interface says.
        if let Ok(none) = &mut dimensions
            && none.is_empty()
        {
            none.push(1);
        }
        let dimensions = dimensions.map_err(|_| too_large("has a dimension beyond 32 bits"))?;
        let reserved = reserve(memory, dimensions.len(), tensor.bytes().len())
            .ok_or_else(|| too_large("is more than the run's memory has room for"))?;
        Ok(Self { ty, dimensions, elements: Elements::Computed(tensor), digest: None, _reserved: reserved })
    }

    /// The tensor as a model's input.
    pub(super) fn as_input(&self, declared: Option<&Fact>) -> Result<Tensor, Failure> {
        let (_, dtype, name) = self.entry();
        let is_bool = self.ty == TensorType::U8 && declared.is_some_and(|fact| fact.dtype == DType::Bool);
        let dtype = if is_bool { DType::Bool } else { *dtype };
        let mut shape: Vec<usize> = self.dimensions.iter().map(|&size| size as usize).collect();
        if shape == [1] && declared.and_then(Fact::rank) == Some(0) {
            shape.clear();
        }
        let tensor = match &self.elements {
            _ if shape.len() > MAX_RANK => return Err(misfit(format!("a tensor has more than {MAX_RANK} dimensions"))),
            Elements::Given(bytes) => Tensor::from_bytes(dtype, &shape, bytes.clone()),
            Elements::Computed(tensor) if tensor.dtype() == dtype => tensor.reshaped(&shape),
            Elements::Computed(tensor) => Tensor::from_bytes(dtype, &shape, Bytes::copy_from_slice(tensor.bytes())),
        };
        tensor.map_err(|error| misfit(format!("a tensor of {name}{:?}: {error}", self.dimensions)))
    }

    /// What hashing its elements for the trace costs, unless that is done.
    pub(super) fn digest_fuel(&self) -> u64 {
        if self.digest.is_some() { 0 } else { self.bytes().len() as u64 / cost::HASHED_BYTES }
    }

    /// Hashes its elements for the trace, unless that is done.
    pub(super) fn digest(&mut self) -> Cid {
        if let Some(digest) = self.digest {
            return digest;
        }
        *self.digest.insert(cid_of(RAW, self.bytes()))
    }

    pub(super) fn dimensions(&self) -> &[u32] {
        &self.dimensions
    }

    /// Its type's name.
    pub(super) fn type_name(&self) -> &'static str {
        self.entry().2
    }

    /// Its elements' bytes, not copied.
    pub(super) fn shared_bytes(&self) -> Bytes {
        match &self.elements {
            Elements::Given(bytes) => bytes.clone(),
            Elements::Computed(tensor) => Bytes::from_owner(TensorBytes(tensor.clone())),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.elements {
            Elements::Given(bytes) => bytes,
            Elements::Computed(tensor) => tensor.bytes(),
        }
    }

    fn entry(&self) -> &'static (TensorType, DType, &'static str) {
        TYPES.iter().find(|(ty, ..)| *ty == self.ty).expect("every type of wasi-nn has its entry")
    }
}

fn misfit(reason: String) -> Failure {
    Failure::refused(ErrorCode::InvalidArgument, reason)
}

fn reserve(memory: &Arc<Memory>, rank: usize, bytes: usize) -> Option<Reserved> {
    let dimensions = (rank as u64).saturating_mul(size_of::<u32>() as u64);
    Reserved::of(memory, TENSOR_BYTES.saturating_add(dimensions).saturating_add(bytes as u64))
}

impl tensor::Host for Guest {}

impl tensor::HostTensor for Guest {
    fn new(&mut self, dimensions: Vec<u32>, ty: TensorType, data: Vec<u8>) -> wasmtime::Result<Resource<NnTensor>> {
        self.meter.charge(cost::ENTRY)?;
        self.meter.charge_bytes(size_of_val(dimensions.as_slice()) as u64)?;
        self.meter.charge_bytes(data.len() as u64)?;
        // The constructor has no error: what does not fit together is refused by the computation that it is given to.
        let tensor = NnTensor::given(&self.nn.memory, dimensions, ty, data).ok_or(Stop::MemoryLimit)?;
        Ok(self.handles.push(tensor)?)
    }

    fn dimensions(&mut self, tensor: Resource<NnTensor>) -> wasmtime::Result<Vec<u32>> {
        let dimensions = &self.handles.get(&tensor)?.dimensions;
        self.meter.charge_bytes(size_of_val(dimensions.as_slice()) as u64)?;
        Ok(dimensions.clone())
    }

    fn ty(&mut self, tensor: Resource<NnTensor>) -> wasmtime::Result<TensorType> {
        Ok(self.handles.get(&tensor)?.ty)
    }

    fn data(&mut self, tensor: Resource<NnTensor>) -> wasmtime::Result<Vec<u8>> {
        let bytes = self.handles.get(&tensor)?.bytes();
        self.meter.charge_bytes(bytes.len() as u64)?;
        Ok(bytes.to_vec())
    }

    fn drop(&mut self, tensor: Resource<NnTensor>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(tensor)?)
    }
}
