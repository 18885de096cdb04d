//! Several element-wise operations, one after the other, on a block of elements that stays in the first-level cache.
//!
//! Each step is the operation of its own: what it stores is what the next one reads. So a sequence has the bits of its
//! steps made one by one over whole tensors, and saves their ways to memory.

mod following;

use std::mem;

use crate::elementwise::{Binary, MapBinary, MapUnary, Strided, Unary};
use crate::error::{NumericsError, count, expect_length};
use crate::isa::{Isa, Work};
use crate::processor::Processor;
use crate::stream::Stream;
pub use following::Following;

/// The most elements of a block: a few blocks fill half of a first-level cache.
const BLOCK: usize = 2048;
/// Elements below which a second thread is not worth waking.
const PIECE: usize = 16_384;
/// The most dimensions of a result.
pub const RANK_LIMIT: usize = 16;

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An operand of the sequence, by its number.
    Operand(usize),
    /// The result of an earlier step, by its number.
    Step(usize),
}

/// One operation of a sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// An operation on one number.
    Unary(Unary, Source),
    /// An operation on two numbers.
    Binary(Binary, [Source; 2]),
}

impl Step {
    fn sources(&self) -> &[Source] {
        match self {
            Self::Unary(_, source) => std::slice::from_ref(source),
            Self::Binary(_, sources) => sources,
        }
    }
}

/// Operations in order; the last one's result is the sequence's.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Each with the buffer that its result is kept in; the last one's has none.
    steps: Vec<(Step, usize)>,
    buffers: usize,
    operands: usize,
}

impl Sequence {
    /// Fails if there is no step, or a step reads what is not there yet.
    pub fn new(operands: usize, steps: &[Step]) -> Result<Self, NumericsError> {
        crate::error::expect_positive("the number of steps", steps.len())?;
        let mut last_reads = vec![0; steps.len()];
        for (place, step) in steps.iter().enumerate() {
            for source in step.sources() {
                match *source {
                    Source::Operand(value) if value >= operands => {
                        return Err(NumericsError::Parameter { what: "an operand", value, rule: "does not exist" });
                    }
                    Source::Step(value) if value >= place => {
                        return Err(NumericsError::Parameter { what: "a step", value, rule: "is not done yet" });
                    }
                    Source::Step(read) => last_reads[read] = place,
                    Source::Operand(_) => {}
                }
            }
        }
        Ok(Self::placed(operands, steps, &last_reads))
    }

    /// Gives each step a buffer, which is free again after the last step that reads it.
    fn placed(operands: usize, steps: &[Step], last_reads: &[usize]) -> Self {
        let (mut free, mut buffers) = (Vec::new(), 0);
        let mut placed: Vec<(Step, usize)> = Vec::with_capacity(steps.len());
        for (place, step) in steps.iter().enumerate() {
            let buffer = free.pop().unwrap_or(buffers);
            if place + 1 < steps.len() {
                buffers = buffers.max(buffer + 1);
            }
            let mut done: Vec<usize> = step
                .sources()
                .iter()
                .filter_map(|source| if let Source::Step(read) = *source { Some(read) } else { None })
                .filter(|&read| last_reads[read] == place)
                .map(|read| placed[read].1)
                .collect();
            done.dedup();
            free.extend(done);
            placed.push((*step, buffer));
        }
        Self { steps: placed, buffers, operands }
    }
}

