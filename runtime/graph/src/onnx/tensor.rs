//! Elements of an ONNX file, or of a file beside it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Beside;
use super::proto::TensorProto;
use crate::tensor::elements;
use crate::{DType, Element, ModelLimits, OpError, Tensor};

/// Where elements lie: in the model's file, or in another.
const LOCATION_DEFAULT: i32 = 0;
const LOCATION_EXTERNAL: i32 = 1;

/// The types that are not supported, by their numbers in the file.
const UNSUPPORTED: [(i64, &str); 13] = [
    (8, "string"),
    (14, "complex64"),
    (15, "complex128"),
    (17, "float8e4m3fn"),
    (18, "float8e4m3fnuz"),
    (19, "float8e5m2"),
    (20, "float8e5m2fnuz"),
    (21, "uint4"),
    (22, "int4"),
    (23, "float4e2m1"),
    (24, "float8e8m0"),
    (25, "uint2"),
    (26, "int2"),
];

/// The type of elements that has a number.
///
/// # Errors
/// If there is none, or it is not supported.
pub(crate) fn dtype(code: i64) -> Result<DType, OpError> {
    let name = UNSUPPORTED.iter().find(|(known, _)| *known == code).map(|(_, name)| name);
    DType::of_onnx(code).ok_or_else(|| match name {
        Some(name) => OpError::unsupported(format!("elements of type {name}")),
        None => OpError::new(format!("{code} is no type of elements")),
    })
}

/// Reads elements, which share the memory of the file that they lie in wherever they can.
pub(crate) struct Tensors<'a> {
    beside: &'a dyn Beside,
    /// Files that were asked for, so that each is mapped once.
    files: BTreeMap<String, Option<Bytes>>,
    limits: &'a ModelLimits,
}

impl<'a> Tensors<'a> {
    /// Tensors within limits.
    pub(crate) fn new(beside: &'a dyn Beside, limits: &'a ModelLimits) -> Self {
        Self { beside, files: BTreeMap::new(), limits }
    }

    /// The elements of one.
    ///
    /// # Errors
    /// If its type is not supported, or there are fewer or more elements than its shape says.
    pub(crate) fn read(&mut self, proto: &TensorProto) -> Result<Tensor, OpError> {
        let dtype = dtype(proto.data_type.into())?;
        let shape = self.shape(&proto.dims)?;
        let count = elements(&shape).ok_or_else(|| OpError::new(format!("shape {shape:?} is too large")))?;
        if proto.segment.is_some() {
            return Err(OpError::unsupported("a segment of a tensor"));
        }
        match proto.data_location {
            LOCATION_DEFAULT if !proto.raw_data.is_empty() => Tensor::from_bytes(dtype, &shape, proto.raw_data.clone()),
            LOCATION_DEFAULT => typed(dtype, &shape, count, proto),
            LOCATION_EXTERNAL => Tensor::from_bytes(dtype, &shape, self.external(proto, count * dtype.bytes())?),
            other => Err(OpError::new(format!("{other} is no place where elements can lie"))),
        }
    }

    fn shape(&self, dims: &[i64]) -> Result<Vec<usize>, OpError> {
        let limit = self.limits.rank;
        if dims.len() > limit {
            return Err(OpError::new(format!("{} dimensions, and {limit} are allowed", dims.len())));
        }
        let size = |&dim| usize::try_from(dim).map_err(|_| OpError::new(format!("shape {dims:?} has a negative size")));
        dims.iter().map(size).collect()
    }

    /// The part of another file that holds a tensor of `needed` bytes. Without a length, the tensor's own.
    fn external(&mut self, proto: &TensorProto, needed: usize) -> Result<Bytes, OpError> {
        let entry = |key| proto.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key| match entry(key).map(str::parse) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(OpError::new(format!("the {key} of its external data is no number of bytes"))),
        };
        let location = entry("location").ok_or_else(|| OpError::new("its external data has no location"))?;
        self.limits.name(location).map_err(|error| OpError::new(format!("the location of its data: {error}")))?;
        let offset: usize = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(needed);
        let beside = self.beside;
        let file = self.files.entry(location.to_owned()).or_insert_with(|| beside.file(location));
        let file = file.as_ref().ok_or_else(|| OpError::new(format!("there is no file {location}")))?;
        let end = offset.checked_add(length).filter(|&end| end <= file.len());
        let end = end.ok_or_else(|| {
            let total = file.len();
            OpError::new(format!("{length} bytes at {offset} of {location} lie outside its {total} bytes"))
        })?;
        Ok(beside.part(location, file, offset..end))
    }
}

