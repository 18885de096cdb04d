use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cid::Cid;
use libp2p::PeerId;

use super::message::{Presence, WantKind};
use crate::BitswapLimits;

/// Time since the exchange began.
pub(crate) type Time = Duration;

/// Whom one fetch asks for what: pure, so that every order of events can be tried.
///
/// A peer that sent a block, or said that it has one, is *useful*, and asked for blocks outright, as
/// many at once as it keeps up with. The others are asked for one block, or merely whether they have
/// it. What a peer lacks, owes for too long or takes with it is asked of another.
pub(crate) struct Session {
    limits: BitswapLimits,
    wants: BTreeMap<Cid, Want>,
    /// Wants with nobody on them, in order.
    idle: VecDeque<Cid>,
    peers: BTreeMap<PeerId, Peer>,
    /// Peers that are asked no more.
    dropped: BTreeSet<PeerId>,
    /// Peers that had nothing and made room for others.
    exhausted: BTreeSet<PeerId>,
    /// Set while more peers may still come.
    patient: bool,
    actions: Vec<Action>,
}

#[derive(Default)]
struct Want {
    /// Who owes the block.
    asked: BTreeSet<PeerId>,
    /// Who knows that it is wanted.
    told: BTreeSet<PeerId>,
    /// Who said that it has it.
    haves: BTreeSet<PeerId>,
    /// Who said that it lacks it, or owed it for too long.
    refused: BTreeSet<PeerId>,
    /// Since when nobody can be asked.
    stranded: Option<Time>,
}

#[derive(Default)]
struct Peer {
    /// What it owes, and since when.
    owed: BTreeMap<Cid, Time>,
    /// When bytes last came from it.
    heard: Time,
    /// Blocks that it may owe at once.
    window: usize,
    useful: bool,
    /// Blocks in a row that it lacked.
    misses: u32,
    stalls: u32,
}

/// What a session wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Ask {
        peer: PeerId,
        cid: Cid,
        kind: WantKind,
    },
    Cancel {
        peer: PeerId,
        cid: Cid,
    },
    /// A peer has stalled too often.
    Drop {
        peer: PeerId,
        reason: String,
    },
    /// Nobody who is connected can be asked for this.
    Seek {
        cid: Cid,
    },
    /// Nobody has it.
    Fail {
        cid: Cid,
        asked: Vec<PeerId>,
    },
}

/// Blocks that a peer may owe before it has sent any.
const FIRST_WINDOW: usize = 8;
/// Blocks that a useful peer may lack, in a row, before it is useful no more.
const MISSES: u32 = 16;
/// Blocks about which a peer that never had any is asked.
const PROBES: u32 = 4;

impl Session {
    /// A session without peers. `patient` says that more may come, so that a block which nobody has is
    /// waited for.
    pub(crate) fn new(limits: BitswapLimits, patient: bool) -> Self {
        Self {
            limits,
            wants: BTreeMap::new(),
            idle: VecDeque::new(),
            peers: BTreeMap::new(),
            dropped: BTreeSet::new(),
            exhausted: BTreeSet::new(),
            patient,
            actions: Vec::new(),
        }
    }

    /// Whether there is a block that none of the session's peers has.
    pub(crate) fn is_stranded(&self) -> bool {
        self.wants.values().any(|want| want.stranded.is_some())
    }

    /// Whether this peer owes a block, or an answer about it.
    pub(crate) fn expects(&self, peer: &PeerId, cid: &Cid) -> bool {
        self.wants.get(cid).is_some_and(|want| want.told.contains(peer))
    }

    /// Nobody is to be waited for any longer: those who were dialled came or did not.
    pub(crate) fn lose_patience(&mut self, now: Time) -> Vec<Action> {
        self.patient = false;
        self.assign(now)
    }

    pub(crate) fn want(&mut self, cids: &[Cid], now: Time) -> Vec<Action> {
        for cid in cids {
            if !self.wants.contains_key(cid) {
                self.wants.insert(*cid, Want::default());
                self.idle.push_back(*cid);
            }
        }
        self.assign(now)
    }

    pub(crate) fn peer_came(&mut self, peer: PeerId, now: Time) -> Vec<Action> {
        if self.dropped.contains(&peer) || self.peers.contains_key(&peer) || !self.has_room_for(&peer) {
            return Vec::new();
        }
        self.peers.insert(peer, Peer { window: FIRST_WINDOW, heard: now, ..Peer::default() });
        self.assign(now)
    }

