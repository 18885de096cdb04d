//! What a poai task written in Rust depends on.
//!
//! A task is a function of its inputs, parameters and seed, and gives the same outputs on every host.
//! [`main`] makes a function its entry point; [`Input`] and [`Output`] are its only files.
//!
//! ```no_run
//! use std::io::{BufRead, Write};
//!
//! #[derive(serde::Deserialize)]
//! struct Params {
//!     /// How many lines to keep.
//!     lines: usize,
//! }
//!
//! /// Writes the first lines of the input `text` to the output `head`.
//! #[poai_task::main]
//! fn head(params: Params) -> poai_task::Result<()> {
//!     let text = poai_task::Input::open("text")?;
//!     let mut head = poai_task::Output::create("head")?;
//!     for line in text.lines().take(params.lines) {
//!         writeln!(head, "{}", line?)?;
//!     }
//!     head.flush()?;
//!     poai_task::info!("kept at most {} lines", params.lines);
//!     Ok(())
//! }
//! ```
//!
//! The crate that holds the entry point is a `cdylib`, built for `wasm32-wasip2` by `poai build`.
//! Logic that takes readers and slices rather than [`Input`] is tested natively by `cargo test`; what asks
//! the host ([`Input::open`], [`params`], [`seed`] …) works only inside a run.
//!
//! Models that the package names are computed by [`nn`]; kernels of the task's own by `compute`, with the feature of
//! that name.
//!
//! Not here: time, network and threads, which a run has not.

#[cfg(feature = "compute")]
pub mod compute; // kernels
mod entry; //      the entry point: parameters in, an error's words out
mod input; //      the run's inputs, and folders of them
mod job; //        parameters, seed, limits
pub mod nn; //     models
mod output; //     the run's outputs
mod random; //     randomness that follows from the seed
mod telemetry; //  log and progress
mod window; //     reading ahead in a file that is read by offset

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

#[doc(hidden)]
pub use entry::run;
pub use input::{Entry, Input, InputProblem, Kind, entries};
pub use job::{Limits, limits, params, seed};
pub use output::{Output, OutputProblem};
/// Makes a function the task's entry point.
///
/// The function takes nothing, or the run's parameters as a type that implements
/// [`serde::Deserialize`](https://docs.rs/serde), and returns a `Result<(), E>` whose `E` is any error
/// type, text, or a boxed error. An error ends the run as `failed` with the error's words, its causes
/// after it; the outputs made until then are kept.
pub use poai_task_macros::main;
pub use random::Rng;
pub use telemetry::{Level, log, progress};

/// What a task's functions usually return: any error will do, since people read its words.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Why the host did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input cannot be opened or listed.
    #[error("input `{path}` {problem}")]
    Input {
        /// The path that was asked for.
        path: String,
        /// What is wrong with it.
        problem: InputProblem,
    },
    /// An output cannot be created.
    #[error("output `{name}` {problem}")]
    Output {
        /// The name that was asked for.
        name: String,
        /// What is wrong with it.
        problem: OutputProblem,
    },
    /// The parameters do not fit the type that the task reads them as.
    #[error("parameter `{path}`: {reason}")]
    Param {
        /// Which parameter: `epochs`, `layers[2].width`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The parameters as a whole do not fit, for instance because one is missing.
    #[error("parameters: {reason}")]
    Params {
        /// What is wrong with them.
        reason: String,
    },
}
