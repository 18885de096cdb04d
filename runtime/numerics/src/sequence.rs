//! Several element-wise operations, one after the other, on a block of elements that stays in the first-level cache.
//!
//! Each step is the operation of its own: what it stores is what the next one reads. So a sequence has the bits of its
//! steps made one by one over whole tensors, and saves their ways to memory.

mod following;
mod reader;
mod strip;

use std::cell::Cell;
use std::mem;

use crate::elementwise::{Binary, MapUnary, Strided, Unary};
use crate::error::{NumericsError, count, expect_length};
use crate::isa::{Isa, Work};
use crate::pairs::{MapBinary, Numbers};
use crate::processor::Processor;
use crate::stream::Stream;
pub use following::Following;
use reader::{Reader, repeat, spread};
use strip::{Plan, Strips};

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

/// The elements of a row in a block: where in it they begin, and how many are there.
type Holds = Option<(usize, usize)>;

/// Memory for a block of each operand that is not read where it lies, and of results between steps.
#[derive(Default)]
struct Blocks {
    operands: Vec<Vec<f32>>,
    results: Vec<Vec<f32>>,
}

impl Blocks {
    /// Makes room for so many of each, of `size` elements. What is in them is unspecified.
    fn reserve(&mut self, operands: usize, results: usize, size: usize) {
        for (blocks, count) in [(&mut self.operands, operands), (&mut self.results, results)] {
            blocks.resize_with(count.max(blocks.len()), Vec::new);
            blocks.iter_mut().filter(|block| block.len() < size).for_each(|block| block.resize(size, 0.0));
        }
    }
}

thread_local! {
    /// A thread's blocks, kept for the next sequence.
    static BLOCKS: Cell<Blocks> = Cell::default();
}

/// The operands of a sequence along a result, and in what pieces they are read.
#[derive(Clone, Debug)]
struct Operands<'a> {
    readers: Vec<Reader<'a>>,
    /// Elements of a block: of whole rows, so that those are laid out once.
    block: usize,
    /// How strips make this sequence, if they do.
    plan: Option<Plan>,
}

impl<'a> Operands<'a> {
    fn new(sequence: &Sequence, readers: Vec<Reader<'a>>) -> Self {
        let row = readers.iter().find_map(|reader| if let Reader::Row(row) = reader { Some(row.len()) } else { None });
        let row = row.unwrap_or(1);
        // Of a result without elements nothing is read.
        let plan = if readers.is_empty() { None } else { sequence.plan(&readers) };
        Self { block: BLOCK / row * row, plan, readers }
    }
}

/// Some elements of a sequence's result, the first at `start`.
struct Part<'a> {
    sequence: &'a Sequence,
    operands: &'a Operands<'a>,
    start: usize,
    out: &'a mut [f32],
}

impl Work for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { sequence, operands: Operands { readers, block, plan }, start, out } = self;
        if let Some(plan) = plan {
            return I::enter(Strips { sequence, readers, plan, start, out });
        }
        let mut blocks = BLOCKS.take();
        blocks.reserve(readers.len(), sequence.buffers, out.len().min(*block));
        let mut holds: Vec<Holds> = vec![None; readers.len()];
        let (last, before) = sequence.steps.split_last().expect("a sequence has a step");
        for (index, out) in out.chunks_mut(*block).enumerate() {
            let start = start + index * block;
            for (operand, (reader, holds)) in readers.iter().zip(&mut holds).enumerate() {
                let is_last = last.0.sources().contains(&Source::Operand(operand));
                refresh::<I>(reader, is_last, holds, start, out, &mut blocks.operands[operand]);
            }
            for (step, buffer) in before {
                // A step's result is in no buffer that it reads.
                let mut own = mem::take(&mut blocks.results[*buffer]);
                let reads = Reads { sequence, readers, blocks: &blocks, start, length: out.len(), given: Some(out) };
                reads.make::<I>(step, &mut own[..out.len()]);
                blocks.results[*buffer] = own;
            }
            let reads = Reads { sequence, readers, blocks: &blocks, start, length: out.len(), given: None };
            reads.make::<I>(&last.0, out);
        }
        BLOCKS.set(blocks);
    }
}

/// What the steps of a block read.
struct Reads<'a> {
    sequence: &'a Sequence,
    readers: &'a [Reader<'a>],
    blocks: &'a Blocks,
    start: usize,
    length: usize,
    /// What the result held before, if it still does.
    given: Option<&'a [f32]>,
}

impl<'a> Reads<'a> {
    fn read(&self, source: Source) -> Numbers<'a> {
        let (blocks, length) = (self.blocks, self.length);
        let all = |values: &'a [f32], stored| Numbers { values: &values[..length], step: 1, stored };
        match source {
            Source::Step(step) => all(&blocks.results[self.sequence.steps[step].1], true),
            Source::Operand(operand) => match (&self.readers[operand], self.given) {
                (Reader::One(values), _) => Numbers { values, step: 0, stored: false },
                (Reader::Whole(data), _) => all(&data[self.start..], false),
                (Reader::Given, Some(given)) => all(given, false),
                (Reader::Given | Reader::Row(_) | Reader::Spread(..), _) => all(&blocks.operands[operand], true),
            },
        }
    }

    /// Makes one step.
    #[inline(always)]
    fn make<I: Isa>(&self, step: &Step, to: &mut [f32]) {
        match *step {
            Step::Unary(operation, source) => match self.read(source) {
                Numbers { values, step: 0, .. } => to.fill(operation.of(values[0])),
                Numbers { values, .. } => I::enter(MapUnary(operation, Stream::between(values, to))),
            },
            Step::Binary(operation, [a, b]) => {
                let (a, b) = (self.read(a), self.read(b));
                // The square, as it is defined, without the general power's way to it.
                match (operation, b) {
                    (Binary::Pow, Numbers { values: [2.0], step: 0, .. }) => {
                        I::enter(MapBinary(Binary::Mul, [a, a], to))
                    }
                    _ => I::enter(MapBinary(operation, [a, b], to)),
                }
            }
        }
    }
}

/// Makes `to` the operand's elements that belong to those of `out`, the first at `start`, as they are read; unless they
/// are read where they lie, or are there already. `last`: the last step reads it.
#[inline(always)]
fn refresh<I: Isa>(reader: &Reader<'_>, last: bool, holds: &mut Holds, start: usize, out: &[f32], to: &mut [f32]) {
    match reader {
        Reader::One(_) | Reader::Whole(_) => {}
        // Only the last step, which writes there, cannot read it there.
        Reader::Given if !last => {}
        Reader::Given => I::enter(MapUnary(Unary::Identity, Stream::between(out, &mut to[..out.len()]))),
        Reader::Row(values) => {
            let phase = start % values.len();
            if holds.is_none_or(|(at, held)| at != phase || held < out.len()) {
                repeat(values, phase, &mut to[..out.len()]);
                *holds = Some((phase, out.len()));
            }
        }
        Reader::Spread(data, axes) => {
            let to = &mut to[..out.len()];
            spread(data, axes, start, to);
            I::enter(MapUnary(Unary::Identity, Stream::in_place(to)));
        }
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
        let readers = operands.iter().map(|&operand| Reader::new(operand, shape)).collect();
        let operands = Operands::new(sequence, readers);
        let piece = self.piece(out.len(), operands.block, PIECE);
        self.pool().chunks(out, piece, |i, out| {
            self.run(Part { sequence, operands: &operands, start: i * piece, out });
        });
        Ok(())
    }
}
