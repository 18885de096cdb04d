use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use libp2p::PeerId;
use poai_store::{Blocks, InUse, RAW, StoreError, Verified, links};

use crate::bitswap::{Delivery, Ticket};
use crate::net::Shared;
use crate::{Net, NetError, disk};

/// Whom a fetch asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sources {
    /// Every connected peer, and whoever the hash table says provides the root.
    #[default]
    Anyone,
    /// These peers alone; they are dialled at the addresses known for them.
    Only(Vec<PeerId>),
}

impl Sources {
    pub(crate) fn include(&self, peer: &PeerId) -> bool {
        match self {
            Self::Anyone => true,
            Self::Only(peers) => peers.contains(peer),
        }
    }
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

/// Blocks that are looked up in the store together.
const LOOK_UP: usize = 64;
/// Bytes that have come before they are made durable while more come: the end has little left to wait for.
const SYNC_BYTES: u64 = 16 << 20;

/// Which links of a block are followed, by its CID and bytes. It is not asked about raw blocks: they have none.
pub type Follow = fn(&Cid, &Bytes) -> Result<Vec<Cid>, StoreError>;

/// Follows every link.
pub(crate) const WHOLE: Follow = |cid, bytes| links(cid, bytes);

/// Fetches everything below `root` that `follow` leads to.
pub(crate) async fn dag(
    net: &Net,
    root: Cid,
    follow: Follow,
    sources: Sources,
    progress: impl FnMut(FetchEvent) + Send,
) -> Result<FetchSummary, NetError> {
    let mut fetch = Fetch::open(net, root, sources, follow, progress).await?;
    fetch.work().await?;
    Ok(fetch.summary())
}

/// Fetches `cid` alone.
pub(crate) async fn block(net: &Net, cid: Cid, sources: Sources) -> Result<Bytes, NetError> {
    if let Some(block) = disk::ask(&net.0.blocks, move |blocks| blocks.get(&cid)).await?? {
        return Ok(block.into_bytes());
    }
    Fetch::open(net, cid, sources, |_, _| Ok(Vec::new()), |_| {}).await?.work().await?;
    Ok(disk::ask(&net.0.blocks, move |blocks| blocks.need(&cid)).await??.into_bytes())
}

/// One walk of a DAG: what is to be visited, what is under way, what was done.
struct Fetch<P> {
    shared: Arc<Shared>,
    root: Cid,
    follow: Follow,
    ticket: Ticket,
    /// Keeps what has come from being collected before all of it has.
    _hold: InUse,
    finders: FuturesUnordered<BoxFuture<'static, Found>>,
    stores: FuturesUnordered<BoxFuture<'static, Result<Stored, NetError>>>,
    /// At most one at a time.
    syncs: FuturesUnordered<BoxFuture<'static, Result<(), NetError>>>,
    unsynced_bytes: u64,
    open_ended: bool,
    /// To be visited, the next one last.
    ahead: Vec<Cid>,
    seen: HashSet<Cid>,
    /// Wanted from peers, or come and not yet stored.
    under_way: usize,
    done: FetchSummary,
    started: Instant,
    unreachable: Vec<NetError>,
    progress: P,
}

/// What became of the search for peers.
enum Found {
    Dialled(Result<(), NetError>),
    Asked,
}

/// A block that came and is stored.
struct Stored {
    cid: Cid,
    bytes: u64,
    from: PeerId,
    links: Vec<Cid>,
}

impl<P: FnMut(FetchEvent) + Send> Fetch<P> {
    async fn open(net: &Net, root: Cid, sources: Sources, follow: Follow, progress: P) -> Result<Self, NetError> {
        let finders = FuturesUnordered::new();
        let open_ended = sources == Sources::Anyone;
        if let Sources::Only(peers) = &sources {
            for &peer in peers {
                let net = net.clone();
                let dial: BoxFuture<'static, Found> = Box::pin(async move { Found::Dialled(net.connect(peer).await) });
                finders.push(dial);
            }
        }
        let hold = net.0.blocks.in_use();
        hold.hold_dag(&root);
        Ok(Self {
            _hold: hold,
            shared: net.0.clone(),
            root,
            follow,
            ticket: net.0.exchange.open(sources).await?,
            finders,
            stores: FuturesUnordered::new(),
            syncs: FuturesUnordered::new(),
            unsynced_bytes: 0,
            open_ended,
            ahead: vec![root],
            seen: HashSet::from([root]),
            under_way: 0,
            done: FetchSummary::default(),
            started: Instant::now(),
            unreachable: Vec::new(),
            progress,
        })
    }

    async fn work(&mut self) -> Result<(), NetError> {
        loop {
            self.fill_window().await?;
            if self.under_way == 0 && self.ahead.is_empty() {
                return sync(self.shared.blocks.clone()).await;
            }
            tokio::select! {
                delivery = self.ticket.next() => self.deliver(delivery?)?,
                Some(stored) = self.stores.next() => self.stored(stored?).await?,
                Some(synced) = self.syncs.next() => synced?,
                Some(found) = self.finders.next() => self.found(found).await?,
            }
        }
    }

