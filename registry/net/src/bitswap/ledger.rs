use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use cid::Cid;

use super::message::{Want, WantKind};

/// What one peer asked us for and has not got: pure bookkeeping.
///
/// A want first waits. Once the store said how it stands, [`Ledger::found`] puts it in the queue, and
/// [`Ledger::lacking`] leaves it waiting for a block that may come later.
pub(crate) struct Ledger {
    queue: BTreeMap<QueueKey, Queued>,
    queued: HashMap<Cid, QueueKey>,
    waiting: HashMap<Cid, Waiting>,
    /// The order in which waits began, with entries of wants that are gone.
    waiting_order: VecDeque<(Cid, u64)>,
    dont_haves: Vec<Cid>,
    pending_bytes: u64,
    next_number: u64,
    waiting_limit: usize,
}

/// Highest priority first, then first come.
type QueueKey = (Reverse<i32>, u64);

struct Queued {
    cid: Cid,
    kind: WantKind,
    bytes: u64,
}

struct Waiting {
    priority: i32,
    kind: WantKind,
    send_dont_have: bool,
    number: u64,
}

/// What goes into the next message to the peer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) blocks: Vec<Cid>,
    pub(crate) haves: Vec<Cid>,
    pub(crate) dont_haves: Vec<Cid>,
    /// Bytes of blocks that stay in the queue.
    pub(crate) pending_bytes: u64,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.haves.is_empty() && self.dont_haves.is_empty()
    }
}

impl Ledger {
    pub(crate) fn new(waiting_limit: usize) -> Self {
        Self {
            queue: BTreeMap::new(),
            queued: HashMap::new(),
            waiting: HashMap::new(),
            waiting_order: VecDeque::new(),
            dont_haves: Vec::new(),
            pending_bytes: 0,
            next_number: 0,
            waiting_limit,
        }
    }

    /// Wants that the peer waits for an answer to.
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.dont_haves.len()
    }

    /// Forgets every want: the peer sends its whole wantlist anew.
    pub(crate) fn clear(&mut self) {
        *self = Self { next_number: self.next_number, ..Self::new(self.waiting_limit) };
    }

    /// Takes up a want, or takes it back.
    pub(crate) fn apply(&mut self, want: &Want) {
        if want.cancel {
            self.waiting.remove(&want.cid);
            self.unqueue(&want.cid);
            return;
        }
        // A block that is on its way serves a mere question too.
        let queued = self.queued.get(&want.cid).and_then(|key| self.queue.get(key));
        if queued.is_some_and(|queued| queued.kind >= want.kind) {
            return;
        }
        let number = self.number();
        let kind = self.waiting.get(&want.cid).map_or(want.kind, |waiting| waiting.kind.max(want.kind));
        let waiting = Waiting { priority: want.priority, kind, send_dont_have: want.send_dont_have, number };
        self.waiting.insert(want.cid, waiting);
        self.waiting_order.push_back((want.cid, number));
        self.shorten_waiting();
    }

    /// The block is here: its want moves into the queue.
    pub(crate) fn found(&mut self, cid: &Cid, bytes: u64) {
        let Some(Waiting { priority, kind, .. }) = self.waiting.remove(cid) else { return };
        self.unqueue(cid);
        let key = (Reverse(priority), self.number());
        if kind == WantKind::Block {
            self.pending_bytes += bytes;
        }
        self.queued.insert(*cid, key);
        self.queue.insert(key, Queued { cid: *cid, kind, bytes });
    }

    /// The block is not here: the peer is told so, once, if it wants to know.
    pub(crate) fn lacking(&mut self, cid: &Cid) {
        if let Some(waiting) = self.waiting.get_mut(cid)
            && std::mem::take(&mut waiting.send_dont_have)
        {
            self.dont_haves.push(*cid);
        }
    }

    /// Whether the peer waits for a block that was not here.
    pub(crate) fn awaits(&self, cid: &Cid) -> bool {
        self.waiting.contains_key(cid)
    }

    /// Takes the next message's content off: blocks until they fill `batch_bytes`, presences until
    /// there are `entries`. Empty if nothing is due.
    pub(crate) fn next_batch(&mut self, batch_bytes: u64, entries: usize) -> Batch {
        let mut batch = Batch::default();
        let told = self.dont_haves.len().min(entries);
        batch.dont_haves.extend(self.dont_haves.drain(..told));
        let mut bytes = 0;
        while bytes < batch_bytes && batch.haves.len() + told < entries {
            let Some((_, queued)) = self.queue.pop_first() else { break };
            self.queued.remove(&queued.cid);
            match queued.kind {
                WantKind::Have => batch.haves.push(queued.cid),
                WantKind::Block => {
                    bytes += queued.bytes;
                    self.pending_bytes -= queued.bytes;
                    batch.blocks.push(queued.cid);
                }
            }
        }
        batch.pending_bytes = self.pending_bytes;
        batch
    }

    fn unqueue(&mut self, cid: &Cid) {
        if let Some(queued) = self.queued.remove(cid).and_then(|key| self.queue.remove(&key))
            && queued.kind == WantKind::Block
        {
            self.pending_bytes -= queued.bytes;
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn shorten_waiting(&mut self) {
        while self.waiting.len() > self.waiting_limit || self.waiting_order.len() > 2 * self.waiting_limit {
            let Some((cid, number)) = self.waiting_order.pop_front() else { return };
            if self.waiting.get(&cid).is_some_and(|waiting| waiting.number == number) {
                self.waiting.remove(&cid);
            }
        }
    }
}

#[cfg(test)]
mod tests;
