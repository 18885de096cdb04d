//! Real peers on loopback.

#![expect(clippy::unwrap_used, reason = "tests")]

mod exchange;
mod world;
