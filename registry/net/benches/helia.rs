//! 100 MB between poai and a real Helia node, each way, against the same transfer between two poai peers.
//!
//! `cargo bench -p poai-net --bench helia` prints a table and writes `target/bench/helia.json`. Needs `npm`.

#[path = "../tests/helia/node.rs"]
mod node;

use std::path::Path;
use std::sync::Arc;

use cid::Cid;
use node::Helia;
use poai_net::{Identity, Net, NetConfig, Sources};
use poai_store::{Store, StoreLimits, unixfs};
use poai_testing::bench::{self, Line};

type Failure = Box<dyn std::error::Error>;

const BYTES: usize = 100_000_000;
/// Each figure is the median of these.
const ROUNDS: u64 = 3;
const TRANSFER_TIMEOUT_MS: u64 = 120_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let mut helia = Helia::start();
    let (mut to_helia, mut from_helia, mut between_us) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let folder = scratch.path().join(round.to_string());
        std::fs::create_dir(&folder)?;
        let ours = Peer::start(&folder.join("ours"), 1, true).await?;
        let root = ours.import(&write(&folder.join("a"), 3 * round + 1)?)?;
        let other = Peer::start(&folder.join("other"), 2, false).await?;
        between_us.push(other.fetch(root, &ours.address).await?);

        helia.dial(&ours.address);
        let (bytes, ms) = helia.fetch(&root.to_string(), &folder.join("at-helia"), TRANSFER_TIMEOUT_MS);
        to_helia.push(bytes as f64 / ms / 1e3);

        let root = helia.add(&write(&folder.join("b"), 3 * round + 2)?).parse()?;
        from_helia.push(ours.fetch(root, &helia.address).await?);
        ours.net.shut_down().await;
        other.net.shut_down().await;
    }
    let between_us = median(between_us);
    let line = |name, value| Line::higher(name, value, "MB/s").beside("between two poai peers", between_us);
    let lines = [line("helia/fetches-from-us", median(to_helia)), line("helia/we-fetch", median(from_helia))];
    Ok(bench::report("helia", &lines)?)
}

/// A poai peer with a store on disk.
struct Peer {
    net: Net,
    store: Store,
    address: String,
}

impl Peer {
    async fn start(home: &Path, seed: u8, listens: bool) -> Result<Self, Failure> {
        let store = Store::open(home, StoreLimits::default())?;
        let mut config = NetConfig::new(Identity::from_seed([seed; 32]));
        if listens {
            config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
        }
        let net = Net::start(config, Arc::new(store.clone())).await?;
        let address = net.addresses().await?.first().map(ToString::to_string).unwrap_or_default();
        Ok(Self { net, store, address })
    }

    fn import(&self, path: &Path) -> Result<Cid, Failure> {
        let limits = unixfs::ImportLimits::default();
        Ok(unixfs::import(&self.store, path, &limits, &self.store.in_use())?.written.cid)
    }

    /// Megabytes a second, blocks checked and stored.
    async fn fetch(&self, root: Cid, address: &str) -> Result<f64, Failure> {
        let peer = self.net.dial(address.parse()?).await?;
        let summary = self.net.fetch(root, Sources::Only(vec![peer]), |_| ()).await?;
        Ok(summary.fetched_bytes as f64 / 1e6 / summary.elapsed.as_secs_f64())
    }
}

/// A file of bytes that do not compress.
fn write(path: &Path, seed: u64) -> Result<std::path::PathBuf, Failure> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    std::fs::write(path, words.flatten().take(BYTES).collect::<Vec<u8>>())?;
    Ok(path.to_owned())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
