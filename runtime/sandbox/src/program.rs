//! What is executed, made ready: world, adapter, static rules, meter.

use poai_meter::{CostTable, Nans, Refused, StaticRule, StaticRules};
use poai_objects::World;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasmparser::{BinaryReaderError, ComponentExternalKind, ComponentType, Encoding, Parser, Payload};

use crate::guest_text::one_line;
use crate::link;

/// A component checked against the static rules, given its adapter if it is a preview 1 module, and
/// instrumented: ready to be compiled.
#[derive(Clone, Debug)]
pub struct Prepared {
    component: Vec<u8>,
    world: World,
    nans: Nans,
}

impl Prepared {
    /// The instrumented component.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// How it is started.
    pub fn world(&self) -> World {
        self.world
    }

    /// Who makes NaNs canonical: an engine compiles only what was prepared for it.
    pub fn nans(&self) -> Nans {
        self.nans
    }
}

/// Why a program is not run: a static rule, broken by its bytes alone. Never a claim, never charged.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A rule of WebAssembly, of its accepted features, or of the meter.
    #[error(transparent)]
    Rule(#[from] Refused),
    /// Neither a component nor a core module.
    #[error("not WebAssembly: {reason}")]
    NotWasm {
        /// What the parser found.
        reason: String,
    },
    /// A program that has nothing to call.
    #[error(
        "nothing to call: the program exports neither `run` nor `wasi:cli/run`, and is no preview 1 module with `_start`"
    )]
    NoEntry,
    /// The program is not of the world that its description names.
    #[error("the program is of the world {found}, but is described as {described}", found = world_name(*found), described = world_name(*described))]
    WrongWorld {
        /// What the bytes are.
        found: World,
        /// What was asked for.
        described: World,
    },
    /// A core module that the preview 1 adapter does not fit.
    #[error("the preview 1 adapter does not fit the module: {reason}")]
    Adapter {
        /// What does not fit.
        reason: String,
    },
    /// A component that makes a resource type of its own: its handles would take this host's memory, uncounted.
    #[error("the component defines a resource type of its own; it may use only those that it imports")]
    OwnResource,
    /// An import that no run offers.
    #[error("the component imports {name}, which poai does not offer")]
    Import {
        /// The import.
        name: String,
    },
    /// An import or the entry point has another type than the world says.
    #[error("the component does not fit its world: {reason}")]
    Link {
        /// What does not fit.
        reason: String,
    },
}

impl Refusal {
    /// The rule's stable name: `refused(rule)`. Messages are for people.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Rule(refused) => refused.rule().as_str(),
            Self::NotWasm { .. } => "webassembly",
            Self::NoEntry | Self::WrongWorld { .. } => "world",
            Self::Adapter { .. } => "adapter",
            Self::OwnResource => "own-resource",
            Self::Import { .. } => "imports",
            Self::Link { .. } => "link",
        }
    }
}

/// Checks, adapts and instruments a program's bytes: the same result for the same bytes, always.
///
/// # Errors
/// The first static rule that the bytes break.
pub fn prepare(program_bytes: &[u8], world: World) -> Result<Prepared, Refusal> {
    prepare_with(program_bytes, world, Nans::ByMeter)
}

/// As [`prepare`], which is for [`Nans::ByMeter`]. With [`Nans::ByCompiler`] the same claims come slower: it is the
/// definition, against which the other is tested.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_with(program_bytes: &[u8], world: World, nans: Nans) -> Result<Prepared, Refusal> {
    let found = detect_world(program_bytes)?;
    if found != world {
        return Err(Refusal::WrongWorld { found, described: world });
    }
    let adapted;
    let component = if Parser::is_core_wasm(program_bytes) {
        adapted = adapt(program_bytes)?;
        &adapted
    } else {
        program_bytes
    };
    let rules = StaticRules::default();
    let checked = poai_meter::check(component, &rules)?;
    // The pool has a place for as many, however often the modules that define them are instantiated.
    let memories = checked.facts().memories;
    if memories > rules.memories {
        return Err(Refused::OverLimit { rule: StaticRule::Memories, found: memories, limit: rules.memories }.into());
    }
    if defines_resource(component)? {
        return Err(Refusal::OwnResource);
    }
    if let Some(name) = checked.facts().imports.iter().find(|name| !link::is_known(name)) {
        return Err(Refusal::Import { name: one_line(name) });
    }
    let component = poai_meter::instrument_with(&checked, &CostTable::default(), nans)?;
    Ok(Prepared { component, world, nans })
}

