//! naga: WGSL to SPIR-V.

use std::thread;

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ArraySize, Handle, Module, ShaderStage, Type, TypeInner};

use super::{FloatControls, Rules, Shader, ShaderError, TYPE_LIMIT, WORKGROUP_LIMIT};

/// naga recurses over expressions, a frame for each operator of a long sum: this is enough for [`SOURCE_LIMIT`].
const STACK_BYTES: usize = 256 << 20;

/// Translates on a thread of its own, so that neither the depth of a shader nor a bug of the translator ends the caller.
pub(super) fn translate(source: &str, rules: &Rules) -> Result<Shader, ShaderError> {
    if source.len() > rules.source_bytes {
        return Err(ShaderError::TooLong { bytes: source.len() });
    }
    thread::scope(|scope| {
        let worker =
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || translate_here(source, rules));
        worker.map_err(|error| ShaderError::Translation(error.to_string()))?.join().map_err(|_| ShaderError::Crashed)?
    })
}

fn translate_here(source: &str, rules: &Rules) -> Result<Shader, ShaderError> {
    let module = naga::front::wgsl::parse_str(source).map_err(|error| ShaderError::Syntax(at_place(&error, source)))?;
    limit_memory(&module)?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|error| ShaderError::Invalid(innermost(&error.into_inner())))?;
    let entry = entry_point(&module)?;
    let bindings = bindings(&module, rules.bindings)?;
    let words = write(&module, &info, rules)?;
    Ok(Shader { words, twin: None, controls: FloatControls::default(), entry, bindings })
}

fn at_place(error: &naga::front::wgsl::ParseError, source: &str) -> String {
    match error.location(source) {
        Some(place) => format!("line {}, column {}: {}", place.line_number, place.line_position, error.message()),
        None => error.message().to_owned(),
    }
}

/// An error and what caused it, from the outside in.
fn innermost(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn entry_point(module: &Module) -> Result<String, ShaderError> {
    let (compute, others): (Vec<_>, Vec<_>) =
        module.entry_points.iter().partition(|entry| entry.stage == ShaderStage::Compute);
    match (&compute[..], &others[..]) {
        ([entry], []) => Ok(entry.name.clone()),
        _ => Err(ShaderError::EntryPoints { found: compute.len(), others: others.len() }),
    }
}

/// How many storage buffers there are: the bindings 0, 1, … of group 0, without gaps.
fn bindings(module: &Module, most: u32) -> Result<u32, ShaderError> {
    let mut places = Vec::new();
    for (_, variable) in module.global_variables.iter() {
        match (variable.space, &variable.binding) {
            (AddressSpace::Storage { .. }, Some(binding)) if binding.group == 0 && binding.binding < most => {
                places.push((binding.binding, variable));
            }
            (AddressSpace::WorkGroup | AddressSpace::Private, _) => {}
            _ => return Err(ShaderError::Binding { name: variable.name.clone().unwrap_or_default() }),
        }
    }
    places.sort_by_key(|&(place, _)| place);
    for (expected, (place, variable)) in (0..).zip(&places) {
        if *place != expected {
            return Err(ShaderError::Binding { name: variable.name.clone().unwrap_or_default() });
        }
    }
    Ok(u32::try_from(places.len()).expect("bindings are limited"))
}

/// naga computes sizes in 32 bits, which wrap; so they are computed here before it does.
fn limit_memory(module: &Module) -> Result<(), ShaderError> {
    let within =
        |bytes: u64, limit: u64| if bytes <= limit { Ok(()) } else { Err(ShaderError::TooLarge { bytes, limit }) };
    // A type stands behind those that it is made of.
    let mut sizes: Vec<u64> = Vec::new();
    for (_, kind) in module.types.iter() {
        let size = match &kind.inner {
            TypeInner::Array { base, size: ArraySize::Constant(count), .. } => {
                sizes[base.index()].saturating_mul(u64::from(count.get()))
            }
            TypeInner::Array { size: ArraySize::Pending(_), .. } => u64::MAX,
            TypeInner::Struct { members, .. } => {
                members.iter().map(|member| sizes[member.ty.index()]).fold(0, u64::saturating_add)
            }
            // An array of unknown length has a buffer's, and the rest are a matrix at most.
            inner => u64::from(inner.size(module.to_ctx())),
        };
        within(size, TYPE_LIMIT)?;
        sizes.push(size);
    }
    let shared = module.global_variables.iter().filter(|(_, variable)| variable.space == AddressSpace::WorkGroup);
    within(shared.map(|(_, variable)| sizes[variable.ty.index()]).fold(0, u64::saturating_add), WORKGROUP_LIMIT)
}

fn write(module: &Module, info: &ModuleInfo, rules: &Rules) -> Result<Vec<u32>, ShaderError> {
    let checked = BoundsCheckPolicy::ReadZeroSkipWrite;
    // naga 26 does not translate an atomic whose index it is to check.
    let unless = |has_atomics: bool| if rules.atomics && has_atomics { BoundsCheckPolicy::Unchecked } else { checked };
    let has_atomics = |is_buffer: bool| {
        let mut variables = module.global_variables.iter().map(|(_, variable)| variable);
        variables.any(|variable| {
            matches!(variable.space, AddressSpace::Storage { .. }) == is_buffer && holds_atomics(module, variable.ty)
        })
    };
    let zeroes = if rules.zeroes {
        spv::ZeroInitializeWorkgroupMemoryMode::Polyfill
    } else {
        spv::ZeroInitializeWorkgroupMemoryMode::None
    };
    let options = spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: BoundsCheckPolicies {
            index: unless(has_atomics(false)),
            buffer: unless(has_atomics(true)),
            image_load: checked,
            binding_array: checked,
        },
        zero_initialize_workgroup_memory: zeroes,
        ..spv::Options::default()
    };
    spv::write_vec(module, info, &options, None).map_err(|error| ShaderError::Translation(innermost(&error)))
}

/// Whether a type is an atomic, or an array of them: those that are written for tasks' kernels have no others.
fn holds_atomics(module: &Module, ty: Handle<Type>) -> bool {
    match module.types[ty].inner {
        TypeInner::Atomic(_) => true,
        TypeInner::Array { base, .. } => holds_atomics(module, base),
        _ => false,
    }
}
