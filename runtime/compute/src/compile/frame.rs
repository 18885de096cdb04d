use naga::proc::TypeResolution;
use naga::valid::FunctionInfo;
use naga::{Expression, Function, Handle, LocalVariable};

use super::Compiler;
use super::atomics::ORDER;
use super::memory::Place;
use crate::KernelError;
use crate::program::Reg;
use crate::shape::{Shape, flat};

/// What an expression is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Words in registers, without padding.
    Words(Reg),
    /// What a reference or a pointer leads to.
    Place(Place),
    /// What an atomic operation found, which nobody may know.
    Found,
}

/// A function that is being written out.
pub(super) struct Frame<'m> {
    pub(super) function: &'m Function,
    pub(super) info: &'m FunctionInfo,
    pub(super) arguments: Vec<Reg>,
    pub(super) result: Option<Reg>,
    /// Expressions that are evaluated.
    values: Vec<Option<Value>>,
    /// Where its variables begin.
    pub(super) locals: Vec<Reg>,
    /// Jumps to its end.
    pub(super) returns: Vec<usize>,
    /// Loops and switches around, the innermost last.
    pub(super) around: Vec<Around>,
}

/// A loop or switch.
#[derive(Default)]
pub(super) struct Around {
    pub(super) breaks: Vec<usize>,
    /// None of a switch: they belong to the loop around.
    pub(super) continues: Option<Vec<usize>>,
}

impl<'m> Frame<'m> {
    pub(super) fn new(
        (function, info): (&'m Function, &'m FunctionInfo),
        arguments: Vec<Reg>,
        result: Option<Reg>,
    ) -> Self {
        let values = vec![None; function.expressions.len()];
        Self { function, info, arguments, result, values, locals: Vec::new(), returns: Vec::new(), around: Vec::new() }
    }

    pub(super) fn set(&mut self, expression: Handle<Expression>, value: Value) {
        self.values[expression.index()] = Some(value);
    }

    fn value(&self, expression: Handle<Expression>) -> Result<&Value, KernelError> {
        self.values[expression.index()].as_ref().ok_or_else(|| KernelError::unsupported("a value as large as this"))
    }

    /// Where an expression's words are.
    pub(super) fn words(&self, expression: Handle<Expression>) -> Result<Reg, KernelError> {
        match self.value(expression)? {
            Value::Words(register) => Ok(*register),
            Value::Place(_) => Err(KernelError::unsupported("a pointer that is passed to a function")),
            Value::Found => Err(KernelError::instead("the result of an atomic operation", ORDER)),
        }
    }

    /// What a pointer leads to.
    pub(super) fn place(&self, expression: Handle<Expression>) -> Result<&Place, KernelError> {
        match self.value(expression)? {
            Value::Place(place) => Ok(place),
            Value::Words(_) | Value::Found => Err(KernelError::unsupported("a load from what is no memory")),
        }
    }

    pub(super) fn is_place(&self, expression: Handle<Expression>) -> Result<bool, KernelError> {
        Ok(matches!(self.value(expression)?, Value::Place(_)))
    }

    pub(super) fn local(&self, variable: Handle<LocalVariable>) -> Reg {
        self.locals[variable.index()]
    }
}

impl Compiler<'_> {
    /// The type of an expression that is no pointer.
    pub(super) fn shape(&self, frame: &Frame<'_>, expression: Handle<Expression>) -> Result<Shape, KernelError> {
        match &frame.info[expression].ty {
            TypeResolution::Handle(ty) => self.shapes.get(*ty),
            TypeResolution::Value(inner) => flat(inner),
        }
    }
}
