//! Workers: the processes in which guests are compiled and executed, and the pool that keeps them.
//!
//! [`Workers`] is the daemon's side, [`serve`] the worker's. A crash, a hang or a break-out of a
//! guest, of the compiler or of a driver costs one worker: the attempt ends in a
//! [`Fault`](crate::Fault), and the daemon goes on. A worker trusts what the daemon sends. The daemon
//! trusts nothing that a worker sends: it gives out only what the run names, takes no more than the
//! run allows, and knows a worker only by its socket.

mod attempt; // one run, from the daemon's side
mod cancel; // ending an attempt from another thread
mod channel; // frames and descriptors on a socket
mod compile; // one compilation, from the daemon's side
mod config; // how many, how long, how much
mod confine; // how a worker restricts itself
mod error; // why there is no worker, or no outcome
mod filter; // which system calls a worker may make
mod pool; // who is running, warm, blank, waiting
mod protocol; // what both sides say
mod remote; // content and sink, from the worker's side
mod serve; // the worker's life
mod spawn; // the process
mod syscalls; // the two that need unsafe

pub use cancel::Cancel;
pub use config::{WorkersConfig, WorkersLimits};
pub use confine::{Profile, confine, confine_around, forbid_new_code, forbid_new_code_of};
pub use error::{RunError, WorkersError};
pub use pool::{Attempt, PoolStatus, Ran, Workers};
pub use serve::{OpenAccelerator, ServeError, serve};
