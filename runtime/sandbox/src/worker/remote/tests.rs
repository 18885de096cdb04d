//! Both ends in one process: the worker's content and sink against the daemon's attempt.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use poai_objects::codec::{RAW, cid_of};
use poai_objects::{EngineName, Fuel, InputName, Object, Outcome, Program, Run, TraceRoot, World};

use super::super::attempt::attend;
use super::*;
use crate::sealed::SealedFile;
use crate::{Accelerated, Chunk, FileLayout, Level};

const BLOCKS: usize = 200;

/// One file of many blocks, each with its number in it.
struct Store {
    file: Link,
    handed_out: AtomicUsize,
}

impl Store {
    fn cid(number: usize) -> Cid {
        cid_of(RAW, &number.to_be_bytes())
    }
}

impl Content for Store {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        assert_eq!(*link, self.file);
        let chunks = (0..BLOCKS).map(|number| Chunk { cid: Self::cid(number), bytes: 8 }).collect();
        Ok(Node::File(FileLayout { size_bytes: 8 * BLOCKS as u64, chunks }))
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        self.handed_out.fetch_add(1, Ordering::Relaxed);
        let number = (0..BLOCKS).find(|number| Self::cid(*number) == *cid).unwrap();
        if number == 13 {
            return Err(Fault::Content { reason: "block 13 is missing".into() });
        }
        let sealed = SealedFile::from_bytes("test", &[&b"head"[..], &number.to_be_bytes()].concat()).unwrap();
        Ok(BlockFile { file: File::from(sealed.as_fd().try_clone_to_owned().unwrap()), offset: 4, bytes: 8 })
    }
}

#[derive(Default)]
struct Kept {
    outputs: BTreeMap<String, Vec<u8>>,
    calls: usize,
    effects: Vec<(Vec<u8>, Vec<u8>)>,
    words: Vec<Word>,
}

impl Sink for Kept {
    fn output(&mut self, name: &OutputName, bytes: &[u8]) -> Result<(), Fault> {
        self.calls += 1;
        self.outputs.entry(name.to_string()).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn effect(&mut self, _: &Effect, arguments: &[u8], results: &[u8]) -> Result<(), Fault> {
        self.effects.push((arguments.to_vec(), results.to_vec()));
        Ok(())
    }

    fn word(&mut self, word: Word) {
        self.words.push(word);
    }
}

/// Lets `worker` act a run, and serves it; what came out.
fn with_worker(store: &Store, worker: impl FnOnce(&RemoteContent<'_>, &mut RemoteSink<'_>) + Send) -> Kept {
    let program = Program { world: World::Command, component: store.file, models: BTreeMap::new(), adapter: None };
    let mut run = Run::new(program.id(), EngineName::CURRENT);
    run.inputs.insert("file".parse::<InputName>().unwrap(), store.file);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut kept = Kept::default();
    thread::scope(|scope| {
        scope.spawn(move || {
            let line = Line::new(Channel::new(theirs.into()));
            assert!(matches!(line.receive().unwrap(), (ToWorker::Start { .. }, None)));
            let mut sink = RemoteSink::new(&line, 0);
            worker(&RemoteContent::new(&line, false), &mut sink);
            sink.flush().unwrap();
            let done = FromWorker::Done {
                outcome: Outcome::Ok,
                fuel: Fuel(1),
                outputs: Vec::new(),
                trace: TraceRoot::default(),
                first_difference: None,
                accelerated: Accelerated::default(),
                guest_us: 1,
            };
            line.say(&done).unwrap();
        });
        let patience = Patience::until(Instant::now() + Duration::from_secs(60));
        let ended = attend(&mut Channel::new(ours.into()), &program, &run, store, &mut kept, &patience);
        assert_eq!(ended.ok().unwrap().fuel, Fuel(1));
    });
    kept
}

fn store() -> Store {
    Store { file: Link::try_from(cid_of(RAW, b"file")).unwrap(), handed_out: AtomicUsize::new(0) }
}

#[test]
fn content_is_read_where_it_lies_and_few_descriptors_are_kept() {
    let store = store();
    with_worker(&store, |content, _| {
        let Ok(Node::File(layout)) = content.open(&store.file) else { panic!("no file") };
        let read = |number: usize| {
            let block = content.block(&layout.chunks[number].cid).unwrap();
            let mut bytes = [0; 8];
            block.file.read_exact_at(&mut bytes, block.offset).unwrap();
            assert_eq!(usize::from_be_bytes(bytes), number);
            assert!((&block.file).write_all(b"x").is_err(), "a worker could write into the store");
        };
        let all = (0..BLOCKS).filter(|number| *number != 13);
        all.clone().for_each(read);
        let asked = store.handed_out.load(Ordering::Relaxed);
        assert_eq!(asked, BLOCKS - 1);
        // The blocks last used are still open here; the first are not.
        read(BLOCKS - 1);
        read(BLOCKS - DESCRIPTORS_KEPT);
        assert_eq!(store.handed_out.load(Ordering::Relaxed), asked);
        read(0);
        assert_eq!(store.handed_out.load(Ordering::Relaxed), asked + 1);
        let open = fs::read_dir("/proc/self/fd").unwrap().count();
        all.for_each(read);
        assert!(fs::read_dir("/proc/self/fd").unwrap().count() < open + BLOCKS / 2, "descriptors leak");

        let missing = content.block(&layout.chunks[13].cid).unwrap_err();
        assert_eq!(missing, Fault::Content { reason: "block 13 is missing".into() });
    });
}

#[test]
fn what_goes_out_arrives_whole_in_order_and_in_few_messages() {
    let large: Vec<u8> = (0..3 * PIECE_BYTES + 17).map(|index| (index % 251) as u8).collect();
    let kept = with_worker(&store(), |_, sink| {
        let (a, b) = ("a".parse().unwrap(), "b/c".parse().unwrap());
        sink.output(&a, b"").unwrap();
        large.iter().take(10_000).for_each(|byte| sink.output(&a, &[*byte]).unwrap());
        sink.output(&b, &large).unwrap();
        sink.output(&a, &large[10_000..]).unwrap();
        sink.word(Word::Log { level: Level::Info, message: "said".into() });
        let nothing = cid_of(RAW, b"");
        let effect = Effect { function: "f".into(), fuel: Fuel(1), arguments: nothing, results: nothing };
        sink.effect(&effect, &large, b"").unwrap();
        sink.output(&"empty".parse().unwrap(), b"").unwrap();
    });
    assert_eq!(kept.outputs["a"], large);
    assert_eq!(kept.outputs["b/c"], large);
    assert!(kept.outputs["empty"].is_empty());
    assert_eq!(kept.effects, [(large.clone(), Vec::new())]);
    assert_eq!(kept.words, [Word::Log { level: Level::Info, message: "said".into() }]);
    assert!(kept.calls < 16, "{} messages", kept.calls);
}
