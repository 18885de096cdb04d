use poai_net::{FetchEvent, NetError, Sources};
use poai_objects::codec::{RAW, cid_of};

use crate::world::{Peer, add_file, only, soon};

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
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_is_said_to_be_missing_at_once_if_only_those_are_asked() {
    let (host, reader) = (Peer::start(3).await, Peer::start(4).await);
    reader.connect(&host).await;
    let cid = cid_of(RAW, b"nobody has this");
    match soon(reader.net.fetch_block(cid, only(&[&host]))).await {
        Err(NetError::NotFound { cid: missing, asked }) => assert_eq!((missing, asked), (cid, vec![host.net.peer()])),
        other => panic!("{other:?}"),
    }
}
