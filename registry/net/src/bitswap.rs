//! Bitswap 1.2.0: blocks asked for by CID, from several peers at once, and served to others.
//!
//! [`message`] is the codec. [`session`] decides whom a fetch asks for what, and [`ledger`] what a
//! peer gets and when: both are pure, take events and the time, and give actions. [`exchange`] is the
//! shell around them: one task for all sessions; for each peer one task that asks and one that serves;
//! for each stream of a peer one that reads ([`reader`]), and stops reading while the peer's ledger
//! is full.
//!
//! A block is hashed before anything else happens to it. One that its sender was not asked for gets
//! the sender cut off.

pub(crate) mod exchange;
mod ledger;
pub(crate) mod message;
mod peer;
mod protobuf;
mod reader;
mod sender;
mod session;

pub(crate) use exchange::{Delivery, Exchange, Ticket};

use libp2p::StreamProtocol;

/// The protocol's name in stream negotiation.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
