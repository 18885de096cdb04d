//! Whom to ask for one run, in which order, and who is not asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poai_net::{NetEvent, PeerId, peer_of};
use poai_objects::{EngineName, Offer, Signed};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::interrupted;
use super::network::Network;
use crate::errors::{Failure, Kind};
use crate::events::{Event, Events};

/// How long one waits for new offers before asking busy hosts again.
const PAUSE: Duration = Duration::from_millis(500);

/// The hosts of one request: who was asked, and how it went.
pub(super) struct Hosts<'a> {
    pub(super) network: &'a Network,
    /// One host alone, if the request names it.
    only: Option<PeerId>,
    /// What the run may use: hosts that give less are not asked.
    memory_bytes: u64,
    /// Not to be asked, or not again.
    out: BTreeSet<PeerId>,
    /// Had no place when they were asked: they come last.
    busy: BTreeSet<PeerId>,
    said: BTreeMap<PeerId, String>,
    /// Whether one took the run, and came to no claim.
    faulted: bool,
    deadline: Instant,
}

impl<'a> Hosts<'a> {
    /// The hosts for a run, looked for until `patience` is over. This node is none of them.
    pub(super) fn new(network: &'a Network, only: Option<PeerId>, memory_bytes: u64, patience: Duration) -> Self {
        Self {
            network,
            only,
            memory_bytes,
            out: [network.net.peer()].into(),
            busy: BTreeSet::new(),
            said: BTreeMap::new(),
            faulted: false,
            deadline: Instant::now() + patience,
        }
    }

    /// The best host that was not asked yet, then busy ones again; waits for one until the patience ends.
    pub(super) async fn next(&mut self, cancel: &CancellationToken) -> Result<PeerId, Failure> {
        loop {
            let best = self.best();
            if let Some(host) = best
                && !self.busy.remove(&host)
            {
                return Ok(host);
            }
            let asked_out = self.only.is_some_and(|only| self.out.contains(&only));
            if asked_out || Instant::now() >= self.deadline {
                return Err(self.nobody());
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE.min(self.deadline - Instant::now())) => {}
                () = self.offer_seen() => {}
                () = cancel.cancelled() => return Err(interrupted()),
            }
        }
    }

    /// A host that has done what it was asked for, or must not be asked.
    pub(super) fn leave_out(&mut self, host: PeerId) {
        self.out.insert(host);
    }

    /// A host that has no place now, and may have one in a moment.
    pub(super) fn is_busy(&mut self, host: PeerId, reason: String) {
        self.busy.insert(host);
        self.said.insert(host, reason);
    }

    /// Takes a host out, and says why.
    pub(super) fn give_up(&mut self, host: PeerId, reason: String, events: &Events) {
        events.send(Event::HostFailed { host: host.to_string(), reason: reason.clone() });
        self.out.insert(host);
        self.said.insert(host, reason);
    }

    /// Takes a host out that took the run and came to no claim.
    pub(super) fn came_to_nothing(&mut self, host: PeerId, reason: String, events: &Events) {
        self.faulted = true;
        self.give_up(host, reason, events);
    }

    /// Why nobody is left.
    fn nobody(&self) -> Failure {
        if self.said.is_empty() {
            return Failure::new(Kind::NoPeer, "no host offers to take the run");
        }
        let said: Vec<String> = self.said.iter().map(|(host, reason)| format!("{host}: {reason}")).collect();
        let (kind, what) =
            if self.faulted { (Kind::HostFault, "came to a claim") } else { (Kind::Declined, "took the run") };
        Failure::new(kind, format!("no host {what} ({})", said.join("; ")))
    }

    async fn offer_seen(&self) {
        let mut events = self.network.net.events();
        while !matches!(events.recv().await, Ok(NetEvent::OfferSeen { .. }) | Err(_)) {}
    }

    fn best(&self) -> Option<PeerId> {
        if let Some(only) = self.only {
            return (!self.out.contains(&only)).then_some(only);
        }
        let offers = self.network.net.offers();
        let fits = |signed: &&Signed<Offer>| {
            let offer = signed.object();
            offer.engine == EngineName::CURRENT
                && offer.memory_bytes >= self.memory_bytes
                && !self.out.contains(&peer_of(signed.key()))
        };
        // Free before busy, then cheap before dear, then fast before slow.
        let merit = |signed: &&Signed<Offer>| {
            let (offer, host) = (signed.object(), peer_of(signed.key()));
            (self.busy.contains(&host), offer.free_slots == 0, offer.price, std::cmp::Reverse(offer.fuel_per_s), host)
        };
        offers.iter().filter(fits).min_by_key(merit).map(|signed| peer_of(signed.key()))
    }
}
