//! The pinned bytes of every message. After a deliberate change, and of [`PROTOCOL_VERSION`]:
//! `POAI_RENEW_VECTORS=1 cargo test -p poai-sandbox protocol` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Object, Outcome, Trap, World};

use super::*;
use crate::layers::{Layer, LayerState};
use crate::{Chunk, CompileLimit, FileLayout, FolderEntry, Level};

const HEADER: &str = "\
# Every message between daemon and worker: direction, name, its canonical bytes in hexadecimal.
# POAI_RENEW_VECTORS=1 cargo test -p poai-sandbox protocol
";

fn block() -> Cid {
    cid_of(RAW, b"block")
}

fn link() -> Link {
    block().try_into().unwrap()
}

fn program() -> Program {
    Program { world: World::Command, component: link(), models: BTreeMap::new(), adapter: None }
}

fn to_worker() -> Vec<(&'static str, ToWorker)> {
    let layout = FileLayout { size_bytes: 5, chunks: vec![Chunk { cid: block(), bytes: 5 }] };
    let entry = FolderEntry { name: "a".into(), link: link(), is_folder: false, size_bytes: 5 };
    let run = Run::new(program().id(), EngineName::CURRENT);
    let start = ToWorker::Start { run, tensor_bytes: 9, is_replay: true };
    vec![
        ("compile", ToWorker::Compile { program: program(), component_bytes: 5 }),
        ("load", ToWorker::Load { program: program(), code_bytes: 5 }),
        ("start", start),
        ("recalled", ToWorker::Recalled { results: vec![1, 2], recompute: true }),
        ("compute", ToWorker::Compute),
        ("node-file", ToWorker::Node(Node::File(layout))),
        ("node-folder", ToWorker::Node(Node::Folder(vec![entry]))),
        ("payload", ToWorker::Payload { offset: 4, bytes: 5 }),
        ("missing", ToWorker::Missing(Fault::Content { reason: "gone".into() })),
    ]
}

fn from_worker() -> Vec<(&'static str, FromWorker)> {
    let layers = Layers::new([(Layer::Landlock, LayerState::Enforced { how: "interface 6".into() })]);
    let effect = Effect { function: "f".into(), fuel: Fuel(3), arguments: block(), results: block() };
    let name: OutputName = "a/b".parse().unwrap();
    let done = |outcome, outputs| FromWorker::Done {
        outcome,
        fuel: Fuel(9),
        outputs,
        trace: TraceRoot::default(),
        first_difference: None,
        accelerated: Accelerated::default(),
        guest_us: 7,
    };
    vec![
        (
            "hello",
            FromWorker::Hello {
                protocol: PROTOCOL_VERSION,
                engine: EngineName::CURRENT,
                code_identity: [7; 32],
                layers,
            },
        ),
        ("code", FromWorker::Code(vec![1, 2, 3])),
        ("compiled", FromWorker::Compiled { code_bytes: 3 }),
        ("refused", FromWorker::Refused { rule: "locals".into(), message: "too many".into() }),
        ("loaded", FromWorker::Loaded),
        ("open", FromWorker::Open(link())),
        ("block", FromWorker::Block(block())),
        ("output", FromWorker::Output { name: name.clone(), bytes: vec![4, 5] }),
        ("whole", FromWorker::Whole(link())),
        ("recall", FromWorker::Recall(Call { index: 1, fuel: Fuel(3), arguments: block() })),
        ("tensor", FromWorker::Tensor(vec![4; 3])),
        ("effect", FromWorker::Effect { effect, arguments_bytes: 2, results_bytes: 3 }),
        ("bytes", FromWorker::Bytes(vec![6])),
        ("word-log", FromWorker::Word(Word::Log { level: Level::Info, message: "hello".into() })),
        ("word-progress", FromWorker::Word(Word::Progress { done: 1, total: None, what: "epochs".into() })),
        ("done-ok", done(Outcome::Ok, vec![name])),
        ("done-failed", done(Outcome::failed("no"), Vec::new())),
        ("done-trapped", done(Outcome::Trapped { trap: Trap::Bounds }, Vec::new())),
        ("faulted-died", FromWorker::Faulted(Fault::WorkerDied { reason: "why".into() })),
        ("faulted-memory", FromWorker::Faulted(Fault::HostMemory { reason: "why".into() })),
        ("faulted-compile", FromWorker::Faulted(Fault::Compile { limit: CompileLimit::Code, allowed: 1 })),
        ("faulted-device", FromWorker::Faulted(Fault::DeviceLost { device: "gpu".into() })),
        ("faulted-watchdog", FromWorker::Faulted(Fault::Watchdog { limit_ms: 1 })),
        ("faulted-stack", FromWorker::Faulted(Fault::NativeStack)),
        ("faulted-content", FromWorker::Faulted(Fault::Content { reason: "why".into() })),
        ("faulted-storage", FromWorker::Faulted(Fault::Storage { reason: "why".into() })),
        ("faulted-cancelled", FromWorker::Faulted(Fault::Cancelled)),
        ("faulted-unknown", FromWorker::Faulted(Fault::Unknown { reason: "why".into() })),
    ]
}

