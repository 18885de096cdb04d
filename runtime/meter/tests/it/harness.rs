//! Compiles, links and runs modules and components, plain and instrumented.

use poai_meter::{
    CostTable, FUEL_GLOBAL, FUEL_LEFT_EXPORT, GUEST_INTERFACE, HOST_INTERFACE, Nans, STACK_GLOBAL, StaticRules, check,
    instrument_with,
};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, Component, ComponentAliasSection, ComponentExportKind, ComponentExportSection,
    ComponentTypeSection, ComponentValType, ExportKind, InstanceSection, ModuleArg, PrimitiveValType, RawSection,
};
use wasmtime::component::{self, Linker};
use wasmtime::{Config, Engine, Store, StoreContextMut, Trap, Val, WasmCoreDump};

/// How a sequence of calls ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    OutOfFuel,
    Stack,
    /// The engine's own name of a trap.
    Trap(String),
    /// An error that no instruction raised.
    Other(String),
}

/// What a sequence of calls gave: results as bits, the outcome, and the fuel left at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) results: Vec<u64>,
    pub(crate) outcome: Outcome,
    pub(crate) fuel_left: i64,
}

/// One call: an export, and its arguments as bits.
pub(crate) type Call<'a> = (&'a str, &'a [u64]);

/// Limits of a run.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) fuel: i64,
    pub(crate) stack: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 1 << 40, stack: 64 << 10 }
    }
}

/// An engine whose compiler makes NaNs canonical.
pub(crate) fn engine() -> Engine {
    engine_with(Nans::ByCompiler)
}

pub(crate) fn engine_with(nans: Nans) -> Engine {
    let mut config = Config::new();
    config.coredump_on_trap(true).cranelift_nan_canonicalization(nans == Nans::ByCompiler);
    config.relaxed_simd_deterministic(true);
    config.async_stack_size(NATIVE_STACK_BYTES).max_wasm_stack(NATIVE_STACK_BYTES / 2);
    Engine::new(&config).unwrap()
}

const NATIVE_STACK_BYTES: usize = 256 << 20;

/// Runs `work` on a thread whose native stack is far larger than any stack limit.
pub(crate) fn on_big_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(NATIVE_STACK_BYTES).spawn_scoped(scope, work);
        thread.unwrap().join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn outcome_of(error: &wasmtime::Error) -> Outcome {
    match error.downcast_ref::<Trap>() {
        Some(trap) => Outcome::Trap(format!("{trap:?}")),
        None => Outcome::Other(error.root_cause().to_string()),
    }
}

