//! Kernels of a task's own, in WGSL: bit for bit the same on every host, whatever it computes them on.
//!
//! ```no_run
//! use poai_task::compute::{Binding, Buffer, Kernel};
//!
//! # fn main() -> poai_task::Result<()> {
//! let kernel = Kernel::new(
//!     "@group(0) @binding(0) var<storage, read> numbers: array<f32>;
//!      @group(0) @binding(1) var<storage, read_write> squares: array<f32>;
//!      @compute @workgroup_size(64) fn square(@builtin(global_invocation_id) id: vec3<u32>) {
//!          squares[id.x] = numbers[id.x] * numbers[id.x];
//!      }",
//!     "square",
//! )?;
//! let numbers = Buffer::of(&[1.0_f32; 640])?;
//! let squares = Buffer::zeros(640 * 4)?;
//! // Every invocation has 4 bytes of the result for itself.
//! kernel.dispatch(&[Binding::read(&numbers), Binding::read_write(&squares, 4)], [10, 1, 1])?;
//! let squares: Vec<f32> = squares.values()?;
//! # Ok(())
//! # }
//! ```
//!
//! What of WGSL kernels may say, and what it means to the bit, is docs/compute.md of poai.

#[doc(hidden)]
#[expect(
    clippy::unwrap_used,
    clippy::allow_attributes,
    clippy::undocumented_unsafe_blocks,
    unreachable_pub,
    unsafe_code,
    reason = "generated from wit/ by tests/bindings.rs"
)]
#[rustfmt::skip]
pub mod bindings;

use std::fmt;

use bindings::poai::compute::kernels::{self, Access};

/// Bytes in the host's memory, which counts against the run's limit.
pub struct Buffer(kernels::Buffer);

impl Buffer {
    /// Zeros: a multiple of 4 bytes, at most 128 MiB.
    ///
    /// # Errors
    /// [`Problem::TooLarge`] if there is no room, [`Problem::Misaligned`] if it is no multiple of 4.
    pub fn zeros(bytes: usize) -> Result<Self, Error> {
        let buffer = kernels::Buffer::create(bytes as u64);
        Ok(Self(buffer.map_err(|error| Error::of(format!("a buffer of {bytes} bytes"), error))?))
    }

    /// A buffer of these numbers.
    ///
    /// # Errors
    /// As [`Self::zeros`].
    pub fn of<T: Word>(values: &[T]) -> Result<Self, Error> {
        let buffer = Self::zeros(size_of_val(values))?;
        buffer.write(0, values)?;
        Ok(buffer)
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        // No buffer is larger than this task could address.
        usize::try_from(self.0.size()).unwrap_or(usize::MAX)
    }

    /// Puts numbers into it, from the number `first` of it on.
    ///
    /// # Errors
    /// [`Problem::OutOfBounds`] if they reach behind its end.
    pub fn write<T: Word>(&self, first: usize, values: &[T]) -> Result<(), Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_word()).collect();
        self.0.write(first as u64 * 4, &bytes).map_err(|error| Error::of("writing a buffer", error))
    }

    /// A copy of all its numbers.
    ///
    /// # Errors
    /// None that a buffer's own length could cause.
    pub fn values<T: Word>(&self) -> Result<Vec<T>, Error> {
        self.values_at(0, self.bytes() / 4)
    }

    /// A copy of `count` numbers from the number `first` of it on.
    ///
    /// # Errors
    /// [`Problem::OutOfBounds`] if they reach behind its end.
    pub fn values_at<T: Word>(&self, first: usize, count: usize) -> Result<Vec<T>, Error> {
        let bytes = self.0.read(first as u64 * 4, count as u64 * 4);
        let bytes = bytes.map_err(|error| Error::of("reading a buffer", error))?;
        Ok(bytes.as_chunks().0.iter().map(|word| T::of_word(*word)).collect())
    }
}

/// A compute entry point, ready to run.
pub struct Kernel(kernels::Kernel);

impl Kernel {
    /// Compiles an entry point of a source in WGSL.
    ///
    /// # Errors
    /// What is wrong with it; the run's log says more.
    pub fn new(source: &str, entry_point: &str) -> Result<Self, Error> {
        let kernel = kernels::Kernel::create(source, entry_point);
        Ok(Self(kernel.map_err(|error| Error::of(format!("the kernel `{entry_point}`"), error))?))
    }

