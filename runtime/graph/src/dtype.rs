//! Types of elements.

use std::fmt;

use bytemuck::Pod;
use half::{bf16, f16};

/// The type of a tensor's elements. Bytes in memory are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE 754 binary32: what all arithmetic is defined on.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary16: stored; arithmetic is that of f32, rounded to nearest even.
    F16,
    /// The upper half of an f32: stored; arithmetic is that of f32, rounded to nearest even.
    Bf16,
    /// 8 bits, signed.
    I8,
    /// 16 bits, signed.
    I16,
    /// 32 bits, signed.
    I32,
    /// 64 bits, signed.
    I64,
    /// 8 bits.
    U8,
    /// 16 bits.
    U16,
    /// 32 bits.
    U32,
    /// 64 bits.
    U64,
    /// A byte that is 0 or 1.
    Bool,
}

impl DType {
    const NAMES: [(Self, &'static str, usize); 13] = [
        (Self::F32, "f32", 4),
        (Self::F64, "f64", 8),
        (Self::F16, "f16", 2),
        (Self::Bf16, "bf16", 2),
        (Self::I8, "i8", 1),
        (Self::I16, "i16", 2),
        (Self::I32, "i32", 4),
        (Self::I64, "i64", 8),
        (Self::U8, "u8", 1),
        (Self::U16, "u16", 2),
        (Self::U32, "u32", 4),
        (Self::U64, "u64", 8),
        (Self::Bool, "bool", 1),
    ];

    fn entry(self) -> (&'static str, usize) {
        let found = Self::NAMES.iter().find(|(dtype, ..)| *dtype == self);
        found.map(|&(_, name, bytes)| (name, bytes)).expect("every type has a name")
    }

    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        self.entry().1
    }

    /// The type that ONNX's `TensorProto.DataType` calls by this number, if it is one of these.
    pub fn of_onnx(code: i64) -> Option<Self> {
        Some(match code {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::Bf16,
            _ => return None,
        })
    }

    /// Whether elements are numbers with a fraction.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::F16 | Self::Bf16)
    }

    /// Whether arithmetic on elements is that of f32, rounded to the type at the end of an operator.
    pub fn is_computed_as_f32(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }

    /// Whether elements are whole numbers; a `bool` is none.
    pub fn is_integer(self) -> bool {
        !self.is_float() && self != Self::Bool
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().0)
    }
}

/// A Rust type that elements can be read as.
pub trait Element: Pod + Copy + Default + Send + Sync + PartialOrd {
    /// Its name among [`DType`]s; for `u8` also [`DType::Bool`] is read as it.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),* $(,)?) => { $(impl Element for $rust { const DTYPE: DType = DType::$dtype; })* };
}

elements! {
    f32 => F32, f64 => F64, f16 => F16, bf16 => Bf16,
    i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    u8 => U8, u16 => U16, u32 => U32, u64 => U64,
}
