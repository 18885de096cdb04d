//! Rewrites one core module.
//!
//! Indices of types, functions, tables, memories and segments stay what they are: new types come after the old ones,
//! the twin of a start function after the other functions. Only defined globals move, by the meter's two.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, EntityType, Function, FunctionSection, GlobalType, ImportSection, Instruction, Module, NameMap,
    NameSection, SectionId, StartSection, ValType,
};
use wasmparser::{
    DataKind, ElementItems, ElementKind, ExternalKind, FuncToValidate, FuncValidator, FuncValidatorAllocations,
    FunctionBody, Import, KnownCustom, Name, Operator, Payload, TypeRef, ValidPayload, Validator, ValidatorResources,
};

use crate::body::{MeterGlobals, ModuleContext, rewrite};
use crate::calls::{Convention, roles};
use crate::features::parser;
use crate::nan::{CanonicalPoints, canonical_points};
use crate::scan::{FunctionFacts, scan};
use crate::signatures::Signatures;
use crate::{CostTable, METER_MODULE, Nans, Refused, features};

/// A core module that counts, and what the component needs to know of it.
pub(crate) struct CountingModule {
    pub(crate) module: Module,
    /// Whether instantiating it runs code.
    pub(crate) starts: bool,
    /// Fuel for one instance: its bytes, elements and pages.
    pub(crate) instance_cost: u64,
}

/// Rewrites the core module `bytes`.
///
/// # Errors
/// Those of [`instrument`](crate::instrument).
pub(crate) fn rewrite_module(bytes: &[u8], costs: &CostTable, nans: Nans) -> Result<CountingModule, Refused> {
    let original = Original::read(bytes, costs, nans)?;
    let roles = roles(&original.facts, &original.address_taken(), costs);
    let globals = MeterGlobals { first: original.imported_globals };
    let context = ModuleContext {
        bytes,
        costs,
        function_types: &original.function_types,
        imported_functions: original.imported_functions,
        facts: &original.facts,
        roles: &roles,
        globals,
    };
    let mut signatures = Signatures::new(original.types.clone());
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for (index, body) in original.bodies.iter().enumerate() {
        let type_index = original.function_types[original.imported_functions as usize + index];
        functions.function(signatures.counted(type_index, roles[index].convention));
        code.function(&rewrite(index, body, &context, &mut signatures)?);
    }
    if let Some(start) = original.start {
        functions.function(signatures.add(Vec::new(), Vec::new()));
        code.function(&start_twin(start, globals));
    }
    let imports = original.imports(&mut signatures)?;
    let module = original.assemble(&signatures, &imports, &functions, &code, globals)?;
    Ok(CountingModule { module, starts: original.start.is_some(), instance_cost: original.instance_cost })
}

/// The plain-typed function that starts the module, since a start function has no parameters.
fn start_twin(start: u32, globals: MeterGlobals) -> Function {
    let mut twin = Function::new([]);
    twin.instruction(&Instruction::GlobalGet(globals.fuel()))
        .instruction(&Instruction::GlobalGet(globals.stack()))
        .instruction(&Instruction::Call(start))
        .instruction(&Instruction::GlobalSet(globals.fuel()))
        .instruction(&Instruction::End);
    twin
}

/// A module as it was read.
#[derive(Default)]
struct Original<'a> {
    types: Vec<wasmparser::FuncType>,
    imports: Vec<Import<'a>>,
    imported_functions: u32,
    imported_globals: u32,
    /// Imported functions first.
    function_types: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    facts: Vec<FunctionFacts>,
    /// Functions that exports, tables, references and the start name.
    named: Vec<u32>,
    start: Option<u32>,
    instance_cost: u64,
    /// Sections that are copied, with the globals in them moved.
    sections: Vec<Payload<'a>>,
    names: Vec<(u32, &'a str)>,
}

