//! Offers between real peers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity};
use libp2p::swarm::SwarmEvent;
use libp2p::{SwarmBuilder, noise, tcp, yamux};
use poai_net::{Misdeed, Net, NetEvent, peer_of};
use poai_objects::{EngineName, Offer, Price, SecretKey, Signed};

use crate::world::{Peer, soon};

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn offer(seed: u8, sequence: u64, expires_s: u64) -> Signed<Offer> {
    let offer = Offer {
        engine: EngineName::CURRENT,
        addresses: Vec::new(),
        devices: Vec::new(),
        fuel_per_s: 1,
        price: Price(0),
        free_slots: 1,
        memory_bytes: 1 << 30,
        open: true,
        sequence,
        expires_s,
    };
    Signed::sign(offer, &SecretKey::from_seed(&[seed; 32])).unwrap()
}

/// Waits until a peer knows of an offer of this sequence.
async fn knows(net: &Net, wanted: u64) {
    soon(async {
        while !net.offers().iter().any(|offer| offer.object().sequence == wanted) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_reaches_those_who_are_there_and_those_who_come() {
    let (host, middle, far) = (Peer::start(90).await, Peer::start(91).await, Peer::start(92).await);
    middle.connect(&host).await;
    far.connect(&middle).await;
    let mut events = far.net.events();
    // Gossip needs a moment to know who listens; whoever is missed is told when the next offer comes.
    let mut sequence = 1;
    soon(async {
        loop {
            host.net.publish_offer(offer(90, sequence, now_s() + 60)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            if !far.net.offers().is_empty() {
                break;
            }
            sequence += 1;
        }
    })
    .await;
    assert_eq!(peer_of(far.net.offers()[0].key()), host.net.peer());
    let seen = soon(async {
        loop {
            if let NetEvent::OfferSeen { peer } = events.recv().await.unwrap() {
                return peer;
            }
        }
    });
    assert_eq!(seen.await, host.net.peer());

    host.net.publish_offer(offer(90, 1_000, now_s() + 60)).await.unwrap();
    knows(&far.net, 1_000).await;
    let late = Peer::start(93).await;
    late.connect(&middle).await;
    knows(&late.net, 1_000).await;
    assert!(host.net.offers().is_empty(), "one's own is not among the others'");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_ends_when_it_says() {
    let (host, reader) = (Peer::start(94).await, Peer::start(95).await);
    reader.connect(&host).await;
    // However long one takes to arrive: another follows, until one is seen before its end.
    let mut sequence = 0;
    while reader.net.offers().is_empty() {
        sequence += 1;
        assert!(sequence < 300, "no offer arrives");
        host.net.publish_offer(offer(94, sequence, now_s() + 3)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    soon(async {
        while !reader.net.offers().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_that_break_a_rule_are_not_published() {
    let host = Peer::start(96).await;
    host.net.publish_offer(offer(96, 5, now_s() + 60)).await.unwrap();
    for (offer, expected) in [
        (offer(97, 9, now_s() + 60), "which is not this peer"),
        (offer(96, 5, now_s() + 60), "its sequence 5 is not above 5"),
        (offer(96, 9, now_s() - 1), "it has expired"),
        (offer(96, 9, now_s() + 100_000), "later than the limit lifetime of 3600 s allows"),
    ] {
        let error = host.net.publish_offer(offer).await.unwrap_err().to_string();
        assert!(error.starts_with("the offer is refused: ") && error.contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_spreads_a_false_offer_is_cut_off() {
    let victim = Peer::start(98).await;
    let mut events = victim.net.events();
    let topic = IdentTopic::new("poai/offers/1");
    let mut forger = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key| -> gossipsub::Behaviour {
            gossipsub::Behaviour::new(MessageAuthenticity::Signed(key.clone()), gossipsub::Config::default()).unwrap()
        })
        .unwrap()
        .build();
    forger.behaviour_mut().subscribe(&topic).unwrap();
    forger.dial(victim.address().await).unwrap();
    let forging = tokio::spawn(async move {
        let peer = *forger.local_peer_id();
        let mut nonsense = 0u8;
        loop {
            let event = forger.select_next_some().await;
            if matches!(event, SwarmEvent::ConnectionClosed { .. }) {
                return peer;
            }
            // Until somebody listens this comes to nothing.
            nonsense = nonsense.wrapping_add(1);
            let _ = forger.behaviour_mut().publish(topic.clone(), vec![nonsense; 10]);
        }
    });
    let (peer, misdeed) = soon(async {
        loop {
            if let NetEvent::CutOff { peer, misdeed } = events.recv().await.unwrap() {
                return (peer, misdeed);
            }
        }
    })
    .await;
    assert!(
        matches!(&misdeed, Misdeed::BrokenMessage { reason } if reason.starts_with("an offer is false: ")),
        "{misdeed}"
    );
    assert_eq!(peer, soon(forging).await.unwrap());
}
