use naga::{AtomicFunction, Expression, Handle, ScalarKind, TypeInner};

use super::Compiler;
use super::frame::Frame;
use crate::KernelError;
use crate::arithmetic::Binary;
use crate::program::Op;

/// Why what an atomic operation finds is nobody's to know, and what to do instead.
pub(super) const ORDER: &str = "the order of invocations would show; give every invocation words of its own";

impl Compiler<'_> {
    /// An operation whose order cannot show, since nobody knows what it found.
    pub(super) fn change(
        &mut self,
        frame: &Frame<'_>,
        pointer: Handle<Expression>,
        function: AtomicFunction,
        value: Handle<Expression>,
    ) -> Result<(), KernelError> {
        let is_signed = match frame.info[value].ty.inner_with(&self.module.types) {
            TypeInner::Scalar(scalar) => scalar.kind == ScalarKind::Sint,
            _ => false,
        };
        let op = operation(function, is_signed)?;
        let (place, from) = (frame.place(pointer)?.clone(), frame.words(value)?);
        self.push(Op::Atomic { op, space: place.space, address: place.address, fixed: place.fixed, from }).map(drop)
    }
}

fn operation(function: AtomicFunction, is_signed: bool) -> Result<Binary, KernelError> {
    Ok(match (function, is_signed) {
        (AtomicFunction::Add, _) => Binary::AddInteger,
        (AtomicFunction::And, _) => Binary::And,
        (AtomicFunction::InclusiveOr, _) => Binary::Or,
        (AtomicFunction::ExclusiveOr, _) => Binary::ExclusiveOr,
        (AtomicFunction::Min, true) => Binary::MinSigned,
        (AtomicFunction::Min, false) => Binary::MinUnsigned,
        (AtomicFunction::Max, true) => Binary::MaxSigned,
        (AtomicFunction::Max, false) => Binary::MaxUnsigned,
        (AtomicFunction::Subtract, _) => {
            return Err(KernelError::instead("atomicSub", "use atomicAdd of the negative"));
        }
        (AtomicFunction::Exchange { .. }, _) => {
            return Err(KernelError::instead("atomicExchange, and atomicCompareExchangeWeak", ORDER));
        }
    })
}
