use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cid::Cid;
use libp2p::PeerId;
use tokio::sync::{Notify, Semaphore};

use super::ledger::Ledger;
use super::message::{Want, WantKind};
use super::session::Time;
use crate::BitswapLimits;

/// A connected peer, as its tasks share it.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    /// What it asked us for.
    pub(crate) ledger: Mutex<Ledger>,
    /// The ledger has something to send.
    pub(crate) work: Notify,
    /// The ledger became shorter.
    pub(crate) room: Notify,
    /// What we are about to ask it for.
    pub(crate) outbox: Mutex<Outbox>,
    /// The outbox has something to send.
    pub(crate) asks: Notify,
    /// Messages of it that are read at the same time.
    pub(crate) readers: Arc<Semaphore>,
    /// Cleared when it turns out not to speak bitswap.
    pub(crate) able: AtomicBool,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    allowance: Mutex<Allowance>,
    started: Instant,
    heard_ms: AtomicU64,
}

impl Peer {
    pub(crate) fn new(id: PeerId, started: Instant, limits: &BitswapLimits) -> Self {
        Self {
            id,
            ledger: Mutex::new(Ledger::new(limits.waiting_per_peer)),
            work: Notify::new(),
            room: Notify::new(),
            outbox: Mutex::default(),
            asks: Notify::new(),
            readers: Arc::new(Semaphore::new(limits.readers_per_peer)),
            able: AtomicBool::new(true),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            allowance: Mutex::default(),
            started,
            heard_ms: AtomicU64::new(0),
        }
    }

    /// Asks for a block, or about it.
    pub(crate) fn ask(&self, cid: Cid, kind: WantKind) {
        lock(&self.allowance).grant(cid);
        lock(&self.outbox).put(cid, Some(kind));
        self.asks.notify_one();
    }

    /// Takes an ask back. The block may be on its way all the same.
    pub(crate) fn cancel(&self, cid: Cid) {
        lock(&self.outbox).put(cid, None);
        self.asks.notify_one();
    }

    /// Whether the peer was asked for a block that it sent; each ask allows it once.
    pub(crate) fn may_send(&self, cid: &Cid) -> bool {
        lock(&self.allowance).take(cid)
    }

    /// Notes that something came from it.
    pub(crate) fn hear(&self) {
        self.heard_ms.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    pub(crate) fn heard(&self) -> Time {
        Duration::from_millis(self.heard_ms.load(Ordering::Relaxed))
    }
}

/// Locks, whatever a panic elsewhere left behind: the states below hold after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Asks and cancels on their way to a peer, the last word on each block.
#[derive(Default)]
pub(crate) struct Outbox {
    entries: BTreeMap<Cid, (u64, Option<WantKind>)>,
    next: u64,
}

impl Outbox {
    fn put(&mut self, cid: Cid, kind: Option<WantKind>) {
        self.next += 1;
        self.entries.insert(cid, (self.next, kind));
    }

    /// Takes the first `most` entries off, in the order in which they were put.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Want> {
        let mut order: Vec<(u64, Cid)> = self.entries.iter().map(|(cid, (number, _))| (*number, *cid)).collect();
        order.sort_unstable();
        order.truncate(most);
        let mut want = |(number, cid): (u64, Cid)| {
            let (_, kind) = self.entries.remove(&cid).expect("it was listed a moment ago");
            Want {
                cid,
                // Earlier asks come first, and a peer may see that by this number alone.
                priority: i32::MAX - i32::try_from(number).unwrap_or(i32::MAX - 1),
                cancel: kind.is_none(),
                kind: kind.unwrap_or(WantKind::Block),
                send_dont_have: kind.is_some(),
            }
        };
        order.into_iter().map(&mut want).collect()
    }
}

/// The blocks that a peer may send, because it was asked for them.
#[derive(Default)]
struct Allowance {
    asks: HashMap<Cid, (u32, u64)>,
    order: VecDeque<(Cid, u64)>,
    next: u64,
}

/// Asks that are remembered. Far above what all fetches together have under way at one peer.
const ASKS_REMEMBERED: usize = 32_768;

impl Allowance {
    fn grant(&mut self, cid: Cid) {
        self.next += 1;
        let ask = self.asks.entry(cid).or_default();
        *ask = (ask.0 + 1, self.next);
        self.order.push_back((cid, self.next));
        while self.order.len() > ASKS_REMEMBERED {
            let Some((oldest, number)) = self.order.pop_front() else { return };
            if self.asks.get(&oldest).is_some_and(|ask| ask.1 == number) {
                self.asks.remove(&oldest);
            }
        }
    }

    fn take(&mut self, cid: &Cid) -> bool {
        let Some(ask) = self.asks.get_mut(cid) else { return false };
        ask.0 -= 1;
        if ask.0 == 0 {
            self.asks.remove(cid);
        }
        true
    }
}
