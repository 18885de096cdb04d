//! Deterministic execution of tasks.
//!
//! A [`Run`](poai_objects::Run) goes in, an [`Outcome`](poai_objects::Outcome), outputs, exact fuel and
//! a trace come out, the same bits on every machine; or a [`Fault`] of this host, which never enters a claim.
//!
//! Inputs come through [`Content`] and outputs leave through [`Sink`]: this crate knows neither the
//! store nor the network, and no guest sees a path, a clock, a socket or a random number of the machine.

mod content;
mod fault;
mod sink;

pub use content::{BlockFile, Chunk, Content, FileLayout, FolderEntry, Node};
pub use fault::Fault;
pub use sink::{Level, Sink, Word};
