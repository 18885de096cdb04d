use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cid::Cid;
use poai_objects::{EngineName, Fuel, InputName, Link, Model, Object, Params, Program, Run, RunId, World};
use poai_store::unixfs::FolderWriter;
use poai_store::{InUse, RAW, Verified};
use tokio_util::sync::CancellationToken;

use super::Node;
use super::resolve::{Interface, Resolved};
use crate::control::{RunRequest, Source, Target};
use crate::errors::{Failure, Kind};
use crate::events::Events;
use crate::package_file::{Draft, DraftModel, MODEL_FILE};
use crate::program_file;
use crate::shelf::Shelf;

/// A run with its id, and everything that it links to held in the store.
pub(super) struct PreparedRun {
    pub(super) resolved: Resolved,
    pub(super) run: Run,
    pub(super) id: RunId,
    pub(super) in_use: InUse,
}

impl Node {
    /// Turns a request into a run: takes files in, fills in parameters, and makes the id.
    pub(super) async fn prepare(
        self: &Arc<Self>,
        request: &RunRequest,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<PreparedRun, Failure> {
        let in_use = self.store.in_use();
        let resolved = self.resolve_target(request, &in_use, events, cancel).await?;
        check_arguments(request, &resolved)?;
        let inputs = self.take_in_inputs(&request.inputs, &in_use, events).await?;
        if let Some(interface) = &resolved.interface {
            check_inputs(&inputs, interface)?;
        }
        let run = describe(request, &resolved, inputs)?;
        let id = self.store.put_object(&run)?;
        in_use.hold_dag(id.cid());
        Ok(PreparedRun { resolved, run, id, in_use })
    }

    /// The program that a request is about; whatever of it lies in files is taken in.
    pub(super) async fn resolve_target(
        self: &Arc<Self>,
        request: &RunRequest,
        in_use: &InUse,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Resolved, Failure> {
        match &request.target {
            Target::Named(name) => {
                if let Ok(cid) = Cid::try_from(name.as_str()) {
                    self.bring_object(&cid, &request.peers, events, cancel).await?;
                }
                self.resolve(name)
            }
            Target::File(path) => {
                let (id, program) = self.take_in_program(path, None, &BTreeMap::new(), in_use, events).await?;
                Ok(Resolved { id, program, package: None, interface: None })
            }
            Target::Draft(draft) => self.resolve_draft(draft, in_use, events).await,
        }
    }

    async fn resolve_draft(
        self: &Arc<Self>,
        draft: &Draft,
        in_use: &InUse,
        events: &Events,
    ) -> Result<Resolved, Failure> {
        let (id, program) = self.take_in_program(&draft.component, draft.world, &draft.models, in_use, events).await?;
        let interface = Interface { params: draft.params.clone(), inputs: draft.inputs.clone() };
        Ok(Resolved { id, program, package: None, interface: Some(interface) })
    }

    /// Takes a component and its models in, and makes the program around them.
    pub(super) async fn take_in_program(
        self: &Arc<Self>,
        component: &Path,
        world: Option<World>,
        models: &BTreeMap<InputName, DraftModel>,
        in_use: &InUse,
        events: &Events,
    ) -> Result<(poai_objects::ProgramId, Program), Failure> {
        let bytes = program_file::read(component)?;
        let found = poai_sandbox::detect_world(&bytes)
            .map_err(|refusal| Failure::refused(refusal.rule(), &format!("{}: {refusal}", component.display())))?;
        if let Some(world) = world.filter(|world| *world != found) {
            let message =
                format!("{} says {}, and the component is {}", "package.toml", world_name(world), world_name(found));
            return Err(Failure::new(Kind::BadInput, message));
        }
        let adapter = wasmparser::Parser::is_core_wasm(&bytes).then(|| self.take_in_adapter(in_use)).transpose()?;
        let mut program = Program {
            world: found,
            component: self.take_in(component, in_use, events).await?,
            models: BTreeMap::new(),
            adapter,
        };
        for (name, model) in models {
            let graph = self.take_in_model(model, in_use, events).await?;
            program.models.insert(name.clone(), Model { graph, format: model.format.clone() });
        }
        let id = self.store.put_object(&program)?;
        in_use.hold_dag(id.cid());
        Ok((id, program))
    }

    /// A model's file, or a folder of it and the files beside it.
    async fn take_in_model(
        self: &Arc<Self>,
        model: &DraftModel,
        in_use: &InUse,
        events: &Events,
    ) -> Result<Link, Failure> {
        if model.beside.is_empty() {
            return self.take_in(&model.file, in_use, events).await;
        }
        let mut folder = FolderWriter::new();
        folder.add(MODEL_FILE, self.take_in_content(&model.file, in_use, events).await?)?;
        for (name, file) in &model.beside {
            folder.add(name, self.take_in_content(file, in_use, events).await?)?;
        }
        Ok(Link::try_from(folder.finish(&self.store, in_use)?.cid)?)
    }

    /// The preview 1 adapter's code is metered with the module's, so it is content of the program.
    fn take_in_adapter(&self, in_use: &InUse) -> Result<Link, Failure> {
        let block = Verified::of(RAW, poai_sandbox::preview1_adapter())?;
        in_use.hold_block(block.cid());
        self.store.put_lazily(&block)?;
        Ok(Link::try_from(*block.cid())?)
    }

    async fn take_in_inputs(
        self: &Arc<Self>,
        inputs: &BTreeMap<InputName, Source>,
        in_use: &InUse,
        events: &Events,
    ) -> Result<BTreeMap<InputName, Link>, Failure> {
        let mut links = BTreeMap::new();
        for (name, source) in inputs {
            let link = match source {
                Source::Path(path) => self.take_in(path, in_use, events).await?,
                Source::Cid(cid) => {
                    cid.parse().map_err(|error| Failure::new(Kind::BadInput, format!("input {name}: {error}")))?
                }
            };
            in_use.hold_dag(link.cid());
            links.insert(name.clone(), link);
        }
        Ok(links)
    }
}

fn world_name(world: World) -> &'static str {
    match world {
        World::Task => "poai:task/task@0.1",
        World::Command => "wasi:cli/command@0.2",
    }
}

/// Arguments and environment are a plain program's; a task would silently not see them.
fn check_arguments(request: &RunRequest, resolved: &Resolved) -> Result<(), Failure> {
    let given = if !request.args.is_empty() { "arguments" } else { "environment variables" };
    if resolved.is_plain() || (request.args.is_empty() && request.env.is_empty()) {
        return Ok(());
    }
    Err(Failure::new(Kind::BadInput, format!("a task of poai takes no {given}"))
        .hint("give it parameters: --param NAME=VALUE"))
}

/// Refuses a run that lacks what its package says it needs.
fn check_inputs(inputs: &BTreeMap<InputName, Link>, interface: &Interface) -> Result<(), Failure> {
    for (name, port) in &interface.inputs {
        if port.required && !inputs.contains_key(name) {
            let failure = Failure::new(Kind::BadInput, format!("the input {name} is missing: {}", port.doc));
            return Err(failure.hint(format!("give it with --input {name}=FILE, a folder, or a CID")));
        }
    }
    Ok(())
}

/// The run that a request describes.
fn describe(request: &RunRequest, resolved: &Resolved, inputs: BTreeMap<InputName, Link>) -> Result<Run, Failure> {
    let schema = resolved.interface.as_ref().map(|interface| &interface.params);
    let pairs = request.params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut params = Params::from_pairs(pairs, schema)?;
    if let Some(schema) = schema {
        params = params.with_defaults(schema)?;
    }
    let mut run = Run::new(resolved.id, EngineName::CURRENT);
    run.inputs = inputs;
    run.params = params;
    run.args.clone_from(&request.args);
    run.env.clone_from(&request.env);
    run.seed = request.seed;
    run.clock_ns = request.clock_ns;
    run.limits.fuel = request.fuel.map_or(run.limits.fuel, Fuel);
    run.limits.memory_bytes = request.memory_bytes.unwrap_or(run.limits.memory_bytes);
    run.validate()?;
    Ok(run)
}
