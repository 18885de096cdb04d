//! A store of the tests: blocks in memory, handed out as files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use cid::Cid;
use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Effect, EngineName, InputName, Link, Model, Object, OutputName, Program, Run, World};
use poai_sandbox::worker::{Attempt, Cancel, Ran, RunError, Workers, WorkersConfig, WorkersLimits};
use poai_sandbox::{
    BlockFile, Chunk, Content, Engine, EngineConfig, Fault, FileLayout, Finished, LocalKey, Node, Sink, Word, assemble,
    execute, prepare,
};

/// Bytes of one block of a file.
const CHUNK_BYTES: usize = 100_000;

/// Files, cut into raw blocks.
#[derive(Default)]
pub(crate) struct Blocks {
    files: BTreeMap<Link, FileLayout>,
    blocks: BTreeMap<Cid, Vec<u8>>,
    /// Whole files that were asked for, and how often.
    whole: Mutex<BTreeMap<Link, (File, u32)>>,
}

impl Blocks {
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Link {
        let link = Link::try_from(cid_of(RAW, bytes)).unwrap();
        let mut layout = FileLayout { size_bytes: bytes.len() as u64, chunks: Vec::new() };
        for chunk in bytes.chunks(CHUNK_BYTES) {
            let cid = cid_of(RAW, chunk);
            layout.chunks.push(Chunk { cid, bytes: chunk.len() as u64 });
            self.blocks.insert(cid, chunk.to_vec());
        }
        self.files.insert(link, layout);
        link
    }

    /// How often each whole file was asked for since this was last asked.
    pub(crate) fn asked_for(&self) -> Vec<u32> {
        self.whole.lock().unwrap().values_mut().map(|(_, asked)| std::mem::take(asked)).collect()
    }
}

impl Content for Blocks {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        let layout = self.files.get(link).ok_or_else(|| Fault::Content { reason: format!("no file {link}") })?;
        Ok(Node::File(layout.clone()))
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        let bytes = self.blocks.get(cid).ok_or_else(|| Fault::Content { reason: format!("no block {cid}") })?;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Ok(BlockFile { file, offset: 0, bytes: bytes.len() as u64 })
    }

    fn whole(&self, file: &Link) -> Result<BlockFile, Fault> {
        let Node::File(layout) = self.open(file)? else { unreachable!("there are no folders here") };
        let mut whole = self.whole.lock().unwrap();
        let (file, asked) = whole.entry(*file).or_insert_with(|| {
            let mut written = tempfile::NamedTempFile::new().unwrap();
            let full = |error: &std::io::Error| panic!("{error}");
            assemble(&layout, &|cid| self.block(cid), &mut written, &full).unwrap();
            (File::open(written.path()).unwrap(), 0)
        });
        *asked += 1;
        Ok(BlockFile { file: file.try_clone().unwrap(), offset: 0, bytes: layout.size_bytes })
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

    pub(crate) fn with_input(mut self, name: &str, bytes: &[u8]) -> Self {
        let link = self.blocks.add(bytes);
        self.run.inputs.insert(name.parse::<InputName>().unwrap(), link);
        self
    }

    /// With a model that the program names.
    pub(crate) fn with_model(mut self, name: &str, format: &str, bytes: &[u8]) -> Self {
        let model = Model { graph: self.blocks.add(bytes), format: format.into() };
        self.program.models.insert(name.parse().unwrap(), model);
        self.run.program = self.program.id();
        self
    }

    /// The same run without a worker.
    pub(crate) fn run_here(&self, component: &[u8]) -> (Finished, Kept) {
        let engine = Engine::new(&EngineConfig::default()).unwrap();
        let loaded = engine.load(&engine.compile(&prepare(component, self.program.world).unwrap()).unwrap()).unwrap();
        let loaded = loaded.with_models(self.program.models.clone());
        let mut kept = Kept::default();
        let finished = execute(&loaded, &self.run, &self.blocks, &mut kept).unwrap();
        (finished, kept)
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
    let mut config = WorkersConfig::new(
        crate::executable(),
        vec!["worker".into()],
        home.join("code"),
        LocalKey::from_bytes([1; 32]),
    );
    change(&mut config.limits);
    config
}
