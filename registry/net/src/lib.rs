//! Peers: finding them, exchanging blocks with them, and asking them for runs.
//!
//! [`Net::start`] makes this machine a peer; the [`Net`] it gives is a cheap handle to a task that
//! owns every socket. Blocks come and go by bitswap 1.2.0 ([`Net::fetch`]), into the [`Blocks`] that the
//! caller brings, checked against their CIDs before anything else is done with them. Hosts make
//! themselves known by signed offers ([`Net::publish_offer`]), and take runs over `/poai/run/1`
//! ([`Net::ask_run`], [`IncomingRun`]).
//!
//! Every queue, message and wait has a limit of a name ([`NetLimits`]). A peer that lies, stalls or
//! floods is named in an event and cut off.
//!
//! Nothing here decides whose runs are taken, executes one, or knows of wasmtime or of files.

mod bitswap;
mod config;
mod disk;
mod error;
mod event;
mod fetch;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod net;
mod node;
mod offers;
mod run;
mod streams;

pub use config::{BitswapLimits, ConnectionLimits, DhtMode, Identity, NetConfig, NetLimits, OfferLimits, RunLimits};
pub use error::NetError;
pub use event::{Misdeed, NetEvent, PeerInfo};
pub use fetch::{FetchEvent, FetchSummary, Follow, Sources};
pub use libp2p::{Multiaddr, PeerId};
pub use net::Net;
pub use offers::peer_of;
pub use poai_store::Blocks;
pub use run::message::{
    Ask, Decline, DeclineReason, FaultKind, LogLevel, LogLine, Progress, Purpose, RunFault, SignedBytes, Stage,
    VerdictAnswer,
};
pub use run::message::{ReceiptAnswer, RunEvent};
pub use run::{Ending, IncomingRun, IncomingRuns, Responder, RunStream};