/// Elements from the field of their type; narrow ones lie in wider fields.
fn typed(dtype: DType, shape: &[usize], count: usize, proto: &TensorProto) -> Result<Tensor, OpError> {
    let numbers32 = || proto.int32_data.iter().copied();
    match dtype {
        DType::F32 => of(shape, count, proto.float_data.iter().copied().map(Some)),
        DType::F64 => of(shape, count, proto.double_data.iter().copied().map(Some)),
        DType::I64 => of(shape, count, proto.int64_data.iter().copied().map(Some)),
        DType::U64 => of(shape, count, proto.uint64_data.iter().copied().map(Some)),
        DType::U32 => of(shape, count, proto.uint64_data.iter().map(|&number| u32::try_from(number).ok())),
        DType::I32 => of(shape, count, numbers32().map(Some)),
        DType::I16 => of(shape, count, numbers32().map(|number| i16::try_from(number).ok())),
        DType::I8 => of(shape, count, numbers32().map(|number| i8::try_from(number).ok())),
        DType::U16 => of(shape, count, numbers32().map(|number| u16::try_from(number).ok())),
        DType::U8 => of(shape, count, numbers32().map(|number| u8::try_from(number).ok())),
        DType::F16 => of(shape, count, numbers32().map(|bits| u16::try_from(bits).ok().map(half::f16::from_bits))),
        DType::Bf16 => of(shape, count, numbers32().map(|bits| u16::try_from(bits).ok().map(half::bf16::from_bits))),
        DType::Bool => {
            let bytes: Option<Vec<u8>> = numbers32().map(|number| u8::try_from(number).ok()).collect();
            Tensor::from_bytes(DType::Bool, shape, bytes.ok_or_else(|| beyond(dtype))?.into())
        }
    }
}

fn of<T: Element>(
    shape: &[usize],
    count: usize,
    values: impl ExactSizeIterator<Item = Option<T>>,
) -> Result<Tensor, OpError> {
    if values.len() != count {
        return Err(OpError::new(format!("{} elements are no {} of shape {shape:?}", values.len(), T::DTYPE)));
    }
    let values: Option<Vec<T>> = values.collect();
    Ok(Tensor::new(shape, &values.ok_or_else(|| beyond(T::DTYPE))?))
}

