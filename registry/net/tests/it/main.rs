//! Real peers on loopback.

#![expect(clippy::unwrap_used, reason = "tests")]

mod discovery;
mod exchange;
mod fuzz;
mod hostile;
mod loss;
mod offers;
mod runs;
mod stranger;
mod world;
