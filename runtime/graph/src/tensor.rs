//! Elements in memory.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use bytes::Bytes;

use crate::{DType, Element, OpError};

/// A cache line: what memory is allocated in, so that every tensor begins on one.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; 64]);

const LINE_BYTES: usize = 64;

/// Memory of its own, on cache lines.
#[derive(Default)]
pub(crate) struct Block {
    lines: Vec<Line>,
}

impl Block {
    /// At least `bytes` zeros.
    pub(crate) fn zeros(bytes: usize) -> Self {
        Self { lines: bytemuck::zeroed_vec(bytes.div_ceil(LINE_BYTES)) }
    }

    pub(crate) fn capacity_bytes(&self) -> usize {
        self.lines.len() * LINE_BYTES
    }

    fn bytes(&self, length: usize) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..length]
    }

    fn bytes_mut(&mut self, length: usize) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..length]
    }
}

#[derive(Clone)]
enum Storage {
    Owned(Arc<Block>),
    /// Part of a file, mapped or read; begins where the element type may begin.
    Foreign(Bytes),
    Distant(Arc<dyn Distant>),
}

/// Elements that lie on a device, or in another order, until somebody reads them here.
pub trait Distant: Any + Send + Sync {
    /// All of them, little-endian, on whole elements: brought here when they are first asked for. A device that fails to
    /// bring them gives zeros in their place, and its [`failure`](crate::Device::failure) from then on.
    fn bytes(&self) -> &[u8];

    /// A tensor of this shape, whose elements are some of these: from `start` on, for each axis a size and a step. It may
    /// stay there too. None if they have to be brought first.
    fn walked(&self, _start: isize, _axes: &[(usize, isize)], _shape: &[usize]) -> Option<Tensor> {
        None
    }
}

/// A dense tensor, row-major. Cloning shares its elements; nothing changes them any more.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    storage: Storage,
}

/// How many elements a shape has, if their bytes can be counted at all.
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    /// Bytes of the widest element.
    const WIDEST_BYTES: usize = 8;
    let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    product.filter(|&elements| elements <= isize::MAX as usize / WIDEST_BYTES)
}

impl Tensor {
    /// A tensor of these elements.
    ///
    /// # Panics
    /// If the shape has another number of elements.
    pub fn new<T: Element>(shape: &[usize], values: &[T]) -> Self {
        assert_eq!(elements(shape), Some(values.len()), "a shape has as many elements as it is given");
        let mut tensor = TensorMut::of(T::DTYPE, shape, Block::zeros(size_of_val(values)));
        tensor.slice_mut::<T>().copy_from_slice(values);
        tensor.freeze()
    }

