use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use naga::front::wgsl::{ParseError, parse_str};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess};

use crate::compile::compile;
use crate::program::{Op, Program, Space};
use crate::shape::{Content, Shapes};
use crate::source::{Source, within};
use crate::{KernelError, Limits};

/// Reading recurses, but never deeper than [`Limits`] let it.
const STACK_BYTES: usize = 32 << 20;

/// How a kernel uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All invocations read all of it.
    Read,
    /// Each invocation reads and writes a slice of its own.
    ReadWrite,
    /// All invocations change words of it, by one kind of atomic operation.
    Atomic,
}

/// A storage or uniform variable.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) access: Access,
    /// Words that its buffer must have at least.
    pub(crate) least_words: u32,
}

/// A compute entry point that is ready to run.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) program: Program,
    pub(crate) variables: Vec<Variable>,
    pub(crate) workgroup_size: [u32; 3],
    pub(crate) has_barriers: bool,
}

impl Kernel {
    /// Reads a source in WGSL, and compiles one of its entry points.
    ///
    /// This happens on a thread of its own, so that neither the depth of a source nor a bug of naga ends the caller.
    ///
    /// # Errors
    /// What is too large, is not WGSL, or says what kernels cannot: see docs/compute.md.
    pub fn parse(source: &str, entry_point: &str) -> Result<Self, KernelError> {
        let source = Source::new(source)?;
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("kernel".into()).stack_size(STACK_BYTES);
            let reader = builder.spawn_scoped(scope, || read(&source, entry_point));
            let reader = reader.map_err(|error| KernelError::NoThread(error.to_string()))?;
            reader.join().unwrap_or(Err(too_much(KernelError::COMPILER)))
        })
    }

    /// How the entry point's module uses its buffers: the bindings 0, 1, … of group 0.
    pub fn accesses(&self) -> impl ExactSizeIterator<Item = Access> {
        self.variables.iter().map(|variable| variable.access)
    }

    /// Invocations of a workgroup along each axis.
    #[must_use]
    pub fn workgroup_size(&self) -> [u32; 3] {
        self.workgroup_size
    }

    /// Instructions that it was compiled to: what compiling cost.
    #[must_use]
    pub fn instructions(&self) -> usize {
        self.program.ops.len()
    }
}

/// A source that ends its reader by a panic is more than that can take.
fn too_much(what: &'static str) -> KernelError {
    KernelError::TooLarge { what, found: 1, limit: 0 }
}

fn by_naga<T>(read: impl FnOnce() -> Result<T, KernelError>) -> Result<T, KernelError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(too_much("sources that naga gives up on")))
}

fn read(source: &Source<'_>, entry_point: &str) -> Result<Kernel, KernelError> {
    let module =
        by_naga(|| parse_str(source.text).map_err(|error| KernelError::Invalid(at_place(&error, source.text))))?;
    source.check_calls(&module)?;
    let shapes = Shapes::of(&module)?;
    let variables = variables(&module, &shapes)?;
    let entry = module.entry_points.iter().position(|entry| entry.name == entry_point);
    let entry = entry.filter(|entry| module.entry_points[*entry].stage == ShaderStage::Compute);
    let entry = entry.ok_or_else(|| KernelError::NoEntryPoint(entry_point.to_owned()))?;
    let workgroup_size = module.entry_points[entry].workgroup_size;
    limit_workgroup(workgroup_size)?;
    let info = by_naga(|| {
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        validator.validate(&module).map_err(|error| KernelError::Invalid(with_causes(&error.into_inner())))
    })?;
    let program = compile((&module, &info), &shapes, entry)?;
    check_changes(&program, &variables)?;
    let has_barriers = program.ops.contains(&Op::Barrier);
    Ok(Kernel { program, variables, workgroup_size, has_barriers })
}

/// The storage variables: the bindings 0, 1, … of group 0, without gaps.
fn variables(module: &Module, shapes: &Shapes) -> Result<Vec<Variable>, KernelError> {
    let mut found = Vec::new();
    for (_, variable) in module.global_variables.iter() {
        let is_read = match variable.space {
            AddressSpace::Storage { access } if access == StorageAccess::LOAD => true,
            // Laid out by rules of its own, which naga keeps, and a buffer all the same.
            AddressSpace::Uniform => true,
            AddressSpace::Storage { access } if access == StorageAccess::LOAD | StorageAccess::STORE => false,
            AddressSpace::WorkGroup | AddressSpace::Private => continue,
            _ => return Err(KernelError::unsupported("a variable of this address space")),
        };
        let shape = shapes.get(variable.ty)?;
        let access = match (shape.content(), is_read) {
            (Content::Plain, true) => Access::Read,
            (Content::Plain, false) => Access::ReadWrite,
            (Content::Atomic, false) => Access::Atomic,
            (_, true) => return Err(KernelError::instead("an atomic that is only read", "declare it as u32 or i32")),
            (Content::Mixed, false) => {
                return Err(KernelError::instead("a buffer of atomics and others", "use a buffer for each"));
            }
        };
        let binding = variable.binding.filter(|binding| binding.group == 0);
        let binding = binding.ok_or_else(|| KernelError::unsupported("a binding of another group than 0"))?;
        found.push((binding.binding, Variable { access, least_words: shape.words().laid }));
    }
    within("storage variables", found.len() as u64, Limits::BINDINGS as u64)?;
    found.sort_by_key(|(binding, _)| *binding);
    if found.iter().zip(0..).any(|((binding, _), expected)| *binding != expected) {
        return Err(KernelError::unsupported("a gap in the numbers of the bindings"));
    }
    Ok(found.into_iter().map(|(_, variable)| variable).collect())
}

/// Refuses a buffer that two kinds of atomic operations change: their order would show.
fn check_changes(program: &Program, variables: &[Variable]) -> Result<(), KernelError> {
    for (binding, _) in (0..).zip(variables) {
        if program.changes(Space::Storage(binding)).len() > 1 {
            let what = format!("a buffer, binding {binding}, that is changed by several kinds of atomic operations");
            return Err(KernelError::instead(what, "use a buffer, or a dispatch, for each"));
        }
    }
    Ok(())
}

fn limit_workgroup(size: [u32; 3]) -> Result<(), KernelError> {
    let invocations = size.iter().fold(1_u64, |product, axis| product.saturating_mul(u64::from(*axis)));
    if invocations == 0 {
        return Err(KernelError::Invalid("a workgroup has no invocations".into()));
    }
    within("invocations of a workgroup", invocations, u64::from(Limits::WORKGROUP_INVOCATIONS))?;
    within("invocations of a workgroup along z", u64::from(size[2]), u64::from(Limits::WORKGROUP_DEPTH))
}

fn at_place(error: &ParseError, source: &str) -> String {
    match error.location(source) {
        Some(place) => format!("line {}, column {}: {}", place.line_number, place.line_position, error.message()),
        None => error.message().to_owned(),
    }
}

/// An error and what caused it, from the outside in.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
