//! What a file holds: metadata by name, and tensors by name.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::cursor::Cursor;
use super::{MAGIC, unsupported};
use crate::op::product::{BLOCK, BlockFormat};
use crate::{DType, ModelError, ModelLimits, OpError, Tensor};

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Metadata {
    /// A number that is not negative, by its type.
    Unsigned(u64),
    /// A number of a signed type.
    Signed(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(String),
    /// Values of one type.
    List(Vec<Metadata>),
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Weight {
    /// Floats, the last dimension contiguous.
    Floats(Tensor),
    /// Rows of blocks, as bytes.
    Blocks(BlockFormat, Tensor),
}

/// A file, read; tensors share its memory.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// What it says of itself: `general.architecture`, `tokenizer.ggml.tokens`, …
    pub metadata: BTreeMap<String, Metadata>,
    /// Its tensors.
    pub tensors: BTreeMap<String, Weight>,
}

/// Bytes of a text of the metadata: chat templates are the longest.
const TEXT_BYTES: usize = 1 << 20;
/// Lists within lists.
const LISTS: usize = 2;
/// What tensors' offsets are multiples of, unless the file says it.
const ALIGNMENT: u64 = 32;

/// Where a tensor lies.
struct Placed {
    name: String,
    /// The contiguous one first.
    dims: Vec<usize>,
    kind: u32,
    offset: u64,
}

impl File {
    /// Reads a file: bounds, alignment, and that nothing is larger than may be.
    ///
    /// # Errors
    /// If it is malformed, too large, or has tensors of a type that is not built.
    pub fn parse(bytes: Bytes, limits: &ModelLimits) -> Result<Self, ModelError> {
        let mut cursor = Cursor { bytes, at: 0 };
        if cursor.take(MAGIC.len())? != MAGIC {
            return Err(ModelError::Malformed("it does not begin with GGUF".into()));
        }
        match cursor.u32()? {
            2 | 3 => {}
            other => return Err(ModelError::Malformed(format!("it is of version {other}; 2 and 3 are read"))),
        }
        let tensors = cursor.count("tensors", limits.values)?;
        let entries = cursor.count("entries of metadata", limits.values)?;
        let mut file = Self::default();
        let mut values = limits.fields;
        for _ in 0..entries {
            let name = cursor.name(limits)?;
            let kind = cursor.u32()?;
            let value = metadata(&mut cursor, kind, LISTS, &mut values)?;
            if file.metadata.insert(name.clone(), value).is_some() {
                return Err(ModelError::Malformed(format!("its metadata has {name} twice")));
            }
        }
        let placed = (0..tensors).map(|_| placed(&mut cursor, limits)).collect::<Result<Vec<_>, _>>()?;
        let alignment = match file.metadata.get("general.alignment") {
            None => ALIGNMENT,
            Some(Metadata::Unsigned(alignment)) if alignment.is_power_of_two() => *alignment,
            Some(_) => return Err(ModelError::Malformed("its alignment is no power of two".into())),
        };
        let data = (cursor.at as u64).checked_next_multiple_of(alignment).and_then(|data| usize::try_from(data).ok());
        let data = data.ok_or_else(|| ModelError::Malformed(format!("its alignment is {alignment}")))?;
        for tensor in placed {
            let weight = weight(&cursor.bytes, data, alignment, &tensor)?;
            let name = tensor.name;
            if file.tensors.insert(name.clone(), weight).is_some() {
                return Err(ModelError::Malformed(format!("it has tensor {name} twice")));
            }
        }
        Ok(file)
    }

    /// A text of the metadata.
    pub(super) fn text(&self, name: &str) -> Result<&str, ModelError> {
        match self.metadata.get(name) {
            Some(Metadata::Text(text)) => Ok(text),
            _ => Err(ModelError::Malformed(format!("its metadata has no text {name}"))),
        }
    }

    /// A size in the metadata, if it is there.
    pub(super) fn size(&self, name: &str) -> Result<Option<usize>, ModelError> {
        let size = match self.metadata.get(name) {
            None => return Ok(None),
            Some(Metadata::Unsigned(size)) => usize::try_from(*size).ok(),
            Some(Metadata::Signed(size)) => usize::try_from(*size).ok(),
            Some(_) => None,
        };
        size.map(Some).ok_or_else(|| ModelError::Malformed(format!("{name} is no size")))
    }

    /// A number with a fraction in the metadata, if it is there; rounded to f32.
    pub(super) fn float(&self, name: &str) -> Result<Option<f32>, ModelError> {
        match self.metadata.get(name) {
            None => Ok(None),
            Some(Metadata::Float(value)) => Ok(Some(*value as f32)),
            Some(_) => Err(ModelError::Malformed(format!("{name} is no float"))),
        }
    }
}

/// Reads a value; `left` is how many values may still come.
fn metadata(cursor: &mut Cursor, kind: u32, lists: usize, left: &mut usize) -> Result<Metadata, ModelError> {
    *left = left.checked_sub(1).ok_or_else(|| ModelError::Malformed("its metadata has too many values".into()))?;
    Ok(match kind {
        0 => Metadata::Unsigned(u8::from_le_bytes(cursor.array()?).into()),
        1 => Metadata::Signed(i8::from_le_bytes(cursor.array()?).into()),
        2 => Metadata::Unsigned(u16::from_le_bytes(cursor.array()?).into()),
        3 => Metadata::Signed(i16::from_le_bytes(cursor.array()?).into()),
        4 => Metadata::Unsigned(cursor.u32()?.into()),
        5 => Metadata::Signed(i32::from_le_bytes(cursor.array()?).into()),
        6 => Metadata::Float(f32::from_le_bytes(cursor.array()?).into()),
        7 => Metadata::Bool(cursor.array::<1>()? != [0]),
        8 => Metadata::Text(cursor.text(TEXT_BYTES)?),
        9 if lists > 0 => {
            let kind = cursor.u32()?;
            let count = cursor.count("values of metadata", *left)?;
            let values = (0..count).map(|_| metadata(cursor, kind, lists - 1, left));
            Metadata::List(values.collect::<Result<_, _>>()?)
        }
        10 => Metadata::Unsigned(cursor.u64()?),
        11 => Metadata::Signed(i64::from_le_bytes(cursor.array()?)),
        12 => Metadata::Float(f64::from_le_bytes(cursor.array()?)),
        other => return Err(ModelError::Malformed(format!("its metadata has a value of type {other}"))),
    })
}

fn placed(cursor: &mut Cursor, limits: &ModelLimits) -> Result<Placed, ModelError> {
    let name = cursor.name(limits)?;
    let rank = cursor.u32()? as usize;
    if rank > limits.rank {
        return Err(ModelError::TooLarge { what: "dimensions of a tensor", found: rank, limit: limits.rank });
    }
    let too_large = |_| ModelError::Malformed(format!("tensor {name} is beyond any memory"));
    let dims = (0..rank).map(|_| usize::try_from(cursor.u64()?).map_err(too_large)).collect::<Result<_, _>>()?;
    Ok(Placed { dims, kind: cursor.u32()?, offset: cursor.u64()?, name })
}

/// A tensor's elements, where they lie.
fn weight(bytes: &Bytes, data: usize, alignment: u64, placed: &Placed) -> Result<Weight, ModelError> {
    let Placed { name, dims, kind, offset } = placed;
    let format = match kind {
        0 => Err(DType::F32),
        1 => Err(DType::F16),
        30 => Err(DType::Bf16),
        2 => Ok(BlockFormat::Q4_0),
        3 => Ok(BlockFormat::Q4_1),
        8 => Ok(BlockFormat::Q8_0),
        other => return Err(unsupported(name, format!("a tensor of ggml's type {other}"))),
    };
    let malformed = |what: &str| ModelError::Malformed(format!("tensor {name} {what}"));
    let row = dims.first().copied().unwrap_or(1);
    let rows = dims.iter().skip(1).try_fold(1usize, |rows, &size| rows.checked_mul(size));
    let row_bytes = match format {
        Err(dtype) => row.checked_mul(dtype.bytes()),
        Ok(format) if row.is_multiple_of(BLOCK) => (row / BLOCK).checked_mul(format.bytes()),
        Ok(_) => return Err(malformed("has rows that are no whole blocks")),
    };
    let (rows, row_bytes) = rows.zip(row_bytes).ok_or_else(|| malformed("is beyond any memory"))?;
    if !offset.is_multiple_of(alignment) {
        return Err(malformed("is not aligned"));
    }
    let start = usize::try_from(*offset).ok().and_then(|offset| data.checked_add(offset));
    let end = start.zip(rows.checked_mul(row_bytes)).and_then(|(start, length)| start.checked_add(length));
    let range = start.zip(end).filter(|&(_, end)| end <= bytes.len());
    let (start, end) = range.ok_or_else(|| malformed("lies outside of the file"))?;
    let at = |error: OpError| ModelError::at(name, "GGUF", error);
    let bytes = bytes.slice(start..end);
    match format {
        Ok(format) => Ok(Weight::Blocks(format, Tensor::from_bytes(DType::U8, &[rows, row_bytes], bytes).map_err(at)?)),
        Err(dtype) => {
            let shape: Vec<usize> = dims.iter().rev().copied().collect();
            Ok(Weight::Floats(Tensor::from_bytes(dtype, &shape, bytes).map_err(at)?))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use half::f16;

    use super::*;

    /// Writes files: metadata as it comes, tensors behind it.
    #[derive(Default)]
    pub(in crate::gguf) struct Writer {
        entries: Vec<Vec<u8>>,
        infos: Vec<Vec<u8>>,
        data: Vec<u8>,
    }

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    impl Writer {
        pub(in crate::gguf) fn entry(&mut self, name: &str, kind: u32, value: &[u8]) -> &mut Self {
            self.entries.push([&text(name)[..], &kind.to_le_bytes(), value].concat());
            self
        }

        pub(in crate::gguf) fn size(&mut self, name: &str, value: u32) -> &mut Self {
            self.entry(name, 4, &value.to_le_bytes())
        }

        pub(in crate::gguf) fn float(&mut self, name: &str, value: f32) -> &mut Self {
            self.entry(name, 6, &value.to_le_bytes())
        }

        pub(in crate::gguf) fn text(&mut self, name: &str, value: &str) -> &mut Self {
            self.entry(name, 8, &text(value))
        }

        pub(in crate::gguf) fn tensor(&mut self, name: &str, dims: &[u64], kind: u32, bytes: &[u8]) -> &mut Self {
            let offset = self.data.len() as u64;
            let dims: Vec<u8> = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect();
            let rank = (dims.len() as u32 / 8).to_le_bytes();
            let info = [&text(name)[..], &rank, &dims, &kind.to_le_bytes(), &offset.to_le_bytes()];
            self.infos.push(info.concat());
            self.data.extend(bytes);
            self.data.resize(self.data.len().next_multiple_of(32), 0);
            self
        }

        pub(in crate::gguf) fn finish(&self) -> Bytes {
            let counts = [self.infos.len() as u64, self.entries.len() as u64].map(u64::to_le_bytes).concat();
            let mut file =
                [&MAGIC[..], &3u32.to_le_bytes(), &counts, &self.entries.concat(), &self.infos.concat()].concat();
            file.resize(file.len().next_multiple_of(32), 0);
            file.extend(&self.data);
            file.into()
        }
    }

    fn parse(bytes: Bytes) -> Result<File, ModelError> {
        File::parse(bytes, &ModelLimits::default())
    }

    #[test]
    fn metadata_and_tensors_are_read() {
        let list = [&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &text("a"), &text("bc")].concat();
        let floats: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let halves: Vec<u8> = [1.0f32, -2.0].iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
        let mut writer = Writer::default();
        writer.text("name", "x").size("size", 7).float("ratio", 0.5).entry("list", 9, &list);
        writer.tensor("floats", &[3, 2], 0, &floats).tensor("halves", &[2], 1, &halves).tensor(
            "blocks",
            &[32, 1],
            8,
            &[3; 34],
        );
        let file = parse(writer.finish()).unwrap();
        assert_eq!((file.text("name"), file.size("size"), file.float("ratio")), (Ok("x"), Ok(Some(7)), Ok(Some(0.5))));
        let texts = ["a", "bc"].map(|text| Metadata::Text(text.into())).to_vec();
        assert_eq!(file.metadata["list"], Metadata::List(texts));
        assert_eq!(file.tensors["floats"], Weight::Floats(Tensor::new(&[2, 3], &[1f32, 2.0, 3.0, 4.0, 5.0, 6.0])));
        assert_eq!(file.tensors["halves"], Weight::Floats(Tensor::new(&[2], &[1.0, -2.0].map(f16::from_f32))));
        assert_eq!(file.tensors["blocks"], Weight::Blocks(BlockFormat::Q8_0, Tensor::new(&[1, 34], &[3u8; 34])));
    }

    #[test]
    fn every_shorter_file_is_refused() {
        let file = Writer::default().text("name", "x").tensor("t", &[32], 8, &[0; 34]).finish();
        // The last bytes only fill up to the alignment.
        for length in 0..file.len() - 30 {
            assert!(parse(file.slice(..length)).is_err(), "{length} bytes");
        }
        assert!(parse(file).is_ok());
    }

    #[test]
    fn hostile_files_are_refused() {
        let mut huge_list = 0u32.to_le_bytes().to_vec();
        huge_list.extend(u64::MAX.to_le_bytes());
        for (what, writer) in [
            ("a list without end", Writer::default().entry("list", 9, &huge_list)),
            ("an unknown type", Writer::default().entry("x", 13, &[])),
            ("an entry that stands twice", Writer::default().size("x", 1).size("x", 1)),
            (
                "a tensor that stands twice",
                Writer::default().tensor("t", &[1], 0, &[0; 4]).tensor("t", &[1], 0, &[0; 4]),
            ),
            ("a tensor beyond the file", Writer::default().tensor("t", &[64], 0, &[0; 4])),
            ("a size that overflows", Writer::default().tensor("t", &[u64::MAX, u64::MAX], 0, &[0; 4])),
            ("part of a block", Writer::default().tensor("t", &[33], 8, &[0; 68])),
            ("a name that steers a terminal", Writer::default().size("a\u{1b}b", 1)),
            ("an alignment of 3", Writer::default().size("general.alignment", 3)),
            ("an unknown type of tensor", Writer::default().tensor("t", &[1], 99, &[0; 4])),
        ] {
            assert!(parse(writer.finish()).is_err(), "{what}");
        }
    }
}
