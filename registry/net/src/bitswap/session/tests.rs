//! Sessions against simulated peers, in virtual time, the same for the same seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use libp2p::identity::Keypair;
use poai_objects::codec::{RAW, cid_of};

use super::*;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// How a simulated peer behaves.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// It has everything, and sends a block each so many milliseconds.
    Honest { each_ms: u64 },
    /// It has every other block.
    Half { each_ms: u64 },
    /// It has nothing and says so.
    Empty,
    /// It says that it has everything and sends nothing.
    Stalling,
    /// It never answers.
    Silent,
    /// It is honest, and gone after so many blocks.
    Dying { blocks: u64 },
}

struct Simulated {
    manner: Manner,
    /// When it has sent everything that it was asked for so far.
    busy_until: u64,
    sent: u64,
    gone: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Block(PeerId, Cid),
    Presence(PeerId, Cid, bool),
    Gone(PeerId),
}

struct World {
    session: Session,
    peers: BTreeMap<PeerId, Simulated>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    number: u64,
    now_ms: u64,
    got: BTreeMap<Cid, PeerId>,
    failed: Vec<Cid>,
    dropped: Vec<PeerId>,
}

fn limits() -> BitswapLimits {
    BitswapLimits { window_per_peer: 16, ..BitswapLimits::default() }
}

fn peer_id(seed: u8) -> PeerId {
    Keypair::ed25519_from_bytes([seed; 32]).expect("any seed will do").public().to_peer_id()
}

fn cid(number: u64) -> Cid {
    cid_of(RAW, &number.to_le_bytes())
}

impl World {
    fn new(manners: &[Manner]) -> Self {
        let peers = manners.iter().enumerate().map(|(index, manner)| {
            (peer_id(index as u8 + 1), Simulated { manner: *manner, busy_until: 0, sent: 0, gone: false })
        });
        Self {
            session: Session::new(limits(), true),
            peers: peers.collect(),
            events: BinaryHeap::new(),
            number: 0,
            now_ms: 0,
            got: BTreeMap::new(),
            failed: Vec::new(),
            dropped: Vec::new(),
        }
    }

    fn now(&self) -> Time {
        Duration::from_millis(self.now_ms)
    }

    fn later(&mut self, after_ms: u64, event: Event) {
        self.number += 1;
        self.events.push(Reverse((self.now_ms + after_ms, self.number, event)));
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Ask { peer, cid, kind } => self.asked(peer, cid, kind),
                Action::Cancel { .. } | Action::Seek { .. } => {}
                Action::Drop { peer, .. } => self.dropped.push(peer),
                Action::Fail { cid, .. } => self.failed.push(cid),
            }
        }
    }

    fn asked(&mut self, id: PeerId, cid: Cid, kind: WantKind) {
        assert!(!self.dropped.contains(&id), "a peer that was dropped is asked");
        let now = self.now_ms;
        let peer = self.peers.get_mut(&id).expect("only the world's peers are asked");
        if peer.gone {
            // The session has not heard of it yet.
            return assert!(self.session.peers.contains_key(&id), "a peer that is known to be gone is asked");
        }
        let sends = |peer: &mut Simulated, each_ms: u64| {
            peer.busy_until = peer.busy_until.max(now) + each_ms;
            peer.busy_until - now
        };
        let (has, each_ms) = match peer.manner {
            Manner::Honest { each_ms } => (true, each_ms),
            Manner::Half { each_ms } => (cid.hash().digest()[0] % 2 == 0, each_ms),
            Manner::Dying { .. } => (true, 5),
            Manner::Empty => (false, 0),
            Manner::Stalling => {
                if kind == WantKind::Have {
                    self.later(3, Event::Presence(id, cid, true));
                }
                return;
            }
            Manner::Silent => return,
        };
        if !has || kind == WantKind::Have {
            return self.later(3, Event::Presence(id, cid, has));
        }
        let after = sends(peer, each_ms);
        peer.sent += 1;
        if let Manner::Dying { blocks } = peer.manner
            && peer.sent > blocks
        {
            peer.gone = true;
            return self.later(after, Event::Gone(id));
        }
        self.later(after, Event::Block(id, cid));
    }

    fn offer_peers(&mut self) {
        let here: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| !peer.gone).map(|(id, _)| *id).collect();
        for id in here {
            let actions = self.session.peer_came(id, self.now());
            self.perform(actions);
        }
    }

    /// Lets time pass until every wanted block came or failed; gives the milliseconds that took.
    fn run(&mut self, wanted: &[Cid], most_ms: u64) -> u64 {
        self.offer_peers();
        let actions = self.session.want(wanted, self.now());
        self.perform(actions);
        let mut tick_ms = 250;
        while self.got.len() + self.failed.len() < wanted.len() {
            assert!(self.now_ms < most_ms, "only {} of {} blocks after {most_ms} ms", self.got.len(), wanted.len());
            let next_ms = self.events.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
            if tick_ms <= next_ms {
                self.now_ms = tick_ms;
                tick_ms += 250;
                let actions = self.session.tick(self.now(), |_| None);
                self.perform(actions);
                if self.session.is_stranded() {
                    self.offer_peers();
                }
                continue;
            }
            let Some(Reverse((at, _, event))) = self.events.pop() else { unreachable!("it was peeked at") };
            self.now_ms = at;
            self.happen(event);
        }
        assert!(self.session.wants.is_empty());
        self.now_ms
    }

    fn happen(&mut self, event: Event) {
        let now = self.now();
        let actions = match event {
            Event::Block(peer, _) | Event::Presence(peer, ..) if self.peers[&peer].gone => return,
            Event::Block(peer, cid) => {
                let (wanted, actions) = self.session.block(peer, &cid, now);
                if wanted {
                    assert_eq!(self.got.insert(cid, peer), None, "a block is delivered once");
                }
                actions
            }
            Event::Presence(peer, cid, has) => {
                let presence = if has { Presence::Have } else { Presence::DontHave };
                self.session.presence(peer, cid, presence, now)
            }
            Event::Gone(peer) => self.session.peer_went(&peer, now),
        };
        self.perform(actions);
        for (id, peer) in &self.session.peers {
            assert!(peer.owed.len() <= limits().window_per_peer, "{id} owes more than its window");
        }
    }
}

