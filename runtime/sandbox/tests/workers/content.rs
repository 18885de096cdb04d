//! A store of the tests: blocks in memory, handed out as files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use cid::Cid;
use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Effect, EngineName, Link, Object, OutputName, Program, Run, World};
use poai_sandbox::worker::{Cancel, RunError, Attempt, Ran, Workers, WorkersConfig, WorkersLimits};
use poai_sandbox::{BlockFile, Chunk, Content, Fault, FileLayout, LocalKey, Node, Sink, Word};

/// Every file is one raw block.
#[derive(Default)]
pub(crate) struct Blocks {
    blocks: BTreeMap<Cid, Vec<u8>>,
    pub(crate) handed_out: AtomicUsize,
}

impl Blocks {
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Link {
        let cid = cid_of(RAW, bytes);
        self.blocks.insert(cid, bytes.to_vec());
        Link::try_from(cid).unwrap()
    }

    fn bytes(&self, cid: &Cid) -> Result<&[u8], Fault> {
        self.blocks.get(cid).map(Vec::as_slice).ok_or_else(|| Fault::Content { reason: format!("no block {cid}") })
    }
}

impl Content for Blocks {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        let bytes = self.bytes(link.cid())?.len() as u64;
        Ok(Node::File(FileLayout { size_bytes: bytes, chunks: vec![Chunk { cid: *link.cid(), bytes }] }))
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        self.handed_out.fetch_add(1, Ordering::Relaxed);
        let bytes = self.bytes(cid)?;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Ok(BlockFile { file, offset: 0, bytes: bytes.len() as u64 })
    }
}

/// Keeps what it is given.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) outputs: BTreeMap<OutputName, Vec<u8>>,
    pub(crate) effects: Vec<(Effect, Vec<u8>, Vec<u8>)>,
    pub(crate) words: Vec<Word>,
}

impl Sink for Kept {
    fn output(&mut self, name: &OutputName, bytes: &[u8]) -> Result<(), Fault> {
        self.outputs.entry(name.clone()).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, arguments: &[u8], results: &[u8]) -> Result<(), Fault> {
        self.effects.push((effect.clone(), arguments.to_vec(), results.to_vec()));
        Ok(())
    }

    fn word(&mut self, word: Word) {
        self.words.push(word);
    }
}

/// A program, a run of it, and the content of both.
pub(crate) struct Case {
    pub(crate) blocks: Blocks,
    pub(crate) program: Program,
    pub(crate) run: Run,
}

impl Case {
    pub(crate) fn new(component: &[u8]) -> Self {
        Self::of_world(World::Command, component)
    }

    pub(crate) fn of_world(world: World, component: &[u8]) -> Self {
        let mut blocks = Blocks::default();
        let program = Program { world, component: blocks.add(component), models: BTreeMap::new(), adapter: None };
        let run = Run::new(program.id(), EngineName::CURRENT);
        Self { blocks, program, run }
    }

    pub(crate) fn run_in(&self, workers: &Workers) -> Result<Ran, RunError> {
        self.run_with(workers, &Cancel::new().unwrap()).0
    }

    pub(crate) fn run_with(&self, workers: &Workers, cancel: &Cancel) -> (Result<Ran, RunError>, Kept) {
        let mut kept = Kept::default();
        let ran = workers.run(Attempt { program: &self.program, run: &self.run }, &self.blocks, &mut kept, cancel);
        (ran, kept)
    }
}

/// The tests' workers, with limits of a test's own.
pub(crate) fn workers(home: &Path, change: impl FnOnce(&mut WorkersLimits)) -> Workers {
    Workers::start(config(home, change)).unwrap()
}

pub(crate) fn config(home: &Path, change: impl FnOnce(&mut WorkersLimits)) -> WorkersConfig {
    let mut config = WorkersConfig::new(crate::executable(), vec!["worker".into()], home.join("code"), LocalKey::from_bytes([1; 32]));
    change(&mut config.limits);
    config
}
