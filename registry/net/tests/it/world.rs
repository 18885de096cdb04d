//! Peers and content to test with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use poai_net::{BlockError, Blocks, Identity, Multiaddr, Net, NetConfig, Sources};
use poai_objects::codec::{DAG_CBOR, RAW, cid_of, encode};

/// What no test should take, even on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Blocks in memory. A folder is a list of links as DAG-CBOR.
#[derive(Default)]
pub(crate) struct Memory {
    blocks: Mutex<HashMap<Cid, Bytes>>,
    puts: AtomicUsize,
}

impl Memory {
    pub(crate) fn add(&self, codec: u64, bytes: impl Into<Bytes>) -> Cid {
        let bytes = bytes.into();
        let cid = cid_of(codec, &bytes);
        self.blocks.lock().unwrap().insert(cid, bytes);
        cid
    }

    pub(crate) fn add_as(&self, cid: Cid, bytes: impl Into<Bytes>) {
        self.blocks.lock().unwrap().insert(cid, bytes.into());
    }

    /// A file of so many leaves, under nodes of at most 100 links; gives the root.
    pub(crate) fn add_file(&self, leaves: usize, leaf_bytes: usize) -> Cid {
        let mut level: Vec<Cid> = (0..leaves).map(|index| self.add(RAW, leaf(index, leaf_bytes))).collect();
        loop {
            level = level.chunks(100).map(|links| self.add(DAG_CBOR, encode(&links))).collect();
            if level.len() == 1 {
                return level[0];
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.lock().unwrap().len()
    }

    pub(crate) fn puts(&self) -> usize {
        self.puts.load(Ordering::Relaxed)
    }
}

fn leaf(index: usize, bytes: usize) -> Vec<u8> {
    let seed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..bytes as u64).map(|at| (seed.wrapping_add(at / 8 * 0x1000_0001) >> (at % 8 * 8)) as u8).collect()
}

impl Blocks for Memory {
    fn get(&self, cid: &Cid) -> Result<Option<Bytes>, BlockError> {
        Ok(self.blocks.lock().unwrap().get(cid).cloned())
    }

    fn size(&self, cid: &Cid) -> Result<Option<u64>, BlockError> {
        Ok(self.blocks.lock().unwrap().get(cid).map(|bytes| bytes.len() as u64))
    }

    fn put(&self, cid: &Cid, bytes: &Bytes) -> Result<(), BlockError> {
        assert_eq!(*cid, cid_of(cid.codec(), bytes), "only checked blocks are put");
        self.puts.fetch_add(1, Ordering::Relaxed);
        self.blocks.lock().unwrap().insert(*cid, bytes.clone());
        Ok(())
    }

    fn links(&self, cid: &Cid, bytes: &[u8]) -> Result<Vec<Cid>, BlockError> {
        if cid.codec() == RAW { Ok(Vec::new()) } else { Ok(serde_ipld_dagcbor::from_slice(bytes)?) }
    }
}

/// A configuration for loopback, with a key of this seed.
pub(crate) fn config(seed: u8) -> NetConfig {
    NetConfig { listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()], ..NetConfig::new(Identity::from_seed([seed; 32])) }
}

/// A peer with nothing.
pub(crate) async fn peer(seed: u8) -> (Net, Arc<Memory>) {
    peer_with(config(seed)).await
}

pub(crate) async fn peer_with(config: NetConfig) -> (Net, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    (Net::start(config, memory.clone()).await.unwrap(), memory)
}

/// Where a peer listens.
pub(crate) async fn address_of(net: &Net) -> Multiaddr {
    net.addresses().await.unwrap().remove(0)
}

/// Has one peer dial another.
pub(crate) async fn connect(from: &Net, to: &Net) {
    assert_eq!(from.dial(address_of(to).await).await.unwrap(), to.peer());
}

pub(crate) fn only(nets: &[&Net]) -> Sources {
    Sources::Only(nets.iter().map(|net| net.peer()).collect())
}

/// Runs a test's future, and fails if it hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes too long")
}
