//! Deterministic execution of tasks.
//!
//! A [`Run`](poai_objects::Run) goes in, an [`Outcome`](poai_objects::Outcome), outputs, exact fuel and
//! a trace come out, the same bits on every machine; or a [`Fault`] of this host, which never enters a claim.
//!
//! [`prepare`] makes a program's bytes ready, [`Engine`] compiles and loads them, [`execute`] runs them.
//! All of that happens in [`worker`] processes, which restrict themselves first; the host calls [`worker::Workers`].
//! Inputs come through [`Content`] and outputs leave through [`Sink`]: this crate knows neither the
//! store nor the network, and no guest sees a path, a clock, a socket or a random number of the machine.

mod assembly; // a file out of its blocks
mod code_cache; // compiled code on disk
mod content; // where inputs come from
mod engine; // the compiler and its pinned settings
mod execution; // the life of a run
mod fault; // why an attempt comes to no claim
mod guest; // what a running guest sees
mod guest_text; // text of a guest, fit to be shown
mod layers; // what stands between a worker and the machine
mod link; // imports and entry
mod mapping; // files as memory
mod models; // models, ready to compute
mod program; // world, adapter, static rules, meter
mod recording; // what an earlier execution computed
mod replay; // the first place at which two claims part
mod sealed; // bytes that nobody can change any more
mod sink; // where outputs go
pub mod worker;

pub use assembly::assemble;
pub use code_cache::{CodeCacheLimits, LocalKey};
pub use content::{BlockFile, Chunk, Content, FileLayout, FolderEntry, Node};
pub use engine::{Artefact, Engine, EngineConfig, LoadError, OptLevel};
pub use execution::{Accelerated, Finished, Stage, execute};
pub use fault::{CompileLimit, Fault};
pub use layers::{Layer, LayerState, Layers};
pub use link::Loaded;
pub use models::{Accelerator, Numerics};
pub use poai_meter::Nans;
pub use poai_numerics::{Kernels, prepare as prepare_kernels};
pub use program::{Prepared, Refusal, detect_world, max_program_bytes, prepare, prepare_with, preview1_adapter};
pub use recording::{Call, Recalled, Recording};
pub use replay::{Account, compare};
pub use sink::{Level, Sink, Word};
