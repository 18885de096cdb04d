//! Instruction sets: one trait, one file each, and the choice among them at run time.
//!
//! Work is written once, generic over [`Isa`], and compiled for each set: [`Path::run`] enters a function that has the
//! set's features enabled, and everything below it is inlined there. Plain loops become that set's vectors; the inner
//! loops of matrix products ask for its registers by [`Isa::tile`] and [`Isa::integer_tile`].
#![expect(unsafe_code, reason = "entering code that is compiled for features that were detected")]

use crate::lanes::Register;
use crate::step::{Fused, Hard, Soft, operand};
use tile::{Copied, IntegerTile, Rows, Tile};

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
pub(crate) mod tile;

/// An instruction set.
pub(crate) trait Isa: Copy + Send + Sync + 'static {
    /// How it multiplies and adds.
    type Fused: Fused;
    /// The lanes of a reduction.
    type Sixteen: Register;
    /// What functions are fastest in; a divisor of 48 floats.
    type Wide: Register;
    /// Floats of a register.
    const LANES: usize;
    /// The most rows of a float tile.
    const ROWS: usize;
    /// Columns of a float tile: a divisor of the panel's 48.
    const COLUMNS: usize;
    /// The most rows of an integer tile.
    const INTEGER_ROWS: usize;
    /// Columns of an integer tile: a divisor of the panel's 48.
    const INTEGER_COLUMNS: usize;

    /// Runs work in a function of its own, compiled for this set, from within work that is.
    fn enter<W: Work>(work: W) -> W::Output;

    /// Turns a square of 16 × 16: `to[c][r] = operand(from[r][c])`; strides are from a row to the next.
    #[inline(always)]
    fn turn(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
        let from = &from[..15 * from_stride + 16];
        for (c, to) in to.chunks_mut(to_stride).enumerate().take(16) {
            for (r, to) in to[..16].iter_mut().enumerate() {
                *to = operand(from[r * from_stride + c]);
            }
        }
    }

    /// Advances a tile of `rows` × `registers` of chains.
    ///
    /// # Safety
    /// `tile`'s pointers are good for its sizes, `rows` is 1 to [`Self::ROWS`], and so many `registers` are at least one
    /// and at most [`Self::COLUMNS`] wide.
    unsafe fn tile<R: Rows>(rows: usize, registers: usize, tile: &Tile<R>);

    /// Advances one row over four panels (192 columns): the same chains, for memory's bandwidth.
    ///
    /// # Safety
    /// As for [`Self::tile`], with four panels.
    unsafe fn row(tile: &Tile<Copied>);

    /// Advances a tile of `rows` × [`Self::INTEGER_COLUMNS`] integer dot products.
    ///
    /// # Safety
    /// `tile`'s pointers are good for its sizes, and `rows` is 1 to [`Self::INTEGER_ROWS`].
    unsafe fn integer_tile(rows: usize, tile: &IntegerTile);
}

/// Asks the operating system for what some instruction sets need.
pub(crate) fn prepare() {
    #[cfg(target_arch = "x86_64")]
    amx::prepare();
}

/// Work that is compiled for every instruction set. `run` is to be `#[inline(always)]`.
pub(crate) trait Work {
    type Output;
    fn run<I: Isa>(self) -> Self::Output;
}

/// An instruction set that this processor was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512, and tiles for products of bytes.
    #[cfg(target_arch = "x86_64")]
    Amx,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Path {
    /// The fastest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut paths = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vnni");
            if avx512 && amx::available() {
                paths.push(Self::Amx);
            }
            if avx512 {
                paths.push(Self::Avx512);
            }
            if avx2 {
                paths.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        paths.push(Self::Neon);
        paths.push(Self::Scalar);
        paths
    }

    /// Runs `work` as compiled for this instruction set.
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Scalar => work.run::<portable::Portable>(),
            // SAFETY: a path is made by `available` alone, which detected these features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::with_avx2(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Amx => unsafe { avx512::with_avx512(work) },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => work.run::<neon::Neon>(),
        }
    }
}
