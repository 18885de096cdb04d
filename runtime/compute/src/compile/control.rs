use naga::{Barrier, Block, Expression, Function, Handle, Statement, SwitchCase, SwitchValue};

use super::Compiler;
use super::frame::{Around, Frame, Value};
use crate::arithmetic::Binary;
use crate::program::Op;
use crate::source::within;
use crate::{KernelError, Limits, cost};

impl Compiler<'_> {
    /// Writes out a function: its variables, then its body.
    pub(super) fn write_function(&mut self, mut frame: Frame<'_>) -> Result<(), KernelError> {
        self.call_depth += 1;
        within("functions inside each other's calls", self.call_depth as u64, Limits::CALL_DEPTH as u64)?;
        let function = frame.function;
        self.count(1 + function.expressions.len() + function.local_variables.len())?;
        for (_, variable) in function.local_variables.iter() {
            let shape = self.shapes.get(variable.ty)?;
            let register = self.allocate(shape.words().packed)?;
            frame.locals.push(register);
        }
        self.prepare(&mut frame)?;
        for (handle, variable) in function.local_variables.iter() {
            let shape = self.shapes.get(variable.ty)?;
            let init = variable.init.filter(|init| !matches!(function.expressions[*init], Expression::ZeroValue(_)));
            let init = match init {
                Some(init) => Some(self.init(&mut frame, init)?),
                None => None,
            };
            self.initialise(frame.local(handle), &shape, init)?;
        }
        self.block(&mut frame, &function.body)?;
        let returns = std::mem::take(&mut frame.returns);
        self.land(returns);
        self.call_depth -= 1;
        Ok(())
    }

    /// What a variable begins with: an expression of constants, which naga does not emit.
    fn init(&mut self, frame: &mut Frame<'_>, init: Handle<Expression>) -> Result<u16, KernelError> {
        let function: &Function = frame.function;
        if let Expression::Compose { components, .. } = &function.expressions[init] {
            for component in components {
                self.init(frame, *component)?;
            }
        }
        if let Expression::Splat { value, .. } = &function.expressions[init] {
            self.init(frame, *value)?;
        }
        if !function.expressions[init].needs_pre_emit() {
            self.emit(frame, init)?;
        }
        frame.words(init)
    }

    fn block(&mut self, frame: &mut Frame<'_>, block: &Block) -> Result<(), KernelError> {
        // What a block computes is not seen outside of it.
        let next = self.next;
        for statement in block.iter() {
            self.statement(frame, statement)?;
        }
        self.next = next;
        Ok(())
    }

    fn statement(&mut self, frame: &mut Frame<'_>, statement: &Statement) -> Result<(), KernelError> {
        self.count(1)?;
        match statement {
            Statement::Emit(range) => range.clone().try_for_each(|expression| self.emit(frame, expression)),
            Statement::Block(block) => self.block(frame, block),
            Statement::If { condition, accept, reject } => self.branch(frame, *condition, [accept, reject]),
            Statement::Switch { selector, cases } => self.switch(frame, *selector, cases),
            Statement::Loop { body, continuing, break_if } => self.turns(frame, [body, continuing], *break_if),
            Statement::Break => {
                let jump = self.jump(Op::Jump(0))?;
                frame.around.last_mut().expect("validated: a loop or switch is around").breaks.push(jump);
                Ok(())
            }
            Statement::Continue => {
                let jump = self.jump(Op::Jump(0))?;
                let continues = frame.around.iter_mut().rev().find_map(|around| around.continues.as_mut());
                continues.expect("validated: a loop is around").push(jump);
                Ok(())
            }
            Statement::Return { value } => self.write_return(frame, *value),
            Statement::ControlBarrier(barrier) => self.barrier(*barrier),
            Statement::Store { pointer, value } => {
                let place = frame.place(*pointer)?.clone();
                self.store(&place, frame.words(*value)?)
            }
            Statement::Call { function, arguments, result } => {
                let function = *function;
                let arguments = arguments.iter().map(|argument| frame.words(*argument));
                let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
                let to = match result {
                    Some(result) => Some(self.shape(frame, *result).and_then(|shape| self.allocate_value(&shape))?),
                    None => None,
                };
                let next = self.next;
                let called = (&self.module.functions[function], &self.info[function]);
                self.write_function(Frame::new(called, arguments, to))?;
                self.next = next;
                if let (Some(result), Some(to)) = (result, to) {
                    frame.set(*result, Value::Words(to));
                }
                Ok(())
            }
            Statement::Atomic { .. } => Err(KernelError::unsupported("an atomic operation")),
            Statement::WorkGroupUniformLoad { .. } => {
                Err(KernelError::instead("workgroupUniformLoad", "use workgroupBarrier"))
            }
            _ => Err(KernelError::unsupported("a statement of graphics, rays or subgroups")),
        }
    }

    fn barrier(&mut self, barrier: Barrier) -> Result<(), KernelError> {
        if barrier != Barrier::WORK_GROUP && barrier != Barrier::STORAGE {
            return Err(KernelError::instead("a barrier of a subgroup or of textures", "use workgroupBarrier"));
        }
        // What is behind it is another turn of the invocation, which is charged when it begins.
        self.jump(Op::Barrier).map(drop)
    }

    fn write_return(&mut self, frame: &mut Frame<'_>, value: Option<Handle<Expression>>) -> Result<(), KernelError> {
        if let (Some(value), Some(to)) = (value, frame.result) {
            let (from, words) = (frame.words(value)?, self.shape(frame, value)?.words().packed as u16);
            self.push(Op::Copy { to, from, words })?;
        }
        let jump = self.jump(Op::Jump(0))?;
        frame.returns.push(jump);
        Ok(())
    }

    fn branch(
        &mut self,
        frame: &mut Frame<'_>,
        condition: Handle<Expression>,
        [accept, reject]: [&Block; 2],
    ) -> Result<(), KernelError> {
        let condition = frame.words(condition)?;
        // The head of a loop: nothing to be done, or to leave it.
        if accept.is_empty() {
            let to_end = self.jump(Op::JumpIf { condition, target: 0 })?;
            self.block(frame, reject)?;
            self.land([to_end]);
            return Ok(());
        }
        let to_reject = self.jump(Op::JumpUnless { condition, target: 0 })?;
        self.block(frame, accept)?;
        if reject.is_empty() {
            self.land([to_reject]);
            return Ok(());
        }
        let to_end = self.jump(Op::Jump(0))?;
        self.land([to_reject]);
        self.block(frame, reject)?;
        self.land([to_end]);
        Ok(())
    }

    fn turns(
        &mut self,
        frame: &mut Frame<'_>,
        [body, continuing]: [&Block; 2],
        break_if: Option<Handle<Expression>>,
    ) -> Result<(), KernelError> {
        let next = self.next;
        let head = self.label();
        // Even a loop of nothing costs something.
        self.ops.push(Op::Charge(cost::TURN));
        self.open = Some(self.ops.len() - 1);
        frame.around.push(Around { breaks: Vec::new(), continues: Some(Vec::new()) });
        // Not a block of its own: what the body computes is seen in `continuing`.
        for statement in body.iter() {
            self.statement(frame, statement)?;
        }
        let continues = frame.around.last_mut().and_then(|around| around.continues.take());
        self.land(continues.unwrap_or_default());
        for statement in continuing.iter() {
            self.statement(frame, statement)?;
        }
        match break_if {
            Some(condition) => {
                let condition = frame.words(condition)?;
                self.jump(Op::JumpUnless { condition, target: head })?;
            }
            None => drop(self.jump(Op::Jump(head))?),
        }
        let around = frame.around.pop().expect("it was pushed");
        self.land(around.breaks);
        self.next = next;
        Ok(())
    }

    fn switch(
        &mut self,
        frame: &mut Frame<'_>,
        selector: Handle<Expression>,
        cases: &[SwitchCase],
    ) -> Result<(), KernelError> {
        let (selector, condition) = (frame.words(selector)?, self.allocate(1)?);
        let mut entries = Vec::with_capacity(cases.len());
        for case in cases {
            let value = match case.value {
                SwitchValue::I32(value) => value as u32,
                SwitchValue::U32(value) => value,
                SwitchValue::Default => {
                    entries.push(None);
                    continue;
                }
            };
            let b = self.constant(value)?;
            self.push(Op::Binary { op: Binary::EqualWords, lanes: 1, to: condition, a: selector, b })?;
            entries.push(Some(self.jump(Op::JumpIf { condition, target: 0 })?));
        }
        let to_default = self.jump(Op::Jump(0))?;
        frame.around.push(Around::default());
        for (case, entry) in cases.iter().zip(entries) {
            self.land([entry.unwrap_or(to_default)]);
            self.block(frame, &case.body)?;
            if !case.fall_through {
                let jump = self.jump(Op::Jump(0))?;
                frame.around.last_mut().expect("it was pushed").breaks.push(jump);
            }
        }
        let around = frame.around.pop().expect("it was pushed");
        self.land(around.breaks);
        Ok(())
    }
}
