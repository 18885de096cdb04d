//! What can be wrong with a call.

use crate::processor::Kernels;

/// Why an operation was refused. Nothing was written then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumericsError {
    /// The processor lacks what these kernels are made of.
    #[error("the {0} kernels cannot run on this processor")]
    KernelsUnavailable(Kernels),
    /// No kernels have this name.
    #[error("there are no kernels named {0:?}; choose auto, scalar, avx2, avx512, amx or neon")]
    UnknownKernels(String),
    /// More threads than the pool's limit, or none.
    #[error("{asked} threads asked for, of 1 to {limit}")]
    Threads {
        /// How many were asked for.
        asked: usize,
        /// The most that a pool has.
        limit: usize,
    },
    /// The operating system gave no thread.
    #[error("a thread could not be started")]
    NoThread,
    /// A buffer's length is not what the shape says.
    #[error("{what} holds {found} elements where {expected} are needed")]
    Length {
        /// Which argument.
        what: &'static str,
        /// What its shape needs.
        expected: usize,
        /// What it has.
        found: usize,
    },
    /// A parameter outside its range.
    #[error("{what} is {value}, which {rule}")]
    Parameter {
        /// Which parameter.
        what: &'static str,
        /// Its value.
        value: usize,
        /// What it breaks.
        rule: &'static str,
    },
    /// A size that no memory can hold.
    #[error("the size of {0} overflows")]
    Overflow(&'static str),
}

/// Checks that `what` has the length that its shape says.
pub(crate) fn expect_length(what: &'static str, found: usize, expected: usize) -> Result<(), NumericsError> {
    if found == expected { Ok(()) } else { Err(NumericsError::Length { what, expected, found }) }
}

/// The product of `sizes`, the number of elements of `what`.
pub(crate) fn count(what: &'static str, sizes: &[usize]) -> Result<usize, NumericsError> {
    let product = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    // A quarter of the address space at most, so that offsets in bytes cannot overflow either.
    product.filter(|&elements| elements <= isize::MAX as usize / 8).ok_or(NumericsError::Overflow(what))
}

/// Checks that a parameter is not zero.
pub(crate) fn expect_positive(what: &'static str, value: usize) -> Result<(), NumericsError> {
    if value == 0 { Err(NumericsError::Parameter { what, value, rule: "must be above zero" }) } else { Ok(()) }
}
