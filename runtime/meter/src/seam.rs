//! The core modules that are added to a component: the meter itself, and what stands between counted code and the
//! host.

use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, ImportSection, Instruction, Module, StartSection, TypeSection, ValType,
};
use wasmparser::FuncType;

use crate::calls::Convention;
use crate::module::{FUEL_IMPORT, STACK_IMPORT};
use crate::signatures::with_counters;
use crate::wasm_types::val_types;
use crate::{CostTable, METER_MODULE};

/// The module name under which added modules import what the component gives them.
pub(crate) const GIVEN: &str = "given";
/// Names of the host's functions in the instance given to the meter and to the wrappers.
pub(crate) const FUEL_LIMIT: &str = "fuel-limit";
pub(crate) const STACK_LIMIT: &str = "stack-limit";
pub(crate) const SYNC: &str = "sync";
pub(crate) const TAKE: &str = "take";
/// The meter's export that answers the fuel left.
pub(crate) const FUEL_LEFT: &str = "fuel-left";

const MUTABLE_I64: GlobalType = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
const MUTABLE_I32: GlobalType = GlobalType { val_type: ValType::I32, mutable: true, shared: false };

/// Indices of the meter's globals in every added module.
const FUEL: u32 = 0;
const STACK: u32 = 1;

/// The meter: two globals, set by its start function from the host's limits, less what instantiating costs.
pub(crate) fn meter(instantiation_cost: i64) -> Module {
    let mut builder = Builder::new();
    let fuel_limit = builder.import(GIVEN, FUEL_LIMIT, vec![], vec![ValType::I64]);
    let stack_limit = builder.import(GIVEN, STACK_LIMIT, vec![], vec![ValType::I32]);
    let sync = builder.import(GIVEN, SYNC, vec![ValType::I64], vec![]);
    let mut globals = GlobalSection::new();
    globals.global(MUTABLE_I64, &ConstExpr::i64_const(0));
    globals.global(MUTABLE_I32, &ConstExpr::i32_const(0));
    let start = builder.function(
        vec![],
        vec![],
        Function::new([]),
        &[
            Instruction::Call(fuel_limit),
            Instruction::I64Const(instantiation_cost),
            Instruction::I64Sub,
            Instruction::GlobalSet(FUEL),
            Instruction::Call(stack_limit),
            Instruction::GlobalSet(STACK),
            Instruction::GlobalGet(FUEL),
            Instruction::Call(sync),
        ],
    );
    let left = builder.function(vec![], vec![ValType::I64], Function::new([]), &[Instruction::GlobalGet(FUEL)]);
    builder.exports.export(FUEL_IMPORT, ExportKind::Global, FUEL);
    builder.exports.export(STACK_IMPORT, ExportKind::Global, STACK);
    builder.exports.export(FUEL_LEFT, ExportKind::Func, left);
    builder.finish(Some(&globals), Some(start))
}

/// A module that tells the host the fuel left when it is instantiated: it comes after each module that starts.
pub(crate) fn checkpoint() -> Module {
    let mut builder = Builder::new();
    let sync = builder.import(GIVEN, SYNC, vec![ValType::I64], vec![]);
    builder.import_globals();
    let start =
        builder.function(vec![], vec![], Function::new([]), &[Instruction::GlobalGet(FUEL), Instruction::Call(sync)]);
    builder.finish(None, Some(start))
}

/// How a function that leaves the guest is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// The host may do anything: it is told the fuel left, and what it charged is taken back.
    Call,
    /// Handle bookkeeping that only the engine sees.
    Intrinsic,
}

/// A module that gives each of the plain functions `leaving` the counters, under [`member`]'s names on both sides.
pub(crate) fn wrappers(leaving: &[(Leaving, &FuncType)], costs: &CostTable) -> Module {
    let mut builder = Builder::new();
    let plain: Vec<u32> = leaving
        .iter()
        .enumerate()
        .map(|(index, (_, ty))| builder.import(GIVEN, &member(index), val_types(ty.params()), val_types(ty.results())))
        .collect();
    let sync = builder.import(GIVEN, SYNC, vec![ValType::I64], vec![]);
    let take = builder.import(GIVEN, TAKE, vec![], vec![ValType::I64]);
    builder.import_globals();
    for (index, &(kind, ty)) in leaving.iter().enumerate() {
        let call = HostCall { plain: plain[index], sync, take, params: count(ty.params()), costs };
        let (params, results) = with_counters(ty, Convention::Full);
        let code = match kind {
            Leaving::Call => call.told(),
            Leaving::Intrinsic => call.untold(),
        };
        let wrapper = builder.function(params, results, Function::new([(1, ValType::I32)]), &code);
        builder.exports.export(&member(index), ExportKind::Func, wrapper);
    }
    builder.finish(None, None)
}

struct HostCall<'a> {
    plain: u32,
    sync: u32,
    take: u32,
    params: u32,
    costs: &'a CostTable,
}

