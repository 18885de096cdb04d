//! Tests of the objects as others use them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod codec;
mod fuzz;
mod laws;
mod names;
mod params;
mod rules;
mod samples;
mod schema;
mod signatures;
mod strategies;
mod trace;
mod vectors;
