use poai_net::{FetchEvent, NetError, Sources};
use poai_objects::codec::{RAW, cid_of};

use crate::world::{connect, only, peer, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_from_one_peer_to_another_and_is_not_fetched_twice() {
    let ((host, there), (reader, here)) = (peer(1).await, peer(2).await);
    let root = there.add_file(250, 10_000);
    connect(&reader, &host).await;

    let mut last = None;
    let summary = soon(reader.fetch(root, only(&[&host]), |event| last = Some(event))).await.unwrap();
    assert_eq!((summary.fetched_blocks, summary.present_blocks, summary.missing_blocks), (254, 0, 0));
    assert_eq!(summary.by_peer, [(host.peer(), summary.fetched_bytes)]);
    assert_eq!(here.len(), there.len());
    let Some(FetchEvent::Block { from, progress, .. }) = last else { panic!("the last event is a block: {last:?}") };
    assert_eq!((from, progress.missing_blocks), (host.peer(), 0));

    let again = soon(reader.fetch(root, Sources::Anyone, |_| {})).await.unwrap();
    assert_eq!((again.fetched_blocks, again.present_blocks, here.puts()), (0, 254, 254));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_is_said_to_be_missing_at_once_if_only_those_are_asked() {
    let ((host, _), (reader, _)) = (peer(3).await, peer(4).await);
    connect(&reader, &host).await;
    let cid = cid_of(RAW, b"nobody has this");
    match soon(reader.fetch_block(cid, only(&[&host]))).await {
        Err(NetError::NotFound { cid: missing, asked }) => assert_eq!((missing, asked), (cid, vec![host.peer()])),
        other => panic!("{other:?}"),
    }
}
