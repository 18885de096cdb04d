//! Rewrites a component: its core modules count, and between them and everything plain-typed stand wrappers and twins.
//!
//! Every core function of the rewritten component has the counters in its type, except those that the component model
//! calls or gives: what `canon lower` and `resource.*` make gets a *wrapper*, and what `canon lift`, `realloc`,
//! `post-return` and destructors name gets a plain-typed *twin*. Both are made in groups, as late as possible, since
//! every group is one more instance.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentImportSection, ComponentInstanceSection, ComponentTypeRef, ComponentTypeSection,
    ComponentValType, ExportKind, InstanceType, PrimitiveValType,
};
use wasmparser::{CanonicalFunction, ComponentAlias, ComponentType, ExternalKind, FuncType, Instance, Payload};

use crate::check::Checked;
use crate::component_output::Output;
use crate::features::parser;
use crate::module::{CountingModule, rewrite_module};
use crate::seam::{
    self, Entry, FUEL_LEFT, FUEL_LIMIT, GIVEN, Leaving, STACK_LIMIT, SYNC, TAKE, checkpoint, member, twins, wrappers,
};
use crate::{CostTable, FUEL_LEFT_EXPORT, GUEST_INTERFACE, HOST_INTERFACE, METER_MODULE, Nans, Refused, StaticRule};

/// Component types put before the original ones: the host's instance, and the type of the fuel-left function.
const ADDED_TYPES: u32 = 2;
/// Component instances put before the original ones: the host's.
const ADDED_INSTANCES: u32 = 1;
/// Component functions put before the original ones: the host's four.
const ADDED_FUNCTIONS: u32 = 4;

/// The most core instances that instrumenting adds to a component's own.
pub(crate) const ADDED_CORE_INSTANCES: u64 = 256;

/// Rewrites the component.
///
/// # Errors
/// Those of [`instrument`](crate::instrument).
pub(crate) fn rewrite_component(checked: &Checked<'_>, costs: &CostTable, nans: Nans) -> Result<Vec<u8>, Refused> {
    let plan = Plan::read(checked.component(), costs, nans)?;
    let mut rewriter = Rewriter::new(checked.core_signatures(), costs, plan);
    rewriter.begin();
    let bytes = checked.component();
    let mut nesting = Nesting::default();
    for payload in parser().parse_all(bytes) {
        let payload = payload?;
        if nesting.is_root(&payload) {
            rewriter.payload(payload, bytes)?;
        }
    }
    Ok(rewriter.finish())
}

/// Tells the root's payloads from those inside its modules and components.
#[derive(Default)]
struct Nesting {
    depth: usize,
}

impl Nesting {
    fn is_root(&mut self, payload: &Payload<'_>) -> bool {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.depth += 1;
                self.depth == 1
            }
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                false
            }
            _ => self.depth == 0,
        }
    }
}

/// What must be known before the first byte is written.
struct Plan {
    /// The core modules, in their order.
    modules: Vec<CountingModule>,
    /// Fuel for all instances.
    instantiation_cost: u64,
    /// Core functions that need twins, by their original indices.
    entries: BTreeSet<(u32, Entry)>,
}

