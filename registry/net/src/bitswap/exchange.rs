use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cid::Cid;
use libp2p::PeerId;
use poai_store::{Blocks, Verified};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::message::Presence;
use super::peer::{Peer, lock};
use super::reader;
use super::sender::Sender;
use super::session::{Action, Session, Time};
use crate::streams::{Incoming, StreamOpener};
use crate::{BitswapLimits, Misdeed, NetError, Sources};

/// The handle of the block exchange.
#[derive(Clone)]
pub(crate) struct Exchange(Arc<Hub>);

/// What the exchange's tasks share.
pub(crate) struct Hub {
    pub(crate) limits: BitswapLimits,
    pub(crate) blocks: Arc<dyn Blocks>,
    pub(crate) notes: mpsc::Sender<Note>,
    opener: StreamOpener,
    misdeeds: mpsc::Sender<(PeerId, Misdeed)>,
    peers: Mutex<HashMap<PeerId, Connected>>,
    fetches: Arc<Semaphore>,
    started: Instant,
}

/// A connected peer; its tasks end with it.
struct Connected {
    peer: Arc<Peer>,
    tasks: JoinSet<()>,
}

/// What the sessions' task is told.
pub(crate) enum Note {
    Came { peer: PeerId },
    Went { peer: PeerId },
    Received { peer: PeerId, blocks: Vec<Verified>, presences: Vec<(Cid, Presence)> },
    Open { ticket: u64, sources: Sources, deliveries: mpsc::UnboundedSender<Delivery> },
    Want { ticket: u64, cids: Vec<Cid> },
    NobodyElse { ticket: u64 },
}

/// What a fetch is told.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A wanted block.
    Block { block: Verified, from: PeerId },
    /// A peer is asked no more.
    Dropped { peer: PeerId, reason: String },
    /// Nobody who is connected has a block: others are to be found.
    Seek,
    /// A block cannot be had.
    Failed { cid: Cid, asked: Vec<PeerId> },
}

/// A fetch's place in the exchange; dropping it ends its session.
pub(crate) struct Ticket {
    number: u64,
    notes: mpsc::Sender<Note>,
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    _slot: OwnedSemaphorePermit,
}

/// Notes that readers may be ahead of the sessions' task.
const NOTES: usize = 64;
/// How often sessions look at the clock.
const TICK: Duration = Duration::from_millis(250);

