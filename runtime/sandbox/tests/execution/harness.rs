//! Prepares, compiles and runs a guest in this process.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::LazyLock;

use cid::Cid;
use poai_objects::codec::{RAW, cid_of};
use poai_objects::{
    Claim, ClaimId, Effect, EngineName, Fuel, InputName, Limits, Link, Model, Object, Outcome, OutputName, Program,
    Run, Trap,
};
use poai_sandbox::{
    Content, Engine, EngineConfig, Fault, Finished, Loaded, Nans, OptLevel, Sink, Stage, Word, detect_world,
    prepare_with,
};

use crate::content::Contents;

/// An engine, and who makes its NaNs canonical.
struct Compiler(Engine, Nans);

impl Compiler {
    fn new(opt_level: OptLevel, nans: Nans) -> Self {
        let concurrent_runs = NonZeroU32::new(4).unwrap();
        Self(Engine::new(&EngineConfig { opt_level, nans, concurrent_runs }).unwrap(), nans)
    }
}

static QUICK_TO_COMPILE: LazyLock<Compiler> = LazyLock::new(|| Compiler::new(OptLevel::None, Nans::ByMeter));
static QUICK_TO_RUN: LazyLock<Compiler> = LazyLock::new(|| Compiler::new(OptLevel::Speed, Nans::ByMeter));
static ORACLE: LazyLock<Compiler> = LazyLock::new(|| Compiler::new(OptLevel::Speed, Nans::ByCompiler));

/// A guest, compiled, with a run of it that a test may change.
pub(crate) struct Case {
    pub(crate) loaded: Loaded,
    pub(crate) run: Run,
    pub(crate) contents: Contents,
    models: BTreeMap<InputName, Model>,
}

impl Case {
    pub(crate) fn new(program: &[u8]) -> Self {
        Self::compiled(program, &QUICK_TO_COMPILE)
    }

    pub(crate) fn optimised(program: &[u8]) -> Self {
        Self::compiled(program, &QUICK_TO_RUN)
    }

    /// With the NaNs of the definition.
    pub(crate) fn oracle(program: &[u8]) -> Self {
        Self::compiled(program, &ORACLE)
    }

    fn compiled(program: &[u8], Compiler(engine, nans): &Compiler) -> Self {
        let world = detect_world(program).unwrap();
        let prepared = prepare_with(program, world, *nans)
            .unwrap_or_else(|refusal| panic!("refused({}): {refusal}", refusal.rule()));
        let artefact = engine.compile(&prepared).unwrap();
        let component = Link::try_from(cid_of(RAW, program)).unwrap();
        let described = Program { world, component, models: BTreeMap::new(), adapter: None };
        // The tests' runs are small: a bug must not spin for an hour.
        let limits = Limits { fuel: Fuel(1_000_000_000), memory_bytes: 64 << 20, ..Limits::default() };
        let run = Run { limits, ..Run::new(described.id(), EngineName::CURRENT) };
        let loaded = engine.load(&artefact).unwrap();
        Self { loaded, run, contents: Contents::default(), models: BTreeMap::new() }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Run)) -> Self {
        change(&mut self.run);
        self
    }

    pub(crate) fn input(mut self, name: &str, bytes: &[u8]) -> Self {
        let link = self.contents.file(bytes);
        self.run.inputs.insert(name.parse().unwrap(), link);
        self
    }

    /// With a model that the program names.
    pub(crate) fn model(mut self, name: &str, format: &str, bytes: &[u8]) -> Self {
        let graph = self.contents.file(bytes);
        self.named_model(name, format, graph)
    }

    /// With a model that is a folder.
    pub(crate) fn model_of_files(mut self, name: &str, format: &str, files: &[(&str, Vec<u8>)]) -> Self {
        let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, self.contents.file(bytes))).collect();
        let graph = self.contents.folder(&files);
        self.named_model(name, format, graph)
    }

    fn named_model(mut self, name: &str, format: &str, graph: Link) -> Self {
        let model = Model { graph, format: format.into() };
        self.models.insert(name.parse().unwrap(), model);
        self.loaded = self.loaded.with_models(self.models.clone());
        self
    }

    pub(crate) fn try_run(&self) -> Result<Ended, Fault> {
        self.try_run_on(&mut Stage::new()?)
    }

    pub(crate) fn try_run_on(&self, stage: &mut Stage) -> Result<Ended, Fault> {
        self.try_run_with(stage, &self.contents, 0)
    }

    /// With content of one's own, and so many bytes of results' tensors kept.
    pub(crate) fn try_run_with(
        &self,
        stage: &mut Stage,
        content: &dyn Content,
        tensor_bytes: u64,
    ) -> Result<Ended, Fault> {
        let mut kept = Kept { tensor_bytes, ..Kept::default() };
        let finished = stage.execute(&self.loaded, &self.run, content, &mut kept)?;
        Ok(Ended { run: self.run.clone(), finished, kept })
    }

    pub(crate) fn run(&self) -> Ended {
        self.try_run().unwrap()
    }
}

/// A run that ended.
pub(crate) struct Ended {
    run: Run,
    pub(crate) finished: Finished,
    pub(crate) kept: Kept,
}

impl Ended {
    pub(crate) fn outcome(&self) -> &Outcome {
        &self.finished.outcome
    }

    pub(crate) fn fuel(&self) -> u64 {
        self.finished.fuel.0
    }

    /// An output as text.
    pub(crate) fn output(&self, name: &str) -> String {
        let bytes = self
            .kept
            .outputs
            .get(name)
            .unwrap_or_else(|| panic!("no output {name}: {:?} {:?}", self.outcome(), self.kept.words));
        String::from_utf8(bytes.clone()).unwrap()
    }

    pub(crate) fn output_names(&self) -> Vec<&str> {
        self.finished.outputs.iter().map(OutputName::as_str).collect()
    }

    pub(crate) fn log(&self) -> Vec<&str> {
        let lines = self
            .kept
            .words
            .iter()
            .filter_map(|word| if let Word::Log { message, .. } = word { Some(message.as_str()) } else { None });
        lines.collect()
    }

    /// The claim that a host would make of this.
    pub(crate) fn claim(&self) -> ClaimId {
        let link = |name: &OutputName| Link::try_from(cid_of(RAW, &self.kept.outputs[name])).unwrap();
        let outputs = self.finished.outputs.iter().map(|name| (name.clone(), link(name))).collect();
        let Finished { outcome, fuel, trace, .. } = &self.finished;
        Claim { run: self.run.id(), outcome: outcome.clone(), outputs, fuel: *fuel, trace: trace.id() }.id()
    }
}

/// Keeps what it is given.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) outputs: BTreeMap<OutputName, Vec<u8>>,
    pub(crate) effects: Vec<(Effect, Vec<u8>, Vec<u8>)>,
    pub(crate) words: Vec<Word>,
    /// Bytes of results' tensors to keep.
    pub(crate) tensor_bytes: u64,
    pub(crate) tensors: BTreeMap<Cid, Vec<u8>>,
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

    fn tensor_bytes(&self) -> u64 {
        self.tensor_bytes
    }

    fn tensor(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.tensors.insert(cid_of(RAW, bytes), bytes.to_vec());
        Ok(())
    }

    fn word(&mut self, word: Word) {
        self.words.push(word);
    }
}

pub(crate) fn trapped(trap: Trap) -> Outcome {
    Outcome::Trapped { trap }
}

pub(crate) fn failed(message: &str) -> Outcome {
    Outcome::Failed { message: message.into() }
}