/// Runs a core module as it is; the fuel left is then 0, since nothing counts.
pub(crate) fn run_plain(engine: &Engine, module: &[u8], calls: &[Call<'_>]) -> Ending {
    run_core(engine, module, calls, false)
}

/// Runs a core module that the oracle rewrote.
pub(crate) fn run_naive(engine: &Engine, module: &[u8], calls: &[Call<'_>]) -> Ending {
    run_core(engine, module, calls, true)
}

fn run_core(engine: &Engine, module: &[u8], calls: &[Call<'_>], counts: bool) -> Ending {
    let module = wasmtime::Module::new(engine, module).unwrap();
    let mut store = Store::new(engine, ());
    let mut ending = Ending { results: Vec::new(), outcome: Outcome::Ok, fuel_left: 0 };
    let instance = match wasmtime::Instance::new(&mut store, &module, &[]) {
        Ok(instance) => instance,
        Err(error) => {
            ending.outcome = outcome_of(&error);
            if let Some(dump) = error.downcast_ref::<WasmCoreDump>().filter(|_| counts) {
                let globals = dump.globals();
                let last = globals.len() - 3;
                let fuel = globals[last].get(&mut store).unwrap_i64();
                let stack_ended = globals[last + 2].get(&mut store).unwrap_i32() != 0;
                ending.settle(fuel, stack_ended);
            }
            return ending;
        }
    };
    // In the oracle a caller puts the stack back; here the caller is the host.
    let stack = instance.get_global(&mut store, "stack").filter(|_| counts);
    let whole_stack = stack.map(|stack| stack.get(&mut store));
    for &(name, arguments) in calls {
        if let (Some(stack), Some(whole)) = (stack, whole_stack) {
            stack.set(&mut store, whole).unwrap();
        }
        let function = instance.get_func(&mut store, name).unwrap();
        let ty = function.ty(&store);
        let arguments: Vec<Val> = ty.params().zip(arguments).map(|(ty, &bits)| val_of(&ty, bits)).collect();
        let mut results = vec![Val::I32(0); ty.results().len()];
        if let Err(error) = function.call(&mut store, &arguments, &mut results) {
            ending.outcome = outcome_of(&error);
            break;
        }
        // As the host does when a lifted call tells it the fuel left.
        if counts && fuel_of(&instance, &mut store) < 0 {
            break;
        }
        ending.results.extend(results.iter().map(bits_of));
    }
    if counts {
        let fuel = fuel_of(&instance, &mut store);
        let ended = instance.get_global(&mut store, "stack-ended").unwrap().get(&mut store).unwrap_i32() != 0;
        ending.settle(fuel, ended);
    }
    ending
}

fn fuel_of(instance: &wasmtime::Instance, store: &mut Store<()>) -> i64 {
    instance.get_global(&mut *store, "fuel").unwrap().get(&mut *store).unwrap_i64()
}

impl Ending {
    fn settle(&mut self, fuel: i64, stack_ended: bool) {
        self.fuel_left = fuel;
        if fuel < 0 {
            self.outcome = Outcome::OutOfFuel;
        } else if stack_ended {
            self.outcome = Outcome::Stack;
        }
    }
}

fn val_of(ty: &wasmtime::ValType, bits: u64) -> Val {
    match ty {
        wasmtime::ValType::I32 => Val::I32(bits as u32 as i32),
        wasmtime::ValType::I64 => Val::I64(bits as i64),
        wasmtime::ValType::F32 => Val::F32(bits as u32),
        wasmtime::ValType::F64 => Val::F64(bits),
        other => panic!("{other} is no argument of a test"),
    }
}

fn bits_of(val: &Val) -> u64 {
    match val {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        Val::F32(bits) => u64::from(*bits),
        Val::F64(bits) => *bits,
        other => panic!("{other:?} is no result of a test"),
    }
}

/// What the host keeps while a metered component runs.
pub(crate) struct Host {
    limits: Limits,
    pub(crate) synced: Vec<i64>,
    /// Charged and not yet taken.
    pub(crate) charged: i64,
}

impl Host {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, synced: Vec::new(), charged: 0 }
    }
}

/// A linker with the meter's host functions.
pub(crate) fn metered_linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    let mut host = linker.instance(HOST_INTERFACE).unwrap();
    host.func_wrap("fuel-limit", |store: StoreContextMut<'_, Host>, (): ()| Ok((store.data().limits.fuel,))).unwrap();
    host.func_wrap("stack-limit", |store: StoreContextMut<'_, Host>, (): ()| Ok((store.data().limits.stack,))).unwrap();
    host.func_wrap("sync", |mut store: StoreContextMut<'_, Host>, (left,): (i64,)| {
        store.data_mut().synced.push(left);
        if left < 0 { Err(wasmtime::Error::msg("out of fuel at a call out")) } else { Ok(()) }
    })
    .unwrap();
    host.func_wrap("take", |mut store: StoreContextMut<'_, Host>, (): ()| {
        Ok((std::mem::take(&mut store.data_mut().charged),))
    })
    .unwrap();
    linker
}

pub(crate) fn instrumented(component: &[u8], nans: Nans) -> Vec<u8> {
    let checked = check(component, &StaticRules::default()).unwrap();
    instrument_with(&checked, &CostTable::VERSION_1, nans).unwrap()
}