    /// Makes room, if there is none, by letting go of a peer that had nothing so far.
    fn has_room_for(&mut self, peer: &PeerId) -> bool {
        if self.peers.len() < self.limits.peers_per_fetch {
            return true;
        }
        let had_nothing = |other: &Peer| !other.useful && other.owed.is_empty() && other.misses > 0;
        let useless = self.peers.iter().find(|(_, other)| had_nothing(other)).map(|(id, _)| *id);
        match useless.filter(|_| !self.exhausted.contains(peer)) {
            // What it said of each block stays known.
            Some(useless) => self.peers.remove(&useless).is_some() && self.exhausted.insert(useless),
            None => false,
        }
    }

    pub(crate) fn peer_went(&mut self, peer: &PeerId, now: Time) -> Vec<Action> {
        self.remove(peer);
        self.assign(now)
    }

    pub(crate) fn presence(&mut self, peer: PeerId, cid: Cid, presence: Presence, now: Time) -> Vec<Action> {
        let Some(from) = self.peers.get_mut(&peer) else { return Vec::new() };
        let Some(want) = self.wants.get_mut(&cid) else { return Vec::new() };
        if !want.told.contains(&peer) {
            return Vec::new();
        }
        from.heard = now;
        match presence {
            Presence::Have => {
                from.useful = true;
                from.misses = 0;
                want.haves.insert(peer);
                want.refused.remove(&peer);
            }
            Presence::DontHave => {
                from.misses += 1;
                from.useful &= from.misses < MISSES;
                from.owed.remove(&cid);
                want.asked.remove(&peer);
                want.haves.remove(&peer);
                want.refused.insert(peer);
                if want.asked.is_empty() {
                    self.idle.push_back(cid);
                }
            }
        }
        self.assign(now)
    }

    /// A block came, and is what its CID says. False if it was not wanted (any more).
    pub(crate) fn block(&mut self, peer: PeerId, cid: &Cid, now: Time) -> (bool, Vec<Action>) {
        let Some(want) = self.wants.remove(cid) else { return (false, Vec::new()) };
        for other in &want.told {
            if let Some(other) = self.peers.get_mut(other) {
                other.owed.remove(cid);
            }
            if *other != peer {
                self.actions.push(Action::Cancel { peer: *other, cid: *cid });
            }
        }
        if let Some(from) = self.peers.get_mut(&peer) {
            from.heard = now;
            from.useful = true;
            from.misses = 0;
            from.stalls = 0;
            from.window = (from.window + 1).min(self.limits.window_per_peer);
        }
        (true, self.assign(now))
    }

    /// Time passes. `heard` says when bytes last came from a peer.
    pub(crate) fn tick(&mut self, now: Time, heard: impl Fn(&PeerId) -> Option<Time>) -> Vec<Action> {
        let mut stalled = Vec::new();
        for (id, peer) in &mut self.peers {
            peer.heard = peer.heard.max(heard(id).unwrap_or_default());
            let Some(oldest) = peer.owed.values().min() else { continue };
            if now.saturating_sub(peer.heard.max(*oldest)) >= self.limits.stall {
                stalled.push(*id);
            }
        }
        stalled.into_iter().for_each(|peer| self.stall(peer));
        self.rescue_late(now);
        self.assign(now)
    }

    /// Everything that peers may still work on for this session.
    pub(crate) fn close(mut self) -> Vec<Action> {
        for (cid, want) in std::mem::take(&mut self.wants) {
            self.actions.extend(want.told.into_iter().map(|peer| Action::Cancel { peer, cid }));
        }
        self.actions
    }

    fn stall(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.stalls += 1;
        peer.window = 1;
        peer.useful = false;
        let owed = std::mem::take(&mut peer.owed);
        let (stalls, many) = (peer.stalls, owed.len());
        for cid in owed.into_keys() {
            let want = self.wants.get_mut(&cid).expect("what is owed is wanted");
            want.asked.remove(&id);
            want.told.remove(&id);
            want.haves.remove(&id);
            self.actions.push(Action::Cancel { peer: id, cid });
            if want.asked.is_empty() {
                self.idle.push_back(cid);
            }
        }
        if stalls >= self.limits.stalls {
            let waited = self.limits.stall.as_secs_f32();
            let reason = format!("it sent nothing for {waited} s, {stalls} times, and owed {many} blocks");
            self.remove(&id);
            self.dropped.insert(id);
            self.actions.push(Action::Drop { peer: id, reason });
        }
    }

