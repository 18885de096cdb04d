//! Runs asked of a host, and asked of us: `/poai/run/1`.

pub(crate) mod message;

use libp2p::PeerId;

use crate::net::Shared;
use crate::{Ask, Decline, NetError, ReceiptAnswer, RunEvent, RunFault, VerdictAnswer, Progress, LogLine};

/// How the requester's side of an incoming run ended before it had an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It said that it no longer wants the run.
    Cancelled,
    /// It went away without a word.
    Disconnected,
}

/// The asks of others, in the order in which they came.
pub struct IncomingRuns {}

impl IncomingRuns {
    /// The next ask; none once the network is shut down.
    pub async fn next(&mut self) -> Option<IncomingRun> {
        None
    }
}

/// A run that a peer asks this host for. Dropping it unanswered tells the peer that the host gave up.
pub struct IncomingRun {
    /// Who asks.
    pub peer: PeerId,
    /// For what.
    pub ask: Ask,
    /// Where the answers go.
    pub responder: Responder,
}

/// Where a host's answers to one ask go.
pub struct Responder {}

impl Responder {
    /// The host takes the run, after so many others.
    pub async fn accept(&self, _queue_position: u64) {}
    /// How far it is. A progress that the requester is too slow for is replaced by the next.
    pub fn progress(&self, _progress: Progress) {}
    /// What the guest said. Lines beyond the limits are dropped and counted, and never wait.
    pub fn log(&self, _line: LogLine) {}
    /// The last word: the host does not take it.
    pub async fn decline(self, _decline: Decline) {}
    /// The last word: the result.
    pub async fn receipt(self, _answer: ReceiptAnswer) {}
    /// The last word: the replay's result.
    pub async fn verdict(self, _answer: VerdictAnswer) {}
    /// The last word: no claim.
    pub async fn fault(self, _fault: RunFault) {}
    /// Waits until the requester cancels or goes away.
    pub async fn ended(&self) -> Ending {
        Ending::Cancelled
    }
}

/// A host's answers to an ask; dropping it cancels. Also a [`futures::Stream`].
pub struct RunStream {}

impl RunStream {
    /// The next answer; none after the last one.
    pub async fn next(&mut self) -> Option<Result<RunEvent, NetError>> {
        None
    }
}

pub(crate) struct RunInbox {}

impl RunInbox {
    pub(crate) fn open(&self) -> Option<IncomingRuns> {
        None
    }
}

pub(crate) async fn ask(_shared: &Shared, _host: PeerId, _ask: Ask) -> Result<RunStream, NetError> {
    Err(NetError::ShutDown)
}
