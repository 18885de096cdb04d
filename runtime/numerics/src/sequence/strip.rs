//! Sequences of short operations: a strip of elements passes through all steps in registers.

use super::{Reader, Sequence, Source, Step};
use crate::isa::{Isa, Work};
use crate::lanes::{One, Register, Several};
use crate::step::Soft;

/// Registers of sixteen floats that pass side by side, so that one's latency hides behind the others.
const SIDE_BY_SIDE: usize = 8;
/// Elements of a strip.
pub(super) const STRIP: usize = 16 * SIDE_BY_SIDE;
/// The most results that are kept at a time, the newest included.
const RESULTS: usize = 4;

impl Sequence {
    /// Whether it has several steps, all of them short.
    fn is_short(&self) -> bool {
        let nothing = One::<Soft>::new(0.0);
        let short = |step: &Step| match step {
            Step::Unary(operation, _) => operation.short(nothing).is_some(),
            Step::Binary(operation, _) => operation.short(nothing, nothing).is_some(),
        };
        self.steps.len() > 1 && self.buffers < RESULTS && self.steps.iter().all(|(step, _)| short(step))
    }

    /// The length of the rows along which a strip can walk, if strips can make this sequence of such operands.
    pub(super) fn row(&self, readers: &[Reader<'_>]) -> Option<usize> {
        let mut row = None;
        for reader in readers {
            match reader {
                Reader::Given | Reader::One(_) | Reader::Whole(_) => {}
                Reader::Row(values) if row.is_none_or(|row| row == values.len()) => row = Some(values.len()),
                Reader::Row(_) | Reader::Spread(..) => return None,
            }
        }
        self.is_short().then_some(row.unwrap_or(usize::MAX))
    }
}

/// What steps gave a strip, for any later step.
type Results = [[f32; STRIP]; RESULTS];

/// Some elements of a sequence's result, the first at `start`.
pub(super) struct Strips<'a> {
    pub sequence: &'a Sequence,
    pub readers: &'a [Reader<'a>],
    /// See [`Sequence::row`].
    pub row: usize,
    pub start: usize,
    pub out: &'a mut [f32],
}

impl Work for Strips<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { sequence, readers, row, start, out } = self;
        let (mut results, mut done) = ([[0.0; STRIP]; RESULTS], 0);
        while done < out.len() {
            let (position, column) = (start + done, (start + done) % row);
            let length = (row - column).min(out.len() - done);
            let strips = Row { sequence, readers, position, column };
            strips.pass::<I>(&mut results, &mut out[done..done + length]);
            done += length;
        }
    }
}

/// A part of a row: its first element's place in the result, and in the row.
struct Row<'a> {
    sequence: &'a Sequence,
    readers: &'a [Reader<'a>],
    position: usize,
    column: usize,
}

impl Row<'_> {
    #[inline(always)]
    fn pass<I: Isa>(&self, results: &mut Results, out: &mut [f32]) {
        let mut at = 0;
        while out.len() - at >= STRIP {
            self.strip::<Several<I::Sixteen, SIDE_BY_SIDE>>(results, at, &mut out[at..]);
            at += STRIP;
        }
        while out.len() - at >= I::Sixteen::COUNT {
            self.strip::<I::Sixteen>(results, at, &mut out[at..]);
            at += I::Sixteen::COUNT;
        }
        for at in at..out.len() {
            self.strip::<One<I::Fused>>(results, at, &mut out[at..]);
        }
    }

    /// Passes the first of `out` through all steps; they lie `at` behind this part's first.
    #[inline(always)]
    fn strip<V: Register>(&self, results: &mut Results, at: usize, out: &mut [f32]) {
        let mut newest = V::splat(0.0);
        for (place, (step, buffer)) in self.sequence.steps.iter().enumerate() {
            let result = match *step {
                Step::Unary(operation, source) => operation.short(self.read(source, (place, newest), results, at, out)),
                Step::Binary(operation, [a, b]) => {
                    let a = self.read(a, (place, newest), results, at, out);
                    operation.short(a, self.read(b, (place, newest), results, at, out))
                }
            };
            newest = result.expect("all steps are short").stored();
            newest.write(&mut results[*buffer]);
        }
        newest.write(out);
    }

    /// What the step at a place reads, where the one before gave the newest result.
    #[inline(always)]
    fn read<V: Register>(
        &self,
        source: Source,
        (place, newest): (usize, V),
        results: &Results,
        at: usize,
        out: &[f32],
    ) -> V {
        match source {
            Source::Step(step) if step + 1 == place => newest,
            Source::Step(step) => V::read(&results[self.sequence.steps[step].1]),
            Source::Operand(operand) => match &self.readers[operand] {
                Reader::Given => V::read(out).element(),
                Reader::One(one) => V::splat(one[0]).element(),
                Reader::Whole(data) => V::read(&data[self.position + at..]).element(),
                Reader::Row(values) => V::read(&values[self.column + at..]),
                Reader::Spread(..) => unreachable!("strips read no such operand"),
            },
        }
    }
}