    /// Asks a second peer for what the first owes for longer than is usual.
    fn rescue_late(&mut self, now: Time) {
        let late: Vec<Cid> = self
            .peers
            .values()
            .filter(|peer| now.saturating_sub(peer.heard) >= self.limits.hedge)
            .flat_map(|peer| &peer.owed)
            .filter(|(_, since)| now.saturating_sub(**since) >= self.limits.hedge)
            .map(|(cid, _)| *cid)
            .collect();
        for cid in late {
            if self.wants[&cid].asked.len() == 1
                && let Some(peer) = self.choose(&cid)
                && self.peers[&peer].useful
            {
                self.ask(peer, cid, now);
            }
        }
    }

    fn remove(&mut self, id: &PeerId) {
        let Some(peer) = self.peers.remove(id) else { return };
        for (cid, want) in &mut self.wants {
            want.asked.remove(id);
            want.told.remove(id);
            want.haves.remove(id);
            want.refused.remove(id);
            if peer.owed.contains_key(cid) && want.asked.is_empty() {
                self.idle.push_back(*cid);
            }
        }
    }

    /// Finds somebody for every want that nobody owes, as far as windows allow.
    fn assign(&mut self, now: Time) -> Vec<Action> {
        let mut later = VecDeque::new();
        while let Some(cid) = self.idle.pop_front() {
            if !self.wants.get(&cid).is_some_and(|want| want.asked.is_empty()) {
                continue;
            }
            match self.choose(&cid) {
                Some(peer) => {
                    self.ask(peer, cid, now);
                    self.probe(&cid);
                }
                None => {
                    let windows_are_full = self.candidates(&cid).next().is_some();
                    if windows_are_full || !self.strand(&cid, now) {
                        later.push_back(cid);
                    }
                }
            }
        }
        self.idle = later;
        std::mem::take(&mut self.actions)
    }

    /// Notes that nobody can be asked for a want; true if that is the end of it.
    fn strand(&mut self, cid: &Cid, now: Time) -> bool {
        let want = self.wants.get_mut(cid).expect("only wanted blocks are assigned");
        if want.stranded.is_none() && self.patient {
            self.actions.push(Action::Seek { cid: *cid });
        }
        let since = *want.stranded.get_or_insert(now);
        if self.patient && now.saturating_sub(since) < self.limits.patience {
            return false;
        }
        let asked = want.refused.iter().copied().collect();
        let told = std::mem::take(&mut want.told);
        self.actions.extend(told.into_iter().map(|peer| Action::Cancel { peer, cid: *cid }));
        self.wants.remove(cid);
        self.actions.push(Action::Fail { cid: *cid, asked });
        true
    }

    /// The peers that may have a block and were not asked for it yet.
    fn candidates<'a>(&'a self, cid: &Cid) -> impl Iterator<Item = (&'a PeerId, &'a Peer)> {
        let want = &self.wants[cid];
        self.peers.iter().filter(|(id, _)| !want.refused.contains(id) && !want.asked.contains(id))
    }

    /// The best of them with room: one that said it has the block, else a useful one, else any; among
    /// equals the one with most room.
    fn choose(&self, cid: &Cid) -> Option<PeerId> {
        let want = &self.wants[cid];
        self.candidates(cid)
            .filter(|(_, peer)| peer.owed.len() < peer.window)
            .max_by_key(|(id, peer)| (want.haves.contains(id), peer.useful, peer.window - peer.owed.len()))
            .map(|(id, _)| *id)
    }

    fn ask(&mut self, id: PeerId, cid: Cid, now: Time) {
        let want = self.wants.get_mut(&cid).expect("only wanted blocks are asked for");
        want.asked.insert(id);
        want.told.insert(id);
        want.stranded = None;
        self.peers.get_mut(&id).expect("only peers of the session are chosen").owed.insert(cid, now);
        self.actions.push(Action::Ask { peer: id, cid, kind: WantKind::Block });
    }

    /// Asks peers that never had anything whether they have this.
    fn probe(&mut self, cid: &Cid) {
        let want = self.wants.get_mut(cid).expect("only wanted blocks are probed for");
        for (id, peer) in &mut self.peers {
            let known = peer.useful || peer.misses >= PROBES;
            if !known && !want.refused.contains(id) && !want.asked.contains(id) && want.told.insert(*id) {
                self.actions.push(Action::Ask { peer: *id, cid: *cid, kind: WantKind::Have });
            }
        }
    }
}

#[cfg(test)]
mod tests;
