//! Finding content and peers.

use std::time::Duration;

use poai_net::{NetEvent, Sources};

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

async fn happens(events: &mut tokio::sync::broadcast::Receiver<NetEvent>, awaited: impl Fn(&NetEvent) -> bool) {
    soon(async { while !awaited(&events.recv().await.unwrap()) {} }).await;
}
