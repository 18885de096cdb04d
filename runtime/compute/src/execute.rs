//! The executor: one workgroup after the other, on each thread, and one invocation of it after the other, each until it
//! ends or waits at a barrier. The order does not show: invocations share nothing but what they read, what
//! they change at once without knowing what was there, and workgroup memory, where a race ends the dispatch.

mod invocation; // instructions
mod parts; // parts of a dispatch, on threads
mod shared; // workgroup memory, and races for it
mod storage; // buffers, and the slices of invocations

use std::num::NonZeroUsize;

use invocation::{Invocation, Rest};
use shared::Shared;
use storage::Storage;

use crate::program::{Reg, builtin};
use crate::{Access, DispatchError, Kernel, Limits};

/// What a dispatch gives a storage variable: words in little-endian order of their bytes.
#[derive(Debug)]
pub enum Binding<'a> {
    /// To be read by all.
    Read(&'a [u32]),
    /// To be read and written: the invocation of number i has the words from `i * stride` to `(i + 1) * stride`; or, of
    /// atomics, to be changed by all.
    ReadWrite {
        /// All of it.
        words: &'a mut [u32],
        /// Words of one invocation's slice; 0 of a buffer of atomics.
        stride: u32,
    },
}

/// What is known of a binding before its words are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Words of the buffer.
    pub words: usize,
    /// Words of one invocation's slice, if the buffer is to be written; 0 of a buffer of atomics.
    pub stride: Option<u32>,
}

impl Binding<'_> {
    /// All of its words.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        match self {
            Self::Read(words) => words,
            Self::ReadWrite { words, .. } => words,
        }
    }

    /// What is known of it before its words are at hand.
    #[must_use]
    pub fn offer(&self) -> Offer {
        match self {
            Self::Read(words) => Offer { words: words.len(), stride: None },
            Self::ReadWrite { words, stride } => Offer { words: words.len(), stride: Some(*stride) },
        }
    }
}