/// How an operand is read along the elements of the result.
#[derive(Clone, Debug)]
enum Reader<'a> {
    /// What the result held before.
    Given,
    /// The same number everywhere.
    One(&'a [f32]),
    /// A number for each element.
    Whole(&'a [f32]),
    /// Sizes and steps, as few as possible; the last step is that of a row.
    Spread(&'a [f32], Vec<(usize, usize)>),
}

impl<'a> Reader<'a> {
    fn new(operand: Strided<'a>, shape: &[usize]) -> Self {
        let mut axes: Vec<(usize, usize)> = Vec::with_capacity(shape.len());
        for (&size, &step) in shape.iter().zip(operand.strides).filter(|(size, _)| **size != 1) {
            match axes.last_mut() {
                Some(outer) if outer.1 == step * size => *outer = (outer.0 * size, step),
                _ => axes.push((size, step)),
            }
        }
        match axes[..] {
            [] | [(_, 0)] => Self::One(&operand.data[..1]),
            [(_, 1)] => Self::Whole(operand.data),
            _ => Self::Spread(operand.data, axes),
        }
    }

    /// After how many elements it repeats, if it does.
    fn period(&self) -> Option<usize> {
        match self {
            Self::Spread(_, axes) => match axes[..] {
                [(_, 0), (row, 1)] => Some(row),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Fills `to` with the elements of an operand from `start` on.
fn spread(data: &[f32], axes: &[(usize, usize)], start: usize, mut to: &mut [f32]) {
    let (&(row, step), outer) = axes.split_last().expect("a spread operand has axes");
    let (mut index, mut first) = (start / row, start % row);
    while !to.is_empty() {
        let (piece, rest) = to.split_at_mut((row - first).min(to.len()));
        let mut left = index;
        let mut begin = first * step;
        for &(size, step) in outer.iter().rev() {
            begin += left % size * step;
            left /= size;
        }
        match step {
            0 => piece.fill(data[begin]),
            1 => piece.copy_from_slice(&data[begin..begin + piece.len()]),
            _ => piece.iter_mut().enumerate().for_each(|(i, to)| *to = data[begin + i * step]),
        }
        (index, first, to) = (index + 1, 0, rest);
    }
}

/// A spread operand's elements in a block.
#[derive(Default)]
struct Pattern {
    values: Vec<f32>,
    /// Where in its period it begins, and how many elements of it are there; nothing if it does not repeat.
    holds: Option<(usize, usize)>,
}

/// Elements of a block: of whole periods, which have the same patterns.
fn block_of(readers: &[Reader<'_>]) -> usize {
    let period = readers.iter().find_map(Reader::period).filter(|period| *period <= BLOCK).unwrap_or(1);
    BLOCK / period * period
}

/// Some elements of a sequence's result, the first at `start`.
struct Part<'a> {
    sequence: &'a Sequence,
    readers: &'a [Reader<'a>],
    block: usize,
    start: usize,
    out: &'a mut [f32],
}

impl Work for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { sequence, readers, block, start, out } = self;
        let mut buffers: Vec<Vec<f32>> = Vec::new();
        buffers.resize_with(sequence.buffers, || vec![0.0; block.min(out.len())]);
        let mut patterns: Vec<Pattern> = Vec::new();
        patterns.resize_with(readers.len(), Pattern::default);
        let replaces = readers.iter().any(|reader| matches!(reader, Reader::Given));
        let mut given = vec![0.0; if replaces { block.min(out.len()) } else { 0 }];
        for (index, out) in out.chunks_mut(block).enumerate() {
            let start = start + index * block;
            refresh(&mut patterns, readers, start, out.len());
            if replaces {
                given[..out.len()].copy_from_slice(out);
            }
            let last = sequence.steps.len() - 1;
            for (place, (step, buffer)) in sequence.steps.iter().enumerate() {
                // A step's result is in no buffer that it reads.
                let mut own = if place == last { Vec::new() } else { mem::take(&mut buffers[*buffer]) };
                let to = if place == last { &mut *out } else { &mut own[..out.len()] };
                let length = to.len();
                let read = |source: Source| match source {
                    Source::Step(step) => (&buffers[sequence.steps[step].1][..length], 1),
                    Source::Operand(operand) => match &readers[operand] {
                        Reader::Given => (&given[..length], 1),
                        Reader::One(one) => (*one, 0),
                        Reader::Whole(data) => (&data[start..start + length], 1),
                        Reader::Spread(..) => (&patterns[operand].values[..length], 1),
                    },
                };
                match *step {
                    Step::Unary(operation, source) => match read(source) {
                        (one, 0) => to.fill(operation.of(one[0])),
                        (from, _) => I::enter(MapUnary(operation, Stream::between(from, to))),
                    },
                    // As it is defined, without the general power's way to it.
                    Step::Binary(Binary::Pow, [a, b]) if matches!(read(b), ([2.0], 0)) => {
                        I::enter(MapBinary(Binary::Mul, read(a), read(a), to));
                    }
                    Step::Binary(operation, [a, b]) => I::enter(MapBinary(operation, read(a), read(b), to)),
                }
                if place != last {
                    buffers[*buffer] = own;
                }
            }
        }
    }
}

/// Makes the patterns those of the block at `start`, where they are not already.
fn refresh(patterns: &mut [Pattern], readers: &[Reader<'_>], start: usize, length: usize) {
    for (pattern, reader) in patterns.iter_mut().zip(readers) {
        let Reader::Spread(data, axes) = reader else { continue };
        let phase = reader.period().map(|period| start % period);
        if phase.is_some() && pattern.holds.is_some_and(|(at, held)| Some(at) == phase && length <= held) {
            continue;
        }
        pattern.values.resize(length, 0.0);
        spread(data, axes, start, &mut pattern.values);
        pattern.holds = phase.map(|phase| (phase, length));
    }
}

impl Processor {
    /// `out[i…]` is what the sequence makes of the operands at `i…`, for every index of `shape`; `out` is contiguous.
    pub fn sequence(
        &self,
        sequence: &Sequence,
        shape: &[usize],
        operands: &[Strided<'_>],
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        if shape.len() > RANK_LIMIT {
            return Err(NumericsError::Parameter { what: "the rank", value: shape.len(), rule: "is above 16" });
        }
        expect_length("the operands", operands.len(), sequence.operands)?;
        expect_length("the result", out.len(), count("the result", shape)?)?;
        operands.iter().try_for_each(|operand| operand.check("an operand", shape))?;
        if out.is_empty() {
            return Ok(());
        }
        let readers: Vec<Reader<'_>> = operands.iter().map(|&operand| Reader::new(operand, shape)).collect();
        let block = block_of(&readers);
        let piece = self.piece(out.len(), block, PIECE);
        self.pool().chunks(out, piece, |i, out| {
            self.run(Part { sequence, readers: &readers, block, start: i * piece, out });
        });
        Ok(())
    }
}
