//! Deterministic execution of tasks.
//!
//! A [`Run`](poai_objects::Run) goes in, an [`Outcome`](poai_objects::Outcome), outputs, exact fuel and
//! a trace come out, the same bits on every machine; or a [`Fault`] of this host, which never enters a claim.
//!
//! [`prepare`] makes a program's bytes ready, [`Engine`] compiles and loads them, [`execute`] runs them.
//! Inputs come through [`Content`] and outputs leave through [`Sink`]: this crate knows neither the
//! store nor the network, and no guest sees a path, a clock, a socket or a random number of the machine.

mod content; // where inputs come from
mod engine; // the compiler and its pinned settings
mod execution; // the life of a run
mod fault; // why an attempt comes to no claim
mod guest; // what a running guest sees
mod guest_text; // text of a guest, fit to be shown
mod link; // imports and entry
mod program; // world, adapter, static rules, meter
mod sink; // where outputs go

pub use content::{BlockFile, Chunk, Content, FileLayout, FolderEntry, Node};
pub use engine::{Artefact, Engine, EngineConfig, LoadError, OptLevel};
pub use execution::{Finished, execute};
pub use fault::Fault;
pub use link::Loaded;
pub use program::{Prepared, Refusal, detect_world, prepare};
pub use sink::{Level, Sink, Word};
