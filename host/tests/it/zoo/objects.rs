use std::path::Path;

use cid::Cid;
use poai_objects::{Envelope, Object};
use serde_json::Value;

use super::Surprises;
use crate::command::Home;
use crate::programs::good_task;

/// The CID of some bytes that nobody has.
const UNKNOWN: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

/// A home that soon gives up looking for content.
fn impatient() -> Home {
    Home::new().with("POAI_NETWORK_PATIENCE_S", "1").with("POAI_NETWORK_MDNS", "false")
}

#[test]
fn what_names_nothing_is_said_so() {
    let mut surprises = Surprises::default();
    let home = impatient();
    for (command, name, expected) in [
        ("show", "no-such-package", (1, "not-found", "no-such-package")),
        ("show", "../../etc/passwd", (1, "not-found", "")),
        ("run", "no-such-package", (1, "not-found", "no-such-package")),
        ("verify", "bafybroken", (1, "bad-input", "bafybroken")),
        ("pin", UNKNOWN, (1, "not-found", UNKNOWN)),
        ("pull", UNKNOWN, (1, "not-found", UNKNOWN)),
        ("verify", UNKNOWN, (1, "not-found", UNKNOWN)),
        ("cancel", "99", (1, "not-found", "99")),
        ("logs", "99", (1, "not-found", "99")),
    ] {
        surprises.expect_failure(&format!("{command} {name}"), &home.json([command, name]), expected);
    }
}

/// An archive of a good run's receipt, and what it says.
fn receipt(home: &Home, seed: &str) -> (Value, Archive) {
    let task = home.file("task.wasm", &good_task());
    let (exit, run) = home.json(["run", task.to_str().unwrap(), "--seed", seed]);
    assert_eq!(exit, 0, "{run}");
    let car = home.scratch().join("receipt.car");
    let (exit, exported) = home.json(["export", run["receipt"].as_str().unwrap(), "--output", car.to_str().unwrap()]);
    assert_eq!(exit, 0, "{exported}");
    (run, Archive::read(&std::fs::read(car).unwrap()))
}

#[test]
fn a_good_archive_is_verified_by_a_stranger() {
    let (run, archive) = receipt(&Home::new(), "1");
    let stranger = impatient();
    let file = stranger.file("receipt.car", &archive.write());
    let (exit, verified) = stranger.json(["verify".as_ref(), file.as_os_str()]);
    assert_eq!((exit, verified["verdict"].as_str()), (0, Some("same")), "{verified}");
    assert_eq!(verified["claim"], run["claim"]);
}

#[test]
fn forged_and_replayed_signatures_are_refused() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let (_, good) = receipt(&home, "1");
    let (_, other) = receipt(&home, "2");
    let (at, envelope) = good.envelope();
    let flipped = {
        let mut bytes = envelope.to_bytes();
        // The signature is the last of the fields in canonical order that is 64 bytes long.
        let signature = bytes.windows(2).rposition(|head| head == [0x58, 0x40]).unwrap() + 2;
        bytes[signature + 5] ^= 1;
        bytes
    };
    let replayed = Envelope { signature: other.envelope().1.signature, ..envelope.clone() }.to_bytes();
    let of_another_key = {
        let stranger = Home::new();
        let (_, foreign) = receipt(&stranger, "1");
        Envelope { key: foreign.envelope().1.key, ..envelope.clone() }.to_bytes()
    };
    for (name, bytes) in [("forged", flipped), ("replayed", replayed), ("of another key", of_another_key)] {
        let mut archive = good.clone();
        archive.replace(at, bytes);
        let victim = impatient();
        let file = victim.file("receipt.car", &archive.write());
        surprises.expect_failure(
            name,
            &victim.json(["verify".as_ref(), file.as_os_str()]),
            (1, "forged-signature", "signature"),
        );
    }
}

#[test]
fn malformed_archives_are_refused_in_words() {
    let mut surprises = Surprises::default();
    let (_, archive) = receipt(&Home::new(), "1");
    let good = archive.write();
    let header_bytes = 1 + usize::from(good[0]);
    let flipped = {
        let mut bytes = good.clone();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        bytes
    };
    let endless_length = [&good[..header_bytes], &[0xff; 12]].concat();
    let huge_block = [&good[..header_bytes], &[0xff, 0xff, 0xff, 0xff, 0x0f], b"short"].concat();
    for (name, bytes, words) in [
        ("empty", Vec::new(), ""),
        ("text", b"this is no archive".to_vec(), ""),
        ("cut in the header", good[..header_bytes / 2].to_vec(), ""),
        ("cut in a block", good[..good.len() - 3].to_vec(), ""),
        ("a flipped bit", flipped, "hash to"),
        ("a length without end", endless_length, ""),
        ("a block of four gigabytes", huge_block, ""),
        ("a header of lists in lists", [&[0x80, 0x20][..], &[0x81; 4096]].concat(), ""),
        ("only a header", good[..header_bytes].to_vec(), ""),
    ] {
        let home = impatient();
        let file = home.file("bad.car", &bytes);
        for command in ["import", "verify"] {
            if name == "only a header" && command == "import" {
                continue; // An archive without blocks may name what somebody else has.
            }
            let (exit, value) = home.json([command.as_ref(), file.as_os_str()]);
            surprises.expect_failure(&format!("{command}: {name}"), &(exit, value), (1, "bad-input", words));
        }
    }
}

