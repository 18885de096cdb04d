//! Runs in this process: every outcome, every limit, the virtual WASI, the same claim every time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adversary; // guests that mean harm
mod components; // guests in text
mod compute; // kernels of a task
mod content; // inputs of the tests
mod endings; // every way in which a run ends
mod harness; // prepares, compiles, runs
mod limits; // fuel, memory, stack, outputs, words
mod nn; // models
mod plain; // programs that know nothing of poai
mod random; // whatever a program is
mod recalled; // replays with recorded results
mod refusals; // programs that break a static rule
mod same; // the same claim every time
mod task; // the interfaces of poai:task
mod wasi; // the virtual WASI