impl Exchange {
    /// Starts the sessions' task, which is to be kept as long as the exchange is.
    pub(crate) fn start(
        limits: BitswapLimits,
        blocks: Arc<dyn Blocks>,
        opener: StreamOpener,
        misdeeds: mpsc::Sender<(PeerId, Misdeed)>,
    ) -> (Self, JoinSet<()>) {
        let (notes, inbox) = mpsc::channel(NOTES);
        let hub = Arc::new(Hub {
            fetches: Arc::new(Semaphore::new(limits.fetches)),
            limits,
            blocks,
            notes,
            opener,
            misdeeds,
            peers: Mutex::default(),
            started: Instant::now(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Sessions { hub: hub.clone(), sessions: HashMap::new() }.work(inbox));
        (Self(hub), tasks)
    }

    /// A peer's first connection stands.
    pub(crate) async fn peer_came(&self, id: PeerId) {
        let hub = &self.0;
        let peer = Arc::new(Peer::new(id, hub.started, &hub.limits));
        let sender = || Sender::new(peer.clone(), hub.opener.clone(), hub.limits.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(ask(hub.clone(), peer.clone(), sender()));
        tasks.spawn(serve(hub.blocks.clone(), sender()));
        lock(&hub.peers).insert(id, Connected { peer, tasks });
        // It fails only when the network is shutting down.
        let _ = hub.notes.send(Note::Came { peer: id }).await;
    }

    /// A peer's last connection ended.
    pub(crate) async fn peer_went(&self, id: PeerId) {
        lock(&self.0.peers).remove(&id);
        let _ = self.0.notes.send(Note::Went { peer: id }).await;
    }

    /// A peer opened a stream of bitswap.
    pub(crate) fn accept(&self, incoming: Incoming) {
        if let Some(connected) = lock(&self.0.peers).get_mut(&incoming.peer) {
            // Streams that have ended leave no trace.
            while connected.tasks.try_join_next().is_some() {}
            connected.tasks.spawn(reader::read(self.0.clone(), connected.peer.clone(), incoming));
        }
    }

    /// Bytes of blocks that came from a peer, and that went to it.
    pub(crate) fn traffic(&self, id: &PeerId) -> (u64, u64) {
        lock(&self.0.peers).get(id).map_or((0, 0), |Connected { peer, .. }| {
            (peer.received_bytes.load(Ordering::Relaxed), peer.sent_bytes.load(Ordering::Relaxed))
        })
    }

    /// Blocks are here now: peers that wait for them get them.
    pub(crate) async fn stored(&self, cids: &[Cid]) {
        let peers: Vec<Arc<Peer>> = lock(&self.0.peers).values().map(|connected| connected.peer.clone()).collect();
        for peer in peers {
            let awaited = {
                let ledger = lock(&peer.ledger);
                cids.iter().filter(|cid| ledger.awaits(cid)).copied().collect()
            };
            self.0.look_up(&peer, awaited).await;
        }
    }

    /// Begins a session.
    pub(crate) async fn open(&self, sources: Sources) -> Result<Ticket, NetError> {
        let hub = &self.0;
        let slot = hub
            .fetches
            .clone()
            .try_acquire_owned()
            .map_err(|_| NetError::LimitReached { limit: "fetches", allowed: hub.limits.fetches })?;
        // Holds at most a block for each want, and those are at most the fetch's window.
        let (sender, deliveries) = mpsc::unbounded_channel();
        let number = ticket_number();
        let notes = hub.notes.clone();
        notes.send(Note::Open { ticket: number, sources, deliveries: sender }).await.map_err(|_| NetError::ShutDown)?;
        Ok(Ticket { number, notes, deliveries, _slot: slot })
    }
}

fn ticket_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn ask(hub: Arc<Hub>, peer: Arc<Peer>, sender: Sender) {
    let error = sender.ask().await;
    tracing::debug!(peer = %peer.id, %error, "it cannot be asked for blocks");
    peer.able.store(false, Ordering::Relaxed);
    let _ = hub.notes.send(Note::Went { peer: peer.id }).await;
}

async fn serve(blocks: Arc<dyn Blocks>, sender: Sender) {
    let error = sender.serve(blocks).await;
    tracing::debug!(%error, "no more blocks are served to a peer");
}

impl Ticket {
    /// Wants more blocks.
    pub(crate) async fn want(&self, cids: Vec<Cid>) -> Result<(), NetError> {
        self.tell(Note::Want { ticket: self.number, cids }).await
    }

    /// Nobody else will come: what no peer has now cannot be had.
    pub(crate) async fn nobody_else(&self) -> Result<(), NetError> {
        self.tell(Note::NobodyElse { ticket: self.number }).await
    }

    async fn tell(&self, note: Note) -> Result<(), NetError> {
        self.notes.send(note).await.map_err(|_| NetError::ShutDown)
    }

    /// The next thing that happens to the fetch.
    pub(crate) async fn next(&mut self) -> Result<Delivery, NetError> {
        self.deliveries.recv().await.ok_or(NetError::ShutDown)
    }
}

impl Hub {
    /// Names a peer that broke the protocol, to have it cut off.
    pub(crate) async fn report(&self, peer: PeerId, misdeed: Misdeed) {
        // It fails only when the network is shutting down.
        let _ = self.misdeeds.send((peer, misdeed)).await;
    }

    fn peer(&self, id: &PeerId) -> Option<Arc<Peer>> {
        lock(&self.peers).get(id).map(|connected| connected.peer.clone())
    }

    fn able_peers(&self) -> Vec<PeerId> {
        let peers = lock(&self.peers);
        peers
            .values()
            .map(|connected| &connected.peer)
            .filter(|peer| peer.able.load(Ordering::Relaxed))
            .map(|peer| peer.id)
            .collect()
    }

    fn now(&self) -> Time {
        self.started.elapsed()
    }
}

/// The sessions, and whom they belong to.
struct Sessions {
    hub: Arc<Hub>,
    sessions: HashMap<u64, Open>,
}

struct Open {
    session: Session,
    sources: Sources,
    deliveries: mpsc::UnboundedSender<Delivery>,
}

impl Sessions {
    async fn work(mut self, mut inbox: mpsc::Receiver<Note>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                note = inbox.recv() => match note {
                    Some(note) => self.take(note),
                    None => return,
                },
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    fn take(&mut self, note: Note) {
        let now = self.hub.now();
        match note {
            Note::Open { ticket, sources, deliveries } => self.open(ticket, sources, deliveries, now),
            Note::Want { ticket, cids } => self.with(ticket, |session| session.want(&cids, now)),
            Note::NobodyElse { ticket } => self.with(ticket, |session| session.lose_patience(now)),
            Note::Came { peer } => self
                .each(|open| if open.sources.include(&peer) { open.session.peer_came(peer, now) } else { Vec::new() }),
            Note::Went { peer } => self.each(|open| open.session.peer_went(&peer, now)),
            Note::Received { peer, blocks, presences } => {
                for (cid, presence) in presences {
                    self.each(|open| open.session.presence(peer, cid, presence, now));
                }
                for block in blocks {
                    self.each(|open| {
                        let (wanted, actions) = open.session.block(peer, block.cid(), now);
                        if wanted {
                            // A fetch that was dropped needs nothing; its session ends at the next tick.
                            let _ = open.deliveries.send(Delivery::Block { block: block.clone(), from: peer });
                        }
                        actions
                    });
                }
            }
        }
    }

    fn open(&mut self, ticket: u64, sources: Sources, deliveries: mpsc::UnboundedSender<Delivery>, now: Time) {
        let session = Session::new(self.hub.limits.clone(), true);
        let mut open = Open { session, sources, deliveries };
        let mut actions = Vec::new();
        for peer in self.hub.able_peers() {
            if open.sources.include(&peer) {
                actions.extend(open.session.peer_came(peer, now));
            }
        }
        self.sessions.insert(ticket, open);
        self.perform(ticket, actions);
    }

    fn tick(&mut self) {
        let now = self.hub.now();
        let (hub, gone): (_, Vec<u64>) = (
            self.hub.clone(),
            self.sessions.iter().filter(|(_, open)| open.deliveries.is_closed()).map(|(ticket, _)| *ticket).collect(),
        );
        for ticket in gone {
            if let Some(open) = self.sessions.remove(&ticket) {
                self.perform(ticket, open.session.close());
            }
        }
        let able = hub.able_peers();
        self.each(|open| {
            let mut actions = open.session.tick(now, |peer| hub.peer(peer).map(|peer| peer.heard()));
            if open.session.is_stranded() {
                // There may be more peers than a session uses at a time.
                let others = able.iter().filter(|peer| open.sources.include(peer));
                actions.extend(others.flat_map(|peer| open.session.peer_came(*peer, now)).collect::<Vec<_>>());
            }
            actions
        });
    }

    fn with(&mut self, ticket: u64, step: impl FnOnce(&mut Session) -> Vec<Action>) {
        if let Some(open) = self.sessions.get_mut(&ticket) {
            let actions = step(&mut open.session);
            self.perform(ticket, actions);
        }
    }

    fn each(&mut self, mut step: impl FnMut(&mut Open) -> Vec<Action>) {
        let all: Vec<(u64, Vec<Action>)> = self
            .sessions
            .iter_mut()
            .map(|(ticket, open)| (*ticket, step(open)))
            .filter(|(_, actions)| !actions.is_empty())
            .collect();
        for (ticket, actions) in all {
            self.perform(ticket, actions);
        }
    }

    fn perform(&mut self, ticket: u64, actions: Vec<Action>) {
        for action in actions {
            let delivery = match action {
                Action::Ask { peer, cid, kind } => {
                    if let Some(peer) = self.hub.peer(&peer) {
                        peer.ask(cid, kind);
                    }
                    continue;
                }
                Action::Cancel { peer, cid } => {
                    // Another session may still want it from there.
                    if !self.sessions.values().any(|open| open.session.expects(&peer, &cid))
                        && let Some(peer) = self.hub.peer(&peer)
                    {
                        peer.cancel(cid);
                    }
                    continue;
                }
                Action::Drop { peer, reason } => Delivery::Dropped { peer, reason },
                Action::Seek { .. } => Delivery::Seek,
                Action::Fail { cid, asked } => Delivery::Failed { cid, asked },
            };
            if let Some(open) = self.sessions.get(&ticket) {
                // As above: the next tick ends a session whose fetch was dropped.
                let _ = open.deliveries.send(delivery);
            }
        }
    }
}
