//! Types as kernels have them, and where their parts lie.
//!
//! Everything is made of words of 32 bits. In a buffer a value lies as WGSL says, with its padding; in registers and in
//! workgroup memory without.

use std::rc::Rc;

use naga::{ArraySize, Handle, Module, Scalar, ScalarKind, Type, TypeInner};

use crate::source::within;
use crate::{KernelError, Limits};

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    I32,
    U32,
    Bool,
}

/// A type. How many words it has stands beside it, since a type may have others in it many times over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Scalar(Kind),
    /// A word that is changed at once.
    Atomic,
    Vector {
        lanes: u32,
        kind: Kind,
    },
    Array {
        element: Rc<Shape>,
        count: Count,
        stride_bytes: u32,
        words: Words,
    },
    Struct {
        members: Rc<[Member]>,
        words: Words,
        content: Content,
    },
}

/// What words of memory are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Plain,
    Atomic,
    Mixed,
}

/// How many elements an array has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Fixed(u32),
    /// As many as its buffer has room for.
    Runtime,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) offset_bytes: u32,
    pub(crate) shape: Shape,
}

/// A value's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// Without padding. An array without a size has none.
    pub(crate) packed: u32,
    /// From its beginning to the end of its last part, where it lies in a buffer; one whole stride of an array without a
    /// size counts.
    pub(crate) laid: u32,
}

/// Words of a value in registers, and where they lie in a buffer, both from the value's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) packed: u32,
    pub(crate) laid: u32,
    pub(crate) words: u32,
}

impl Shape {
    /// Lanes and kind of a scalar or vector.
    pub(crate) fn lanes(&self) -> Option<(u32, Kind)> {
        match self {
            Self::Scalar(kind) => Some((1, *kind)),
            Self::Vector { lanes, kind } => Some((*lanes, *kind)),
            Self::Atomic | Self::Array { .. } | Self::Struct { .. } => None,
        }
    }

    pub(crate) fn content(&self) -> Content {
        match self {
            Self::Scalar(_) | Self::Vector { .. } => Content::Plain,
            Self::Atomic => Content::Atomic,
            Self::Array { element, .. } => element.content(),
            Self::Struct { content, .. } => *content,
        }
    }

    pub(crate) fn words(&self) -> Words {
        match self {
            Self::Scalar(_) | Self::Atomic => Words { packed: 1, laid: 1 },
            Self::Vector { lanes, .. } => Words { packed: *lanes, laid: *lanes },
            Self::Array { words, .. } | Self::Struct { words, .. } => *words,
        }
    }

    /// The words between two elements of an array, packed or laid.
    pub(crate) fn element_words(&self, laid: bool) -> u32 {
        match self {
            Self::Vector { .. } => 1,
            Self::Array { stride_bytes, .. } if laid => stride_bytes / 4,
            Self::Array { element, .. } => element.words().packed,
            Self::Scalar(_) | Self::Atomic | Self::Struct { .. } => 0,
        }
    }

    /// The part that an index names: where it begins in words, and its shape.
    pub(crate) fn part(&self, index: u32, laid: bool) -> (u32, Self) {
        match self {
            Self::Struct { members, .. } => {
                let member = &members[index as usize];
                let packed = members[..index as usize].iter().map(|member| member.shape.words().packed).sum();
                (if laid { member.offset_bytes / 4 } else { packed }, member.shape.clone())
            }
            _ => (index.saturating_mul(self.element_words(laid)), self.element()),
        }
    }

    /// What an array or vector has many of.
    pub(crate) fn element(&self) -> Self {
        match self {
            Self::Scalar(kind) | Self::Vector { kind, .. } => Self::Scalar(*kind),
            Self::Array { element, .. } => element.as_ref().clone(),
            Self::Atomic | Self::Struct { .. } => unreachable!("validated: neither is indexed by a value"),
        }
    }

    /// The pieces of a value between paddings. The value is short enough for [`Limits::VALUE_WORDS`].
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.add_pieces(0, 0, &mut pieces);
        pieces
    }

    fn add_pieces(&self, packed: u32, laid: u32, pieces: &mut Vec<Piece>) {
        match self {
            Self::Scalar(_) | Self::Atomic | Self::Vector { .. } => {
                let words = self.words().packed;
                match pieces.last_mut() {
                    Some(last) if last.laid + last.words == laid => last.words += words,
                    _ => pieces.push(Piece { packed, laid, words }),
                }
            }
            Self::Array { element, count, stride_bytes, .. } => {
                let count = if let Count::Fixed(count) = count { *count } else { 0 };
                let each = element.words().packed;
                for index in 0..count {
                    element.add_pieces(packed + index * each, laid + index * (stride_bytes / 4), pieces);
                }
            }
            Self::Struct { members, .. } => {
                let mut packed = packed;
                for member in members.iter() {
                    member.shape.add_pieces(packed, laid + member.offset_bytes / 4, pieces);
                    packed += member.shape.words().packed;
                }
            }
        }
    }
}

/// Every type of a module, or why it is none of a kernel's.
pub(crate) struct Shapes(Vec<Result<(Shape, usize), KernelError>>);

