//! What a component may import, and where its entry is.

use std::collections::BTreeMap;
use std::sync::Arc;

use poai_meter::{FUEL_LEFT_EXPORT, GUEST_INTERFACE};
use poai_objects::{InputName, Model, World};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Type};

use crate::Refusal;
use crate::guest::Guest;
use crate::guest_text::one_line;
use crate::program::{COMMAND_ENTRY, TASK_ENTRY};

mod absent; // families that are imported but not there

/// A program that is compiled, linked, and instantiated in microseconds, any number of times.
#[derive(Clone)]
pub struct Loaded {
    pub(crate) instance: InstancePre<Guest>,
    pub(crate) entry: Entry,
    /// Where the meter tells the fuel left.
    pub(crate) fuel_left: ComponentExportIndex,
    /// The program's models, by the names that it loads them by.
    pub(crate) models: Arc<BTreeMap<InputName, Model>>,
}

/// What is called.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    /// `run: func() -> result<_, string>`
    Task(ComponentExportIndex),
    /// `run: func() -> result` of wasi:cli/run
    Command(ComponentExportIndex),
}

impl Loaded {
    /// With the models that its program names; without this it has none.
    #[must_use]
    pub fn with_models(self, models: BTreeMap<InputName, Model>) -> Self {
        Self { models: Arc::new(models), ..self }
    }

    /// How the program is started.
    pub fn world(&self) -> World {
        match self.entry {
            Entry::Task(_) => World::Task,
            Entry::Command(_) => World::Command,
        }
    }
}

/// Whether an import may appear at all: offered, or known to be absent.
pub(crate) fn is_known(name: &str) -> bool {
    OFFERED.iter().any(|offered| name.starts_with(offered)) || absent::is_absent(name)
}

/// What every run offers, up to the last number of its version; of a version that is not released, its whole name.
const OFFERED: [&str; 29] = [
    "poai:task/inputs@0.1.",
    "poai:task/outputs@0.1.",
    "poai:task/job@0.1.",
    "poai:task/telemetry@0.1.",
    "poai:compute/kernels@0.1.",
    "wasi:io/error@0.2.",
    "wasi:io/poll@0.2.",
    "wasi:io/streams@0.2.",
    "wasi:clocks/monotonic-clock@0.2.",
    "wasi:clocks/wall-clock@0.2.",
    "wasi:filesystem/types@0.2.",
    "wasi:filesystem/preopens@0.2.",
    "wasi:random/random@0.2.",
    "wasi:random/insecure@0.2.",
    "wasi:random/insecure-seed@0.2.",
    "wasi:cli/environment@0.2.",
    "wasi:cli/exit@0.2.",
    "wasi:cli/stdin@0.2.",
    "wasi:cli/stdout@0.2.",
    "wasi:cli/stderr@0.2.",
    "wasi:cli/terminal-input@0.2.",
    "wasi:cli/terminal-output@0.2.",
    "wasi:cli/terminal-stdin@0.2.",
    "wasi:cli/terminal-stdout@0.2.",
    "wasi:cli/terminal-stderr@0.2.",
    "wasi:nn/tensor@0.2.0-rc-2024-10-28",
    "wasi:nn/graph@0.2.0-rc-2024-10-28",
    "wasi:nn/inference@0.2.0-rc-2024-10-28",
    "wasi:nn/errors@0.2.0-rc-2024-10-28",
];

/// Links a component and finds its entry.
pub(crate) fn load(engine: &wasmtime::Engine, component: &Component, world: World) -> Result<Loaded, Refusal> {
    let misfit = |error: wasmtime::Error| Refusal::Link { reason: one_line(&format!("{error:#}")) };
    let mut linker = Linker::new(engine);
    Guest::link(&mut linker).map_err(misfit)?;
    absent::link(&mut linker, component).map_err(misfit)?;
    let instance = linker.instantiate_pre(component).map_err(misfit)?;
    let (entry, fuel_left) = (entry(component, world)?, fuel_left(component)?);
    Ok(Loaded { instance, entry, fuel_left, models: Arc::default() })
}

fn fuel_left(component: &Component) -> Result<ComponentExportIndex, Refusal> {
    let guest = component.get_export_index(None, GUEST_INTERFACE);
    let function = guest.and_then(|guest| component.get_export_index(Some(&guest), FUEL_LEFT_EXPORT));
    function.ok_or_else(|| Refusal::Link { reason: "it is not instrumented".into() })
}

fn entry(component: &Component, world: World) -> Result<Entry, Refusal> {
    let found = match world {
        World::Task => component.get_export(None, TASK_ENTRY),
        World::Command => command_entry(component),
    };
    let (item, index) = found.ok_or(Refusal::NoEntry)?;
    if !fits(&item, world) {
        let error = if world == World::Task { "string" } else { "_" };
        return Err(Refusal::Link { reason: format!("its `run` is not of the type `func() -> result<_, {error}>`") });
    }
    Ok(match world {
        World::Task => Entry::Task(index),
        World::Command => Entry::Command(index),
    })
}

fn command_entry(component: &Component) -> Option<(ComponentItem, ComponentExportIndex)> {
    let exports = component.component_type();
    let (interface, _) = exports.exports(component.engine()).find(|(name, item)| {
        name.starts_with(COMMAND_ENTRY) && matches!(item.ty, ComponentItem::ComponentInstance(_))
    })?;
    let instance = component.get_export_index(None, interface)?;
    component.get_export(Some(&instance), "run")
}

/// Whether an entry takes nothing and gives a result of nothing, and of a text if it is a task's and fails.
fn fits(entry: &ComponentItem, world: World) -> bool {
    let ComponentItem::ComponentFunc(function) = entry else { return false };
    let mut results = function.results();
    let (Some(Type::Result(result)), None) = (results.next(), results.next()) else { return false };
    let error_fits = match world {
        World::Task => matches!(result.err(), Some(Type::String)),
        World::Command => result.err().is_none(),
    };
    function.params().len() == 0 && result.ok().is_none() && error_fits
}