/// Bytes that a program's component or module may have at most: a static rule.
pub fn max_program_bytes() -> u64 {
    StaticRules::default().component_bytes
}

/// How a program is started, by its exports: `run` of poai:task, else `wasi:cli/run`, else a core module's `_start`.
///
/// # Errors
/// [`Refusal::NotWasm`] or [`Refusal::NoEntry`].
pub fn detect_world(program_bytes: &[u8]) -> Result<World, Refusal> {
    let mut depth = 0_u32;
    let mut command = false;
    for payload in Parser::new(0).parse_all(program_bytes) {
        let payload = payload.map_err(not_wasm)?;
        match payload {
            Payload::Version { encoding, .. } if depth == 0 && encoding == Encoding::Module => {
                return module_world(program_bytes);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    let export = export.map_err(not_wasm)?;
                    if export.name.name == TASK_ENTRY && export.kind == ComponentExternalKind::Func {
                        return Ok(World::Task);
                    }
                    command |= export.name.name.starts_with(COMMAND_ENTRY);
                }
            }
            _ => {}
        }
    }
    if command { Ok(World::Command) } else { Err(Refusal::NoEntry) }
}

/// The function that a task exports.
pub(crate) const TASK_ENTRY: &str = "run";
/// How the name of the interface that a command exports begins.
pub(crate) const COMMAND_ENTRY: &str = "wasi:cli/run@0.2.";

fn module_world(module: &[u8]) -> Result<World, Refusal> {
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(not_wasm)?;
        if let Payload::ExportSection(exports) = payload {
            let start = exports.into_iter().flatten().any(|export| export.name == "_start");
            return if start { Ok(World::Command) } else { Err(Refusal::NoEntry) };
        }
    }
    Err(Refusal::NoEntry)
}

/// The preview 1 adapter that this engine puts around a core module: it is metered too, so programs name it.
pub fn preview1_adapter() -> &'static [u8] {
    WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
}

/// Whether a component, or one inside it, defines a resource type.
fn defines_resource(component: &[u8]) -> Result<bool, Refusal> {
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::ComponentTypeSection(types) = payload.map_err(not_wasm)? {
            for ty in types {
                if matches!(ty.map_err(not_wasm)?, ComponentType::Resource { .. }) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Puts the published preview 1 adapter around a core module.
fn adapt(module: &[u8]) -> Result<Vec<u8>, Refusal> {
    let limit = StaticRules::default().component_bytes;
    if module.len() as u64 > limit {
        let rule = StaticRule::ComponentBytes;
        return Err(Refused::OverLimit { rule, found: module.len() as u64, limit }.into());
    }
    // The encoder takes it for valid, and panics on what is not.
    poai_meter::check_module(module)?;
    let misfit = |error| Refusal::Adapter { reason: one_line(&format!("{error:#}")) };
    wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| {
            encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER)
        })
        .and_then(|mut encoder| encoder.encode())
        .map_err(misfit)
}

fn not_wasm(error: BinaryReaderError) -> Refusal {
    Refusal::NotWasm { reason: one_line(error.message()) }
}

fn world_name(world: World) -> &'static str {
    match world {
        World::Task => "poai:task/task",
        World::Command => "wasi:cli/command",
    }
}