/// The bytes of every sample: seeds for whoever tries hostile ones.
pub(in crate::worker) fn seeds_from_worker() -> Vec<Vec<u8>> {
    from_worker().iter().map(|(_, message)| encode(message).unwrap()).collect()
}

#[test]
fn messages_are_as_pinned() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/worker/protocol/vectors.txt");
    let digits = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut found = HEADER.to_owned();
    for (name, message) in to_worker() {
        found += &format!("to {name} {}\n", digits(encode(&message).unwrap()));
    }
    for (name, message) in from_worker() {
        found += &format!("from {name} {}\n", digits(encode(&message).unwrap()));
    }
    if std::env::var_os("POAI_RENEW_VECTORS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let pinned = fs::read_to_string(&path).unwrap();
    for (pinned, found) in pinned.lines().zip(found.lines()) {
        assert_eq!(pinned, found);
    }
    assert_eq!(pinned.lines().count(), found.lines().count());
}

#[test]
fn every_message_comes_back_as_it_was() {
    for (name, message) in to_worker() {
        assert_eq!(decode::<ToWorker>(&encode(&message).unwrap()).unwrap(), message, "{name}");
    }
    for (name, message) in from_worker() {
        assert_eq!(decode::<FromWorker>(&encode(&message).unwrap()).unwrap(), message, "{name}");
    }
}

/// The fuzz target: bytes are refused, or are the one form of a message.
fn decoded_or_refused<M: Message + Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<M>(bytes) {
        assert_eq!(encode(&message).unwrap(), bytes, "{message:?} has two forms");
    }
}

#[test]
fn hostile_bytes_are_refused_or_have_one_form() {
    let seeds = to_worker().into_iter().map(|(_, message)| encode(&message).unwrap()).chain(seeds_from_worker());
    for seed in seeds {
        for length in 0..seed.len() {
            decoded_or_refused::<ToWorker>(&seed[..length]);
            decoded_or_refused::<FromWorker>(&seed[..length]);
        }
        for bit in 0..seed.len() * 8 {
            let mut bytes = seed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            decoded_or_refused::<ToWorker>(&bytes);
            decoded_or_refused::<FromWorker>(&bytes);
        }
        let twice = [seed.as_slice(), &seed].concat();
        assert!(decode::<ToWorker>(&twice).is_err() && decode::<FromWorker>(&twice).is_err(), "trailing bytes");
    }
}

#[test]
fn what_is_hostile_by_size_is_refused_before_it_is_read() {
    // A byte string and a list that announce 2^60 elements, and nesting deeper than any message.
    for bytes in [
        &b"\xa1\x64code\x5b\x10\x00\x00\x00\x00\x00\x00\x00"[..],
        b"\xa1\x64node\x9b\x10\x00\x00\x00\x00\x00\x00\x00",
        &[0x81; 100_000],
    ] {
        assert!(decode::<FromWorker>(bytes).is_err());
        assert!(decode::<ToWorker>(bytes).is_err());
    }
    let huge = FromWorker::Code(vec![0; MESSAGE_BYTES]);
    assert!(matches!(encode(&huge), Err(ProtocolError::TooLarge { .. })));
    let error = decode::<FromWorker>(&vec![0; MESSAGE_BYTES + 1]).unwrap_err();
    assert_eq!(error.to_string(), "worker message exceeds the limit bytes of 8388608");
}
