//! The static rules, tested on the original component.

use wasmparser::{
    BlockType, CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentTypeRef,
    Encoding, ExternalKind, FuncToValidate, FuncType, FuncValidatorAllocations, FunctionBody, Instance, Operator,
    Parser, Payload, TypeRef, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use crate::features::parser;
use crate::joins::Joins;
use crate::{GUEST_INTERFACE, HOST_INTERFACE, METER_MODULE, Refused, StaticRule, StaticRules, features};

/// A component that keeps every static rule: what [`instrument`](crate::instrument) takes.
#[derive(Debug, Clone)]
pub struct Checked<'a> {
    component: &'a [u8],
    facts: ComponentFacts,
    core_signatures: Vec<FuncType>,
}

impl<'a> Checked<'a> {
    /// The original bytes.
    pub fn component(&self) -> &'a [u8] {
        self.component
    }

    /// What was counted on the way.
    pub fn facts(&self) -> &ComponentFacts {
        &self.facts
    }

    /// The types of the component's core functions, by index.
    pub(crate) fn core_signatures(&self) -> &[FuncType] {
        &self.core_signatures
    }
}

/// Counts and names of a checked component, before instrumenting: for pool limits, linking and messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComponentFacts {
    /// Core modules defined.
    pub modules: u64,
    /// Core instances made from modules.
    pub core_instances: u64,
    /// Functions with a body.
    pub functions: u64,
    /// Memories of all core instances.
    pub memories: u64,
    /// Initial pages of 64 KiB of those memories.
    pub memory_pages: u64,
    /// Tables of all core instances.
    pub tables: u64,
    /// The greatest initial number of elements of one table.
    pub table_elements: u64,
    /// Names that the component imports, in its order: interfaces such as `wasi:cli/environment@0.2.3`, or functions.
    pub imports: Vec<String>,
    /// Names that the component exports, in its order.
    pub exports: Vec<String>,
}

/// Validates a component with [`features`](crate::features) and tests it against the static rules.
///
/// # Errors
/// The first rule that it breaks.
pub fn check<'a>(component: &'a [u8], rules: &StaticRules) -> Result<Checked<'a>, Refused> {
    limit(StaticRule::ComponentBytes, component.len() as u64, rules.component_bytes)?;
    if !Parser::is_component(component) {
        return Err(Refused::NotAComponent);
    }
    match Checker::new(rules).run(component) {
        Err(Refused::Invalid { message, offset }) if is_valid_with_every_feature(component) => {
            Err(Refused::Feature { message, offset })
        }
        Err(refused) => Err(refused),
        Ok((facts, core_signatures)) => Ok(Checked { component, facts, core_signatures }),
    }
}

/// Validates a core module with [`features`](crate::features): what is to become part of a component, before whatever
/// makes it one reads it.
///
/// # Errors
/// [`Refused::Invalid`] or [`Refused::Feature`].
pub fn check_module(module: &[u8]) -> Result<(), Refused> {
    let Err(error) = Validator::new_with_features(features()).validate_all(module) else { return Ok(()) };
    match error.into() {
        Refused::Invalid { message, offset } if is_valid_with_every_feature(module) => {
            Err(Refused::Feature { message, offset })
        }
        refused => Err(refused),
    }
}

fn is_valid_with_every_feature(bytes: &[u8]) -> bool {
    Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).is_ok()
}

fn limit(rule: StaticRule, found: u64, limit: u64) -> Result<(), Refused> {
    if found > limit { Err(Refused::OverLimit { rule, found, limit }) } else { Ok(()) }
}

/// What one core module makes for each instance of it.
#[derive(Default)]
struct ModuleFacts {
    memories: u64,
    memory_pages: u64,
    tables: u64,
    /// How many parameters each of its types has.
    type_params: Vec<u64>,
}

struct Checker<'r> {
    rules: &'r StaticRules,
    facts: ComponentFacts,
    /// What each open component or module is, the outermost first.
    open: Vec<Encoding>,
    items: u64,
    memories_defined: u64,
    joins: u64,
    modules: Vec<ModuleFacts>,
    core_signatures: Vec<FuncType>,
    allocations: FuncValidatorAllocations,
}

impl<'r> Checker<'r> {
    fn new(rules: &'r StaticRules) -> Self {
        Self {
            rules,
            facts: ComponentFacts::default(),
            open: Vec::new(),
            items: 0,
            memories_defined: 0,
            joins: 0,
            modules: Vec::new(),
            core_signatures: Vec::new(),
            allocations: FuncValidatorAllocations::default(),
        }
    }

    fn run(mut self, component: &[u8]) -> Result<(ComponentFacts, Vec<FuncType>), Refused> {
        let mut validator = Validator::new_with_features(features());
        for payload in parser().parse_all(component) {
            let payload = payload?;
            test_whole(&payload, component)?;
            self.test_form(&payload)?;
            self.test_counts(&payload)?;
            match validator.payload(&payload)? {
                ValidPayload::Func(function, body) => self.test_body(function, &body)?,
                ValidPayload::End(types) if self.open.is_empty() => {
                    let types = types.as_ref();
                    self.core_signatures = (0..types.function_count())
                        .map(|index| types[types.core_function_at(index)].unwrap_func().clone())
                        .collect();
                }
                _ => {}
            }
            // After validation, so that what is counted from the sections is sound.
            self.gather(&payload)?;
        }
        Ok((self.facts, self.core_signatures))
    }

