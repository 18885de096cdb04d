//! What the meter promises, tested from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod against_naive; // exact figures, against the oracle
mod components; // wrappers, twins and the seam to the host
mod driver; // drives functions of any signature
mod harness; // compiles, links and runs
mod hostile; // bad input: refused, without panic or delay
mod naive; // the oracle
mod nans; // canonical NaNs, against the compiler's
mod random; // random programs
mod rules; // every static rule