    /// Runs so many workgroups along x, y and z, over the buffers of the bindings 0, 1, … of group 0. When it returns, all
    /// is done.
    ///
    /// # Errors
    /// If the bindings are not those that the kernel declares, or invocations race or part at a barrier.
    pub fn dispatch(&self, bindings: &[Binding<'_>], [x, y, z]: [u32; 3]) -> Result<(), Error> {
        let bindings: Vec<_> = bindings.iter().map(Binding::of_contract).collect();
        self.0.dispatch(&bindings, (x, y, z)).map_err(|error| Error::of("the dispatch", error))
    }
}

/// One storage variable's buffer.
pub struct Binding<'a> {
    buffer: &'a Buffer,
    access: Access,
}

impl<'a> Binding<'a> {
    /// For `var<storage, read>`: every invocation reads all of it.
    pub fn read(buffer: &'a Buffer) -> Self {
        Self { buffer, access: Access::Read }
    }

    /// For `var<storage, read_write>`: the invocation of number i has the bytes from `i * stride` to `(i + 1) * stride` for
    /// itself. What it reads elsewhere is zero, what it writes elsewhere is dropped.
    pub fn read_write(buffer: &'a Buffer, stride: u32) -> Self {
        Self { buffer, access: Access::ReadWrite(stride) }
    }

    /// For `var<storage, read_write>` of nothing but atomics: every invocation changes all of it, by the one kind of atomic
    /// operation that the kernel has for it. Another dispatch reads what came of it.
    pub fn atomic(buffer: &'a Buffer) -> Self {
        Self { buffer, access: Access::ReadWrite(0) }
    }

    fn of_contract(&self) -> kernels::Binding<'_> {
        kernels::Binding { buffer: &self.buffer.0, access: self.access }
    }
}

/// A number of 32 bits: `f32`, `i32` and `u32`.
pub trait Word: Copy + sealed::Bytes {}

mod sealed {
    /// Little-endian.
    pub trait Bytes {
        fn to_word(self) -> [u8; 4];
        fn of_word(word: [u8; 4]) -> Self;
    }
}

macro_rules! words {
    ($($rust:ty),*) => { $(
        impl Word for $rust {}

        impl sealed::Bytes for $rust {
            fn to_word(self) -> [u8; 4] {
                self.to_le_bytes()
            }

            fn of_word(word: [u8; 4]) -> Self {
                Self::from_le_bytes(word)
            }
        }
    )* };
}

words!(f32, i32, u32);

/// Why a buffer, a kernel or a dispatch did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct Error {
    /// What was asked for.
    pub what: String,
    /// What is wrong with it. The host's log says more to whoever watches the run.
    pub problem: Problem,
}

impl Error {
    fn of(what: impl Into<String>, error: kernels::Error) -> Self {
        let problem = match error {
            kernels::Error::InvalidKernel => Problem::InvalidKernel,
            kernels::Error::Unsupported => Problem::Unsupported,
            kernels::Error::TooLarge => Problem::TooLarge,
            kernels::Error::Misaligned => Problem::Misaligned,
            kernels::Error::OutOfBounds => Problem::OutOfBounds,
            kernels::Error::InvalidBindings => Problem::InvalidBindings,
            kernels::Error::Race => Problem::Race,
            kernels::Error::Divergence => Problem::Divergence,
        };
        Self { what: what.into(), problem }
    }
}

/// What can be wrong with a buffer, a kernel or a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The source is not WGSL, or has no compute entry point of the name.
    InvalidKernel,
    /// The source says something that kernels cannot.
    Unsupported,
    /// It is more than the limits allow, or than the run has memory for.
    TooLarge,
    /// A size is no multiple of 4.
    Misaligned,
    /// It reaches behind the end of a buffer.
    OutOfBounds,
    /// The bindings are not those that the kernel declares.
    InvalidBindings,
    /// Two invocations reached the same word of workgroup memory without a barrier between.
    Race,
    /// Invocations of a workgroup did not all wait at the same barrier.
    Divergence,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidKernel => "it is not WGSL with such an entry point",
            Self::Unsupported => "it says what kernels cannot",
            Self::TooLarge => "it is too large",
            Self::Misaligned => "it is not whole words of 4 bytes",
            Self::OutOfBounds => "it reaches behind the end",
            Self::InvalidBindings => "the bindings are not those of the kernel",
            Self::Race => "invocations raced for workgroup memory",
            Self::Divergence => "invocations parted at a barrier",
        })
    }
}