    /// Looks at what lies ahead and wants what is missing, until enough is under way.
    async fn fill_window(&mut self) -> Result<(), NetError> {
        let window = self.shared.limits.bitswap.window;
        while self.under_way < window && !self.ahead.is_empty() {
            let most = LOOK_UP.min(window - self.under_way).min(self.ahead.len());
            let next: Vec<Cid> = self.ahead.drain(self.ahead.len() - most..).rev().collect();
            let follow = self.follow;
            let (missing, present, links) =
                disk::ask(&self.shared.blocks, move |blocks| look_up(blocks, next, follow)).await??;
            if present > 0 {
                self.done.present_blocks += present;
                self.go_on_with(links)?;
                let progress = self.summary();
                (self.progress)(FetchEvent::Present { progress });
            }
            if !missing.is_empty() {
                self.under_way += missing.len();
                self.ticket.want(missing).await?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, delivery: Delivery) -> Result<(), NetError> {
        match delivery {
            Delivery::Block { block, from } => {
                let (blocks, follow) = (self.shared.blocks.clone(), self.follow);
                self.stores.push(Box::pin(async move {
                    Ok(disk::ask(&blocks, move |blocks| store(blocks, block, from, follow)).await??)
                }));
            }
            Delivery::Dropped { peer, reason } => (self.progress)(FetchEvent::PeerDropped { peer, reason }),
            Delivery::Seek => self.seek(),
            Delivery::Failed { cid, asked } if asked.is_empty() && !self.unreachable.is_empty() => {
                tracing::debug!(%cid, "none of the peers named for it can be reached");
                return Err(self.unreachable.swap_remove(0));
            }
            Delivery::Failed { cid, asked } => return Err(NetError::NotFound { cid, asked }),
        }
        Ok(())
    }

    async fn stored(&mut self, stored: Stored) -> Result<(), NetError> {
        let Stored { cid, bytes, from, links } = stored;
        self.under_way -= 1;
        self.done.fetched_blocks += 1;
        self.done.fetched_bytes += bytes;
        self.unsynced_bytes += bytes;
        if self.unsynced_bytes >= SYNC_BYTES && self.syncs.is_empty() {
            self.unsynced_bytes = 0;
            self.syncs.push(Box::pin(sync(self.shared.blocks.clone())));
        }
        match self.done.by_peer.iter_mut().find(|(peer, _)| *peer == from) {
            Some((_, sum)) => *sum += bytes,
            None => self.done.by_peer.push((from, bytes)),
        }
        self.go_on_with(links)?;
        let progress = self.summary();
        (self.progress)(FetchEvent::Block { cid, bytes, from, progress });
        self.shared.exchange.stored(&[cid]).await;
        Ok(())
    }

    /// Asks the hash table who has the root, and connects to them.
    fn seek(&mut self) {
        if !self.open_ended || !self.finders.is_empty() {
            return;
        }
        let (shared, root) = (self.shared.clone(), self.root);
        let patience = shared.limits.bitswap.patience;
        self.finders.push(Box::pin(async move {
            let net = Net(shared);
            let providers = net.providers(root, patience).await.unwrap_or_default();
            futures::future::join_all(providers.into_iter().map(|peer| net.connect(peer))).await;
            Found::Asked
        }));
    }

    async fn found(&mut self, found: Found) -> Result<(), NetError> {
        if let Found::Dialled(Err(error)) = found {
            self.unreachable.push(error);
        }
        if self.finders.is_empty() && !self.open_ended {
            self.ticket.nobody_else().await?;
        }
        Ok(())
    }

    fn go_on_with(&mut self, links: Vec<Cid>) -> Result<(), NetError> {
        for link in links.into_iter().rev() {
            if self.seen.insert(link) {
                self.ahead.push(link);
            }
        }
        let limit = self.shared.limits.bitswap.fetch_blocks;
        if self.seen.len() > limit { Err(NetError::DagTooLarge { root: self.root, limit }) } else { Ok(()) }
    }

    fn summary(&self) -> FetchSummary {
        FetchSummary {
            missing_blocks: (self.ahead.len() + self.under_way) as u64,
            elapsed: self.started.elapsed(),
            ..self.done.clone()
        }
    }
}

async fn sync(blocks: Arc<dyn Blocks>) -> Result<(), NetError> {
    Ok(disk::ask(&blocks, |blocks| blocks.sync()).await??)
}

/// Which of some blocks are not here, how many are, and what those that are link to.
type Looked = (Vec<Cid>, u64, Vec<Cid>);

fn look_up(blocks: &dyn Blocks, cids: Vec<Cid>, follow: Follow) -> Result<Looked, StoreError> {
    let (mut missing, mut present, mut below) = (Vec::new(), 0, Vec::new());
    for cid in cids {
        let followed = if cid.codec() == RAW {
            blocks.size(&cid)?.map(|_| Vec::new())
        } else {
            blocks.get(&cid)?.map(|block| follow(&cid, block.bytes())).transpose()?
        };
        match followed {
            Some(mut links) => {
                present += 1;
                below.append(&mut links);
            }
            None => missing.push(cid),
        }
    }
    Ok((missing, present, below))
}

fn store(blocks: &dyn Blocks, block: Verified, from: PeerId, follow: Follow) -> Result<Stored, StoreError> {
    let cid = *block.cid();
    // Looked at first: a block that cannot be followed is not worth keeping.
    let links = if cid.codec() == RAW { Vec::new() } else { follow(&cid, block.bytes())? };
    blocks.put(&block)?;
    Ok(Stored { cid, bytes: block.bytes().len() as u64, from, links })
}