impl Kernel {
    /// Runs all invocations of so many workgroups. Takes what it costs from `budget`.
    ///
    /// After a race, or invocations that part at a barrier, all that is bound to be written is zeros.
    ///
    /// # Errors
    /// See [`DispatchError`]. Out of fuel, nothing is left of the budget, and what is bound to be written has any bits.
    pub fn dispatch(
        &self,
        bindings: &mut [Binding<'_>],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<(), DispatchError> {
        self.dispatch_on(NonZeroUsize::MIN, bindings, workgroups, budget)
    }

    /// The same on so many threads, this one among them: nothing else differs.
    ///
    /// # Errors
    /// As [`Kernel::dispatch`].
    pub fn dispatch_on(
        &self,
        threads: NonZeroUsize,
        bindings: &mut [Binding<'_>],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<(), DispatchError> {
        let offers: Vec<_> = bindings.iter().map(Binding::offer).collect();
        self.check(&offers, workgroups)?;
        let done = self.run(bindings, workgroups, threads, budget);
        match done {
            Err(DispatchError::OutOfFuel) => *budget = 0,
            Err(_) => bindings.iter_mut().for_each(|binding| {
                if let Binding::ReadWrite { words, .. } = binding {
                    words.fill(0);
                }
            }),
            Ok(()) => {}
        }
        done
    }

    /// Whether a dispatch can begin.
    ///
    /// # Errors
    /// The bindings, or the workgroups, do not fit.
    pub fn check(&self, offers: &[Offer], workgroups: [u32; 3]) -> Result<(), DispatchError> {
        if offers.len() != self.variables.len() {
            return Err(DispatchError::Bindings);
        }
        for (offer, variable) in offers.iter().zip(&self.variables) {
            match (offer.stride, variable.access) {
                (None, Access::Read) | (Some(1..), Access::ReadWrite) | (Some(0), Access::Atomic) => {}
                (Some(_), Access::ReadWrite | Access::Atomic) => return Err(DispatchError::Stride),
                _ => return Err(DispatchError::Bindings),
            }
            if offer.words < variable.least_words as usize {
                return Err(DispatchError::BufferSize);
            }
        }
        let axes = workgroups.iter().chain(&self.workgroup_size);
        let invocations = axes.fold(1_u64, |product, axis| product.saturating_mul(u64::from(*axis)));
        if workgroups.iter().any(|axis| *axis > Limits::WORKGROUPS) || invocations > Limits::INVOCATIONS {
            return Err(DispatchError::Workgroups);
        }
        Ok(())
    }

    fn run(
        &self,
        bindings: &mut [Binding<'_>],
        workgroups: [u32; 3],
        threads: NonZeroUsize,
        budget: &mut u64,
    ) -> Result<(), DispatchError> {
        if workgroups.contains(&0) {
            return Ok(());
        }
        *budget = budget.checked_sub(self.dispatch_cost()).ok_or(DispatchError::OutOfFuel)?;
        parts::run(self, bindings, workgroups, threads, budget)
    }
}

/// The invocations of one workgroup, used again for each.
struct Workgroup<'k> {
    kernel: &'k Kernel,
    workgroups: [u32; 3],
    invocations: u32,
    /// Of each invocation that can wait, one after the other; of one invocation, if none can.
    registers: Vec<u32>,
    /// Where each invocation goes on.
    places: Vec<u32>,
    shared: Shared,
}

impl<'k> Workgroup<'k> {
    fn new(kernel: &'k Kernel, workgroups: [u32; 3]) -> Self {
        let invocations: u32 = kernel.workgroup_size.iter().product();
        let rows = if kernel.has_barriers { invocations } else { 1 };
        let row = kernel.program.registers as usize;
        let mut registers = vec![0; row * rows as usize];
        for row in registers.chunks_exact_mut(row) {
            for &(register, word) in &kernel.program.constants {
                row[usize::from(register)] = word;
            }
        }
        let shared = Shared::new(kernel.program.workgroup_words as usize);
        Self { kernel, workgroups, invocations, registers, places: Vec::new(), shared }
    }

    fn run(&mut self, at: [u32; 3], storage: &mut Storage<'_>, budget: &mut u64) -> Result<(), DispatchError> {
        *budget = budget.checked_sub(self.kernel.workgroup_cost()).ok_or(DispatchError::OutOfFuel)?;
        self.shared.begin();
        if self.kernel.has_barriers {
            return self.run_in_turns(at, storage, budget);
        }
        for index in 0..self.invocations {
            self.begin(index, at);
            self.go_on(index, 0, storage, budget)?;
        }
        Ok(())
    }

    fn run_in_turns(&mut self, at: [u32; 3], storage: &mut Storage<'_>, budget: &mut u64) -> Result<(), DispatchError> {
        for index in 0..self.invocations {
            self.begin(index, at);
        }
        self.places.clear();
        self.places.resize(self.invocations as usize, 0);
        loop {
            let mut first = None;
            for index in 0..self.invocations {
                let place = self.places[index as usize];
                let rest = self.go_on(index, place, storage, budget)?;
                if *first.get_or_insert(rest) != rest {
                    return Err(DispatchError::Divergence);
                }
                if let Rest::Barrier(place) = rest {
                    self.places[index as usize] = place;
                }
            }
            if first.is_none_or(|first| first == Rest::End) {
                return Ok(());
            }
            self.shared.pass_barrier();
        }
    }

    /// Sets the builtins of an invocation.
    fn begin(&mut self, index: u32, at: [u32; 3]) {
        let (size, workgroups) = (self.kernel.workgroup_size, self.workgroups);
        let local = [index % size[0], index / size[0] % size[1], index / size[0] / size[1]];
        let row = self.row(index);
        let mut set = |first: Reg, words: [u32; 3]| row[usize::from(first)..][..3].copy_from_slice(&words);
        set(builtin::GLOBAL_INVOCATION, [0, 1, 2].map(|axis| at[axis] * size[axis] + local[axis]));
        set(builtin::LOCAL_INVOCATION, local);
        set(builtin::WORKGROUP, at);
        set(builtin::WORKGROUPS, workgroups);
        row[usize::from(builtin::LOCAL_INDEX)] = index;
    }

    /// Lets an invocation go on until it ends or waits.
    fn go_on(
        &mut self,
        index: u32,
        place: u32,
        storage: &mut Storage<'_>,
        budget: &mut u64,
    ) -> Result<Rest, DispatchError> {
        storage.turn_to(self.number(index));
        let begin = self.row_begin(index);
        let program = &self.kernel.program;
        let registers = &mut self.registers[begin..][..program.registers as usize];
        Invocation { program, registers, shared: &mut self.shared, index, place }.run(storage, budget)
    }

    /// The number of an invocation in its dispatch, whose rows run along x, then along y.
    fn number(&mut self, index: u32) -> u64 {
        let (size, workgroups) = (self.kernel.workgroup_size, self.workgroups);
        let row = self.row(index);
        let [x, y, z] = [0, 1, 2].map(|axis| u64::from(row[usize::from(builtin::GLOBAL_INVOCATION) + axis]));
        let across = |axis: usize| u64::from(size[axis]) * u64::from(workgroups[axis]);
        x + across(0) * (y + across(1) * z)
    }

    fn row(&mut self, index: u32) -> &mut [u32] {
        let begin = self.row_begin(index);
        &mut self.registers[begin..][..self.kernel.program.registers as usize]
    }

    fn row_begin(&self, index: u32) -> usize {
        if self.kernel.has_barriers { index as usize * self.kernel.program.registers as usize } else { 0 }
    }
}
