use naga::{Expression, Handle};

use super::Compiler;
use super::frame::{Frame, Value};
use crate::KernelError;
use crate::program::{Bound, Op, Reg, Space, Stride};
use crate::shape::{Content, Count, Piece, Shape};

/// What a pointer leads to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) space: Space,
    pub(super) shape: Shape,
    /// The part of the address that indices make.
    pub(super) address: Option<Reg>,
    /// The rest of it.
    pub(super) fixed: u32,
}

impl Place {
    /// Whether it has padding.
    fn is_laid(&self) -> bool {
        matches!(self.space, Space::Storage(_))
    }

    fn pieces(&self) -> Vec<Piece> {
        let words = self.shape.words().packed;
        if self.is_laid() { self.shape.pieces() } else { vec![Piece { packed: 0, laid: 0, words }] }
    }

    /// How many elements an index of it may name; none of a structure.
    fn bound(&self) -> Option<Bound> {
        match (&self.shape, self.space) {
            (Shape::Vector { lanes, .. }, _) => Some(Bound::Fixed(*lanes)),
            (Shape::Array { count: Count::Fixed(count), .. }, _) => Some(Bound::Fixed(*count)),
            // Nothing that an index names contains an array without a size: its address is all fixed.
            (Shape::Array { count: Count::Runtime, .. }, Space::Storage(binding)) => {
                Some(Bound::Runtime { binding, before: self.fixed })
            }
            _ => None,
        }
    }

    fn part(&self, index: u32) -> Self {
        let (offset, shape) = self.shape.part(index, self.is_laid());
        Self { shape, fixed: self.fixed + offset, ..*self }
    }
}

impl Compiler<'_> {
    /// `base[index]`, or `base.member`, of memory or of a value.
    pub(super) fn access_index(
        &mut self,
        frame: &Frame<'_>,
        base: Handle<Expression>,
        index: u32,
    ) -> Result<Value, KernelError> {
        if !frame.is_place(base)? {
            let (offset, _) = self.shape(frame, base)?.part(index, false);
            // Validated to lie inside of the value, whose registers are in a row.
            return Ok(Value::Words(frame.words(base)? + offset as Reg));
        }
        let place = frame.place(base)?.clone();
        if let Some(Bound::Runtime { .. }) = place.bound() {
            let index = self.constant(index)?;
            return self.element(place, index).map(Value::Place);
        }
        Ok(Value::Place(place.part(index)))
    }

    /// `base[index]` by a computed index.
    pub(super) fn access(
        &mut self,
        frame: &Frame<'_>,
        base: Handle<Expression>,
        index: Handle<Expression>,
    ) -> Result<Value, KernelError> {
        let index = frame.words(index)?;
        if frame.is_place(base)? {
            let place = frame.place(base)?.clone();
            return self.element(place, index).map(Value::Place);
        }
        let (shape, fixed) = (self.shape(frame, base)?, u32::from(frame.words(base)?));
        let value = Place { space: Space::Registers, shape, address: None, fixed };
        let element = self.element(value, index)?;
        self.load(&element).map(Value::Words)
    }

    fn element(&mut self, place: Place, index: Reg) -> Result<Place, KernelError> {
        let bound = place.bound().ok_or_else(|| KernelError::unsupported("an index of what has no elements"))?;
        let stride = self.stride(Stride { bound, words: place.shape.element_words(place.is_laid()) });
        let to = self.allocate(1)?;
        self.push(Op::Address { stride, to, index, base: place.address })?;
        Ok(Place { shape: place.shape.element(), address: Some(to), ..place })
    }

    fn stride(&mut self, stride: Stride) -> u16 {
        let number = self.strides.iter().position(|known| *known == stride).unwrap_or_else(|| {
            self.strides.push(stride);
            self.strides.len() - 1
        });
        u16::try_from(number).expect("there are no more strides than instructions")
    }

    /// A value's words from memory.
    pub(super) fn load(&mut self, place: &Place) -> Result<Reg, KernelError> {
        check_plain(place)?;
        let to = self.allocate_value(&place.shape)?;
        for piece in place.pieces() {
            let (to, fixed, words) = (to + piece.packed as Reg, place.fixed + piece.laid, piece.words as u16);
            let op = match (place.space, place.address) {
                (Space::Registers, None) => Op::Copy { to, from: fixed as Reg, words },
                (space, address) => Op::Load { space, to, address, fixed, words },
            };
            self.push(op)?;
        }
        Ok(to)
    }

    /// A value's words to memory. Padding is left as it is.
    pub(super) fn store(&mut self, place: &Place, from: Reg) -> Result<(), KernelError> {
        check_plain(place)?;
        for piece in place.pieces() {
            let (from, fixed, words) = (from + piece.packed as Reg, place.fixed + piece.laid, piece.words as u16);
            let op = match (place.space, place.address) {
                (Space::Registers, None) => Op::Copy { to: fixed as Reg, from, words },
                (space, address) => Op::Store { space, address, fixed, from, words },
            };
            self.push(op)?;
        }
        Ok(())
    }

    /// `arrayLength(&array)`.
    pub(super) fn length(&mut self, frame: &Frame<'_>, array: Handle<Expression>) -> Result<Value, KernelError> {
        let place = frame.place(array)?;
        let bound = place.bound().ok_or_else(|| KernelError::unsupported("the length of what has none"))?;
        let words = place.shape.element_words(true);
        let stride = self.stride(Stride { bound, words });
        let to = self.allocate(1)?;
        self.push(Op::Length { stride, to })?;
        Ok(Value::Words(to))
    }
}

/// Refuses to read or write what cannot be read or written plainly. An atomic of workgroup memory can, between barriers
/// between which it is not changed.
fn check_plain(place: &Place) -> Result<(), KernelError> {
    match (place.shape.content(), &place.shape, place.space) {
        (Content::Plain, ..) | (_, Shape::Atomic, Space::Workgroup) => Ok(()),
        (_, Shape::Atomic, _) => {
            let instead = "bind the buffer for reading in another dispatch, or write it there";
            Err(KernelError::instead("a load or store of an atomic in a buffer", instead))
        }
        _ => Err(KernelError::instead("a value that has atomics in it", "load each by atomicLoad")),
    }
}
