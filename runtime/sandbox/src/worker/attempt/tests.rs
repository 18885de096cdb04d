//! A worker that lies: the daemon gives out nothing, takes nothing, and does not hang.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use poai_objects::codec::{RAW, cid_of};
use poai_objects::{EngineName, Fuel, InputName, Model, Object, TraceRoot, Trap, World};

use super::super::protocol::{encode, tests::seeds_from_worker};
use super::*;
use crate::{Accelerated, Chunk, FileLayout, FolderEntry, Level};

/// A file, and a folder that holds another file; a model that is a folder, with its weights in it.
struct Store {
    file: Link,
    folder: Link,
    inside: Link,
    model: Link,
    weights: Link,
    private: Link,
}

impl Store {
    fn new() -> Self {
        let link = |bytes: &[u8]| Link::try_from(cid_of(RAW, bytes)).unwrap();
        Self {
            file: link(b"file"),
            folder: link(b"folder"),
            inside: link(b"inside"),
            model: link(b"model"),
            weights: link(b"weights"),
            private: link(b"private"),
        }
    }

    fn run(&self) -> (Program, Run) {
        let models = BTreeMap::from([("m".parse().unwrap(), Model { graph: self.model, format: "onnx".into() })]);
        let program = Program { world: World::Command, component: self.private, models, adapter: None };
        let mut run = Run::new(program.id(), EngineName::CURRENT);
        run.inputs = [("file", self.file), ("folder", self.folder)]
            .map(|(name, link)| (name.parse::<InputName>().unwrap(), link))
            .into();
        run.limits.output_bytes = 1_000;
        run.limits.output_count = 2;
        run.limits.fuel = Fuel(100);
        (program, run)
    }
}

impl Content for Store {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        assert_ne!(*link, self.private, "what the run does not name was opened");
        for (folder, inside) in [(self.folder, self.inside), (self.model, self.weights)] {
            if *link == folder {
                let name = "inside".into();
                return Ok(Node::Folder(vec![FolderEntry { name, link: inside, is_folder: false, size_bytes: 6 }]));
            }
        }
        Ok(Node::File(FileLayout { size_bytes: 4, chunks: vec![Chunk { cid: *link.cid(), bytes: 4 }] }))
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        assert_ne!(cid, self.private.cid(), "what the run does not name was read");
        Ok(BlockFile { file: tempfile::tempfile().unwrap(), offset: 0, bytes: 0 })
    }

    fn whole(&self, file: &Link) -> Result<BlockFile, Fault> {
        assert!([self.model, self.weights].contains(file), "what is no model was handed out whole");
        Ok(BlockFile { file: tempfile::tempfile().unwrap(), offset: 0, bytes: 0 })
    }
}

#[derive(Default)]
struct Counted {
    output_bytes: usize,
    effects: usize,
    words: Vec<Word>,
}

impl Sink for Counted {
    fn output(&mut self, _: &OutputName, bytes: &[u8]) -> Result<(), Fault> {
        self.output_bytes += bytes.len();
        Ok(())
    }

    fn effect(&mut self, _: &Effect, arguments: &[u8], results: &[u8]) -> Result<(), Fault> {
        self.effects += arguments.len() + results.len();
        Ok(())
    }

    fn word(&mut self, word: Word) {
        self.words.push(word);
    }
}

/// What a worker that sends these bytes and closes comes to.
fn attend_to(bytes: &[u8]) -> (Result<Finished, String>, Counted) {
    let store = Store::new();
    let (program, run) = store.run();
    let (worker, daemon) = UnixStream::pair().unwrap();
    let mut channel = Channel::new(daemon.into());
    let mut sink = Counted::default();
    let patience = Patience::until(Instant::now() + Duration::from_secs(60));
    let ended = thread::scope(|scope| {
        // It says no more and stays until it was attended to. Its answers are not read: they must not stop it either.
        scope.spawn(|| {
            (&worker).write_all(bytes).ok();
            worker.shutdown(std::net::Shutdown::Write).ok();
        });
        let ended = attend(&mut channel, &program, &run, &store, &mut sink, &patience);
        // What it still writes to a daemon that has hung up must not keep it.
        drop(channel);
        ended
    });
    let ended = ended.map_err(|stop| match stop.into_channel_error() {
        Ok(error) => error.to_string(),
        Err(fault) => fault.to_string(),
    });
    (ended, sink)
}

fn frames(messages: &[FromWorker]) -> Vec<u8> {
    let frame = |message| {
        let body = encode(message).unwrap();
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    };
    messages.iter().flat_map(frame).collect()
}

fn done(fuel: u64, outputs: &[&str]) -> FromWorker {
    let outputs = outputs.iter().map(|name| name.parse().unwrap()).collect();
    FromWorker::Done {
        outcome: Outcome::Ok,
        fuel: Fuel(fuel),
        outputs,
        trace: TraceRoot::default(),
        first_difference: None,
        accelerated: Accelerated::default(),
        guest_us: 1,
    }
}

fn output_named(name: &str) -> FromWorker {
    FromWorker::Output { name: name.parse().unwrap(), bytes: Vec::new() }
}

fn output(bytes: usize) -> FromWorker {
    FromWorker::Output { name: "a".parse().unwrap(), bytes: vec![0; bytes] }
}

