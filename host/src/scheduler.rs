//! Who executes when: first come, first served, within slots, memory and a share for each peer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// What this machine gives to runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SchedulerLimits {
    /// Runs that execute at once.
    pub(crate) slots: usize,
    /// Runs that wait.
    pub(crate) queue: usize,
    /// Runs of one peer, waiting or executing.
    pub(crate) runs_per_peer: usize,
    /// Bytes that all executing runs may have together, by their limits.
    pub(crate) memory_bytes: u64,
    /// Bytes that a single run may have.
    pub(crate) run_memory_bytes: u64,
}

/// Why a run gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    #[error("{queue} runs wait already, the limit host.queue of this host")]
    QueueFull { queue: usize },
    #[error("this peer has {runs} runs here already, the limit host.runs_per_peer of this host")]
    PeerFull { runs: usize },
    #[error("the run may use {asked} bytes of memory, and the limit host.run_memory_bytes of this host is {allowed}")]
    TooMuchMemory { asked: u64, allowed: u64 },
}

/// The queue of one node.
#[derive(Debug)]
pub(crate) struct Scheduler {
    queue: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: SchedulerLimits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    running: usize,
    memory_bytes: u64,
    waiting: VecDeque<(u64, u64)>,
    per_peer: HashMap<String, usize>,
}

impl Scheduler {
    pub(crate) fn new(limits: SchedulerLimits) -> Self {
        Self { queue: Arc::new(Shared { limits, state: Mutex::default(), changed: Notify::new() }) }
    }

    pub(crate) fn limits(&self) -> &SchedulerLimits {
        &self.queue.limits
    }

    /// Joins the queue. `peer` is who asks; none for this home's own runs, which have no share to keep to.
    pub(crate) fn enter(&self, peer: Option<&str>, memory_bytes: u64) -> Result<Place, NoPlace> {
        let limits = &self.queue.limits;
        if memory_bytes > limits.run_memory_bytes {
            return Err(NoPlace::TooMuchMemory { asked: memory_bytes, allowed: limits.run_memory_bytes });
        }
        // A limit is a bound that few runs reach: one alone may start on a machine that is smaller.
        let memory_bytes = memory_bytes.min(limits.memory_bytes);
        let mut state = self.queue.lock();
        let at_once = state.waiting.is_empty() && state.fits(limits, memory_bytes);
        if !at_once && state.waiting.len() >= limits.queue {
            return Err(NoPlace::QueueFull { queue: limits.queue });
        }
        if let Some(peer) = peer {
            let runs = state.per_peer.entry(peer.to_owned()).or_default();
            if *runs >= limits.runs_per_peer {
                return Err(NoPlace::PeerFull { runs: *runs });
            }
            *runs += 1;
        }
        let ticket = state.next;
        state.next += 1;
        state.waiting.push_back((ticket, memory_bytes));
        drop(state);
        Ok(Place { queue: self.queue.clone(), ticket, memory_bytes, peer: peer.map(str::to_owned), started: false })
    }

    /// Runs that execute, and runs that wait.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.queue.lock();
        (state.running, state.waiting.len())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl State {
    fn fits(&self, limits: &SchedulerLimits, memory_bytes: u64) -> bool {
        self.running < limits.slots && self.memory_bytes + memory_bytes <= limits.memory_bytes
    }

    /// Starts the run at the head, if it is this one and fits.
    fn start(&mut self, limits: &SchedulerLimits, ticket: u64) -> bool {
        match self.waiting.front() {
            Some(&(first, memory_bytes)) if first == ticket && self.fits(limits, memory_bytes) => {
                self.waiting.pop_front();
                self.running += 1;
                self.memory_bytes += memory_bytes;
                true
            }
            _ => false,
        }
    }
}

/// A run's place in the queue, then its slot; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Shared>,
    ticket: u64,
    memory_bytes: u64,
    peer: Option<String>,
    started: bool,
}

impl Place {
    /// Runs that come before this one.
    pub(crate) fn ahead(&self) -> u64 {
        let state = self.queue.lock();
        state.waiting.iter().take_while(|(ticket, _)| *ticket != self.ticket).count() as u64
    }

    /// Waits for the run's turn. Dropping the place gives up.
    pub(crate) async fn turn(&mut self) {
        loop {
            let changed = self.queue.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.queue.lock().start(&self.queue.limits, self.ticket) {
                self.started = true;
                // The next one may fit beside this one.
                self.queue.changed.notify_waiters();
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if self.started {
            state.running -= 1;
            state.memory_bytes -= self.memory_bytes;
        } else {
            state.waiting.retain(|(ticket, _)| *ticket != self.ticket);
        }
        if let Some(peer) = &self.peer
            && let Some(runs) = state.per_peer.get_mut(peer)
        {
            *runs -= 1;
            if *runs == 0 {
                state.per_peer.remove(peer);
            }
        }
        drop(state);
        self.queue.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SchedulerLimits =
        SchedulerLimits { slots: 2, queue: 2, runs_per_peer: 3, memory_bytes: 10, run_memory_bytes: 8 };

    async fn is_its_turn(place: &mut Place) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(20), place.turn()).await.is_ok()
    }

    #[tokio::test]
    async fn runs_start_in_order_within_slots_and_memory() {
        let scheduler = Scheduler::new(LIMITS);
        let mut first = scheduler.enter(None, 8).unwrap();
        assert!(is_its_turn(&mut first).await);
        let mut second = scheduler.enter(None, 8).unwrap();
        let mut third = scheduler.enter(None, 1).unwrap();
        assert!(!is_its_turn(&mut second).await, "there is a slot, but no memory");
        assert!(!is_its_turn(&mut third).await, "nobody overtakes");
        assert_eq!((second.ahead(), third.ahead(), scheduler.load()), (0, 1, (1, 2)));
        drop(first);
        assert!(is_its_turn(&mut second).await && is_its_turn(&mut third).await);
        drop((second, third));
        assert_eq!(scheduler.load(), (0, 0));
    }

    #[tokio::test]
    async fn limits_turn_runs_away_by_name() {
        let scheduler = Scheduler::new(LIMITS);
        assert_eq!(scheduler.enter(None, 9).unwrap_err(), NoPlace::TooMuchMemory { asked: 9, allowed: 8 });
        let mut places: Vec<Place> = Vec::new();
        for _ in 0..2 {
            let mut place = scheduler.enter(Some("peer"), 1).unwrap();
            place.turn().await;
            places.push(place);
        }
        places.push(scheduler.enter(Some("peer"), 1).unwrap());
        assert_eq!(scheduler.enter(Some("peer"), 1).unwrap_err(), NoPlace::PeerFull { runs: 3 });
        places.push(scheduler.enter(Some("other"), 1).unwrap());
        assert_eq!(scheduler.enter(None, 1).unwrap_err(), NoPlace::QueueFull { queue: 2 });
        places.clear();
        assert!(scheduler.enter(Some("peer"), 1).is_ok());
    }

    #[tokio::test]
    async fn who_gives_up_makes_way() {
        let scheduler = Scheduler::new(SchedulerLimits { slots: 1, ..LIMITS });
        let mut running = scheduler.enter(None, 1).unwrap();
        running.turn().await;
        let gone = scheduler.enter(None, 1).unwrap();
        let mut last = scheduler.enter(None, 1).unwrap();
        drop(gone);
        drop(running);
        assert!(is_its_turn(&mut last).await);
    }
}