#[test]
fn every_block_comes_once_whatever_the_other_peers_do() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut manners = vec![Manner::Honest { each_ms: 1 + random.below(20) }];
        for _ in 0..random.below(6) {
            manners.push(match random.below(6) {
                0 => Manner::Honest { each_ms: 1 + random.below(200) },
                1 => Manner::Half { each_ms: 1 + random.below(20) },
                2 => Manner::Empty,
                3 => Manner::Stalling,
                4 => Manner::Silent,
                _ => Manner::Dying { blocks: random.below(40) },
            });
        }
        let at = random.below(manners.len() as u64) as usize;
        manners.swap(0, at);
        let wanted: Vec<Cid> = (0..1 + random.below(200)).map(|number| cid(seed << 32 | number)).collect();
        let mut world = World::new(&manners);
        world.run(&wanted, 120_000);
        assert!(world.failed.is_empty(), "seed {seed}, {manners:?}: {} blocks are given up", world.failed.len());
    }
}

#[test]
fn several_peers_share_the_work_by_their_speed() {
    let wanted: Vec<Cid> = (0..1_000).map(cid).collect();
    let mut alone = World::new(&[Manner::Honest { each_ms: 10 }]);
    let mut shared =
        World::new(&[Manner::Honest { each_ms: 10 }, Manner::Honest { each_ms: 10 }, Manner::Honest { each_ms: 40 }]);
    let (alone_ms, shared_ms) = (alone.run(&wanted, 60_000), shared.run(&wanted, 60_000));
    assert!(shared_ms * 2 < alone_ms + 500, "{shared_ms} ms with three peers, {alone_ms} ms with one");
    let from_slow = shared.got.values().filter(|peer| **peer == peer_id(3)).count();
    assert!((50..250).contains(&from_slow), "the slow peer sent {from_slow} of 1000");
}

#[test]
fn a_peer_that_owes_and_sends_nothing_is_dropped_and_named() {
    let mut world = World::new(&[Manner::Stalling]);
    let wanted = [cid(1), cid(2)];
    world.run(&wanted, 120_000);
    assert_eq!((world.dropped, world.failed.len()), (vec![peer_id(1)], 2));
}

#[test]
fn what_nobody_has_fails_at_once_if_nobody_else_may_come_and_after_patience_otherwise() {
    for (patient, expected_ms) in [(false, 0..1_000), (true, 30_000..31_000)] {
        let mut world = World::new(&[Manner::Empty, Manner::Empty]);
        if !patient {
            let actions = world.session.lose_patience(Duration::ZERO);
            world.perform(actions);
        }
        let took_ms = world.run(&[cid(7)], 120_000);
        assert!(expected_ms.contains(&took_ms), "patient: {patient}: after {took_ms} ms");
        assert_eq!(world.failed, [cid(7)]);
    }
}

#[test]
fn closing_cancels_whatever_somebody_may_still_send() {
    let mut session = Session::new(limits(), true);
    session.peer_came(peer_id(1), Duration::ZERO);
    session.peer_came(peer_id(2), Duration::ZERO);
    session.want(&[cid(1)], Duration::ZERO);
    let cancelled: Vec<Action> = session.close();
    assert_eq!(cancelled.len(), 2, "the one that owes it and the one that was asked about it: {cancelled:?}");
    assert!(cancelled.iter().all(|action| matches!(action, Action::Cancel { .. })));
}

#[test]
fn the_one_peer_of_many_that_has_a_block_is_found() {
    for place in 0..40 {
        let mut manners = vec![Manner::Empty; 40];
        manners[place] = Manner::Honest { each_ms: 1 };
        let mut world = World::new(&manners);
        world.run(&[cid(1), cid(2)], 10_000);
        assert!(world.failed.is_empty(), "the peer is number {place}");
    }
}
