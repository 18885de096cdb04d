//! Finding content and peers.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use poai_net::{Multiaddr, NetConfig, NetEvent, Sources};

use crate::world::{Peer, add_file, config, soon};

#[tokio::test(flavor = "multi_thread")]
async fn content_is_found_through_the_hash_table() {
    let (host, middle, reader) = (Peer::start(101).await, Peer::start(102).await, Peer::start(103).await);
    host.connect(&middle).await;
    reader.connect(&middle).await;
    let root = add_file(&host.store, 30, 1_000);
    // A peer is in the table once it has said who it is, which takes a moment.
    soon(async {
        loop {
            host.net.provide(root).await.unwrap();
            let providers = reader.net.providers(root, Duration::from_secs(5)).await.unwrap();
            if providers == [host.net.peer()] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let summary = soon(reader.net.fetch(root, Sources::Anyone, |_| {})).await.unwrap();
    assert_eq!((summary.fetched_blocks, summary.by_peer[0].0), (31, host.net.peer()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_to_be_kept_is_dialled_again() {
    let host = Peer::start(104).await;
    let mut keeping = config(105);
    keeping.peers = vec![host.address().await];
    keeping.limits.connections.redial = Duration::from_millis(100);
    let reader = Peer::start_with(keeping).await;
    soon(async {
        while reader.net.peers().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut events = reader.net.events();
    for _ in 0..2 {
        reader.net.disconnect(host.net.peer()).await.unwrap();
        happens(&mut events, |event| matches!(event, NetEvent::Disconnected { peer } if *peer == host.net.peer()))
            .await;
        happens(&mut events, |event| matches!(event, NetEvent::Connected { peer, .. } if *peer == host.net.peer()))
            .await;
    }
}

/// Neither is told anything of the other: no address, no peer in common.
#[tokio::test(flavor = "multi_thread")]
async fn peers_of_one_local_network_find_each_other() {
    let on_all_interfaces =
        |seed| NetConfig { listen: vec!["/ip4/0.0.0.0/tcp/0".parse().unwrap()], mdns: true, ..config(seed) };
    let first = Peer::start_with(on_all_interfaces(106)).await;
    if !multicast(&first).await {
        // Unlike a missing program, this is nothing that whoever runs the tests could install.
        println!("skipped, because none of this machine's addresses has multicast");
        return;
    }
    let mut events = first.net.events();
    let second = Peer::start_with(on_all_interfaces(107)).await;
    happens(&mut events, |event| matches!(event, NetEvent::Discovered { peer, .. } if *peer == second.net.peer()))
        .await;
    // The discovery leads to a connection; over it goes what only one of them has.
    soon(async {
        while !first.net.peers().await.unwrap().iter().any(|info| info.peer == second.net.peer()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let root = add_file(&second.store, 3, 1_000);
    let summary = soon(first.net.fetch(root, Sources::Anyone, |_| {})).await.unwrap();
    assert_eq!((summary.fetched_blocks, summary.by_peer[0].0), (4, second.net.peer()));
}

/// Whether an address has multicast; a peer learns its addresses one by one.
async fn multicast(peer: &Peer) -> bool {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let addresses = peer.net.addresses().await.unwrap();
        let interfaces: Vec<_> = addresses.iter().filter_map(multicast_interface).collect();
        if !interfaces.is_empty() {
            return interfaces.into_iter().any(|interface| has_multicast(interface).is_ok());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// The address of an interface that is more than loopback, on which mDNS is not spoken.
fn multicast_interface(address: &Multiaddr) -> Option<Ipv4Addr> {
    let ip: Ipv4Addr = address.to_string().strip_prefix("/ip4/")?.split('/').next()?.parse().ok()?;
    Some(ip).filter(|ip| !ip.is_loopback())
}

/// Whether what one socket of an interface sends to mDNS's group comes to another one: tried, not guessed.
fn has_multicast(interface: Ipv4Addr) -> std::io::Result<()> {
    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
    let listener = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    listener.join_multicast_v4(&GROUP, &interface)?;
    listener.set_read_timeout(Some(Duration::from_secs(5)))?;
    let sender = UdpSocket::bind((interface, 0))?;
    sender.send_to(b"anybody?", (GROUP, listener.local_addr()?.port()))?;
    listener.recv(&mut [0; 8]).map(drop)
}

async fn happens(events: &mut tokio::sync::broadcast::Receiver<NetEvent>, awaited: impl Fn(&NetEvent) -> bool) {
    soon(async { while !awaited(&events.recv().await.unwrap()) {} }).await;
}
