use std::io;
use std::time::Duration;

use cid::Cid;
use libp2p::{Multiaddr, PeerId};
use poai_objects::{EngineName, ObjectError};
use poai_store::StoreError;

/// Why something on the network did not come about.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The network was shut down, or its task ended.
    #[error("the network is shut down")]
    ShutDown,
    /// The transport could not be set up.
    #[error("the network cannot start: {reason}")]
    Start {
        /// What stands in the way.
        reason: String,
    },
    /// An address to listen on that this machine does not have, or that another program uses.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system says.
        reason: String,
    },
    /// Nobody answered, or somebody else did.
    #[error("cannot reach {target}: {reason}")]
    Dial {
        /// An address or a peer.
        target: String,
        /// What was tried, and how it went.
        reason: String,
        /// Whether somebody was there and hung up, as a peer does that has all the connections it takes: in a
        /// moment it may have a place.
        hung_up: bool,
    },
    /// The peer went away in the middle of an exchange.
    #[error("{peer} went away")]
    Disconnected {
        /// Who.
        peer: PeerId,
    },
    /// The peer is there, and does not speak the protocol.
    #[error("{peer} does not speak {protocol}")]
    Unsupported {
        /// Who.
        peer: PeerId,
        /// The protocol's name.
        protocol: String,
    },
    /// The peer did not answer in time.
    #[error("{peer} did not answer within {} s", after.as_secs_f32())]
    Silent {
        /// Who.
        peer: PeerId,
        /// How long it was waited for.
        after: Duration,
    },
    /// Nobody who was asked has a block.
    #[error("nobody has {cid} ({})", asked_whom(.asked))]
    NotFound {
        /// The block.
        cid: Cid,
        /// Who was asked.
        asked: Vec<PeerId>,
    },
    /// The store refused a block, or could not read one: a full disk, a hash that cannot be checked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A DAG with more blocks than one fetch takes.
    #[error("{root} has more than {limit} blocks (fetch_blocks)")]
    DagTooLarge {
        /// The DAG's root.
        root: Cid,
        /// The limit's value.
        limit: usize,
    },
    /// A message over its limit.
    #[error("a message of {found} bytes is over the limit {limit} of {allowed}")]
    MessageTooLarge {
        /// The limit's name.
        limit: &'static str,
        /// The limit's value.
        allowed: usize,
        /// The message's length.
        found: u64,
    },
    /// Bytes that are no message of the protocol.
    #[error("not a valid message of {protocol}: {reason}")]
    Malformed {
        /// The protocol.
        protocol: &'static str,
        /// What is wrong with the bytes.
        reason: String,
    },
    /// The host runs another engine, so it can make no claim about this run.
    #[error("that host speaks engine {theirs}, and this run is for {ours}")]
    EngineMismatch {
        /// The host.
        peer: PeerId,
        /// Its engine.
        theirs: EngineName,
        /// The engine that was asked for.
        ours: EngineName,
    },
    /// The host speaks another version of the run protocol.
    #[error("that host speaks version {theirs} of the run protocol, and this program version {ours}")]
    VersionMismatch {
        /// The host.
        peer: PeerId,
        /// Its version.
        theirs: u64,
        /// This program's.
        ours: u64,
    },
    /// An offer that must not be spread.
    #[error("the offer is refused: {reason}")]
    OfferRefused {
        /// The rule that it breaks.
        reason: String,
    },
    /// Too much at once for a limit of this node.
    #[error("the limit {limit} of {allowed} is reached")]
    LimitReached {
        /// The limit's name.
        limit: &'static str,
        /// The limit's value.
        allowed: usize,
    },
    /// An object inside a message is not what it should be.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A stream ended or broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

fn asked_whom(asked: &[PeerId]) -> String {
    match asked {
        [] => "no peer is connected that could be asked".to_owned(),
        [peer] => format!("asked {peer}"),
        peers => format!("asked {} peers, the first {}", peers.len(), peers[0]),
    }
}
