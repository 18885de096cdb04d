use std::ops::Range;

use naga::{Barrier, Block, Expression, Function, Handle, Statement, SwitchCase, SwitchValue};

use super::Compiler;
use super::frame::{Around, Frame, Value};
use crate::arithmetic::Binary;
use crate::program::{Case, Node, Op, Selected};
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
        self.begin_block()?;
        self.block(&mut frame, &function.body)?;
        let returns = std::mem::take(&mut frame.returns);
        self.land(returns);
        let body = self.end_block();
        self.node(Node::Call(body));
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
                self.node(Node::Break);
                Ok(())
            }
            Statement::Continue => {
                let jump = self.jump(Op::Jump(0))?;
                let continues = frame.around.iter_mut().rev().find_map(|around| around.continues.as_mut());
                continues.expect("validated: a loop is around").push(jump);
                self.node(Node::Continue);
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
            Statement::Atomic { pointer, fun, value, result } => {
                if let Some(result) = result {
                    frame.set(*result, Value::Found);
                }
                self.change(frame, *pointer, *fun, *value)
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                // A barrier on either side: what is read is written by nobody.
                self.barrier(Barrier::WORK_GROUP)?;
                let place = frame.place(*pointer)?.clone();
                let words = self.load(&place)?;
                frame.set(*result, Value::Words(words));
                self.barrier(Barrier::WORK_GROUP)
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
        self.node(Node::Return);
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
            self.begin_block()?;
            self.block(frame, reject)?;
            self.land([to_end]);
            let reject = self.end_block();
            self.node(Node::If { condition, accept: Vec::new(), reject });
            return Ok(());
        }
        let to_reject = self.jump(Op::JumpUnless { condition, target: 0 })?;
        self.begin_block()?;
        self.block(frame, accept)?;
        if reject.is_empty() {
            self.land([to_reject]);
            let accept = self.end_block();
            self.node(Node::If { condition, accept, reject: Vec::new() });
            return Ok(());
        }
        let to_end = self.jump(Op::Jump(0))?;
        let accept = self.end_block();
        self.land([to_reject]);
        self.begin_block()?;
        self.block(frame, reject)?;
        self.land([to_end]);
        let reject = self.end_block();
        self.node(Node::If { condition, accept, reject });
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
        self.begin_block()?;
        // Even a loop of nothing costs something.
        self.charge(cost::TURN);
        frame.around.push(Around { breaks: Vec::new(), continues: Some(Vec::new()) });
        // Not a block of its own: what the body computes is seen in `continuing`.
        for statement in body.iter() {
            self.statement(frame, statement)?;
        }
        let continues = frame.around.last_mut().and_then(|around| around.continues.take());
        self.land(continues.unwrap_or_default());
        let body = self.end_block();
        self.begin_block()?;
        for statement in continuing.iter() {
            self.statement(frame, statement)?;
        }
        let break_if = break_if.map(|condition| frame.words(condition)).transpose()?;
        match break_if {
            Some(condition) => self.jump(Op::JumpUnless { condition, target: head })?,
            None => self.jump(Op::Jump(head))?,
        };
        let continuing = self.end_block();
        self.node(Node::Loop { body, continuing, break_if });
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
        let begin = self.ops.len();
        // In the tree, a switch is one node, and says what its tests cost.
        self.begin_block()?;
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
            let to_case = self.jump(Op::JumpIf { condition, target: 0 })?;
            entries.push(Some((value, to_case)));
        }
        let to_default = self.jump(Op::Jump(0))?;
        self.end_block();
        let tests = begin..self.ops.len();
        let cost = |jump: usize| self.cost_of(begin..jump);
        let selected = entries.iter().map(|entry| match *entry {
            Some((value, jump)) => Selected { value: Some(value), cost: cost(jump) },
            None => Selected { value: None, cost: cost(to_default) },
        });
        let selected: Vec<_> = selected.collect();
        frame.around.push(Around::default());
        let (mut written, mut values) = (Vec::new(), Vec::new());
        for ((case, entry), selected) in cases.iter().zip(entries).zip(selected) {
            self.land([entry.map_or(to_default, |(_, jump)| jump)]);
            self.begin_block()?;
            self.block(frame, &case.body)?;
            values.push(selected);
            if !case.fall_through {
                let jump = self.jump(Op::Jump(0))?;
                frame.around.last_mut().expect("it was pushed").breaks.push(jump);
            }
            let body = self.end_block();
            if !case.fall_through {
                written.push(Case { values: std::mem::take(&mut values), body });
            }
        }
        self.node(Node::Switch { selector, tests, cases: written });
        let around = frame.around.pop().expect("it was pushed");
        self.land(around.breaks);
        Ok(())
    }

    /// What the charges among some instructions take.
    fn cost_of(&self, ops: Range<usize>) -> u32 {
        let costs = self.ops[ops].iter().map(|op| if let Op::Charge(cost) = op { *cost } else { 0 });
        costs.fold(0, u32::saturating_add)
    }
}
