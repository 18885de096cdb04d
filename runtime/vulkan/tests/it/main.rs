//! The crate on two independent software drivers, each in a process of its own, under the validation layer.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod device;
mod drivers;
mod functions;
mod graph;
mod integers;
mod kernels;
mod movement;
mod programs;
mod proof;
mod reductions;
mod remembered;
mod rows;
mod task;
