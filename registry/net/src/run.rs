//! Runs asked of a host, and asked of this peer: `/poai/run/1`, one stream a run.
//!
//! [`message`] has what is said, with pinned bytes. [`requester`] asks and listens; [`responder`] is
//! what a host answers through; [`inbox`] receives asks and holds the host's side of each stream.
//! What a run reads and writes does not travel here, but by bitswap, in both directions.

mod inbox;
pub(crate) mod message;
mod requester;
mod responder;

pub(crate) use inbox::RunInbox;
pub use inbox::{IncomingRun, IncomingRuns};
pub use requester::RunStream;
pub(crate) use requester::{ask, fetched};
pub use responder::{Ending, Responder};

use std::time::Duration;

use futures::AsyncWrite;
use libp2p::StreamProtocol;
use poai_objects::codec::encode;
use serde::Serialize;

use crate::frame::{self, FrameLimit};
use crate::{NetError, RunLimits};

/// The protocol's name in stream negotiation.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new(NAME);
const NAME: &str = "/poai/run/1";

fn frame_limit(limits: &RunLimits) -> FrameLimit {
    FrameLimit { name: "message_bytes", bytes: limits.message_bytes }
}

/// Writes one message; refuses one that the other side would not read.
async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    message: &impl Serialize,
    limits: &RunLimits,
) -> Result<(), NetError> {
    let bytes = encode(message);
    if bytes.len() > limits.message_bytes {
        let found = bytes.len() as u64;
        return Err(NetError::MessageTooLarge { limit: "message_bytes", allowed: limits.message_bytes, found });
    }
    frame::write(stream, &[bytes], limits.write).await
}

/// Waits for an answer for so long.
async fn within<T>(
    time: Duration,
    peer: libp2p::PeerId,
    answer: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    tokio::time::timeout(time, answer).await.unwrap_or(Err(NetError::Silent { peer, after: time }))
}
