//! Peers that die in the middle: processes of their own, killed without warning.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use poai_net::{FetchEvent, Multiaddr, Sources};
use poai_store::{Store, StoreLimits};

use crate::world::{LONG, Peer, add_file, soon};

/// The example `serve` as a process.
struct Process {
    child: Child,
    address: Multiaddr,
}

impl Process {
    fn start(store: &Path, seed: u8) -> Self {
        let mut child = Command::new(example())
            .arg(store)
            .arg(seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`cargo test -p poai-net` builds the example `serve`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    /// As `kill -9` does.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside the tests' own folder, where cargo puts examples.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/serve")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_outlives_a_peer_that_is_killed_and_resumes_from_another() {
    let folder = tempfile::tempdir().unwrap();
    let homes = [folder.path().join("first"), folder.path().join("second")];
    let roots = homes.each_ref().map(|home| {
        let store = Store::open(home, StoreLimits::default()).unwrap();
        add_file(&store, 300, 100_000)
    });
    let root = roots[0];
    let mut first = Process::start(&homes[0], 31);
    let second = Process::start(&homes[1], 32);
    let reader = Peer::start(33).await;
    let from_first = reader.net.dial(first.address.clone()).await.unwrap();

    // Killed in the middle, with nobody else there: the fetch stands still until that is done.
    let (tell, middle) = std::sync::mpsc::channel();
    let (resume, killed) = std::sync::mpsc::channel::<()>();
    let (net, mut blocks) = (reader.net.clone(), 0);
    let fetching = tokio::spawn(async move {
        net.fetch(root, Sources::Anyone, move |event| {
            blocks += u32::from(matches!(event, FetchEvent::Block { .. }));
            if blocks == 100 {
                tell.send(()).unwrap();
                tokio::task::block_in_place(|| killed.recv().unwrap());
            }
        })
        .await
    });
    tokio::task::spawn_blocking(move || middle.recv_timeout(LONG).expect("it comes to the middle")).await.unwrap();
    first.kill();
    resume.send(()).unwrap();

    // Somebody else comes, and the rest is fetched from there.
    let from_second = reader.net.dial(second.address.clone()).await.unwrap();
    let summary = soon(fetching).await.unwrap().unwrap();
    let peers: Vec<_> = summary.by_peer.iter().map(|(peer, _)| *peer).collect();
    assert_eq!((summary.fetched_blocks, peers), (304, vec![from_first, from_second]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_was_dropped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("store");
    let root = add_file(&Store::open(&home, StoreLimits::default()).unwrap(), 300, 50_000);
    let host = Process::start(&home, 34);
    let reader = Peer::start(35).await;
    reader.net.dial(host.address.clone()).await.unwrap();

    let (enough, mut stop) = tokio::sync::mpsc::channel(1);
    let fetch = reader.net.fetch(root, Sources::Anyone, |event| {
        if let FetchEvent::Block { progress, .. } = event
            && progress.fetched_blocks == 50
        {
            let _ = enough.try_send(());
        }
    });
    // It is asked first, so that no more blocks are taken than one turn of the fetch takes.
    tokio::select! {
        biased;
        _ = stop.recv() => {}
        done = fetch => panic!("it is dropped before its end: {done:?}"),
    }
    let rest = soon(reader.net.fetch(root, Sources::Anyone, |_| {})).await.unwrap();
    assert!(rest.present_blocks >= 50, "{} were there", rest.present_blocks);
    assert_eq!(rest.present_blocks + rest.fetched_blocks, 304);
}
