use std::sync::Arc;
use std::sync::atomic::Ordering;

use cid::Cid;
use poai_store::Verified;
use tokio::time::timeout;

use super::exchange::{Hub, Note};
use super::message::{Block, Message, Want};
use super::peer::{Peer, lock};
use super::sender::sizes;
use crate::frame::{self, FrameLimit};
use crate::streams::Incoming;
use crate::{Misdeed, NetError, disk};

/// Reads one stream of a peer to its end. A peer that breaks the protocol is reported and read no more.
pub(crate) async fn read(hub: Arc<Hub>, peer: Arc<Peer>, mut incoming: Incoming) {
    match read_messages(&hub, &peer, &mut incoming).await {
        Ok(()) => {}
        Err(End::Misdeed(misdeed)) => hub.report(peer.id, misdeed).await,
        Err(End::Broken(error)) => tracing::debug!(peer = %peer.id, %error, "a stream broke"),
    }
}

/// Why a stream is read no further.
enum End {
    /// The peer broke the protocol.
    Misdeed(Misdeed),
    /// The stream broke.
    Broken(NetError),
}

impl From<NetError> for End {
    fn from(error: NetError) -> Self {
        match error {
            NetError::MessageTooLarge { .. } | NetError::Malformed { .. } => {
                Self::Misdeed(Misdeed::BrokenMessage { reason: error.to_string() })
            }
            error => Self::Broken(error),
        }
    }
}

impl From<Misdeed> for End {
    fn from(misdeed: Misdeed) -> Self {
        Self::Misdeed(misdeed)
    }
}

async fn read_messages(hub: &Arc<Hub>, peer: &Arc<Peer>, incoming: &mut Incoming) -> Result<(), End> {
    let limit = FrameLimit { name: "message_bytes", bytes: hub.limits.message_bytes };
    while let Some(length) = frame::read_length(&mut incoming.stream, limit).await? {
        let _turn = peer.readers.acquire().await.expect("nobody closes it");
        let reading = frame::read_body(&mut incoming.stream, length, || peer.hear());
        let Ok(bytes) = timeout(hub.limits.read, reading).await else {
            return Err(End::Broken(NetError::Silent { peer: peer.id, after: hub.limits.read }));
        };
        let message = Message::decode(bytes?.into(), &hub.limits)?;
        take(hub, peer, message).await?;
    }
    Ok(())
}

async fn take(hub: &Arc<Hub>, peer: &Arc<Peer>, message: Message) -> Result<(), Misdeed> {
    let blocks = check(peer, message.blocks)?;
    if !blocks.is_empty() || !message.presences.is_empty() {
        let note = Note::Received { peer: peer.id, blocks, presences: message.presences };
        // It fails only when the network is shutting down.
        let _ = hub.notes.send(note).await;
    }
    if message.full || !message.wants.is_empty() {
        take_wants(hub, peer, message.wants, message.full).await;
    }
    Ok(())
}

/// Hashes each block, and refuses those that were not asked for.
fn check(peer: &Peer, blocks: Vec<Block>) -> Result<Vec<Verified>, Misdeed> {
    let mut checked = Vec::with_capacity(blocks.len());
    for block in blocks {
        let Some(block) = block.verify() else {
            let reason = "a block's prefix names no CID that could have been asked for".to_owned();
            return Err(Misdeed::BrokenMessage { reason });
        };
        if !peer.may_send(block.cid()) {
            return Err(Misdeed::WrongBlock { found: *block.cid() });
        }
        peer.received_bytes.fetch_add(block.bytes().len() as u64, Ordering::Relaxed);
        checked.push(block);
    }
    Ok(checked)
}

/// Enters wants into the ledger, and returns when it has room for more: until then nothing else is
/// read from this stream.
async fn take_wants(hub: &Arc<Hub>, peer: &Arc<Peer>, wants: Vec<Want>, full: bool) {
    {
        let mut ledger = lock(&peer.ledger);
        if full {
            ledger.clear();
        }
        wants.iter().for_each(|want| ledger.apply(want));
    }
    // Entered before the store is asked: a block that is stored in between is not missed.
    let asked: Vec<Cid> = wants.iter().filter(|want| !want.cancel).map(|want| want.cid).collect();
    hub.look_up(peer, asked).await;
    loop {
        let room = peer.room.notified();
        tokio::pin!(room);
        room.as_mut().enable();
        if lock(&peer.ledger).len() < hub.limits.wants_per_peer {
            return;
        }
        room.await;
    }
}

impl Hub {
    /// Asks the store about blocks that a peer wants, and tells its ledger.
    pub(crate) async fn look_up(&self, peer: &Arc<Peer>, cids: Vec<Cid>) {
        if cids.is_empty() {
            return;
        }
        let limit = self.limits.block_bytes;
        let looking = disk::ask(&self.blocks, move |blocks| (sizes(blocks, &cids, limit), cids));
        // It fails only when the runtime is shutting down.
        let Ok((sizes, cids)) = looking.await else { return };
        {
            let mut ledger = lock(&peer.ledger);
            for (cid, size) in cids.iter().zip(sizes) {
                match size {
                    Some(bytes) => ledger.found(cid, bytes),
                    None => ledger.lacking(cid),
                }
            }
        }
        peer.work.notify_one();
    }
}
