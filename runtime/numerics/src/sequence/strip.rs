//! Sequences of short operations: a strip of elements passes through all steps in registers.

use super::reader::row_begin;
use super::{Reader, Sequence, Source, Step};
use crate::elementwise::Binary;
use crate::isa::{Isa, Work};
use crate::lanes::{One, Register, Several};
use crate::step::Soft;

/// Registers of sixteen floats that pass side by side, so that one's latency hides behind the others.
const SIDE_BY_SIDE: usize = 8;
/// Elements of a strip.
pub(super) const STRIP: usize = 16 * SIDE_BY_SIDE;
/// The shortest rows that are worth their beginning.
const LEAST_ROW: usize = 16;
/// The most results that are kept at a time, the newest included.
const RESULTS: usize = 4;

/// How strips make a sequence of some operands.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The length of the rows along which they walk.
    row: usize,
    /// What each step does to its operands and its result.
    cares: Vec<Care>,
}

/// How a step treats its numbers. What could not show in anything that is stored is left out.
#[derive(Clone, Copy, Debug)]
struct Care {
    /// Operands are flushed.
    reads: bool,
    /// The result is made what is stored.
    stores: bool,
    /// The result is kept for steps behind the next.
    keeps: bool,
}

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

    /// How strips make it of such operands, if they can.
    pub(super) fn plan(&self, readers: &[Reader<'_>]) -> Option<Plan> {
        let mut row = None;
        for reader in readers {
            let own = match reader {
                Reader::Given | Reader::One(_) | Reader::Whole(_) => continue,
                Reader::Row(values) => values.len(),
                Reader::Spread(_, axes) => match axes.last() {
                    Some(&(row, 0 | 1)) if row >= LEAST_ROW => row,
                    _ => return None,
                },
            };
            if row.is_some_and(|row| row != own) {
                return None;
            }
            row = Some(own);
        }
        self.is_short().then(|| Plan { row: row.unwrap_or(usize::MAX), cares: self.cares(readers) })
    }

    fn cares(&self, readers: &[Reader<'_>]) -> Vec<Care> {
        let absorbs = |source: &Source| match source {
            Source::Step(_) => false,
            Source::Operand(operand) => readers[*operand].absorbs(),
        };
        // A function of one number flushes it by itself where that matters.
        let reads = self.steps.iter().map(|(step, _)| match step {
            Step::Unary(..) => false,
            Step::Binary(Binary::Add | Binary::Sub, sources) => !sources.iter().any(absorbs),
            Step::Binary(..) => true,
        });
        let reads: Vec<bool> = reads.collect();
        let last = self.steps.len() - 1;
        let is_read = |place: usize| {
            let mut readers = self.steps.iter().zip(&reads);
            readers.any(|((step, _), reads)| *reads && step.sources().contains(&Source::Step(place)))
        };
        let is_kept = |place: usize| {
            let mut later = self.steps.iter().skip(place + 2);
            later.any(|(step, _)| step.sources().contains(&Source::Step(place)))
        };
        let care = |(place, &reads): (usize, &bool)| Care {
            reads,
            stores: place == last || is_read(place),
            keeps: is_kept(place),
        };
        reads.iter().enumerate().map(care).collect()
    }
}

/// What steps gave a strip, for any later step.
type Results = [[f32; STRIP]; RESULTS];

/// Some elements of a sequence's result, the first at `start`.
pub(super) struct Strips<'a> {
    pub sequence: &'a Sequence,
    pub readers: &'a [Reader<'a>],
    pub plan: &'a Plan,
    pub start: usize,
    pub out: &'a mut [f32],
}

impl Work for Strips<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { sequence, readers, plan, start, out } = self;
        let (mut results, mut done) = ([[0.0; STRIP]; RESULTS], 0);
        let mut begins = vec![0; readers.len()];
        while done < out.len() {
            let (position, column) = (start + done, (start + done) % plan.row);
            let length = (plan.row - column).min(out.len() - done);
            for (begin, reader) in begins.iter_mut().zip(readers) {
                if let Reader::Spread(_, axes) = reader {
                    *begin = row_begin(&axes[..axes.len() - 1], position / plan.row);
                }
            }
            let strips = Row { sequence, readers, cares: &plan.cares, begins: &begins, position, column };
            strips.pass::<I>(&mut results, &mut out[done..done + length]);
            done += length;
        }
    }
}

/// A part of a row: its first element's place in the result, and in the row.
struct Row<'a> {
    sequence: &'a Sequence,
    readers: &'a [Reader<'a>],
    cares: &'a [Care],
    /// Where this row of each spread operand begins.
    begins: &'a [usize],
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
        for (place, ((step, buffer), care)) in self.sequence.steps.iter().zip(self.cares).enumerate() {
            let before = (place, newest);
            let result = match *step {
                Step::Unary(operation, source) => {
                    operation.short(self.read(source, before, care.reads, results, at, out))
                }
                Step::Binary(operation, [a, b]) => {
                    let a = self.read(a, before, care.reads, results, at, out);
                    operation.short(a, self.read(b, before, care.reads, results, at, out))
                }
            };
            newest = result.expect("all steps are short");
            if care.stores {
                newest = newest.stored();
            }
            if care.keeps {
                newest.write(&mut results[*buffer]);
            }
        }
        newest.write(out);
    }

    /// What the step at a place reads, where the one before gave the newest result; flushed, if it cares.
    #[inline(always)]
    fn read<V: Register>(
        &self,
        source: Source,
        (place, newest): (usize, V),
        flushed: bool,
        results: &Results,
        at: usize,
        out: &[f32],
    ) -> V {
        let value = match source {
            Source::Step(step) if step + 1 == place => return newest,
            Source::Step(step) => return V::read(&results[self.sequence.steps[step].1]),
            Source::Operand(operand) => match &self.readers[operand] {
                Reader::Given => V::read(out),
                Reader::One(one) => V::splat(one[0]),
                Reader::Whole(data) => V::read(&data[self.position + at..]),
                Reader::Row(values) => return V::read(&values[self.column + at..]),
                Reader::Spread(data, axes) => match axes[axes.len() - 1] {
                    (_, 0) => V::splat(data[self.begins[operand]]),
                    _ => V::read(&data[self.begins[operand] + self.column + at..]),
                },
            },
        };
        if flushed { value.element() } else { value }
    }
}
