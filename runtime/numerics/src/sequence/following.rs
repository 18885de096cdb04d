//! A sequence that follows a product: it replaces the product's rows while a cache still holds them.

use super::{Operands, PIECE, Part, RANK_LIMIT, Reader, Sequence, Source, Step};
use crate::elementwise::Strided;
use crate::error::{NumericsError, count, expect_length};
use crate::isa::Isa;
use crate::processor::Processor;

/// A sequence whose first operand is a result, which it replaces element by element; with its other operands.
#[derive(Clone, Debug)]
pub struct Following<'a> {
    sequence: &'a Sequence,
    /// The first stands for the result; none of a result without elements.
    operands: Operands<'a>,
    elements: usize,
}

impl<'a> Following<'a> {
    /// A sequence that follows a result of this shape. `others` are its operands from the second on.
    ///
    /// # Errors
    /// If the sequence has another number of operands, or one does not reach over the shape.
    pub fn new(sequence: &'a Sequence, shape: &[usize], others: &[Strided<'a>]) -> Result<Self, NumericsError> {
        if shape.len() > RANK_LIMIT {
            return Err(NumericsError::Parameter { what: "the rank", value: shape.len(), rule: "is above 16" });
        }
        expect_length("the operands", others.len() + 1, sequence.operands)?;
        let elements = count("the result", shape)?;
        others.iter().try_for_each(|operand| operand.check("an operand", shape))?;
        let mut readers = Vec::new();
        if elements > 0 {
            readers.push(Reader::Given);
            readers.extend(others.iter().map(|&operand| Reader::new(operand, shape)));
        }
        Ok(Self { sequence, operands: Operands::new(sequence, readers), elements })
    }

    pub(crate) fn check(&self, elements: usize) -> Result<(), NumericsError> {
        expect_length("the result", elements, self.elements)
    }

    /// The definition: what replaces `given`, which lies at `position` in the result.
    pub fn of(&self, given: f32, position: usize) -> f32 {
        let mut results = Vec::with_capacity(self.sequence.steps.len());
        for (step, _) in &self.sequence.steps {
            let read = |source: Source| match source {
                Source::Step(step) => results[step],
                Source::Operand(operand) => self.operands.readers[operand].at(position).unwrap_or(given),
            };
            let result = match *step {
                Step::Unary(operation, source) => operation.of(read(source)),
                Step::Binary(operation, [a, b]) => operation.of(read(a), read(b)),
            };
            results.push(result);
        }
        results.pop().expect("a sequence has a step")
    }

    /// Replaces elements of the result, of which the first lies at `start`.
    #[inline(always)]
    pub(crate) fn replace<I: Isa>(&self, start: usize, out: &mut [f32]) {
        I::enter(self.part(start, out));
    }

    fn part<'b>(&'b self, start: usize, out: &'b mut [f32]) -> Part<'b> {
        Part { sequence: self.sequence, operands: &self.operands, start, out }
    }
}

impl Reader<'_> {
    /// The operand's element that belongs to one of the result; none if it is the result's own.
    fn at(&self, position: usize) -> Option<f32> {
        Some(match self {
            Self::Given => return None,
            Self::One(one) => one[0],
            Self::Whole(data) => data[position],
            Self::Row(values) => values[position % values.len()],
            Self::Spread(data, axes) => {
                let mut left = position;
                let place = |&(size, step): &(usize, usize)| {
                    let own = left % size * step;
                    left /= size;
                    own
                };
                data[axes.iter().rev().map(place).sum::<usize>()]
            }
        })
    }
}

impl Processor {
    /// Replaces a whole result.
    pub(crate) fn follow(&self, following: &Following<'_>, out: &mut [f32]) {
        let piece = self.piece(out.len(), following.operands.block, PIECE);
        self.pool().chunks(out, piece, |i, out| self.run(following.part(i * piece, out)));
    }
}
