//! Peers and content to test with.

use std::time::Duration;

use cid::Cid;
use poai_net::{Identity, Multiaddr, Net, NetConfig, Sources};
use poai_objects::codec::{DAG_CBOR, RAW, encode};
use poai_store::{Store, StoreLimits, Verified};
use tempfile::TempDir;

/// What no test should take, even on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A peer with a store of its own, which ends with it.
pub(crate) struct Peer {
    pub(crate) net: Net,
    pub(crate) store: Store,
    _folder: TempDir,
}

impl Peer {
    /// A peer with nothing, whose key is made of this seed.
    pub(crate) async fn start(seed: u8) -> Self {
        Self::start_with(config(seed)).await
    }

    pub(crate) async fn start_with(config: NetConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store"), StoreLimits::default()).unwrap();
        let net = Net::start(config, std::sync::Arc::new(store.clone())).await.unwrap();
        Self { net, store, _folder: folder }
    }

    /// Where it listens.
    pub(crate) async fn address(&self) -> Multiaddr {
        self.net.addresses().await.unwrap().remove(0)
    }

    /// Dials another.
    pub(crate) async fn connect(&self, to: &Self) {
        assert_eq!(self.net.dial(to.address().await).await.unwrap(), to.net.peer());
    }

    pub(crate) fn blocks(&self) -> u64 {
        self.store.usage().blocks
    }
}

/// A file of so many leaves, under nodes of at most 100 links; gives the root.
pub(crate) fn add_file(store: &Store, leaves: usize, leaf_bytes: usize) -> Cid {
    let put = |codec, bytes| {
        let block = Verified::of(codec, bytes).unwrap();
        store.put_lazily(&block).unwrap();
        *block.cid()
    };
    let mut level: Vec<Cid> = (0..leaves).map(|index| put(RAW, leaf(index, leaf_bytes))).collect();
    loop {
        level = level.chunks(100).map(|links| put(DAG_CBOR, encode(&links))).collect();
        if level.len() == 1 {
            store.sync().unwrap();
            return level[0];
        }
    }
}

fn leaf(index: usize, bytes: usize) -> Vec<u8> {
    let seed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..bytes as u64).map(|at| (seed.wrapping_add(at / 8 * 0x1000_0001) >> (at % 8 * 8)) as u8).collect()
}

/// A configuration for loopback, with a key of this seed.
pub(crate) fn config(seed: u8) -> NetConfig {
    NetConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        ..NetConfig::new(Identity::from_seed([seed; 32]))
    }
}

pub(crate) fn only(peers: &[&Peer]) -> Sources {
    Sources::Only(peers.iter().map(|peer| peer.net.peer()).collect())
}

/// Runs a test's future, and fails if it hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes too long")
}
