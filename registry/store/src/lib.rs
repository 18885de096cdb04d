//! Blocks, files and pins on this machine.
//!
//! [`Store`] holds blocks, one file each; [`unixfs`] turns files and folders into blocks and back;
//! [`car`] moves them in archives; [`Walk`] visits a DAG and says what is missing.
//! Bytes become a block only as [`Verified`], which checks them against their CID, on the way in and
//! on every way out. What is pinned ([`Pin`]) or in use ([`InUse`]) outlives garbage collection.
//!
//! Everything is synchronous and may wait for the disk: call it from threads that may wait.
//! Nothing here knows of the network's peers, of tasks, or of wasmtime.

mod block; // bytes that are what their CID says
mod block_file; // one block, one file
mod blocks; // the contract that every home of blocks keeps
pub mod car; // archives of blocks
mod commit; // many writes, one sync
mod dag_pb; // the nodes of UnixFS, as bytes
mod error;
mod gc; // dropping what nobody keeps
mod in_use; // what collection must leave alone while somebody works with it
mod kubo; // blocks held by an external Kubo node
mod limits;
mod links; // which blocks a block names
mod memory; // blocks that are nowhere else
mod pin_log; // pins, as bytes on disk
mod pins; // what collection must keep, and why
mod store;
pub mod unixfs; // files and folders
mod walk;

pub use block::{DAG_CBOR, DAG_PB, IDENTITY, RAW, SHA2_256, Verified};
pub use blocks::Blocks;
pub use error::StoreError;
pub use gc::Collected;
pub use in_use::InUse;
pub use kubo::{Kubo, KuboLimits};
pub use limits::{Durability, StoreLimits};
pub use links::links;
pub use memory::MemoryBlocks;
pub use pins::{Pin, PinMode};
pub use store::{BlockFile, Store, Usage};
pub use walk::{Found, Visit, Walk};