    fn at_root(&self) -> bool {
        self.open.len() == 1
    }

    /// Follows nesting, and refuses forms that metering does not serve.
    fn test_form(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.open.push(*encoding);
                let nesting = self.open.iter().filter(|encoding| **encoding == Encoding::Component).count() as u64;
                limit(StaticRule::ComponentNesting, nesting - 1, self.rules.component_nesting)?;
            }
            Payload::End(_) => {
                self.open.pop();
            }
            Payload::ModuleSection { .. }
            | Payload::InstanceSection(_)
            | Payload::ComponentCanonicalSection(_)
            | Payload::CoreTypeSection(_)
                if !self.at_root() =>
            {
                return form(StaticRule::NestedCode, "a nested component holds core code");
            }
            _ => {}
        }
        Ok(())
    }

    /// Tests the counts that a section announces, before it is read.
    fn test_counts(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        let rules = self.rules;
        match payload {
            Payload::TypeSection(section) => limit(StaticRule::Types, section.count().into(), rules.types),
            Payload::ImportSection(section) => limit(StaticRule::Imports, section.count().into(), rules.imports),
            Payload::ExportSection(section) => limit(StaticRule::Exports, section.count().into(), rules.exports),
            Payload::GlobalSection(section) => limit(StaticRule::Globals, section.count().into(), rules.globals),
            Payload::TableSection(section) => limit(StaticRule::Tables, section.count().into(), rules.tables),
            Payload::DataSection(section) => limit(StaticRule::Segments, section.count().into(), rules.segments),
            Payload::ElementSection(section) => limit(StaticRule::Segments, section.count().into(), rules.segments),
            Payload::MemorySection(section) => {
                self.memories_defined += u64::from(section.count());
                limit(StaticRule::Memories, self.memories_defined, rules.memories)
            }
            Payload::FunctionSection(section) => {
                self.facts.functions += u64::from(section.count());
                limit(StaticRule::Functions, self.facts.functions, rules.functions)
            }
            Payload::ModuleSection { .. } => {
                self.facts.modules += 1;
                limit(StaticRule::Modules, self.facts.modules, rules.modules)
            }
            payload => {
                self.items += component_items(payload);
                limit(StaticRule::ComponentItems, self.items, rules.component_items)
            }
        }
    }

    fn test_body(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<(), Refused> {
        let rules = self.rules;
        limit(StaticRule::BodyBytes, body.as_bytes().len() as u64, rules.body_bytes)?;
        let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
        validator.read_locals(&mut body.get_binary_reader())?;
        limit(StaticRule::Locals, validator.len_locals().into(), rules.locals)?;
        let mut joins = Joins::default();
        let mut ops = body.get_operators_reader()?;
        while !ops.eof() {
            let offset = ops.original_position();
            let op = ops.read()?;
            validator.op(offset, &op)?;
            joins.follow(&op, validator.operand_stack_height());
            match &op {
                Operator::BrTable { targets } => {
                    limit(StaticRule::JumpTargets, targets.len().into(), rules.jump_targets)?;
                }
                Operator::Block { blockty: BlockType::FuncType(ty) }
                | Operator::Loop { blockty: BlockType::FuncType(ty) }
                | Operator::If { blockty: BlockType::FuncType(ty) } => {
                    let parameters = self.module().type_params[*ty as usize];
                    limit(StaticRule::Results, parameters, rules.results)?;
                    joins.take_parameters(parameters);
                }
                _ => {}
            }
            // The function itself is the outermost frame.
            let nesting = u64::from(validator.control_stack_height()).saturating_sub(1);
            limit(StaticRule::BlockNesting, nesting, rules.block_nesting)?;
            limit(StaticRule::LoopNesting, joins.loops_open(), rules.loop_nesting)?;
        }
        ops.finish()?;
        limit(StaticRule::Loops, joins.loops(), rules.loops)?;
        limit(StaticRule::Places, joins.places(), rules.places)?;
        let count = joins.count(validator.len_locals());
        limit(StaticRule::Joins, count, rules.joins)?;
        self.joins = self.joins.saturating_add(count);
        limit(StaticRule::AllJoins, self.joins, rules.all_joins)?;
        self.allocations = validator.into_allocations();
        Ok(())
    }

    /// Gathers facts from a valid section.
    fn gather(&mut self, payload: &Payload<'_>) -> Result<(), Refused> {
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => self.modules.push(ModuleFacts::default()),
            Payload::TypeSection(section) => self.gather_types(section)?,
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    let import = import?;
                    if import.module == METER_MODULE {
                        return form(StaticRule::ReservedName, "a core module imports from `poai:meter`");
                    }
                    if !matches!(
                        import.ty,
                        TypeRef::Func(_) | TypeRef::Table(_) | TypeRef::Memory(_) | TypeRef::Global(_)
                    ) {
                        return form(StaticRule::Features, "a core import of a kind that the engine does not accept");
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    test_core_kind(export?.kind)?;
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let initial = table?.ty.initial;
                    limit(StaticRule::TableElements, initial, self.rules.table_elements)?;
                    self.facts.table_elements = self.facts.table_elements.max(initial);
                }
                self.module().tables = section.count().into();
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    self.module().memory_pages += memory?.initial;
                }
                self.module().memories = section.count().into();
            }
            Payload::InstanceSection(section) => self.gather_instances(section)?,
            Payload::ComponentImportSection(section) if self.at_root() => self.gather_imports(section)?,
            Payload::ComponentExportSection(section) if self.at_root() => self.gather_exports(section)?,
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    test_alias(&alias?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section.clone() {
                    test_canonical(&function?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn module(&mut self) -> &mut ModuleFacts {
        self.modules.last_mut().expect("a module's sections come after its version")
    }

    fn gather_types(&mut self, section: &wasmparser::TypeSectionReader<'_>) -> Result<(), Refused> {
        for ty in section.clone().into_iter_err_on_gc_types() {
            let ty = ty?;
            limit(StaticRule::Signature, ty.params().len() as u64, self.rules.signature)?;
            limit(StaticRule::Results, ty.results().len() as u64, self.rules.results)?;
            self.module().type_params.push(ty.params().len() as u64);
        }
        Ok(())
    }

    fn gather_instances(&mut self, section: &wasmparser::InstanceSectionReader<'_>) -> Result<(), Refused> {
        for instance in section.clone() {
            let module_index = match instance? {
                Instance::Instantiate { module_index, .. } => module_index,
                Instance::FromExports(exports) => {
                    exports.iter().try_for_each(|export| test_core_kind(export.kind))?;
                    continue;
                }
            };
            self.facts.core_instances += 1;
            limit(StaticRule::CoreInstances, self.facts.core_instances, self.rules.core_instances)?;
            let module = &self.modules[module_index as usize];
            self.facts.memories += module.memories;
            self.facts.memory_pages += module.memory_pages;
            self.facts.tables += module.tables;
        }
        Ok(())
    }

    fn gather_imports(&mut self, section: &wasmparser::ComponentImportSectionReader<'_>) -> Result<(), Refused> {
        for import in section.clone() {
            let import = import?;
            if matches!(import.ty, ComponentTypeRef::Module(_)) {
                return form(StaticRule::ModuleLinking, "the component imports a core module");
            }
            if import.name.name == HOST_INTERFACE {
                return form(StaticRule::ReservedName, "the component imports the meter's host interface");
            }
            self.facts.imports.push(import.name.name.to_owned());
        }
        Ok(())
    }

    fn gather_exports(&mut self, section: &wasmparser::ComponentExportSectionReader<'_>) -> Result<(), Refused> {
        for export in section.clone() {
            let export = export?;
            if export.kind == ComponentExternalKind::Module {
                return form(StaticRule::ModuleLinking, "the component exports a core module");
            }
            if export.name.name == GUEST_INTERFACE {
                return form(StaticRule::ReservedName, "the component exports the meter's guest interface");
            }
            self.facts.exports.push(export.name.name.to_owned());
        }
        Ok(())
    }
}

fn form<T>(rule: StaticRule, what: &'static str) -> Result<T, Refused> {
    Err(Refused::Form { rule, what })
}

/// The parser takes the end of the bytes for the end of a nested module or component, wherever it should be.
fn test_whole(payload: &Payload<'_>, component: &[u8]) -> Result<(), Refused> {
    match payload {
        Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. }
            if unchecked_range.end > component.len() =>
        {
            Err(Refused::Invalid { message: "unexpected end".to_owned(), offset: component.len() })
        }
        _ => Ok(()),
    }
}

/// The kinds of core items that the accepted features have; the parser lets others pass.
fn test_core_kind(kind: ExternalKind) -> Result<(), Refused> {
    match kind {
        ExternalKind::Func | ExternalKind::Table | ExternalKind::Memory | ExternalKind::Global => Ok(()),
        _ => form(StaticRule::Features, "a core item of a kind that the engine does not accept"),
    }
}

/// A core module is instantiated where it is defined, or the meter could not tell which one it is.
fn test_alias(alias: &ComponentAlias<'_>) -> Result<(), Refused> {
    match alias {
        ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. }
        | ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => {
            form(StaticRule::ModuleLinking, "the component aliases a core module")
        }
        ComponentAlias::CoreInstanceExport { kind, .. } => test_core_kind(*kind),
        _ => Ok(()),
    }
}

/// Canonical functions are those that the meter knows how to stand beside.
fn test_canonical(function: &CanonicalFunction) -> Result<(), Refused> {
    match function {
        CanonicalFunction::Lift { .. }
        | CanonicalFunction::Lower { .. }
        | CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => Ok(()),
        _ => form(StaticRule::Features, "an intrinsic of asynchronous components"),
    }
}

/// How many items a section of a component adds.
fn component_items(payload: &Payload<'_>) -> u64 {
    let count = match payload {
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentSection { .. } => 1,
        _ => 0,
    };
    count.into()
}