fn beyond(dtype: DType) -> OpError {
    OpError::new(format!("an element is beyond what a {dtype} holds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::StringStringEntryProto;

    const LIMITS: ModelLimits =
        ModelLimits { file_bytes: 0, fields: 0, nodes: 0, values: 0, nesting: 0, rank: 4, name_bytes: 16 };

    fn proto(code: i32, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: code, dims: dims.to_vec(), ..TensorProto::default() }
    }

    fn read(proto: TensorProto) -> Result<Tensor, OpError> {
        Tensors::new(&(), &LIMITS).read(&proto)
    }

    #[test]
    fn every_type_is_read_from_its_field() {
        let int32 = |code, values: &[i32]| {
            read(TensorProto { int32_data: values.to_vec(), ..proto(code, &[values.len() as i64]) }).unwrap()
        };
        let uint64 = |code| read(TensorProto { uint64_data: vec![7, 8], ..proto(code, &[2]) }).unwrap();
        let half = int32(10, &[0x3c00, 0x7c00]);
        let upper = int32(16, &[0x3f80]);
        let floats = read(TensorProto { float_data: vec![1.5; 6], ..proto(1, &[2, 3]) }).unwrap();
        assert_eq!(floats, Tensor::new(&[2, 3], &[1.5f32; 6]));
        assert_eq!(read(TensorProto { double_data: vec![2.5], ..proto(11, &[]) }).unwrap(), Tensor::scalar(2.5f64));
        assert_eq!(read(TensorProto { int64_data: vec![-1], ..proto(7, &[1]) }).unwrap(), Tensor::new(&[1], &[-1i64]));
        assert_eq!(uint64(12), Tensor::new(&[2], &[7u32, 8]));
        assert_eq!(uint64(13), Tensor::new(&[2], &[7u64, 8]));
        assert_eq!(int32(2, &[255]), Tensor::new(&[1], &[255u8]));
        assert_eq!(int32(3, &[-128]), Tensor::new(&[1], &[-128i8]));
        assert_eq!(int32(4, &[65535]), Tensor::new(&[1], &[65535u16]));
        assert_eq!(int32(5, &[-32768]), Tensor::new(&[1], &[-32768i16]));
        assert_eq!(int32(6, &[-5]), Tensor::new(&[1], &[-5i32]));
        assert_eq!((half.dtype(), half.bytes()), (DType::F16, &[0x00, 0x3c, 0x00, 0x7c][..]));
        assert_eq!((upper.dtype(), upper.bytes()), (DType::Bf16, &[0x80, 0x3f][..]));
        let truth = int32(9, &[1, 0]);
        assert_eq!((truth.dtype(), truth.bytes()), (DType::Bool, &[1, 0][..]));
    }

    #[test]
    fn raw_elements_are_little_endian_and_none_need_no_bytes() {
        let raw = Bytes::from_static(&[1, 0, 0, 0, 254, 255, 255, 255]);
        assert_eq!(read(TensorProto { raw_data: raw, ..proto(6, &[2]) }).unwrap(), Tensor::new(&[2], &[1i32, -2]));
        assert_eq!(read(proto(1, &[3, 0])).unwrap(), Tensor::new::<f32>(&[3, 0], &[]));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let floats = |dims: &[i64]| TensorProto { float_data: vec![0.0; 2], ..proto(1, dims) };
        for (proto, expected) in [
            (proto(0, &[]), "0 is no type of elements"),
            (proto(99, &[]), "99 is no type of elements"),
            (proto(-1, &[]), "-1 is no type of elements"),
            (proto(8, &[]), "unsupported: elements of type string"),
            (proto(22, &[]), "unsupported: elements of type int4"),
            (proto(1, &[]), "0 elements are no f32 of shape []"),
            (floats(&[3]), "2 elements are no f32 of shape [3]"),
            (floats(&[-2]), "shape [-2] has a negative size"),
            (floats(&[i64::MAX, 8]), "shape [9223372036854775807, 8] is too large"),
            (floats(&[1 << 40]), "2 elements are no f32 of shape [1099511627776]"),
            (floats(&[1; 5]), "5 dimensions, and 4 are allowed"),
            (TensorProto { raw_data: vec![0; 7].into(), ..proto(1, &[2]) }, "7 bytes are no f32 of shape [2]"),
            (TensorProto { raw_data: vec![2].into(), ..proto(9, &[1]) }, "a bool is neither 0 nor 1"),
            (TensorProto { int32_data: vec![256], ..proto(2, &[1]) }, "an element is beyond what a u8 holds"),
            (TensorProto { segment: Some(Bytes::new()), ..proto(1, &[0]) }, "unsupported: a segment of a tensor"),
            (TensorProto { data_location: 2, ..proto(1, &[0]) }, "2 is no place where elements can lie"),
        ] {
            assert_eq!(read(proto).unwrap_err().to_string(), expected);
        }
    }

    /// One file of sixteen bytes.
    struct Weights;

    impl Beside for Weights {
        fn file(&self, location: &str) -> Option<Bytes> {
            (location == "weights").then(|| Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]))
        }
    }

    #[test]
    fn elements_beside_the_model_lie_within_their_file() {
        let read = |entries: &[(&str, &str)], dims: &[i64]| {
            let entry = |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
            let external_data = entries.iter().map(entry).collect();
            Tensors::new(&Weights, &LIMITS).read(&TensorProto { external_data, data_location: 1, ..proto(2, dims) })
        };
        let place = |offset, length| [("location", "weights"), ("offset", offset), ("length", length)];
        assert_eq!(read(&place("4", "3"), &[3]).unwrap(), Tensor::new(&[3], &[4u8, 5, 6]));
        assert_eq!(read(&place("4", "3")[..2], &[12]).unwrap().bytes()[11], 15);
        for (entries, dims, expected) in [
            (&place("4", "13")[..], 13, "13 bytes at 4 of weights lie outside its 16 bytes"),
            (&place("17", "0")[..], 0, "0 bytes at 17 of weights lie outside its 16 bytes"),
            (
                &place("18446744073709551615", "2")[..],
                2,
                "2 bytes at 18446744073709551615 of weights lie outside its 16 bytes",
            ),
            (&place("4", "3")[..], 4, "3 bytes are no u8 of shape [4]"),
            (&place("-1", "3")[..], 3, "the offset of its external data is no number of bytes"),
            (&[("location", "elsewhere")][..], 1, "there is no file elsewhere"),
            (
                &[("location", "\u{1b}[2J")][..],
                1,
                "the location of its data: the model is malformed: control characters in the name \"\\u{1b}[2J\"",
            ),
            (
                &[("location", "seventeen letters")][..],
                1,
                "the location of its data: the model has 17 bytes in a name, and 16 are allowed",
            ),
            (&[][..], 1, "its external data has no location"),
        ] {
            assert_eq!(read(entries, &[dims]).unwrap_err().to_string(), expected);
        }
    }
}
