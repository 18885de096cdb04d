//! Which kernels run, and on how many threads.

use std::fmt;
use std::str::FromStr;

use crate::error::NumericsError;
use crate::isa::{self, Path, Work};
use crate::pool::Pool;

/// A choice of kernels. All give the same bits; they differ in speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kernels {
    /// The fastest that this processor has.
    #[default]
    Auto,
    /// The fused step in software: any processor.
    Scalar,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, VL, DQ and VNNI.
    Avx512,
    /// The same with AMX: tiles for products of bytes. Found only after [`prepare`].
    Amx,
    /// aarch64.
    Neon,
}

impl Kernels {
    const NAMES: [(Self, &'static str); 6] = [
        (Self::Auto, "auto"),
        (Self::Scalar, "scalar"),
        (Self::Avx2, "avx2"),
        (Self::Avx512, "avx512"),
        (Self::Amx, "amx"),
        (Self::Neon, "neon"),
    ];

    /// The kernels that this processor can run, the fastest first.
    pub fn available() -> Vec<Self> {
        Path::available().into_iter().map(Self::of).collect()
    }

    fn of(path: Path) -> Self {
        match path {
            Path::Scalar => Self::Scalar,
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => Self::Avx2,
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => Self::Avx512,
            #[cfg(target_arch = "x86_64")]
            Path::Amx => Self::Amx,
            #[cfg(target_arch = "aarch64")]
            Path::Neon => Self::Neon,
        }
    }

    fn path(self) -> Result<Path, NumericsError> {
        let found = Path::available().into_iter().find(|&path| self == Self::Auto || self == Self::of(path));
        found.ok_or(NumericsError::KernelsUnavailable(self))
    }
}

impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = Self::NAMES.iter().find(|(kernels, _)| kernels == self).expect("every choice has a name");
        f.write_str(name)
    }
}

impl FromStr for Kernels {
    type Err = NumericsError;

    fn from_str(text: &str) -> Result<Self, NumericsError> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found.map(|&(kernels, _)| kernels).ok_or_else(|| NumericsError::UnknownKernels(text.into()))
    }
}

/// Asks the operating system for the large registers of the fastest kernels, AMX's, once for the whole process.
///
/// To be called early, before a process confines itself: a filter of system calls may end it for asking. Without this,
/// everything works, on the next best kernels.
pub fn prepare() {
    isa::prepare();
}

/// What operations run on: kernels and warm threads. Results depend on neither.
pub struct Processor {
    path: Path,
    pool: Pool,
}

impl Processor {
    /// Fails if this processor cannot run `kernels`, or `threads` is out of range.
    pub fn new(kernels: Kernels, threads: usize) -> Result<Self, NumericsError> {
        Ok(Self { path: kernels.path()?, pool: Pool::new(threads)? })
    }

    /// The kernels that run: never [`Kernels::Auto`].
    pub fn kernels(&self) -> Kernels {
        Kernels::of(self.path)
    }

    /// The number of threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn path(&self) -> Path {
        self.path
    }

    pub(crate) fn run<W: Work>(&self, work: W) -> W::Output {
        self.path.run(work)
    }

    /// Calls `work` with some whole rows of `out`, of `row` elements, and the number of the first. No thread is woken for
    /// fewer than `least` elements.
    pub fn lines<T: Send>(&self, out: &mut [T], row: usize, least: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        let row = row.max(1);
        let piece = self.piece(out.len(), row, least).next_multiple_of(row);
        self.pool.chunks(out, piece, |i, out| work(i * (piece / row), out));
    }

    /// The same, each row by itself.
    pub(crate) fn each_line(&self, out: &mut [f32], row: usize, least: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        self.lines(out, row, least, |first, out| {
            out.chunks_mut(row.max(1)).enumerate().for_each(|(r, out)| work(first + r, out));
        });
    }

    /// A size of pieces that gives each thread some, a multiple of `unit`, and none below `least` elements.
    pub(crate) fn piece(&self, length: usize, unit: usize, least: usize) -> usize {
        /// Pieces a thread, so that a slow thread does not keep the others waiting.
        const PIECES: usize = 4;
        let share = length.div_ceil(self.threads() * PIECES).max(least);
        if self.threads() == 1 { length.max(1) } else { share.next_multiple_of(unit.max(1)).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (kernels, name) in Kernels::NAMES {
            assert_eq!(kernels.to_string(), name);
            assert_eq!(name.parse(), Ok(kernels));
        }
        assert_eq!("sse9".parse::<Kernels>(), Err(NumericsError::UnknownKernels("sse9".into())));
    }

    #[test]
    fn kernels_of_another_architecture_are_refused() {
        let foreign = if cfg!(target_arch = "aarch64") { Kernels::Avx2 } else { Kernels::Neon };
        assert_eq!(Processor::new(foreign, 1).err(), Some(NumericsError::KernelsUnavailable(foreign)));
    }

    #[test]
    fn every_available_choice_runs_and_auto_is_the_first() {
        prepare();
        let available = Kernels::available();
        assert_eq!(available.last(), Some(&Kernels::Scalar));
        for &kernels in &available {
            assert_eq!(Processor::new(kernels, 2).unwrap().kernels(), kernels);
        }
        assert_eq!(Processor::new(Kernels::Auto, 1).unwrap().kernels(), available[0]);
    }
}