impl Shapes {
    /// A type that is too large is refused even if nothing is of it: naga, which reads on, would count wrong.
    pub(crate) fn of(module: &Module) -> Result<Self, KernelError> {
        let mut shapes = Self(Vec::with_capacity(module.types.len()));
        // A type stands behind those that it is made of.
        for (_, ty) in module.types.iter() {
            let shape = shapes.read(ty);
            if let Err(error @ KernelError::TooLarge { .. }) = shape {
                return Err(error);
            }
            shapes.0.push(shape);
        }
        Ok(shapes)
    }

    pub(crate) fn get(&self, ty: Handle<Type>) -> Result<Shape, KernelError> {
        self.0[ty.index()].clone().map(|(shape, _)| shape)
    }

    fn read(&self, ty: &Type) -> Result<(Shape, usize), KernelError> {
        let (shape, depth) = match &ty.inner {
            TypeInner::Array { base, size, stride } => {
                let (element, depth) = self.0[base.index()].clone()?;
                let count = match size {
                    ArraySize::Constant(count) => Count::Fixed(count.get()),
                    ArraySize::Dynamic => Count::Runtime,
                    ArraySize::Pending(_) => return Err(KernelError::unsupported("an array of a size yet to be set")),
                };
                (array(element, count, *stride)?, depth + 1)
            }
            TypeInner::Struct { members, .. } => {
                let mut depth = 0;
                let mut read = Vec::with_capacity(members.len());
                for member in members {
                    let (shape, below) = self.0[member.ty.index()].clone()?;
                    depth = depth.max(below);
                    read.push(Member { offset_bytes: member.offset, shape });
                }
                (structure(read)?, depth + 1)
            }
            inner => (flat(inner)?, 0),
        };
        within("arrays and structures inside each other", depth as u64, Limits::TYPE_DEPTH as u64)?;
        Ok((shape, depth))
    }
}

fn array(element: Shape, count: Count, stride_bytes: u32) -> Result<Shape, KernelError> {
    let (each, stride) = (element.words(), u64::from(stride_bytes / 4));
    let (packed, laid) = match count {
        Count::Fixed(count) => (u64::from(each.packed) * u64::from(count), stride * u64::from(count - 1)),
        Count::Runtime => (0, stride - u64::from(each.laid)),
    };
    let words = words(packed, laid + u64::from(each.laid))?;
    Ok(Shape::Array { element: Rc::new(element), count, stride_bytes, words })
}

fn structure(members: Vec<Member>) -> Result<Shape, KernelError> {
    let packed = members.iter().map(|member| u64::from(member.shape.words().packed)).sum();
    let laid = members.iter().map(|member| u64::from(member.offset_bytes / 4) + u64::from(member.shape.words().laid));
    let words = words(packed, laid.max().unwrap_or(0))?;
    let contents = members.iter().map(|member| member.shape.content());
    let content = contents.reduce(|one, other| if one == other { one } else { Content::Mixed });
    Ok(Shape::Struct { members: members.into(), words, content: content.unwrap_or(Content::Plain) })
}

/// naga computes sizes in 32 bits, which wrap: no type that it may have got wrong passes here.
fn words(packed: u64, laid: u64) -> Result<Words, KernelError> {
    let words = packed.max(laid);
    within("bytes of a type", words.saturating_mul(4), Limits::BUFFER_BYTES)?;
    let short = |words| u32::try_from(words).expect("within the limit");
    Ok(Words { packed: short(packed), laid: short(laid) })
}

/// A scalar or vector.
pub(crate) fn flat(inner: &TypeInner) -> Result<Shape, KernelError> {
    match inner {
        TypeInner::Scalar(scalar) => Ok(Shape::Scalar(kind(*scalar)?)),
        TypeInner::Vector { size, scalar } => Ok(Shape::Vector { lanes: *size as u32, kind: kind(*scalar)? }),
        TypeInner::Matrix { columns, rows, scalar } => {
            let (lanes, kind) = (*rows as u32, kind(*scalar)?);
            // Columns begin where vectors of their length may.
            let stride_bytes = if lanes == 2 { 8 } else { 16 };
            array(Shape::Vector { lanes, kind }, Count::Fixed(*columns as u32), stride_bytes)
        }
        TypeInner::Atomic(scalar) => kind(*scalar).map(|_| Shape::Atomic),
        TypeInner::Pointer { .. } | TypeInner::ValuePointer { .. } => {
            Err(KernelError::unsupported("a pointer that is passed to a function"))
        }
        _ => Err(KernelError::unsupported("a texture, sampler, or other type that is no data")),
    }
}

fn kind(scalar: Scalar) -> Result<Kind, KernelError> {
    match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 4) => Ok(Kind::F32),
        (ScalarKind::Sint, 4) => Ok(Kind::I32),
        (ScalarKind::Uint, 4) => Ok(Kind::U32),
        (ScalarKind::Bool, _) => Ok(Kind::Bool),
        _ => Err(KernelError::unsupported(format!("a number of {} bits", u32::from(scalar.width) * 8))),
    }
}
