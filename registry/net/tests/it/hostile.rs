//! Peers that lie, stall, flood and talk nonsense: each is named, and cut off or dropped.

use std::time::Duration;

use poai_net::{FetchEvent, Misdeed, Net, NetError, NetEvent, PeerId, Sources};
use poai_objects::codec::{RAW, cid_of};

use crate::stranger::{Stranger, block, field, framed, have, want};
use crate::world::{Peer, config, soon};

const BITSWAP: &str = "/ipfs/bitswap/1.2.0";
const RUN: &str = "/poai/run/1";

/// Waits until a peer is cut off; says for what.
async fn cut_off(events: &mut tokio::sync::broadcast::Receiver<NetEvent>) -> (PeerId, Misdeed) {
    soon(async {
        loop {
            if let NetEvent::CutOff { peer, misdeed } = events.recv().await.unwrap() {
                return (peer, misdeed);
            }
        }
    })
    .await
}

async fn is_gone(net: &Net, peer: PeerId) {
    soon(async {
        while net.peers().await.unwrap().iter().any(|info| info.peer == peer) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_cut_off_and_the_block_comes_from_another() {
    let (honest, reader) = (Peer::start(41).await, Peer::start(42).await);
    let liar = Stranger::start(BITSWAP, |_| vec![block(b"a lie")]).await;
    let cid = honest.store.put_bytes(RAW, b"the truth".as_slice()).unwrap();
    let mut events = reader.net.events();
    reader.net.dial(liar.address.clone()).await.unwrap();
    let net = reader.net.clone();
    let fetching = tokio::spawn(async move { net.fetch_block(cid, Sources::Anyone).await });

    let found = cid_of(RAW, b"a lie");
    assert_eq!(cut_off(&mut events).await, (liar.peer, Misdeed::WrongBlock { found }));
    is_gone(&reader.net, liar.peer).await;
    reader.connect(&honest).await;
    assert_eq!(soon(fetching).await.unwrap().unwrap(), b"the truth".as_slice());

    let error = soon(reader.net.dial(liar.address.clone())).await.unwrap_err().to_string();
    assert!(error.contains("refuse"), "it is refused for a while: {error}");
    assert!(reader.store.get(&found).unwrap().is_none(), "the lie is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stalls_is_dropped_and_named() {
    let mut hasty = config(43);
    hasty.limits.bitswap.stall = Duration::from_millis(500);
    let reader = Peer::start_with(hasty).await;
    let cid = cid_of(RAW, b"promised");
    let staller = Stranger::start(BITSWAP, move |_| vec![have(&cid)]).await;
    reader.net.dial(staller.address.clone()).await.unwrap();
    let mut dropped = None;
    let fetched = soon(reader.net.fetch(cid, Sources::Only(vec![staller.peer]), |event| {
        if let FetchEvent::PeerDropped { peer, reason } = event {
            dropped = Some((peer, reason));
        }
    }))
    .await;
    assert!(matches!(fetched, Err(NetError::NotFound { .. })), "{fetched:?}");
    let (peer, reason) = dropped.unwrap();
    assert_eq!((peer, reason.as_str()), (staller.peer, "it sent nothing for 0.5 s, 2 times, and owed 1 blocks"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalling_peer_costs_little_if_another_has_the_block() {
    let (honest, reader) = (Peer::start(44).await, Peer::start(45).await);
    let cid = honest.store.put_bytes(RAW, b"promised".as_slice()).unwrap();
    let staller = Stranger::start(BITSWAP, move |_| vec![have(&cid)]).await;
    reader.net.dial(staller.address.clone()).await.unwrap();
    reader.connect(&honest).await;
    assert_eq!(soon(reader.net.fetch_block(cid, Sources::Anyone)).await.unwrap(), b"promised".as_slice());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_bitswap_is_cut_off() {
    let entry = field(1, &field(1, &cid_of(RAW, b"x").to_bytes()));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nonsense", framed(&[0xff; 20]), "it broke the protocol: a varint does not end"),
        (
            "a message over the limit",
            vec![0x81, 0x80, 0x80, 0x02],
            "it broke the protocol: a message of 4194305 bytes is over the limit message_bytes of 4194304",
        ),
        (
            "an endless length",
            vec![0xff; 12],
            "it broke the protocol: not a valid message of length-prefixed messages: a length has more than 63 bits",
        ),
        ("a flood of wants", framed(&field(1, &entry.repeat(4_097))), "it went over the limit message_entries of 4096"),
        ("a block over the limit", block(&vec![7; (2 << 20) + 1]), "it went over the limit block_bytes of 2097152"),
    ];
    for (index, (what, bytes, expected)) in cases.into_iter().enumerate() {
        let victim = Peer::start(50 + index as u8).await;
        let mut events = victim.net.events();
        let stranger = Stranger::start(BITSWAP, |_| Vec::new()).await;
        stranger.dial(victim.address().await).await;
        stranger_is_connected(&victim.net).await;
        stranger.send(victim.net.peer(), bytes).await;
        let (peer, misdeed) = cut_off(&mut events).await;
        assert_eq!((peer, misdeed.to_string().as_str()), (stranger.peer, expected), "{what}");
        is_gone(&victim.net, stranger.peer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_the_run_protocol_is_cut_off() {
    for (index, (what, bytes)) in
        [("nonsense", framed(b"nonsense")), ("a cancel before the hello", framed(b"\x66cancel"))]
            .into_iter()
            .enumerate()
    {
        let victim = Peer::start(60 + index as u8).await;
        let mut events = victim.net.events();
        let stranger = Stranger::start(RUN, |_| Vec::new()).await;
        stranger.dial(victim.address().await).await;
        stranger_is_connected(&victim.net).await;
        stranger.send(victim.net.peer(), bytes).await;
        let (peer, misdeed) = cut_off(&mut events).await;
        assert_eq!(peer, stranger.peer, "{what}");
        assert!(matches!(misdeed, Misdeed::BrokenMessage { .. }), "{what}: {misdeed}");
    }
}

async fn stranger_is_connected(net: &Net) {
    soon(async {
        while net.peers().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_of_the_protocol_is_served() {
    let host = Peer::start(65).await;
    let cid = host.store.put_bytes(RAW, b"for anybody".as_slice()).unwrap();
    let (told, mut messages) = tokio::sync::mpsc::channel(10);
    let stranger = Stranger::start(BITSWAP, move |message| {
        told.try_send(message.to_vec()).unwrap();
        Vec::new()
    })
    .await;
    stranger.dial(host.address().await).await;
    stranger_is_connected(&host.net).await;
    stranger.send(host.net.peer(), want(&cid)).await;
    let message = soon(messages.recv()).await.unwrap();
    assert_eq!(framed(&message), block(b"for anybody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_their_limit_are_reset_and_the_others_served() {
    let mut narrow = config(66);
    narrow.limits.connections.streams = 4;
    let host = Peer::start_with(narrow).await;
    let cid = host.store.put_bytes(RAW, b"still here".as_slice()).unwrap();
    let stranger = Stranger::start(BITSWAP, |_| Vec::new()).await;
    stranger.dial(host.address().await).await;
    stranger_is_connected(&host.net).await;
    // Messages that promise more than they hold, so that their streams stay open at the host's side
    // until it has read their end.
    for _ in 0..200 {
        stranger.send(host.net.peer(), vec![0xff, 0x7f]).await;
    }
    let reader = Peer::start(67).await;
    reader.connect(&host).await;
    assert_eq!(soon(reader.net.fetch_block(cid, Sources::Anyone)).await.unwrap(), b"still here".as_slice());
}