/// Instruments and runs a component; NaNs are the engine's.
pub(crate) fn run_metered(
    engine: &Engine,
    linker: &Linker<Host>,
    component: &[u8],
    calls: &[Call<'_>],
    limits: Limits,
) -> (Ending, Host) {
    run_instrumented(engine, linker, &instrumented(component, Nans::ByCompiler), calls, limits)
}

/// Runs an instrumented component.
pub(crate) fn run_instrumented(
    engine: &Engine,
    linker: &Linker<Host>,
    component: &[u8],
    calls: &[Call<'_>],
    limits: Limits,
) -> (Ending, Host) {
    let component = component::Component::new(engine, component).unwrap();
    let mut store = Store::new(engine, Host::new(limits));
    let mut results = Vec::new();
    let outcome = run_calls(linker, &component, &mut store, calls, &mut results);
    let ending = match outcome {
        Ok(left) => {
            let outcome = if left < 0 { Outcome::OutOfFuel } else { Outcome::Ok };
            Ending { results, outcome, fuel_left: left }
        }
        Err(error) => ending_of(&error, &mut store, results),
    };
    (ending, store.into_data())
}

/// As the crate's documentation says to.
fn ending_of(error: &wasmtime::Error, store: &mut Store<Host>, results: Vec<u64>) -> Ending {
    let mut ending = Ending { results, outcome: outcome_of(error), fuel_left: 0 };
    let (left, stack_ended) = match error.downcast_ref::<WasmCoreDump>() {
        Some(dump) => {
            let left = dump.globals()[FUEL_GLOBAL].get(&mut *store).unwrap_i64();
            (left, dump.globals()[STACK_GLOBAL].get(&mut *store).unwrap_i32() < 0)
        }
        None => (*store.data().synced.last().unwrap(), false),
    };
    ending.settle(left - store.data().charged, stack_ended);
    ending
}

fn run_calls(
    linker: &Linker<Host>,
    component: &component::Component,
    store: &mut Store<Host>,
    calls: &[Call<'_>],
    results: &mut Vec<u64>,
) -> wasmtime::Result<i64> {
    let instance = linker.instantiate(&mut *store, component)?;
    for &(name, arguments) in calls {
        let function = instance.get_func(&mut *store, name).unwrap();
        let ty = function.ty(&*store);
        let arguments: Vec<component::Val> =
            ty.params().zip(arguments).map(|((_, ty), &bits)| component_val(&ty, bits)).collect();
        let mut values = vec![component::Val::Bool(false); ty.results().len()];
        function.call(&mut *store, &arguments, &mut values)?;
        results.extend(values.iter().map(component_bits));
    }
    let guest = instance.get_export_index(&mut *store, None, GUEST_INTERFACE).unwrap();
    let left = instance.get_export_index(&mut *store, Some(&guest), FUEL_LEFT_EXPORT).unwrap();
    let left = instance.get_typed_func::<(), (i64,)>(&mut *store, left)?;
    Ok(left.call(&mut *store, ())?.0)
}

fn component_val(ty: &component::Type, bits: u64) -> component::Val {
    match ty {
        component::Type::S32 => component::Val::S32(bits as u32 as i32),
        component::Type::S64 => component::Val::S64(bits as i64),
        component::Type::Float32 => component::Val::Float32(f32::from_bits(bits as u32)),
        component::Type::Float64 => component::Val::Float64(f64::from_bits(bits)),
        other => panic!("{other:?} is no argument of a test"),
    }
}

fn component_bits(val: &component::Val) -> u64 {
    match val {
        component::Val::S32(value) => u64::from(*value as u32),
        component::Val::S64(value) => *value as u64,
        component::Val::U32(value) => u64::from(*value),
        component::Val::Float32(value) => u64::from(value.to_bits()),
        component::Val::Float64(value) => value.to_bits(),
        component::Val::String(text) => text.len() as u64,
        other => panic!("{other:?} is no result of a test"),
    }
}

/// A component around a core module without imports, whose exports `names` it lifts as they are: scalars in, at most
/// one scalar out.
pub(crate) fn component_around(module: &[u8], names: &[(String, wasmparser::FuncType)]) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&RawSection { id: 1, data: module });
    let mut instances = InstanceSection::new();
    instances.instantiate::<[(&str, ModuleArg); 0], &str>(0, []);
    component.section(&instances);
    for (index, (name, ty)) in (0u32..).zip(names) {
        let mut types = ComponentTypeSection::new();
        let params: Vec<(String, ComponentValType)> =
            ty.params().iter().enumerate().map(|(i, ty)| (format!("p{i}"), scalar(*ty))).collect();
        types
            .function()
            .params(params.iter().map(|(name, ty)| (name.as_str(), *ty)))
            .result(ty.results().first().map(|ty| scalar(*ty)));
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(Alias::CoreInstanceExport { instance: 0, kind: ExportKind::Func, name });
        let mut canonical = CanonicalFunctionSection::new();
        canonical.lift(index, index, []);
        let mut exports = ComponentExportSection::new();
        // Each export is one more function.
        exports.export(name.replace('_', "-").as_str(), ComponentExportKind::Func, index * 2, None);
        component.section(&types).section(&aliases).section(&canonical).section(&exports);
    }
    component.finish()
}

fn scalar(ty: wasmparser::ValType) -> ComponentValType {
    ComponentValType::Primitive(match ty {
        wasmparser::ValType::I32 => PrimitiveValType::S32,
        wasmparser::ValType::I64 => PrimitiveValType::S64,
        wasmparser::ValType::F32 => PrimitiveValType::F32,
        wasmparser::ValType::F64 => PrimitiveValType::F64,
        other => panic!("{other} does not lift as it is"),
    })
}

/// The exported functions of a core module that lift as they are.
pub(crate) fn liftable(module: &[u8]) -> Vec<(String, wasmparser::FuncType)> {
    use wasmparser::{ExternalKind, Parser, Payload, TypeRef, ValType};
    let (mut types, mut functions, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                types.extend(section.into_iter_err_on_gc_types().map(|ty| ty.unwrap()));
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    if let TypeRef::Func(ty) = import.unwrap().ty {
                        functions.push(ty);
                    }
                }
            }
            Payload::FunctionSection(section) => functions.extend(section.into_iter().map(|ty| ty.unwrap())),
            Payload::ExportSection(section) => {
                for export in section.into_iter().map(|export| export.unwrap()) {
                    if export.kind != ExternalKind::Func {
                        continue;
                    }
                    let ty: &wasmparser::FuncType = &types[functions[export.index as usize] as usize];
                    let scalar = |ty: &ValType| matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64);
                    let lifts = ty.params().iter().chain(ty.results()).all(scalar)
                        && ty.results().len() <= 1
                        && ty.params().len() <= 16;
                    if lifts {
                        found.push((export.name.to_owned(), ty.clone()));
                    }
                }
            }
            _ => {}
        }
    }
    found
}
