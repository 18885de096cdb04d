use std::sync::Arc;
use std::sync::atomic::Ordering;

use cid::Cid;
use libp2p::swarm::Stream;
use poai_store::Blocks;
use tokio::time::timeout;

use super::PROTOCOL;
use super::message::{Block, Message, Presence};
use super::peer::{Peer, lock};
use crate::streams::StreamOpener;
use crate::{BitswapLimits, NetError, disk, frame};

/// Sends messages to one peer, over a stream that is opened when there is something to say and closed
/// after a pause: other implementations do not keep streams for long.
pub(crate) struct Sender {
    peer: Arc<Peer>,
    opener: StreamOpener,
    limits: BitswapLimits,
    stream: Option<Stream>,
}

impl Sender {
    pub(crate) fn new(peer: Arc<Peer>, opener: StreamOpener, limits: BitswapLimits) -> Self {
        Self { peer, opener, limits, stream: None }
    }

    /// Sends our asks as they come. Ends when the peer turns out not to speak bitswap.
    pub(crate) async fn ask(mut self) -> NetError {
        loop {
            let wants = lock(&self.peer.outbox).take(self.limits.message_entries);
            if wants.is_empty() {
                let peer = self.peer.clone();
                self.pause(peer.asks.notified()).await;
                continue;
            }
            if let Err(error @ (NetError::Unsupported { .. } | NetError::ShutDown)) =
                self.send(&Message { wants, ..Message::default() }).await
            {
                return error;
            }
        }
    }

    /// Sends what the peer asked for, and reads the next blocks while the last ones are on their way.
    pub(crate) async fn serve(mut self, blocks: Arc<dyn Blocks>) -> NetError {
        let peer = self.peer.clone();
        let limits = self.limits.clone();
        let mut ready = None;
        loop {
            let message = match ready.take() {
                Some(message) => message,
                None => match gather(&peer, &blocks, &limits).await {
                    Some(message) => message,
                    None => {
                        self.pause(peer.work.notified()).await;
                        continue;
                    }
                },
            };
            let (sent, following) = tokio::join!(self.send(&message), gather(&peer, &blocks, &limits));
            match sent {
                Ok(()) => {
                    let bytes: usize = message.blocks.iter().map(|block| block.data.len()).sum();
                    peer.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                Err(error @ (NetError::Unsupported { .. } | NetError::ShutDown)) => return error,
                // The peer asks again for what it still wants.
                Err(error) => tracing::debug!(peer = %peer.id, %error, "an answer was lost"),
            }
            ready = following;
        }
    }

    /// Waits for `event`; closes the stream if that takes long.
    async fn pause(&mut self, event: impl Future<Output = ()>) {
        tokio::pin!(event);
        if self.stream.is_some() && timeout(self.limits.stream_idle, &mut event).await.is_ok() {
            return;
        }
        if let Some(mut stream) = self.stream.take() {
            // A peer that has gone needs no goodbye.
            let _ = timeout(self.limits.write, futures::AsyncWriteExt::close(&mut stream)).await;
        }
        event.await;
    }

    /// Sends one message; if the stream broke, once more over a new one.
    async fn send(&mut self, message: &Message) -> Result<(), NetError> {
        let parts = message.encode();
        if let Some(stream) = &mut self.stream {
            if frame::write(stream, &parts, self.limits.write).await.is_ok() {
                return Ok(());
            }
            self.stream = None;
        }
        let (mut stream, _) = self.opener.open(self.peer.id, &[PROTOCOL]).await?;
        frame::write(&mut stream, &parts, self.limits.write).await?;
        self.stream = Some(stream);
        Ok(())
    }
}

/// Makes the next message to a peer; none if it waits for nothing.
async fn gather(peer: &Peer, blocks: &Arc<dyn Blocks>, limits: &BitswapLimits) -> Option<Message> {
    let batch = lock(&peer.ledger).next_batch(limits.batch_bytes as u64, limits.message_entries);
    if batch.is_empty() {
        return None;
    }
    peer.room.notify_waiters();
    let reading = disk::ask(blocks, move |blocks| {
        let haves = batch.haves.into_iter().map(|cid| (cid, Presence::Have));
        let dont_haves = batch.dont_haves.into_iter().map(|cid| (cid, Presence::DontHave));
        let mut message = Message {
            presences: haves.chain(dont_haves).collect(),
            pending_bytes: batch.pending_bytes.min(i32::MAX as u64) as u32,
            ..Message::default()
        };
        for cid in batch.blocks {
            match blocks.get(&cid) {
                Ok(Some(block)) => message.blocks.push(Block::of(block)),
                Ok(None) => message.presences.push((cid, Presence::DontHave)),
                Err(error) => {
                    tracing::warn!(%cid, %error, "a block that a peer wants cannot be read");
                    message.presences.push((cid, Presence::DontHave));
                }
            }
        }
        message
    });
    reading.await.ok()
}

/// The size of each block, none for what is not here or too large to send.
pub(crate) fn sizes(blocks: &dyn Blocks, cids: &[Cid], limit: usize) -> Vec<Option<u64>> {
    let size = |cid: &Cid| match blocks.size(cid) {
        Ok(size) => size.filter(|&bytes| bytes <= limit as u64),
        Err(error) => {
            // Peers may ask for anything, also for what no store can have.
            tracing::debug!(%cid, %error, "the store cannot tell about a block that a peer wants");
            None
        }
    };
    cids.iter().map(size).collect()
}
