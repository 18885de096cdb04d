//! Tensors as `.npy` files, the form of NumPy's `save` and `load`.
//!
//! What is read: versions 1 to 3, rows first, little-endian numbers and bools. A bf16, which NumPy has no name for, is
//! `V2`, as the ml_dtypes package writes it.

use std::fmt::Write;

use bytes::Bytes;
use poai_graph::{DType, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of a header that is read; NumPy's own are 128 unless a tensor has very many dimensions.
const HEADER_BYTES: usize = 4096;
/// Dimensions of a tensor.
const RANK: usize = 16;
/// Elements begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// NumPy's names of types; `|` stands for "one byte, so no order of bytes".
const TYPES: [(DType, &str); 13] = [
    (DType::F32, "<f4"),
    (DType::F64, "<f8"),
    (DType::F16, "<f2"),
    (DType::Bf16, "<V2"),
    (DType::I8, "|i1"),
    (DType::I16, "<i2"),
    (DType::I32, "<i4"),
    (DType::I64, "<i8"),
    (DType::U8, "|u1"),
    (DType::U16, "<u2"),
    (DType::U32, "<u4"),
    (DType::U64, "<u8"),
    (DType::Bool, "|b1"),
];

/// Reads a file, whose elements the tensor shares.
///
/// # Errors
/// In words, if it is none, or holds something else than numbers and bools in rows.
pub(crate) fn read(file: Bytes) -> Result<Tensor, String> {
    let rest = file.strip_prefix(MAGIC).ok_or("it is no .npy file")?;
    let [major, _minor, rest @ ..] = rest else { return Err("it ends in its header".into()) };
    let (length, rest) = match (major, rest) {
        (1, [a, b, rest @ ..]) => (u32::from(u16::from_le_bytes([*a, *b])), rest),
        (2 | 3, [a, b, c, d, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        (1..=3, _) => return Err("it ends in its header".into()),
        (other, _) => return Err(format!("it is of version {other} of the format; 1 to 3 are read")),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > HEADER_BYTES {
        return Err(format!("its header is of {length} bytes; at most {HEADER_BYTES} are read"));
    }
    let (header, elements) = rest.split_at_checked(length).ok_or("it ends in its header")?;
    let header = str::from_utf8(header).map_err(|_| "its header is no text")?;
    let (dtype, shape) = Header::read(header)?;
    Tensor::from_bytes(dtype, &shape, file.slice_ref(elements)).map_err(|error| error.to_string())
}

/// The bytes of a file before the elements.
pub(crate) fn head(tensor: &Tensor) -> Vec<u8> {
    let found = TYPES.iter().find(|(dtype, _)| *dtype == tensor.dtype());
    let (_, descr) = found.expect("every type has a name");
    let mut shape = String::new();
    for size in tensor.shape() {
        let _ = write!(shape, "{size}, ");
    }
    // A tuple of one has a comma, any other has none at the end.
    let shape = if tensor.shape().len() == 1 { shape.trim_end() } else { shape.trim_end_matches(", ") };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    let whole = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.push_str(&" ".repeat(whole - before - text.len() - 1));
    text.push('\n');
    let length = u16::try_from(text.len()).expect("a tensor's rank is limited");
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

/// A header: a dictionary as Python writes it, of three keys in any order.
struct Header<'a> {
    rest: &'a str,
}

impl<'a> Header<'a> {
    fn read(text: &'a str) -> Result<(DType, Vec<usize>), String> {
        let mut header = Self { rest: text };
        let (mut dtype, mut shape, mut rows_first) = (None, None, None);
        header.expect("{")?;
        while !header.takes("}") {
            let key = header.quoted()?;
            header.expect(":")?;
            match key {
                "descr" => dtype = Some(header.dtype()?),
                "shape" => shape = Some(header.shape()?),
                "fortran_order" => rows_first = Some(header.takes("False")),
                _ => return Err(format!("its header has a key {key:?}")),
            }
            if rows_first == Some(false) {
                return Err("its columns come first; save it by `np.save(FILE, np.ascontiguousarray(x))`".into());
            }
            if !header.takes(",") {
                header.expect("}")?;
                break;
            }
        }
        match (dtype, shape, rows_first, header.rest.trim()) {
            (Some(dtype), Some(shape), Some(_), "") => Ok((dtype, shape)),
            _ => Err("its header is not of a type, a shape and an order".into()),
        }
    }

    fn takes(&mut self, token: &str) -> bool {
        let found = self.rest.trim_start().strip_prefix(token);
        found.inspect(|rest| self.rest = rest).is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.takes(token) { Ok(()) } else { Err(format!("its header lacks a {token:?}")) }
    }

    fn quoted(&mut self) -> Result<&'a str, String> {
        self.expect("'")?;
        let (text, rest) = self.rest.split_once('\'').ok_or("its header ends within a text")?;
        self.rest = rest;
        Ok(text)
    }

    fn dtype(&mut self) -> Result<DType, String> {
        if !self.rest.trim_start().starts_with('\'') {
            return Err("its elements have fields; plain numbers are read".into());
        }
        let descr = self.quoted()?;
        let same = |name: &str| name == descr || (name == "<V2" && descr == "|V2");
        let found = TYPES.iter().find(|(_, name)| same(name)).map(|(dtype, _)| *dtype);
        found.ok_or_else(|| {
            let known: Vec<_> = TYPES.iter().map(|(_, name)| *name).collect();
            format!("its elements are of type {descr:?}; read are {}", known.join(" "))
        })
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        self.expect("(")?;
        let mut shape = Vec::new();
        while !self.takes(")") {
            let text = self.rest.trim_start();
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let size = text[..digits].parse().map_err(|_| "its shape is no list of sizes")?;
            self.rest = &text[digits..];
            shape.push(size);
            if shape.len() > RANK {
                return Err(format!("it has more than {RANK} dimensions"));
            }
            if !self.takes(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, elements: &[u8]) -> Bytes {
        let length = u16::try_from(header.len()).unwrap();
        [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes(), elements].concat().into()
    }

    /// Written by `numpy.save`, NumPy 2.4.
    #[test]
    fn files_of_numpy_are_read_and_written_byte_for_byte() {
        for (shape, numpy) in [
            (&[2, 3][..], "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }"),
            (&[6], "{'descr': '<i2', 'fortran_order': False, 'shape': (6,), }"),
        ] {
            let tensor = Tensor::new(shape, &[1_i16, 2, 3, 4, 5, 6]);
            let head = head(&tensor);
            assert_eq!(head.len(), 128);
            assert_eq!(&head[10..10 + numpy.len()], numpy.as_bytes());
            assert_eq!(head[10 + numpy.len()..].trim_ascii(), b"");
            assert_eq!(head.last(), Some(&b'\n'));
            assert_eq!(read([&head, tensor.bytes()].concat().into()), Ok(tensor));
        }
    }

    #[test]
    fn every_type_and_rank_comes_back() {
        for (dtype, _) in TYPES {
            for shape in [&[][..], &[1], &[0, 4], &[2, 1, 3], &[1; 16]] {
                let count = shape.iter().product::<usize>() * dtype.bytes();
                let tensor = Tensor::from_bytes(dtype, shape, vec![1; count].into()).unwrap();
                let head = head(&tensor);
                assert!(head.len().is_multiple_of(ALIGNMENT));
                assert_eq!(read([&head, tensor.bytes()].concat().into()), Ok(tensor));
            }
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused_in_words() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
        assert!(read(file(good, &[0; 8])).is_ok());
        for (header, words) in [
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", "type \">f4\""),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "type \"<c8\""),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "type \"|O\""),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "fields"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", "columns come first"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "shape"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "8 bytes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4)}", "8 bytes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "shape"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2)}", "16 dimensions"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2", "lacks"),
            ("{'descr': '<f4', 'shape': (2,)}", "order"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "order"),
            ("{'descr': '<f4", "within a text"),
            ("{'x': 1}", "key \"x\""),
            ("", "lacks"),
        ] {
            let error = read(file(header, &[0; 8])).unwrap_err();
            assert!(error.contains(words), "{header}: {error}");
        }
    }

    #[test]
    fn a_file_that_ends_early_is_refused_wherever_it_ends() {
        let tensor = Tensor::new(&[3], &[1.0_f32, 2.0, 3.0]);
        let whole = [&head(&tensor), tensor.bytes()].concat();
        for length in 0..whole.len() {
            assert!(read(whole[..length].to_vec().into()).is_err(), "{length}");
        }
        assert!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec().into()).unwrap_err().contains("header"));
        assert!(read(b"\x93NUMPY\x04\x00".to_vec().into()).unwrap_err().contains("version 4"));
    }
}
