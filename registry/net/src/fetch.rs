use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use libp2p::PeerId;

use crate::NetError;
use crate::net::Shared;

/// Whom a fetch asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sources {
    /// Every connected peer, and whoever the hash table says provides the root.
    #[default]
    Anyone,
    /// These peers alone; they are dialled at the addresses known for them.
    Only(Vec<PeerId>),
}

/// How a fetch goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchEvent {
    /// A block came, was checked and is stored.
    Block {
        /// The block.
        cid: Cid,
        /// Its size.
        bytes: u64,
        /// Who sent it.
        from: PeerId,
        /// The fetch so far.
        progress: FetchSummary,
    },
    /// Blocks were here already, as those of an interrupted fetch are.
    Present {
        /// The fetch so far.
        progress: FetchSummary,
    },
    /// A peer is asked no more in this fetch.
    PeerDropped {
        /// Who.
        peer: PeerId,
        /// What it did, or did not do.
        reason: String,
    },
}

/// What a fetch has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchSummary {
    /// Blocks that came over the network.
    pub fetched_blocks: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// Blocks that were here already.
    pub present_blocks: u64,
    /// Blocks that are known to be missing still. Below a node that has not come there may be more.
    pub missing_blocks: u64,
    /// Since the start.
    pub elapsed: Duration,
    /// What came from whom, in bytes, in the order of first blocks.
    pub by_peer: Vec<(PeerId, u64)>,
}

impl FetchSummary {
    /// Bytes a second over the network, so far.
    pub fn bytes_per_s(&self) -> u64 {
        (self.fetched_bytes as f64 / self.elapsed.as_secs_f64().max(1e-6)) as u64
    }
}

pub(crate) async fn dag(
    shared: &Shared,
    root: Cid,
    sources: Sources,
    progress: impl FnMut(FetchEvent) + Send,
) -> Result<FetchSummary, NetError> {
    let _ = (shared, root, sources, progress);
    Err(NetError::ShutDown)
}

pub(crate) async fn block(shared: &Shared, cid: Cid, sources: Sources) -> Result<Bytes, NetError> {
    let _ = (shared, cid, sources);
    Err(NetError::ShutDown)
}
