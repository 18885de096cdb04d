use std::time::Duration;

use poai_net::{FetchEvent, Identity, NetConfig, NetError, Sources};
use poai_objects::codec::{DAG_CBOR, RAW, cid_of, encode};
use poai_store::unixfs::{self, FileWriter, FolderWriter, LayoutLimits};

use crate::world::{Peer, add_file, config, only, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_from_one_peer_to_another_and_is_not_fetched_twice() {
    let (host, reader) = (Peer::start(1).await, Peer::start(2).await);
    let root = add_file(&host.store, 250, 10_000);
    reader.connect(&host).await;

    let mut last = None;
    let summary = soon(reader.net.fetch(root, only(&[&host]), |event| last = Some(event))).await.unwrap();
    assert_eq!((summary.fetched_blocks, summary.present_blocks, summary.missing_blocks), (254, 0, 0));
    assert_eq!(summary.by_peer, [(host.net.peer(), summary.fetched_bytes)]);
    assert_eq!(reader.blocks(), 254);
    let Some(FetchEvent::Block { from, progress, .. }) = last else { panic!("the last event is a block: {last:?}") };
    assert_eq!((from, progress.missing_blocks), (host.net.peer(), 0));

    let again = soon(reader.net.fetch(root, Sources::Anyone, |_| {})).await.unwrap();
    assert_eq!((again.fetched_blocks, again.present_blocks), (0, 254));
    let traffic = &reader.net.peers().await.unwrap()[0];
    assert_eq!((traffic.peer, traffic.received_bytes), (host.net.peer(), summary.fetched_bytes));
    assert!(traffic.agent.starts_with("poai/"), "{}", traffic.agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_s_names_come_without_what_they_name() {
    let (host, reader) = (Peer::start(20).await, Peer::start(21).await);
    let held = host.store.in_use();
    let mut folder = FolderWriter::new();
    for number in 0..5_000 {
        let mut file = FileWriter::new(&host.store, &held);
        file.append(format!("file {number}").as_bytes()).unwrap();
        folder.add(&format!("a name that fills the folder's node {number}"), file.finish().unwrap()).unwrap();
    }
    let files = host.blocks();
    let root = folder.finish(&host.store, &held).unwrap().cid;
    let shards = host.blocks() - files;
    assert!((files, shards > 256) == (5_000, true), "{files} files, {shards} shards");
    reader.connect(&host).await;

    let summary = soon(reader.net.fetch_part(root, unixfs::folder_links, only(&[&host]), |_| {})).await.unwrap();
    assert_eq!((summary.fetched_blocks, reader.blocks()), (shards, shards));
    let names = unixfs::list(&reader.store, &root, &LayoutLimits::default()).unwrap().unwrap();
    assert_eq!((names.len(), names[0].look(&reader.store).unwrap()), (5_000, None));
    // What is here already is not fetched again; the rest is.
    let summary = soon(reader.net.fetch(root, only(&[&host]), |_| {})).await.unwrap();
    assert_eq!((summary.present_blocks, summary.fetched_blocks), (shards, files));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_blocks_go_over_quic_too() {
    let quic = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    let host = Peer::start_with(NetConfig { listen: quic, ..NetConfig::new(Identity::from_seed([3; 32])) }).await;
    let reader = Peer::start_with(NetConfig::new(Identity::from_seed([4; 32]))).await;
    let root = add_file(&host.store, 20, 2 << 20);
    reader.connect(&host).await;
    let summary = soon(reader.net.fetch(root, only(&[&host]), |_| {})).await.unwrap();
    assert_eq!((summary.fetched_blocks, summary.fetched_bytes > 40 << 20), (21, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_peers_share_a_fetch_and_one_that_joins_helps() {
    let (first, second, reader) = (Peer::start(5).await, Peer::start(6).await, Peer::start(7).await);
    let root = add_file(&first.store, 400, 100_000);
    assert_eq!(root, add_file(&second.store, 400, 100_000));
    reader.connect(&first).await;
    reader.connect(&second).await;
    let summary = soon(reader.net.fetch(root, Sources::Anyone, |_| {})).await.unwrap();
    // How they share it by their speed is tested where time is made: `bitswap::session`.
    assert_eq!(summary.by_peer.len(), 2, "{:?}", summary.by_peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_is_said_to_be_missing_at_once_if_only_those_are_asked() {
    let (host, reader) = (Peer::start(8).await, Peer::start(9).await);
    reader.connect(&host).await;
    let cid = cid_of(RAW, b"nobody has this");
    match soon(reader.net.fetch_block(cid, only(&[&host]))).await {
        Err(NetError::NotFound { cid: missing, asked }) => assert_eq!((missing, asked), (cid, vec![host.net.peer()])),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_cannot_be_reached_are_named() {
    let (host, reader) = (Peer::start(10).await, Peer::start(11).await);
    let error = soon(reader.net.fetch_block(cid_of(RAW, b"x"), only(&[&host]))).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot reach {}: no address is known for it", host.net.peer()));
    let nobody = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    let error = soon(reader.net.dial(nobody)).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot reach /ip4/127.0.0.1/tcp/1: ") && error.contains("refused"), "{error}");
    let wrong = host.address().await.to_string().replace(&host.net.peer().to_string(), &reader.net.peer().to_string());
    assert!(soon(host.net.dial(wrong.parse().unwrap())).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_comes_later_is_sent_to_whoever_waits_for_it() {
    let mut patient = config(12);
    patient.limits.bitswap.patience = Duration::from_secs(50);
    let (host, reader) = (Peer::start(13).await, Peer::start_with(patient).await);
    reader.connect(&host).await;
    let cid = cid_of(RAW, b"not yet");
    let net = reader.net.clone();
    let fetching = tokio::spawn(async move { net.fetch_block(cid, Sources::Anyone).await });
    // Most often the host is asked by then; the test holds either way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    host.store.put_bytes(RAW, b"not yet".as_slice()).unwrap();
    host.net.announce(&[cid]).await;
    assert_eq!(soon(fetching).await.unwrap().unwrap(), b"not yet".as_slice());
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_on_fetches_are_named() {
    let mut narrow = config(14);
    narrow.limits.bitswap.fetches = 1;
    narrow.limits.bitswap.fetch_blocks = 10;
    let (host, reader) = (Peer::start(15).await, Peer::start_with(narrow).await);
    let root = add_file(&host.store, 50, 10);
    reader.connect(&host).await;
    let error = soon(reader.net.fetch(root, only(&[&host]), |_| {})).await.unwrap_err();
    assert!(matches!(error, NetError::DagTooLarge { limit: 10, .. }), "{error}");

    // A fetch that lasts: its second block is nowhere.
    let root = host.store.put_bytes(DAG_CBOR, encode(&[cid_of(RAW, b"x")])).unwrap();
    let (net, (told, mut half_done)) = (reader.net.clone(), tokio::sync::mpsc::channel(10));
    let waiting = tokio::spawn(async move {
        net.fetch(root, Sources::Anyone, |event| told.try_send(event).expect("few events come")).await
    });
    assert!(matches!(soon(half_done.recv()).await, Some(FetchEvent::Block { cid, .. }) if cid == root));
    let error = reader.net.fetch_block(cid_of(RAW, b"y"), Sources::Anyone).await.unwrap_err();
    assert!(matches!(error, NetError::LimitReached { limit: "fetches", allowed: 1 }), "{error}");
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_was_shut_down_says_so_and_is_seen_to_go() {
    let (host, reader) = (Peer::start(16).await, Peer::start(17).await);
    reader.connect(&host).await;
    soon(host.net.shut_down()).await;
    assert!(matches!(host.net.peers().await, Err(NetError::ShutDown)));
    assert!(matches!(host.net.fetch_block(cid_of(RAW, b"x"), Sources::Anyone).await, Err(NetError::ShutDown)));
    soon(async {
        while !reader.net.peers().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let first = Peer::start(18).await;
    let mut taken = first.address().await;
    taken.pop();
    let second = NetConfig { listen: vec![taken.clone()], ..NetConfig::new(Identity::from_seed([19; 32])) };
    let Err(error) = poai_net::Net::start(second, std::sync::Arc::new(first.store.clone())).await else {
        panic!("it is taken")
    };
    assert!(error.to_string().starts_with(&format!("cannot listen on {taken}: ")), "{error}");
}