impl<'a> Original<'a> {
    fn read(bytes: &'a [u8], costs: &CostTable, nans: Nans) -> Result<Self, Refused> {
        let mut this = Self { instance_cost: u64::from(costs.instance), ..Self::default() };
        let mut validator = Validator::new_with_features(features());
        let mut functions = Vec::new();
        for payload in parser().parse_all(bytes) {
            let payload = payload?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
                functions.push((function, body));
            }
            this.note(payload, costs)?;
        }
        this.scan(functions, costs, nans)?;
        Ok(this)
    }

    fn note(&mut self, payload: Payload<'a>, costs: &CostTable) -> Result<(), Refused> {
        match &payload {
            Payload::TypeSection(section) => {
                self.types = section.clone().into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    self.note_import(import?);
                }
            }
            Payload::FunctionSection(section) => {
                for type_index in section.clone() {
                    self.function_types.push(type_index?);
                }
            }
            Payload::StartSection { func, .. } => {
                self.start = Some(*func);
                self.named.push(*func);
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.note_names(names);
                }
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        self.named.push(export.index);
                    }
                }
                self.sections.push(payload);
            }
            Payload::GlobalSection(section) => {
                for global in section.clone() {
                    self.note_references(&global?.init_expr)?;
                }
                self.sections.push(payload);
            }
            Payload::TableSection(_)
            | Payload::MemorySection(_)
            | Payload::ElementSection(_)
            | Payload::DataCountSection { .. }
            | Payload::DataSection(_) => {
                self.instance_cost += instance_cost(&payload, costs)?;
                if let Payload::ElementSection(section) = &payload {
                    self.note_elements(section)?;
                }
                self.sections.push(payload);
            }
            _ => {}
        }
        Ok(())
    }

    fn note_import(&mut self, import: Import<'a>) {
        match import.ty {
            TypeRef::Func(type_index) => {
                self.function_types.push(type_index);
                self.imported_functions += 1;
            }
            TypeRef::Global(_) => self.imported_globals += 1,
            _ => {}
        }
        self.imports.push(import);
    }

    fn note_elements(&mut self, section: &wasmparser::ElementSectionReader<'a>) -> Result<(), Refused> {
        for element in section.clone() {
            match element?.items {
                ElementItems::Functions(items) => {
                    for function in items {
                        self.named.push(function?);
                    }
                }
                ElementItems::Expressions(_, items) => {
                    for expression in items {
                        self.note_references(&expression?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn note_references(&mut self, expression: &wasmparser::ConstExpr<'a>) -> Result<(), Refused> {
        for op in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = op? {
                self.named.push(function_index);
            }
        }
        Ok(())
    }

    /// Keeps function names, which make a trap's backtrace readable. A name section may be malformed: nothing depends
    /// on it, so reading stops there.
    fn note_names(&mut self, names: wasmparser::NameSectionReader<'a>) {
        for name in names.map_while(Result::ok) {
            if let Name::Function(map) = name {
                self.names.extend(map.into_iter().map_while(Result::ok).map(|naming| (naming.index, naming.name)));
            }
        }
    }

    fn scan(
        &mut self,
        functions: Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'a>)>,
        costs: &CostTable,
        nans: Nans,
    ) -> Result<(), Refused> {
        let mut allocations = FuncValidatorAllocations::default();
        for (function, body) in functions {
            let canonical = match nans {
                Nans::ByCompiler => CanonicalPoints::new(),
                Nans::ByMeter => canonical_points(validator_of(&function), &body)?,
            };
            let (mut facts, reusable) = scan(function, &body, self.imported_functions, costs, allocations)?;
            allocations = reusable;
            facts.canonical = canonical;
            self.facts.push(facts);
            self.bodies.push(body);
        }
        Ok(())
    }

    /// Per defined function, whether anything but a direct call may lead to it. A `ref.func` in a body names only
    /// functions that are named elsewhere too: validation asks for it.
    fn address_taken(&self) -> Vec<bool> {
        let mut taken = vec![false; self.bodies.len()];
        for defined in self.named.iter().filter_map(|function| function.checked_sub(self.imported_functions)) {
            taken[defined as usize] = true;
        }
        taken
    }

    fn imports(&self, signatures: &mut Signatures) -> Result<ImportSection, Refused> {
        let mut mover = GlobalMover(MeterGlobals { first: self.imported_globals });
        let mut section = ImportSection::new();
        for import in &self.imports {
            let ty = match import.ty {
                TypeRef::Func(type_index) => EntityType::Function(signatures.counted(type_index, Convention::Full)),
                other => mover.entity_type(other)?,
            };
            section.import(import.module, import.name, ty);
        }
        for (name, val_type) in [(FUEL_IMPORT, ValType::I64), (STACK_IMPORT, ValType::I32)] {
            section.import(METER_MODULE, name, GlobalType { val_type, mutable: true, shared: false });
        }
        Ok(section)
    }

    fn assemble(
        &self,
        signatures: &Signatures,
        imports: &ImportSection,
        functions: &FunctionSection,
        code: &CodeSection,
        globals: MeterGlobals,
    ) -> Result<Module, Refused> {
        let mut mover = GlobalMover(globals);
        let mut module = Module::new();
        module.section(&signatures.section()).section(imports).section(functions);
        for kind in [SectionId::Table, SectionId::Memory, SectionId::Global, SectionId::Export] {
            self.copy_section(kind, &mut module, &mut mover)?;
        }
        if self.start.is_some() {
            let function_index = u32::try_from(self.function_types.len()).expect("functions are limited");
            module.section(&StartSection { function_index });
        }
        for kind in [SectionId::Element, SectionId::DataCount] {
            self.copy_section(kind, &mut module, &mut mover)?;
        }
        module.section(code);
        self.copy_section(SectionId::Data, &mut module, &mut mover)?;
        if !self.names.is_empty() {
            module.section(&self.name_section());
        }
        Ok(module)
    }

    fn copy_section(&self, kind: SectionId, module: &mut Module, mover: &mut GlobalMover) -> Result<(), Refused> {
        for payload in &self.sections {
            match payload {
                Payload::TableSection(section) if kind == SectionId::Table => {
                    let mut copy = wasm_encoder::TableSection::new();
                    mover.parse_table_section(&mut copy, section.clone())?;
                    module.section(&copy);
                }
                Payload::MemorySection(section) if kind == SectionId::Memory => {
                    let mut copy = wasm_encoder::MemorySection::new();
                    mover.parse_memory_section(&mut copy, section.clone())?;
                    module.section(&copy);
                }
                Payload::GlobalSection(section) if kind == SectionId::Global => {
                    let mut copy = wasm_encoder::GlobalSection::new();
                    mover.parse_global_section(&mut copy, section.clone())?;
                    module.section(&copy);
                }
                Payload::ExportSection(section) if kind == SectionId::Export => {
                    let mut copy = wasm_encoder::ExportSection::new();
                    mover.parse_export_section(&mut copy, section.clone())?;
                    module.section(&copy);
                }
                Payload::ElementSection(section) if kind == SectionId::Element => {
                    let mut copy = wasm_encoder::ElementSection::new();
                    mover.parse_element_section(&mut copy, section.clone())?;
                    module.section(&copy);
                }
                Payload::DataCountSection { count, .. } if kind == SectionId::DataCount => {
                    module.section(&wasm_encoder::DataCountSection { count: *count });
                }
                Payload::DataSection(section) if kind == SectionId::Data => {
                    let mut copy = wasm_encoder::DataSection::new();
                    mover.parse_data_section(&mut copy, section.clone())?;
                    module.section(&copy);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn name_section(&self) -> NameSection {
        let mut map = NameMap::new();
        for &(function, name) in &self.names {
            map.append(function, name);
        }
        let mut section = NameSection::new();
        section.functions(&map);
        section
    }
}

/// One more validator of a function.
fn validator_of(function: &FuncToValidate<ValidatorResources>) -> FuncValidator<ValidatorResources> {
    let FuncToValidate { resources, index, ty, features } = function;
    FuncToValidate { resources: resources.clone(), index: *index, ty: *ty, features: *features }
        .into_validator(FuncValidatorAllocations::default())
}

/// The names of the meter's exports, under [`METER_MODULE`].
pub(crate) const FUEL_IMPORT: &str = "fuel";
pub(crate) const STACK_IMPORT: &str = "stack";

/// What the sections of a module cost each time it is instantiated.
fn instance_cost(payload: &Payload<'_>, costs: &CostTable) -> Result<u64, Refused> {
    let (element, page) = (u64::from(costs.table_element), u64::from(costs.page));
    let mut total: u64 = 0;
    match payload {
        Payload::TableSection(section) => {
            for table in section.clone() {
                total = total.saturating_add(table?.ty.initial.saturating_mul(element));
            }
        }
        Payload::MemorySection(section) => {
            for memory in section.clone() {
                total = total.saturating_add(memory?.initial.saturating_mul(page));
            }
        }
        Payload::ElementSection(section) => {
            for segment in section.clone() {
                let segment = segment?;
                let count = match segment.items {
                    ElementItems::Functions(items) => items.count(),
                    ElementItems::Expressions(_, items) => items.count(),
                };
                if matches!(segment.kind, ElementKind::Active { .. }) {
                    total = total.saturating_add(u64::from(count).saturating_mul(element));
                }
            }
        }
        Payload::DataSection(section) => {
            for segment in section.clone() {
                let segment = segment?;
                if matches!(segment.kind, DataKind::Active { .. }) {
                    total = total.saturating_add(segment.data.len() as u64 >> costs.bulk_bytes_shift);
                }
            }
        }
        _ => {}
    }
    Ok(total)
}

/// Copies sections with defined globals moved behind the meter's.
struct GlobalMover(MeterGlobals);

impl Reencode for GlobalMover {
    type Error = Infallible;

    fn global_index(&mut self, global: u32) -> Result<u32, Error<Infallible>> {
        Ok(self.0.moved(global))
    }
}