impl Plan {
    fn read(bytes: &[u8], costs: &CostTable, nans: Nans) -> Result<Self, Refused> {
        let mut plan = Self { modules: Vec::new(), instantiation_cost: 0, entries: BTreeSet::new() };
        let mut nesting = Nesting::default();
        for payload in parser().parse_all(bytes) {
            let payload = payload?;
            if !nesting.is_root(&payload) {
                continue;
            }
            match payload {
                Payload::ModuleSection { unchecked_range, .. } => {
                    plan.modules.push(rewrite_module(&bytes[unchecked_range], costs, nans)?);
                }
                Payload::InstanceSection(section) => {
                    for instance in section {
                        if let Instance::Instantiate { module_index, .. } = instance? {
                            let cost = plan.modules[module_index as usize].instance_cost;
                            plan.instantiation_cost = plan.instantiation_cost.saturating_add(cost);
                        }
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section {
                        plan.note(&function?);
                    }
                }
                Payload::ComponentTypeSection(section) => {
                    for ty in section {
                        if let ComponentType::Resource { dtor: Some(destructor), .. } = ty? {
                            plan.entries.insert((destructor, Entry::Quiet));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(plan)
    }

    fn note(&mut self, function: &CanonicalFunction) {
        let options = match function {
            CanonicalFunction::Lift { core_func_index, options, .. } => {
                self.entries.insert((*core_func_index, Entry::Lifted));
                options
            }
            CanonicalFunction::Lower { options, .. } => options,
            _ => return,
        };
        for option in options {
            use wasmparser::CanonicalOption::{PostReturn, Realloc};
            if let Realloc(function) | PostReturn(function) = option {
                self.entries.insert((*function, Entry::Quiet));
            }
        }
    }
}

/// A core function of the original.
#[derive(Clone, Copy)]
enum CoreFunction {
    /// Its counted form.
    Counted(u32),
    /// Plain, and waiting for its wrapper.
    Waiting(u32, Leaving),
}

/// A core instance of the original.
enum CoreInstance {
    Made(u32),
    /// A bag of exports that nothing has used yet, by original indices.
    Waiting(Vec<(String, ExternalKind, u32)>),
}

struct Rewriter<'a> {
    signatures: &'a [FuncType],
    costs: &'a CostTable,
    plan: Plan,
    out: Output,
    /// How deep in nested components and types the walk is; indices are mapped at the root only.
    depth: u32,
    modules: Vec<u32>,
    functions: Vec<CoreFunction>,
    instances: Vec<CoreInstance>,
    twins: BTreeMap<(u32, Entry), u32>,
    host: Host,
    checkpoint: Option<u32>,
    component_functions: u32,
    component_instances: u32,
    /// The meter's, and those of wrappers, twins and checkpoints.
    added_core_instances: u64,
    /// How many of the instances are made, and of the functions counted, from the first.
    settled: usize,
    wrapped: usize,
}

/// Indices of the host's plain core functions, and of the meter's instance.
#[derive(Default)]
struct Host {
    sync: u32,
    take: u32,
    meter: u32,
}

impl<'a> Rewriter<'a> {
    fn new(signatures: &'a [FuncType], costs: &'a CostTable, plan: Plan) -> Self {
        Self {
            signatures,
            costs,
            plan,
            out: Output::default(),
            depth: 0,
            modules: Vec::new(),
            functions: Vec::new(),
            instances: Vec::new(),
            twins: BTreeMap::new(),
            host: Host::default(),
            checkpoint: None,
            component_functions: ADDED_FUNCTIONS,
            component_instances: ADDED_INSTANCES,
            added_core_instances: 1,
            settled: 0,
            wrapped: 0,
        }
    }

    /// Imports the host's functions and makes the meter.
    fn begin(&mut self) {
        let mut host = InstanceType::new();
        let scalars =
            [(FUEL_LIMIT, None, Some(PrimitiveValType::S64)), (STACK_LIMIT, None, Some(PrimitiveValType::S32))]
                .into_iter()
                .chain([(SYNC, Some(PrimitiveValType::S64), None), (TAKE, None, Some(PrimitiveValType::S64))]);
        for (index, (name, param, result)) in (0u32..).zip(scalars.clone()) {
            host.ty()
                .function()
                .params(param.map(|ty| ("left", ComponentValType::Primitive(ty))))
                .result(result.map(ComponentValType::Primitive));
            host.export(name, ComponentTypeRef::Func(index));
        }
        let mut types = ComponentTypeSection::new();
        types.instance(&host);
        types
            .function()
            .params::<[(&str, ComponentValType); 0], _>([])
            .result(Some(ComponentValType::Primitive(PrimitiveValType::S64)));
        let mut imports = ComponentImportSection::new();
        imports.import(HOST_INTERFACE, ComponentTypeRef::Instance(0));
        self.out.component.section(&types).section(&imports);

        let mut given = Vec::new();
        for (index, (name, ..)) in (0u32..).zip(scalars) {
            let mut aliases = ComponentAliasSection::new();
            aliases.alias(Alias::InstanceExport { instance: 0, kind: ComponentExportKind::Func, name });
            self.out.component.section(&aliases);
            let lowered = self.out.canonical(|section| {
                section.lower(index, []);
            });
            given.push((name.to_owned(), ExportKind::Func, lowered));
        }
        (self.host.sync, self.host.take) = (given[2].2, given[3].2);
        let given = self.out.bag(&given);
        let cost = i64::try_from(self.plan.instantiation_cost).unwrap_or(i64::MAX).min(crate::MAX_FUEL + 1);
        let module = self.out.module(&seam::meter(cost));
        self.host.meter = self.out.instantiate(module, &[(GIVEN, given)]);
    }

    fn payload(&mut self, payload: Payload<'_>, bytes: &[u8]) -> Result<(), Refused> {
        match payload {
            Payload::ModuleSection { .. } => {
                let module = self.out.module(&self.plan.modules[self.modules.len()].module);
                self.modules.push(module);
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.core_instance(instance?)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(alias?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.canonical(function?)?;
                }
            }
            Payload::ComponentTypeSection(section) => {
                for ty in section.clone() {
                    if let ComponentType::Resource { dtor: Some(destructor), .. } = ty? {
                        self.twin(destructor, Entry::Quiet)?;
                    }
                }
                let mut types = ComponentTypeSection::new();
                self.parse_component_type_section(&mut types, section)?;
                self.out.component.section(&types);
            }
            // Names for people and tools; nothing of them is run.
            Payload::CustomSection(_) => {}
            payload => {
                self.count_component_items(&payload)?;
                let mut component = std::mem::take(&mut self.out.component);
                self.parse_component_payload(&mut component, payload, bytes)?;
                self.out.component = component;
            }
        }
        Ok(())
    }

    fn count_component_items(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        match payload {
            Payload::ComponentInstanceSection(section) => self.component_instances += section.count(),
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    match import?.ty {
                        wasmparser::ComponentTypeRef::Func(_) => self.component_functions += 1,
                        wasmparser::ComponentTypeRef::Instance(_) => self.component_instances += 1,
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    match export?.kind {
                        wasmparser::ComponentExternalKind::Func => self.component_functions += 1,
                        wasmparser::ComponentExternalKind::Instance => self.component_instances += 1,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn core_instance(&mut self, instance: Instance<'_>) -> Result<(), Refused> {
        match instance {
            Instance::FromExports(exports) => {
                let bag = exports.iter().map(|export| (export.name.to_owned(), export.kind, export.index)).collect();
                self.instances.push(CoreInstance::Waiting(bag));
            }
            Instance::Instantiate { module_index, args } => {
                self.settle()?;
                let mut arguments: Vec<(&str, u32)> =
                    args.iter().map(|argument| (argument.name, self.made(argument.index))).collect();
                arguments.push((METER_MODULE, self.host.meter));
                let made = self.out.instantiate(self.modules[module_index as usize], &arguments);
                self.instances.push(CoreInstance::Made(made));
                if self.plan.modules[module_index as usize].starts {
                    self.check_point()?;
                }
            }
        }
        Ok(())
    }

    /// Tells the host the fuel left after a start function: what comes next may fail without running any code.
    fn check_point(&mut self) -> Result<(), Refused> {
        let module = *self.checkpoint.get_or_insert_with(|| self.out.module(&checkpoint()));
        self.instance_of_added(module, &[(SYNC.to_owned(), ExportKind::Func, self.host.sync)])?;
        Ok(())
    }

    fn alias(&mut self, alias: ComponentAlias<'_>) -> Result<(), Refused> {
        match alias {
            ComponentAlias::CoreInstanceExport { kind, instance_index, name } => {
                if matches!(self.instances[instance_index as usize], CoreInstance::Waiting(_)) {
                    self.settle()?;
                }
                let instance = self.made(instance_index);
                if kind == ExternalKind::Func {
                    let function = self.out.alias_function(instance, name);
                    self.functions.push(CoreFunction::Counted(function));
                    return Ok(());
                }
            }
            ComponentAlias::InstanceExport { kind: wasmparser::ComponentExternalKind::Func, .. } => {
                self.component_functions += 1;
            }
            ComponentAlias::InstanceExport { kind: wasmparser::ComponentExternalKind::Instance, .. } => {
                self.component_instances += 1;
            }
            _ => {}
        }
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(self.component_alias(alias)?);
        self.out.component.section(&aliases);
        Ok(())
    }

    fn canonical(&mut self, function: CanonicalFunction) -> Result<(), Refused> {
        let leaving = match &function {
            CanonicalFunction::Lift { core_func_index, type_index, options } => {
                let twin = self.twin(*core_func_index, Entry::Lifted)?;
                let options = self.options(options)?;
                let ty = self.component_type_index(*type_index);
                self.out.lift(twin, ty, options);
                self.component_functions += 1;
                return Ok(());
            }
            CanonicalFunction::Lower { options, .. } => {
                self.options(options)?;
                Leaving::Call
            }
            CanonicalFunction::ResourceDrop { .. } => Leaving::Call,
            _ => Leaving::Intrinsic,
        };
        let mut section = CanonicalFunctionSection::new();
        self.parse_component_canonical(&mut section, function)?;
        let plain = self.out.canonical_section(&section);
        self.functions.push(CoreFunction::Waiting(plain, leaving));
        Ok(())
    }

    /// Converts options, making the twins that they name first.
    fn options(&mut self, options: &[wasmparser::CanonicalOption]) -> Result<Vec<CanonicalOption>, Refused> {
        for option in options {
            use wasmparser::CanonicalOption::{PostReturn, Realloc};
            if let Realloc(function) | PostReturn(function) = option {
                self.twin(*function, Entry::Quiet)?;
            }
        }
        options.iter().map(|&option| Ok(self.canonical_option(option)?)).collect()
    }

    /// The plain-typed twin of a core function. If it is not there yet, it is made, with all others that can be.
    fn twin(&mut self, function: u32, entry: Entry) -> Result<u32, Refused> {
        if let Some(&twin) = self.twins.get(&(function, entry)) {
            return Ok(twin);
        }
        if let CoreFunction::Waiting(..) = self.functions[function as usize] {
            self.wrap()?;
        }
        let due: Vec<(u32, Entry)> = self
            .plan
            .entries
            .iter()
            .copied()
            .filter(|key| matches!(self.functions.get(key.0 as usize), Some(CoreFunction::Counted(_))))
            .filter(|key| !self.twins.contains_key(key))
            .collect();
        let members: Vec<(Entry, &FuncType)> =
            due.iter().map(|&(function, entry)| (entry, &self.signatures[function as usize])).collect();
        let mut given = vec![(SYNC.to_owned(), ExportKind::Func, self.host.sync)];
        given.extend(
            due.iter().enumerate().map(|(i, &(function, _))| (member(i), ExportKind::Func, self.counted(function))),
        );
        let instance = self.added_instance(&twins(&members), &given)?;
        for (i, key) in due.into_iter().enumerate() {
            let twin = self.out.alias_function(instance, &member(i));
            self.twins.insert(key, twin);
        }
        Ok(self.twins[&(function, entry)])
    }

    /// Makes the wrappers and the bags that wait.
    fn settle(&mut self) -> Result<(), Refused> {
        self.wrap()?;
        for index in self.settled..self.instances.len() {
            let CoreInstance::Waiting(bag) = &self.instances[index] else { continue };
            let exports: Vec<(String, ExportKind, u32)> = bag
                .iter()
                .map(|(name, kind, index)| match kind {
                    ExternalKind::Func => (name.clone(), ExportKind::Func, self.counted(*index)),
                    kind => (name.clone(), (*kind).into(), *index),
                })
                .collect();
            self.instances[index] = CoreInstance::Made(self.out.bag(&exports));
        }
        self.settled = self.instances.len();
        Ok(())
    }

    fn wrap(&mut self) -> Result<(), Refused> {
        let mut waiting = Vec::new();
        for (index, function) in self.functions.iter().enumerate().skip(self.wrapped) {
            if let CoreFunction::Waiting(plain, leaving) = *function {
                waiting.push((index, plain, leaving));
            }
        }
        self.wrapped = self.functions.len();
        if waiting.is_empty() {
            return Ok(());
        }
        let members: Vec<(Leaving, &FuncType)> =
            waiting.iter().map(|&(index, _, leaving)| (leaving, &self.signatures[index])).collect();
        let mut given = vec![
            (SYNC.to_owned(), ExportKind::Func, self.host.sync),
            (TAKE.to_owned(), ExportKind::Func, self.host.take),
        ];
        given.extend(waiting.iter().enumerate().map(|(i, &(_, plain, _))| (member(i), ExportKind::Func, plain)));
        let instance = self.added_instance(&wrappers(&members, self.costs), &given)?;
        for (i, (index, ..)) in waiting.into_iter().enumerate() {
            let wrapper = self.out.alias_function(instance, &member(i));
            self.functions[index] = CoreFunction::Counted(wrapper);
        }
        Ok(())
    }

    /// Adds a module and its one instance.
    fn added_instance(
        &mut self,
        module: &wasm_encoder::Module,
        given: &[(String, ExportKind, u32)],
    ) -> Result<u32, Refused> {
        let module = self.out.module(module);
        self.instance_of_added(module, given)
    }

    fn instance_of_added(&mut self, module: u32, given: &[(String, ExportKind, u32)]) -> Result<u32, Refused> {
        self.added_core_instances += 1;
        if self.added_core_instances > ADDED_CORE_INSTANCES {
            return Err(Refused::OverLimit {
                rule: StaticRule::CoreInstances,
                found: self.added_core_instances,
                limit: ADDED_CORE_INSTANCES,
            });
        }
        let given = self.out.bag(given);
        Ok(self.out.instantiate(module, &[(GIVEN, given), (METER_MODULE, self.host.meter)]))
    }

    fn counted(&self, function: u32) -> u32 {
        match self.functions[function as usize] {
            CoreFunction::Counted(counted) => counted,
            CoreFunction::Waiting(..) => unreachable!("wrapped by settle, before anything uses it"),
        }
    }

    fn made(&self, instance: u32) -> u32 {
        match self.instances[instance as usize] {
            CoreInstance::Made(made) => made,
            CoreInstance::Waiting(_) => unreachable!("made by settle, before anything uses it"),
        }
    }

    /// Exports the fuel-left function.
    fn finish(mut self) -> Vec<u8> {
        let left = self.out.alias_function(self.host.meter, FUEL_LEFT);
        self.out.lift(left, 1, Vec::new());
        let mut instances = ComponentInstanceSection::new();
        instances.export_items([(FUEL_LEFT_EXPORT, ComponentExportKind::Func, self.component_functions)]);
        let mut exports = ComponentExportSection::new();
        exports.export(GUEST_INTERFACE, ComponentExportKind::Instance, self.component_instances, None);
        self.out.component.section(&instances).section(&exports);
        self.out.component.finish()
    }
}

/// Inside the root, indices move; inside nested components and types they do not.
impl Reencode for Rewriter<'_> {
    type Error = Infallible;

    /// Core functions that the component model names directly: all of them are called plainly, so these are twins.
    fn function_index(&mut self, function: u32) -> Result<u32, Error<Infallible>> {
        Ok(self.twins[&(function, Entry::Quiet)])
    }
}

impl ReencodeComponent for Rewriter<'_> {
    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn component_type_index(&mut self, ty: u32) -> u32 {
        self.outer_component_type_index(0, ty)
    }

    fn outer_component_type_index(&mut self, count: u32, ty: u32) -> u32 {
        if count == self.depth { ty + ADDED_TYPES } else { ty }
    }

    fn component_instance_index(&mut self, instance: u32) -> u32 {
        if self.depth == 0 { instance + ADDED_INSTANCES } else { instance }
    }

    fn component_func_index(&mut self, function: u32) -> u32 {
        if self.depth == 0 { function + ADDED_FUNCTIONS } else { function }
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        self.made(instance)
    }
}
