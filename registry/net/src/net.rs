use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use libp2p::{Multiaddr, PeerId};
use poai_objects::{Offer, Signed};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::bitswap::Exchange;
use crate::fetch::{self, FetchEvent, FetchSummary, Follow, Sources};
use crate::node::{self, Command};
use crate::offers::OfferBook;
use crate::run::{self, RunInbox};
use crate::streams::StreamOpener;
use crate::{Ask, Blocks, IncomingRuns, NetConfig, NetError, NetEvent, NetLimits, PeerInfo, RunStream};

/// A peer: a cheap handle, to be cloned, of the task that owns every connection.
///
/// The task ends with [`Net::shut_down`], or when the last handle is dropped.
#[derive(Clone)]
pub struct Net(pub(crate) Arc<Shared>);

/// What the handle and the tasks behind it have in common.
pub(crate) struct Shared {
    pub(crate) peer: PeerId,
    pub(crate) limits: NetLimits,
    pub(crate) blocks: Arc<dyn Blocks>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) events: broadcast::Sender<NetEvent>,
    pub(crate) exchange: Exchange,
    pub(crate) offers: OfferBook,
    pub(crate) runs: RunInbox,
    pub(crate) streams: StreamOpener,
}

impl Net {
    /// Joins the network: listens on every address of the configuration, or fails and names the first
    /// that it cannot have. Must be called inside a tokio runtime.
    pub async fn start(config: NetConfig, blocks: Arc<dyn Blocks>) -> Result<Self, NetError> {
        node::start(config, blocks).await
    }

    /// This peer's id.
    pub fn peer(&self) -> PeerId {
        self.0.peer
    }

    /// The limits that it was started with.
    pub fn limits(&self) -> &NetLimits {
        &self.0.limits
    }

    /// Where others can reach this peer, each address with its peer id.
    pub async fn addresses(&self) -> Result<Vec<Multiaddr>, NetError> {
        self.ask(|reply| Command::Addresses { reply }).await
    }

    /// The peers that are connected now.
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, NetError> {
        self.ask(|reply| Command::Peers { reply }).await
    }

    /// What happens from now on. A watcher that falls too far behind misses events, and is told so.
    pub fn events(&self) -> broadcast::Receiver<NetEvent> {
        self.0.events.subscribe()
    }

    /// Connects to an address; gives the peer that answered. If the address names a peer, only that one
    /// will do. A connection that stands already is used.
    pub async fn dial(&self, address: Multiaddr) -> Result<PeerId, NetError> {
        self.ask(|reply| Command::Dial { address, reply }).await?
    }

    /// Connects to a peer at the addresses that are known for it.
    pub async fn connect(&self, peer: PeerId) -> Result<(), NetError> {
        self.ask(|reply| Command::Connect { peer, reply }).await?
    }

    /// Closes every connection with a peer.
    pub async fn disconnect(&self, peer: PeerId) -> Result<(), NetError> {
        self.ask(|reply| Command::Disconnect { peer, reply }).await
    }

    /// Fetches a whole DAG into the [`Blocks`], from its root down, and skips what is there already.
    ///
    /// `progress` is told of each block. Dropping the future stops the fetch; what came so far stays.
    pub async fn fetch(
        &self,
        root: Cid,
        sources: Sources,
        progress: impl FnMut(FetchEvent) + Send,
    ) -> Result<FetchSummary, NetError> {
        fetch::dag(self, root, fetch::WHOLE, sources, progress).await
    }

    /// The same for a part of a DAG: what `follow` leads to from the root.
    pub async fn fetch_part(
        &self,
        root: Cid,
        follow: Follow,
        sources: Sources,
        progress: impl FnMut(FetchEvent) + Send,
    ) -> Result<FetchSummary, NetError> {
        fetch::dag(self, root, follow, sources, progress).await
    }

    /// Fetches one block into the [`Blocks`] and gives its bytes; one that is there is not fetched.
    pub async fn fetch_block(&self, cid: Cid, sources: Sources) -> Result<Bytes, NetError> {
        fetch::block(self, cid, sources).await
    }

    /// Tells peers that asked for one of these blocks before it was here.
    pub async fn announce(&self, stored: &[Cid]) {
        self.0.exchange.stored(stored).await;
    }

    /// Tells the hash table that this peer has a DAG, again and again until [`Net::stop_providing`].
    /// Ends when the first round is done; with nobody in the table that is at once.
    pub async fn provide(&self, root: Cid) -> Result<(), NetError> {
        self.ask(|reply| Command::Provide { root, reply }).await?
    }

    /// Says no more that this peer has a DAG. What others know already expires by itself.
    pub async fn stop_providing(&self, root: Cid) -> Result<(), NetError> {
        self.ask(|reply| Command::StopProviding { root, reply }).await
    }

    /// Who has a DAG, as far as the hash table tells within `wait`.
    pub async fn providers(&self, root: Cid, wait: Duration) -> Result<Vec<PeerId>, NetError> {
        self.ask(|reply| Command::Providers { root, wait, reply }).await
    }

    /// Spreads this host's offer, until it expires. It must be signed by this peer's own key and have
    /// a higher sequence than the last.
    pub async fn publish_offer(&self, offer: Signed<Offer>) -> Result<(), NetError> {
        self.ask(|reply| Command::PublishOffer { offer: Box::new(offer), reply }).await?
    }

    /// The offers of other hosts that hold now, one a host.
    pub fn offers(&self) -> Vec<Signed<Offer>> {
        self.0.offers.current()
    }

    /// Asks a host to run or to replay something, and connects to it if need be. Gives its answers as
    /// they come; dropping the stream cancels.
    ///
    /// A host that declines is no error here: [`RunEvent::Declined`](crate::RunEvent::Declined) says why.
    pub async fn ask_run(&self, host: PeerId, ask: Ask) -> Result<RunStream, NetError> {
        self.connect(host).await?;
        run::ask(&self.0, host, ask).await
    }

    /// Tells a host that all that its receipt leads to is here, so that it need keep that no longer. The envelope is
    /// that of the signed receipt.
    pub async fn receipt_fetched(&self, host: PeerId, envelope: Cid) -> Result<(), NetError> {
        run::fetched(&self.0, host, envelope).await
    }

    /// The asks of others. There is one such queue: the first call gets it, later calls get none.
    /// Until then every ask is declined.
    pub fn incoming_runs(&self) -> Option<IncomingRuns> {
        self.0.runs.open()
    }

    /// Closes every connection and stops listening. Later calls on any handle fail with
    /// [`NetError::ShutDown`].
    pub async fn shut_down(&self) {
        let (reply, done) = oneshot::channel();
        if self.0.commands.send(Command::ShutDown { reply }).await.is_ok() {
            // An error means that the task ended before it could answer, which is what was wanted.
            let _ = done.await;
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NetError> {
        let (reply, answer) = oneshot::channel();
        self.0.commands.send(command(reply)).await.map_err(|_| NetError::ShutDown)?;
        answer.await.map_err(|_| NetError::ShutDown)
    }
}
