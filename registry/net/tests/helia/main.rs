//! Content exchanged with a real Helia node: the same CIDs, both ways by bitswap, both ways by archive.
//!
//! Needs `npm`; installs Helia and its own Node.js by the hashes of `package-lock.json` into the target folder.

#![expect(clippy::unwrap_used, reason = "tests")]

mod node;

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cid::Cid;
use node::Helia;
use poai_net::{Identity, Net, NetConfig, Sources};
use poai_store::{Store, StoreLimits, car, unixfs};
use serde_json::json;

const MEBIBYTE: usize = 1 << 20;
/// Helia is slow at times, and slower beside other work: a transfer that takes longer has stopped.
const TRANSFER_TIMEOUT_MS: u64 = 540_000;

/// Our side: a store in a folder of its own.
struct Ours {
    store: Store,
    folder: tempfile::TempDir,
}

impl Ours {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store"), StoreLimits::default()).unwrap();
        Self { store, folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn import(&self, path: &Path) -> Cid {
        unixfs::import(&self.store, path, &unixfs::ImportLimits::default(), &self.store.in_use()).unwrap().written.cid
    }

    /// A peer that listens on loopback, and its address.
    async fn listen(&self) -> (Net, String) {
        let mut config = NetConfig::new(Identity::from_seed([7; 32]));
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
        let net = Net::start(config, Arc::new(self.store.clone())).await.unwrap();
        let address = net.addresses().await.unwrap()[0].to_string();
        (net, address)
    }
}

/// Bytes that look random and differ by seed: xorshift64.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}

#[test]
fn files_and_folders_get_the_cids_that_helia_gives_them() {
    let ours = Ours::new();
    let mut helia = Helia::start();
    for (name, len) in [
        ("empty", 0),
        ("byte", 1),
        ("a-chunk-less-one", MEBIBYTE - 1),
        ("a-chunk", MEBIBYTE),
        ("a-chunk-and-one", MEBIBYTE + 1),
        ("several", 5 * MEBIBYTE + 17),
    ] {
        let path = ours.write(name, &noise(len as u64, len));
        assert_eq!(ours.import(&path).to_string(), helia.add(&path), "a file of {len} bytes");
    }
    ours.write("tree/b/deep/leaf.txt", b"leaf");
    ours.write("tree/a.txt", b"first");
    ours.write("tree/Z.txt", b"capitals come before small letters");
    ours.write("tree/é.bin", &noise(3, 2 * MEBIBYTE));
    let tree = ours.path("tree");
    assert_eq!(ours.import(&tree).to_string(), helia.add(&tree), "a folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_go_both_ways() {
    const LEN: usize = 100_000_000;
    let ours = Ours::new();
    let (net, address) = ours.listen().await;
    let mut helia = Helia::start();

    let to_helia = noise(11, LEN);
    let root = ours.import(&ours.write("to-helia", &to_helia));
    helia.dial(&address);
    let (bytes, ms) = helia.fetch(&root.to_string(), &ours.path("at-helia"), TRANSFER_TIMEOUT_MS);
    assert_eq!(bytes, LEN as u64);
    assert!(fs::read(ours.path("at-helia")).unwrap() == to_helia, "what Helia got is what we have");
    println!("Helia fetched 100 MB from us at {:.0} MB/s", LEN as f64 / ms / 1e3);

    let from_helia = noise(13, LEN);
    let root: Cid = helia.add(&ours.write("from-helia", &from_helia)).parse().unwrap();
    let peer = net.dial(helia.address.parse().unwrap()).await.unwrap();
    assert_eq!(peer.to_string(), helia.peer);
    let start = Instant::now();
    let summary = net.fetch(root, Sources::Only(vec![peer]), |_| ()).await.unwrap();
    println!("we fetched 100 MB from Helia at {:.0} MB/s", LEN as f64 / start.elapsed().as_secs_f64() / 1e6);
    assert!(summary.fetched_bytes >= LEN as u64);
    unixfs::export(&ours.store, &root, &ours.path("from-helia-here"), &unixfs::ExportLimits::default()).unwrap();
    assert!(fs::read(ours.path("from-helia-here")).unwrap() == from_helia, "what we got is what Helia has");
    net.shut_down().await;
}

#[test]
fn archives_are_read_on_either_side() {
    let ours = Ours::new();
    let mut helia = Helia::start();

    let content = noise(17, 3 * MEBIBYTE + 5);
    let root = ours.import(&ours.write("ours", &content));
    let path = ours.path("ours.car");
    let mut writer = BufWriter::new(File::create(&path).unwrap());
    car::export(&ours.store, &[root], &mut writer).unwrap();
    writer.flush().unwrap();
    let answer = helia.call(&json!({ "command": "importCar", "path": path }));
    assert_eq!(answer["roots"], json!([root.to_string()]));
    helia.fetch(&root.to_string(), &ours.path("ours-at-helia"), TRANSFER_TIMEOUT_MS);
    assert!(fs::read(ours.path("ours-at-helia")).unwrap() == content);

    let content = noise(19, 2 * MEBIBYTE + 9);
    let root: Cid = helia.add(&ours.write("theirs", &content)).parse().unwrap();
    let path = ours.path("theirs.car");
    helia.call(&json!({ "command": "exportCar", "cid": root.to_string(), "path": path }));
    let limits = car::CarLimits::default();
    let summary = car::import(&ours.store, BufReader::new(File::open(&path).unwrap()), &limits, &ours.store.in_use());
    assert_eq!(summary.unwrap().roots, [root]);
    unixfs::export(&ours.store, &root, &ours.path("theirs-here"), &unixfs::ExportLimits::default()).unwrap();
    assert!(fs::read(ours.path("theirs-here")).unwrap() == content);
}