impl HostCall<'_> {
    fn told(&self) -> Vec<Instruction<'static>> {
        let (fuel, stack, outer_stack) = (self.params, self.params + 1, self.params + 2);
        let mut code = self.charge();
        // The host may call back (realloc): that code's stack begins where this one ends.
        code.extend([
            Instruction::GlobalGet(STACK),
            Instruction::LocalSet(outer_stack),
            Instruction::LocalGet(stack),
            Instruction::I32Const(self.costs.frame.cast_signed()),
            Instruction::I32Sub,
            Instruction::GlobalSet(STACK),
            Instruction::GlobalGet(STACK),
            Instruction::I32Const(0),
            Instruction::I32LtS,
            Instruction::If(wasm_encoder::BlockType::Empty),
            Instruction::Unreachable,
            Instruction::End,
            Instruction::LocalGet(fuel),
            Instruction::Call(self.sync),
        ]);
        code.extend((0..self.params).map(Instruction::LocalGet));
        code.extend([
            Instruction::Call(self.plain),
            Instruction::LocalGet(outer_stack),
            Instruction::GlobalSet(STACK),
            Instruction::GlobalGet(FUEL),
            Instruction::Call(self.take),
            Instruction::I64Sub,
        ]);
        code
    }

    fn untold(&self) -> Vec<Instruction<'static>> {
        let mut code = self.charge();
        code.extend((0..self.params).map(Instruction::LocalGet));
        code.extend([Instruction::Call(self.plain), Instruction::GlobalGet(FUEL)]);
        code
    }

    fn charge(&self) -> Vec<Instruction<'static>> {
        let fuel = self.params;
        vec![
            Instruction::LocalGet(fuel),
            Instruction::I64Const(i64::from(self.costs.host_call)),
            Instruction::I64Sub,
            Instruction::LocalTee(fuel),
            Instruction::GlobalSet(FUEL),
        ]
    }
}

/// Whether a plain twin tells the host the fuel left when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    /// An exported call: its results may fail to lift, and then nothing of the guest can be asked.
    Lifted,
    /// `realloc`, `post-return`, a destructor: no call out is allowed there.
    Quiet,
}

/// A module that gives each of the counted functions a plain-typed twin, under [`member`]'s names on both sides.
pub(crate) fn twins(entries: &[(Entry, &FuncType)]) -> Module {
    let mut builder = Builder::new();
    let counted: Vec<u32> = entries
        .iter()
        .enumerate()
        .map(|(index, (_, ty))| {
            let (params, results) = with_counters(ty, Convention::Full);
            builder.import(GIVEN, &member(index), params, results)
        })
        .collect();
    let sync = builder.import(GIVEN, SYNC, vec![ValType::I64], vec![]);
    builder.import_globals();
    for (index, &(entry, ty)) in entries.iter().enumerate() {
        let mut code: Vec<Instruction<'_>> = (0..count(ty.params())).map(Instruction::LocalGet).collect();
        code.extend([
            Instruction::GlobalGet(FUEL),
            Instruction::GlobalGet(STACK),
            Instruction::Call(counted[index]),
            Instruction::GlobalSet(FUEL),
        ]);
        if entry == Entry::Lifted {
            code.extend([Instruction::GlobalGet(FUEL), Instruction::Call(sync)]);
        }
        let twin = builder.function(val_types(ty.params()), val_types(ty.results()), Function::new([]), &code);
        builder.exports.export(&member(index), ExportKind::Func, twin);
    }
    builder.finish(None, None)
}

/// The name of a wrapped or twinned function in its module, on both sides.
pub(crate) fn member(index: usize) -> String {
    index.to_string()
}

fn count(types: &[wasmparser::ValType]) -> u32 {
    u32::try_from(types.len()).expect("parameters are limited")
}

/// A small module under construction.
struct Builder {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
    function_count: u32,
}

impl Builder {
    fn new() -> Self {
        Self {
            types: TypeSection::new(),
            imports: ImportSection::new(),
            functions: FunctionSection::new(),
            exports: ExportSection::new(),
            code: CodeSection::new(),
            function_count: 0,
        }
    }

    fn import(&mut self, module: &str, name: &str, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        self.imports.import(module, name, EntityType::Function(self.types.len()));
        self.types.ty().function(params, results);
        self.next_function()
    }

    fn import_globals(&mut self) {
        self.imports.import(METER_MODULE, FUEL_IMPORT, MUTABLE_I64);
        self.imports.import(METER_MODULE, STACK_IMPORT, MUTABLE_I32);
    }

    fn function(
        &mut self,
        params: Vec<ValType>,
        results: Vec<ValType>,
        mut function: Function,
        code: &[Instruction<'_>],
    ) -> u32 {
        self.functions.function(self.types.len());
        self.types.ty().function(params, results);
        for instruction in code {
            function.instruction(instruction);
        }
        function.instruction(&Instruction::End);
        self.code.function(&function);
        self.next_function()
    }

    fn next_function(&mut self) -> u32 {
        self.function_count += 1;
        self.function_count - 1
    }

    fn finish(&self, globals: Option<&GlobalSection>, start: Option<u32>) -> Module {
        let mut module = Module::new();
        module.section(&self.types).section(&self.imports).section(&self.functions);
        if let Some(globals) = globals {
            module.section(globals);
        }
        module.section(&self.exports);
        if let Some(function_index) = start {
            module.section(&StartSection { function_index });
        }
        module.section(&self.code);
        module
    }
}
