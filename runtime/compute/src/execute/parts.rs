//! A dispatch in parts, each for one thread: workgroups in a row, whose invocations have numbers in a row. So each part
//! has a piece of every buffer that is written for itself alone, and threads share nothing but what they read,
//! and what they change at once.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, PoisonError};
use std::thread;

use poai_numerics::float_environment;

use super::storage::{Piece, Storage};
use super::{Binding, Workgroup};
use crate::{DispatchError, Kernel};

/// Invocations below which a dispatch is done before threads would have started.
const LEAST_INVOCATIONS: u64 = 512;
/// Parts for each thread, since some take longer than others.
const PARTS_OF_THREAD: u64 = 8;

/// Workgroups in a row, counted along x, then y, then z, and their pieces of the buffers.
struct Part<'b> {
    number: usize,
    first: u64,
    end: u64,
    pieces: Vec<Piece<'b>>,
}

/// How a part ended, and what it has spent until then.
struct Ended {
    number: usize,
    spent: u64,
    done: Result<(), DispatchError>,
}

/// The words of each buffer of atomics, while all threads have them.
struct Changed(Vec<Option<Vec<AtomicU32>>>);

impl Changed {
    fn of(bindings: &[Binding<'_>]) -> Self {
        let words = |binding: &Binding<'_>| match binding {
            Binding::ReadWrite { words, stride: 0 } => Some(words.iter().copied().map(AtomicU32::new).collect()),
            _ => None,
        };
        Self(bindings.iter().map(words).collect())
    }

    fn write_back(self, bindings: &mut [Binding<'_>]) {
        for (binding, changed) in bindings.iter_mut().zip(self.0) {
            if let (Binding::ReadWrite { words, .. }, Some(changed)) = (binding, changed) {
                words.iter_mut().zip(changed).for_each(|(word, changed)| *word = changed.into_inner());
            }
        }
    }
}

/// Runs all workgroups of a dispatch on so many threads. It ends as on one: at the first error in the order of the
/// workgroups, unless the fuel does not last until there.
pub(super) fn run(
    kernel: &Kernel,
    bindings: &mut [Binding<'_>],
    workgroups: [u32; 3],
    threads: NonZeroUsize,
    budget: &mut u64,
) -> Result<(), DispatchError> {
    let changed = Changed::of(bindings);
    let parts = parts(kernel, bindings, &changed, workgroups, threads);
    let others = threads.get().min(parts.len()) - 1;
    let parts = Mutex::new(parts.into_iter());
    let whole = *budget;
    let work = || {
        let mut workgroup = Workgroup::new(kernel, workgroups);
        let mut ended = Vec::new();
        loop {
            let part = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(part) = part else { return ended };
            ended.push(run_part(part, &mut workgroup, whole));
        }
    };
    let mut ended = thread::scope(|scope| {
        // If this machine has no more threads, those that there are do all.
        let start = |_| {
            let builder = thread::Builder::new().name("kernel".into());
            builder.spawn_scoped(scope, || {
                float_environment::reset();
                work()
            })
        };
        let others: Vec<_> = (0..others).map_while(|other| start(other).ok()).collect();
        let mut ended = work();
        for other in others {
            ended.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        ended
    });
    changed.write_back(bindings);
    ended.sort_unstable_by_key(|part| part.number);
    for Ended { spent, done, .. } in ended {
        *budget = budget.checked_sub(spent).ok_or(DispatchError::OutOfFuel)?;
        done?;
    }
    Ok(())
}

fn run_part(part: Part<'_>, workgroup: &mut Workgroup<'_>, budget: u64) -> Ended {
    let [wide, high, _] = workgroup.workgroups.map(u64::from);
    let mut storage = Storage::new(part.pieces);
    let mut left = budget;
    let done = (part.first..part.end).try_for_each(|number| {
        let at = [number % wide, number / wide % high, number / wide / high];
        let at = at.map(|axis| u32::try_from(axis).expect("a dispatch is no wider"));
        workgroup.run(at, &mut storage, &mut left)
    });
    Ended { number: part.number, spent: budget - left, done }
}

/// The parts of a dispatch, in order: at least one.
fn parts<'b>(
    kernel: &Kernel,
    bindings: &'b mut [Binding<'_>],
    changed: &'b Changed,
    workgroups: [u32; 3],
    threads: NonZeroUsize,
) -> Vec<Part<'b>> {
    let [wide, high, deep] = workgroups.map(u64::from);
    // The fewest workgroups in a row whose invocations have numbers in a row: one, all along x, or all along x and y.
    let step = match kernel.workgroup_size {
        [_, 1, 1] => 1,
        [_, _, 1] => wide,
        _ => wide * high,
    };
    let (all, each) = (wide * high * deep, kernel.invocations_of_workgroup());
    let steps = all / step;
    let wanted = if all * each < LEAST_INVOCATIONS { 1 } else { threads.get() as u64 * PARTS_OF_THREAD };
    let wanted = if threads.get() == 1 { 1 } else { wanted.min(steps) };
    let pieces = bindings.iter_mut().zip(&changed.0).map(|(binding, changed)| Piece::of(binding, changed.as_deref()));
    let mut rest: Vec<_> = pieces.collect();
    let mut parts = Vec::new();
    let mut first = 0;
    for number in 1..=wanted {
        let end = step * (steps * number / wanted);
        let pieces = rest.iter_mut().map(|piece| piece.split_off_front(end * each)).collect();
        parts.push(Part { number: parts.len(), first, end, pieces });
        first = end;
    }
    parts
}