fn effect(arguments_bytes: u64, results_bytes: u64) -> FromWorker {
    let nothing = cid_of(RAW, b"");
    let effect = Effect { function: "f".into(), fuel: Fuel(1), arguments: nothing, results: nothing };
    FromWorker::Effect { effect, arguments_bytes, results_bytes }
}

#[test]
fn an_honest_worker_is_served() {
    let store = Store::new();
    let conversation = [
        FromWorker::Open(store.file),
        FromWorker::Block(*store.file.cid()),
        FromWorker::Open(store.folder),
        FromWorker::Open(store.inside),
        FromWorker::Block(*store.inside.cid()),
        FromWorker::Open(store.model),
        FromWorker::Whole(store.weights),
        output(400),
        output(600),
        effect(2, 3),
        FromWorker::Bytes(vec![1, 2]),
        FromWorker::Bytes(vec![3]),
        FromWorker::Bytes(vec![4, 5]),
        FromWorker::Word(Word::Log { level: Level::Info, message: "red \u{1b}[31m".into() }),
        done(100, &["a", "b"]),
    ];
    let (ended, sink) = attend_to(&frames(&conversation));
    assert_eq!(ended.unwrap().fuel, Fuel(100));
    assert_eq!((sink.output_bytes, sink.effects), (1_000, 5));
    assert_eq!(sink.words, [Word::Log { level: Level::Info, message: "red [31m".into() }]);
}

#[test]
fn a_lying_worker_gets_nothing() {
    let store = Store::new();
    let trapped = FromWorker::Done {
        outcome: Outcome::Trapped { trap: Trap::Bounds },
        fuel: Fuel(1),
        outputs: vec!["a".parse().unwrap()],
        trace: TraceRoot::default(),
        first_difference: None,
        accelerated: Accelerated::default(),
        guest_us: 1,
    };
    for (messages, expected) in [
        (vec![FromWorker::Open(store.private)], "asked for content that its run does not name"),
        (vec![FromWorker::Open(store.inside)], "asked for content that its run does not name"),
        (vec![FromWorker::Block(*store.private.cid())], "asked for a block of no file that it has opened"),
        (vec![FromWorker::Block(*store.file.cid())], "asked for a block of no file that it has opened"),
        (vec![FromWorker::Whole(store.file)], "asked for a whole file that is no model of its program"),
        (vec![FromWorker::Whole(store.private)], "asked for a whole file that is no model of its program"),
        (vec![FromWorker::Whole(store.weights)], "asked for a whole file that is no model of its program"),
        (
            vec![FromWorker::Open(store.folder), FromWorker::Whole(store.inside)],
            "asked for a whole file that is no model of its program",
        ),
        (
            vec![
                FromWorker::Open(store.model),
                FromWorker::Whole(store.weights),
                FromWorker::Open(store.model),
                FromWorker::Whole(store.weights),
            ],
            "asked twice for a whole file",
        ),
        (vec![output(600), output(401)], "sent more output than its run may have"),
        (vec![output_named("a"), output_named("b"), output_named("c")], "sent more output than its run may have"),
        (
            vec![effect(2, 0), FromWorker::Bytes(vec![1]), output(1)],
            "announced an effect's bytes and sent something else",
        ),
        (vec![effect(2, 0), FromWorker::Bytes(Vec::new())], "announced an effect's bytes and sent something else"),
        (vec![effect(1, 0), FromWorker::Bytes(vec![1, 2])], "sent more bytes of an effect than it announced"),
        (
            vec![effect(u64::MAX, 0)],
            "this host could not store what the run needs: a call of f takes or gives more than 1048576 bytes",
        ),
        (vec![FromWorker::Bytes(vec![1])], "sent what no run sends"),
        (vec![FromWorker::Loaded], "sent what no run sends"),
        (vec![done(101, &[])], "claims an end that no run of these limits has"),
        (vec![done(1, &["a", "b", "c"])], "claims an end that no run of these limits has"),
        (vec![done(1, &["b", "a"])], "claims an end that no run of these limits has"),
        (vec![done(1, &["a", "a"])], "claims an end that no run of these limits has"),
        (vec![trapped], "claims an end that no run of these limits has"),
        (vec![FromWorker::Faulted(Fault::DeviceLost { device: "\u{1b}]0;x".into() })], "a device failed: ]0;x"),
        (Vec::new(), "the other side is gone"),
    ] {
        let error = attend_to(&frames(&messages)).0.unwrap_err();
        assert!(error.trim_start_matches("it broke the protocol: it ") == expected, "{messages:?}: {error}");
    }
}

/// The fuzz target: whatever a worker sends, the attempt ends, and within its limits.
fn attended(bytes: &[u8]) {
    let (ended, sink) = attend_to(bytes);
    assert!(sink.output_bytes <= 1_000);
    if let Ok(finished) = ended {
        assert!(finished.fuel <= Fuel(100));
    }
}

#[test]
fn hostile_bytes_end_the_attempt() {
    let seeds = seeds_from_worker();
    let frame = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
    for (number, seed) in seeds.iter().enumerate() {
        let next = &seeds[(number + 1) % seeds.len()];
        attended(&[frame(seed), frame(next), frame(seed)].concat());
        // Every seventh bit keeps the time short and still reaches every byte of every message.
        for bit in (0..seed.len() * 8).step_by(7) {
            let mut bytes = frame(seed);
            bytes[bit / 8] ^= 1 << (bit % 8);
            attended(&bytes);
        }
    }
}