#[test]
fn malformed_dags_are_refused_where_they_are_used() {
    let nested = std::iter::repeat_n(0x81, 100_000).chain([0xf6]).collect::<Vec<u8>>();
    let self_link_like = b"\xa1\x64link\xd8\x2a\x58\x25\0".to_vec();
    for (name, codec, bytes) in [
        ("lists in lists", 0x71, nested),
        ("a link that is cut off", 0x71, self_link_like),
        ("no folder", 0x70, b"\xff\xff\xff\xff\xff".to_vec()),
        ("a claim that is none", 0x71, b"\xa2\x64kind\x6apoai/claim\x67version\x01".to_vec()),
    ] {
        let cid = name_of(codec, &bytes);
        let archive = Archive { roots: vec![cid], blocks: vec![(cid, bytes)] };
        let home = impatient();
        let file = home.file("bad.car", &archive.write());
        // An archive may carry what nobody understands; nothing more comes of it than words.
        let (exit, value) = home.json(["import".as_ref(), file.as_os_str()]);
        assert!(exit == 0 || (exit == 1 && value["error"]["kind"] == "bad-input"), "{name}: {value}");
        for command in [vec!["verify".to_owned(), cid.to_string()], vec!["ls".to_owned(), cid.to_string()]] {
            let (exit, value) = home.json(&command);
            assert_eq!(exit, 1, "{name}: {command:?}: {value}");
        }
    }
}

/// Folders whose entries would be written elsewhere.
#[test]
fn folders_with_path_tricks_are_not_written() {
    let mut surprises = Surprises::default();
    for trick in ["..", "../evil", "/tmp/evil", "a/b", "", "."] {
        let file = (name_of(0x55, b"owned"), b"owned".to_vec());
        let folder = dag_pb_folder(trick, &file.0, file.1.len());
        let root = name_of(0x70, &folder);
        let archive = Archive { roots: vec![root], blocks: vec![(root, folder), file] };
        let home = impatient();
        let car = home.file("bad.car", &archive.write());
        let (_, _) = home.json(["import".as_ref(), car.as_os_str()]);
        let output = home.scratch().join("deep/in/output");
        std::fs::create_dir_all(output.parent().unwrap()).unwrap();
        let (exit, value) = home.json(["pull", &root.to_string(), "--output", output.to_str().unwrap()]);
        surprises.expect_failure(&format!("{trick:?}"), &(exit, value), (1, "bad-input", ""));
        assert!(!home.scratch().join("deep/in/evil").exists() && !Path::new("/tmp/evil").exists(), "{trick:?}");
    }
}

/// A UnixFS folder of one entry, by hand: no honest program makes such names.
fn dag_pb_folder(name: &str, entry: &Cid, bytes: usize) -> Vec<u8> {
    let field = |tag: u8, value: &[u8]| {
        let length = u8::try_from(value.len()).expect("short");
        assert!(length < 128, "one byte of length");
        [&[tag, length], value].concat()
    };
    let size = u8::try_from(bytes).expect("short");
    let link = [field(0x0a, &entry.to_bytes()), field(0x12, name.as_bytes()), vec![0x18, size]].concat();
    // The data says: a folder.
    [field(0x12, &link), field(0x0a, &[0x08, 0x01])].concat()
}

fn name_of(codec: u64, bytes: &[u8]) -> Cid {
    use sha2::Digest;
    let digest = cid::multihash::Multihash::wrap(0x12, &sha2::Sha256::digest(bytes)).unwrap();
    Cid::new_v1(codec, digest)
}

/// A CARv1 archive, taken apart.
#[derive(Clone)]
struct Archive {
    roots: Vec<Cid>,
    blocks: Vec<(Cid, Vec<u8>)>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    roots: Vec<Cid>,
    version: u64,
}

impl Archive {
    fn read(mut bytes: &[u8]) -> Self {
        let header = take_part(&mut bytes);
        let header: Header = serde_ipld_dagcbor::from_slice(header).unwrap();
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let mut part = take_part(&mut bytes);
            let cid = Cid::read_bytes(&mut part).unwrap();
            blocks.push((cid, part.to_vec()));
        }
        Self { roots: header.roots, blocks }
    }

    fn write(&self) -> Vec<u8> {
        let header = serde_ipld_dagcbor::to_vec(&Header { roots: self.roots.clone(), version: 1 }).unwrap();
        let mut bytes = Vec::new();
        put_part(&mut bytes, &header);
        for (cid, block) in &self.blocks {
            put_part(&mut bytes, &[&cid.to_bytes()[..], block].concat());
        }
        bytes
    }

    /// The receipt's envelope, and where it is.
    fn envelope(&self) -> (usize, Envelope) {
        let found =
            self.blocks.iter().enumerate().filter_map(|(at, (_, block))| Some((at, Envelope::from_bytes(block).ok()?)));
        found
            .into_iter()
            .find(|(_, envelope)| envelope.payload_kind == "poai/receipt")
            .expect("an archive of a receipt has its envelope")
    }

    /// Puts another block in a block's place, and lets the roots name it.
    fn replace(&mut self, at: usize, block: Vec<u8>) {
        let (old, new) = (self.blocks[at].0, name_of(0x71, &block));
        self.blocks[at] = (new, block);
        for root in &mut self.roots {
            if *root == old {
                *root = new;
            }
        }
    }
}

fn take_part<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let mut length = 0_usize;
    let mut shift = 0;
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    let (part, rest) = bytes.split_at(length);
    *bytes = rest;
    part
}

fn put_part(bytes: &mut Vec<u8>, part: &[u8]) {
    let mut length = part.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(part);
}