    /// One element, without dimensions.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::new(&[], &[value])
    }

    /// Elements that lie in bytes already, little-endian: shared where they begin on a whole element, else copied.
    ///
    /// # Errors
    /// If the shape needs another number of bytes, or a `bool` is neither 0 nor 1.
    pub fn from_bytes(dtype: DType, shape: &[usize], bytes: Bytes) -> Result<Self, OpError> {
        let needed = elements(shape).map(|elements| elements * dtype.bytes());
        if needed != Some(bytes.len()) {
            return Err(OpError::new(format!("{} bytes are no {dtype} of shape {shape:?}", bytes.len())));
        }
        if dtype == DType::Bool && bytes.iter().any(|&byte| byte > 1) {
            return Err(OpError::new("a bool is neither 0 nor 1"));
        }
        if bytes.as_ptr().align_offset(dtype.bytes()) == 0 {
            return Ok(Self { dtype, shape: shape.to_vec(), storage: Storage::Foreign(bytes) });
        }
        let mut tensor = TensorMut::of(dtype, shape, Block::zeros(bytes.len()));
        tensor.bytes_mut().copy_from_slice(&bytes);
        Ok(tensor.freeze())
    }

    /// A tensor whose elements lie on a device.
    ///
    /// # Panics
    /// If the elements of this shape cannot be counted.
    pub fn distant(dtype: DType, shape: &[usize], elements_there: Arc<dyn Distant>) -> Self {
        assert!(elements(shape).is_some(), "a shape's elements were counted when it was computed");
        Self { dtype, shape: shape.to_vec(), storage: Storage::Distant(elements_there) }
    }

    /// What keeps its elements on a device, if it is of this type.
    pub fn kept_by<T: Distant>(&self) -> Option<&T> {
        let Storage::Distant(elements) = &self.storage else { return None };
        let any: &dyn Any = &**elements;
        any.downcast_ref()
    }

    /// Whether its elements lie elsewhere until somebody reads them.
    pub(crate) fn is_distant(&self) -> bool {
        matches!(self.storage, Storage::Distant(_))
    }

    /// Some of its elements, if they lie on a device that can choose them there: see [`Distant::walked`].
    pub(crate) fn walked(&self, start: isize, axes: &[(usize, isize)], shape: &[usize]) -> Option<Self> {
        if let Storage::Distant(elements) = &self.storage { elements.walked(start, axes, shape) } else { None }
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of its elements.
    pub fn len(&self) -> usize {
        elements(&self.shape).expect("checked when it was made")
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// How many bytes its elements take.
    pub fn size_bytes(&self) -> usize {
        self.len() * self.dtype.bytes()
    }

    /// Its elements' bytes, little-endian; from a device, if they lie there.
    pub fn bytes(&self) -> &[u8] {
        let length = self.size_bytes();
        match &self.storage {
            Storage::Owned(block) => block.bytes(length),
            Storage::Foreign(bytes) => bytes,
            Storage::Distant(elements) => &elements.bytes()[..length],
        }
    }

    /// Its elements, if they are of this type; a `bool` is read as `u8`.
    pub fn get<T: Element>(&self) -> Option<&[T]> {
        let reads = T::DTYPE == self.dtype || (T::DTYPE == DType::U8 && self.dtype == DType::Bool);
        reads.then(|| bytemuck::cast_slice(self.bytes()))
    }

    /// Its elements, which must be of this type.
    ///
    /// # Errors
    /// If they are of another.
    pub fn slice<T: Element>(&self) -> Result<&[T], OpError> {
        self.get().ok_or_else(|| OpError::new(format!("its {} elements are needed as {}", self.dtype, T::DTYPE)))
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// If that shape has another number of elements.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self, OpError> {
        if elements(shape) != Some(self.len()) {
            return Err(OpError::new(format!("shape {:?} cannot become {shape:?}", self.shape)));
        }
        Ok(Self { dtype: self.dtype, shape: shape.to_vec(), storage: self.storage.clone() })
    }

    /// Its memory, if nobody else holds it: to be used again.
    pub(crate) fn into_block(self) -> Option<Block> {
        match self.storage {
            Storage::Owned(block) => Arc::into_inner(block),
            Storage::Foreign(_) | Storage::Distant(_) => None,
        }
    }
}

/// Bit equality of type, shape and elements.
impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.dtype == other.dtype && self.shape == other.shape && self.bytes() == other.bytes()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}

/// A tensor that is being written: the only one that holds its memory.
pub struct TensorMut {
    dtype: DType,
    shape: Vec<usize>,
    block: Block,
}

impl TensorMut {
    /// Takes memory for a tensor; what is in it stays.
    pub(crate) fn of(dtype: DType, shape: &[usize], block: Block) -> Self {
        let bytes = elements(shape).expect("checked by whoever allocated") * dtype.bytes();
        assert!(block.capacity_bytes() >= bytes, "the memory is large enough");
        Self { dtype, shape: shape.to_vec(), block }
    }

    fn length_bytes(&self) -> usize {
        elements(&self.shape).expect("checked when it was made") * self.dtype.bytes()
    }

    /// Its elements' bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let length = self.length_bytes();
        self.block.bytes_mut(length)
    }

    /// Its elements.
    ///
    /// # Panics
    /// If they are of another type: whoever writes a tensor has made it.
    pub fn slice_mut<T: Element>(&mut self) -> &mut [T] {
        let fits = T::DTYPE == self.dtype || (T::DTYPE == DType::U8 && self.dtype == DType::Bool);
        assert!(fits, "a tensor of {} is written as {}", self.dtype, T::DTYPE);
        bytemuck::cast_slice_mut(self.bytes_mut())
    }

    /// Done: from now on it is only read.
    pub fn freeze(self) -> Tensor {
        Tensor { dtype: self.dtype, shape: self.shape, storage: Storage::Owned(Arc::new(self.block)) }
    }
}
