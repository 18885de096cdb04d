use naga::{AddressSpace, Binding, BuiltIn, GlobalVariable, Handle};

use super::Compiler;
use super::frame::{Frame, Value};
use super::memory::Place;
use crate::program::{Op, Reg, Space, builtin};
use crate::shape::Shape;
use crate::source::within;
use crate::{KernelError, Limits};

/// Where a module's variable lies.
#[derive(Clone, Debug)]
pub(super) struct Global(Place);

impl Compiler<'_> {
    /// Gives every variable of the module its place.
    pub(super) fn declare_globals(&mut self) -> Result<(), KernelError> {
        for (_, variable) in self.module.global_variables.iter() {
            let place = self.declare(variable)?;
            self.globals.push(Global(place));
        }
        within("words of workgroup memory", u64::from(self.workgroup_words), u64::from(Limits::WORKGROUP_WORDS))
    }

    fn declare(&mut self, variable: &GlobalVariable) -> Result<Place, KernelError> {
        let shape = self.shapes.get(variable.ty)?;
        let (space, fixed) = match (variable.space, &variable.binding) {
            (AddressSpace::Storage { .. } | AddressSpace::Uniform, Some(binding)) => {
                let number = u8::try_from(binding.binding).expect("the kernel's bindings were checked");
                (Space::Storage(number), 0)
            }
            (AddressSpace::WorkGroup, _) => {
                let begin = self.workgroup_words;
                self.workgroup_words = begin.saturating_add(shape.words().packed);
                (Space::Workgroup, begin)
            }
            (AddressSpace::Private, _) => (Space::Registers, u32::from(self.allocate(shape.words().packed)?)),
            _ => return Err(KernelError::unsupported("a variable of this address space")),
        };
        Ok(Place { space, shape, address: None, fixed })
    }

    pub(super) fn global(&self, variable: Handle<GlobalVariable>) -> Value {
        Value::Place(self.globals[variable.index()].0.clone())
    }

    /// Writes out an entry point: its private variables, its arguments, its body.
    pub(super) fn write_entry(&mut self, entry: usize) -> Result<(), KernelError> {
        for (handle, variable) in self.module.global_variables.iter() {
            let Value::Place(place) = self.global(handle) else { continue };
            if place.space == Space::Registers {
                self.initialise(place.fixed as Reg, &place.shape, None)?;
                if let Some(init) = variable.init {
                    let value = self.global_expression(init)?;
                    self.store(&place, value)?;
                }
            }
        }
        let entry_point = &self.module.entry_points[entry];
        let mut arguments = Vec::new();
        for argument in &entry_point.function.arguments {
            let shape = self.shapes.get(argument.ty)?;
            let bindings = match (&argument.binding, &self.module.types[argument.ty].inner) {
                (Some(binding), _) => vec![Some(binding.clone())],
                (None, naga::TypeInner::Struct { members, .. }) => {
                    members.iter().map(|member| member.binding.clone()).collect()
                }
                (None, _) => vec![None],
            };
            arguments.push(self.entry_argument(&shape, &bindings)?);
        }
        let function = &entry_point.function;
        let frame = Frame::new((function, self.info.get_entry_point(entry)), arguments, None);
        self.write_function(frame)?;
        self.push(Op::End).map(drop)
    }

    fn entry_argument(&mut self, shape: &Shape, bindings: &[Option<Binding>]) -> Result<Reg, KernelError> {
        let to = self.allocate_value(shape)?;
        let mut next = to;
        for binding in bindings {
            let (from, words) = match binding {
                Some(Binding::BuiltIn(builtin)) => builtin_registers(*builtin)?,
                _ => return Err(KernelError::unsupported("an argument of an entry point that is no builtin")),
            };
            self.push(Op::Copy { to: next, from, words })?;
            next += words;
        }
        Ok(to)
    }
}

fn builtin_registers(builtin: BuiltIn) -> Result<(Reg, u16), KernelError> {
    match builtin {
        BuiltIn::GlobalInvocationId => Ok((builtin::GLOBAL_INVOCATION, 3)),
        BuiltIn::LocalInvocationId => Ok((builtin::LOCAL_INVOCATION, 3)),
        BuiltIn::LocalInvocationIndex => Ok((builtin::LOCAL_INDEX, 1)),
        BuiltIn::WorkGroupId => Ok((builtin::WORKGROUP, 3)),
        BuiltIn::NumWorkGroups => Ok((builtin::WORKGROUPS, 3)),
        _ => Err(KernelError::unsupported("a builtin that devices give different values")),
    }
}
