//! What tests and benches of several crates share. Only ever a dev-dependency: no program has it.
//!
//! [`skipped`] is the one way in which a test may end without having tested.

pub mod bench; // figures: a table and a file
pub mod corpus; // fuzz targets on what is committed for them
mod skip; // tests of what a machine may lack

pub use skip::skipped;
