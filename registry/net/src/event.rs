use std::fmt;

use cid::Cid;
use libp2p::{Multiaddr, PeerId};

/// What happens on the network, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetEvent {
    /// Others can reach this peer here; the address ends in its peer id.
    Listening {
        /// The whole address.
        address: Multiaddr,
    },
    /// An address is no longer listened on.
    NoLongerListening {
        /// The whole address.
        address: Multiaddr,
    },
    /// A peer on the local network made itself known.
    Discovered {
        /// Who.
        peer: PeerId,
        /// Where.
        address: Multiaddr,
    },
    /// The first connection with a peer stands.
    Connected {
        /// Who.
        peer: PeerId,
        /// Where.
        address: Multiaddr,
    },
    /// The last connection with a peer ended.
    Disconnected {
        /// Who.
        peer: PeerId,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Who, if that was known.
        peer: Option<PeerId>,
        /// What was tried, and how it went.
        reason: String,
    },
    /// A peer broke a protocol: its connections are closed and, for a while, refused.
    CutOff {
        /// Who.
        peer: PeerId,
        /// What it did.
        misdeed: Misdeed,
    },
    /// A requester says that it has all that a receipt of this host leads to.
    ReceiptFetched {
        /// The requester.
        peer: PeerId,
        /// The receipt's envelope.
        envelope: Cid,
    },
    /// A host's offer is new, or replaces its earlier one.
    OfferSeen {
        /// The host.
        peer: PeerId,
    },
}

/// What a peer did to be cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// It sent bytes that nobody had asked it for: a block that hashes to another CID.
    WrongBlock {
        /// The CID of what it sent.
        found: Cid,
    },
    /// It sent something that is no message of the protocol, or one over a limit.
    BrokenMessage {
        /// What is wrong.
        reason: String,
    },
    /// It sent more than a limit allows.
    Flood {
        /// The limit's name.
        limit: &'static str,
        /// The limit's value.
        allowed: usize,
    },
}

impl fmt::Display for Misdeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongBlock { found } => {
                write!(f, "it sent a block that nobody asked it for, whose bytes hash to {found}")
            }
            Self::BrokenMessage { reason } => write!(f, "it broke the protocol: {reason}"),
            Self::Flood { limit, allowed } => write!(f, "it went over the limit {limit} of {allowed}"),
        }
    }
}

/// A peer that is connected now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Who.
    pub peer: PeerId,
    /// Where: the other end of its first connection.
    pub address: Multiaddr,
    /// The program that it says it is; empty until it has said so.
    pub agent: String,
    /// Bytes of blocks that came from it.
    pub received_bytes: u64,
    /// Bytes of blocks that went to it.
    pub sent_bytes: u64,
}
