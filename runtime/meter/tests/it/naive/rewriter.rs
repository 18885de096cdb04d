//! A module, instruction by instruction, with the charges between.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, ConstExpr, ExportKind, Function, GlobalType, Instruction, SectionId, ValType};
use wasmparser::{FunctionBody, Operator};

use super::Mode;
use super::charges::{Charges, points};
use super::operators::{Bulk, bulk_kind, cost, live_ops};
use super::survey::Survey;

pub(super) struct Naive<'s> {
    pub(super) survey: &'s Survey,
    pub(super) mode: Mode,
    pub(super) fuel: i64,
    pub(super) stack: i32,
    pub(super) next_body: usize,
    pub(super) has_globals: bool,
}

impl Naive<'_> {
    fn fuel_global(&self) -> u32 {
        self.survey.globals
    }

    fn stack_global(&self) -> u32 {
        self.survey.globals + 1
    }

    fn add_globals(&mut self, globals: &mut wasm_encoder::GlobalSection) {
        self.has_globals = true;
        let mutable = |val_type| GlobalType { val_type, mutable: true, shared: false };
        globals.global(mutable(ValType::I64), &ConstExpr::i64_const(self.fuel));
        globals.global(mutable(ValType::I32), &ConstExpr::i32_const(self.stack));
        globals.global(mutable(ValType::I32), &ConstExpr::i32_const(0));
    }

    fn pay(&self, function: &mut Function, cost: i64, checked: bool) {
        function
            .instruction(&Instruction::GlobalGet(self.fuel_global()))
            .instruction(&Instruction::I64Const(cost))
            .instruction(&Instruction::I64Sub)
            .instruction(&Instruction::GlobalSet(self.fuel_global()));
        if checked {
            self.end_if_spent(function);
        }
    }

    fn end_if_spent(&self, function: &mut Function) {
        function
            .instruction(&Instruction::GlobalGet(self.fuel_global()))
            .instruction(&Instruction::I64Const(0))
            .instruction(&Instruction::I64LtS)
            .instruction(&Instruction::If(BlockType::Empty))
            .instruction(&Instruction::Unreachable)
            .instruction(&Instruction::End);
    }

    /// Takes the frame at entry and tests the stack, where the rules say so.
    fn enter(&self, function: &mut Function, index: usize) {
        let facts = &self.survey.facts[index];
        function
            .instruction(&Instruction::GlobalGet(self.stack_global()))
            .instruction(&Instruction::I32Const(i32::try_from(facts.frame).unwrap()))
            .instruction(&Instruction::I32Sub)
            .instruction(&Instruction::GlobalSet(self.stack_global()));
        if self.survey.checked[index] {
            function
                .instruction(&Instruction::GlobalGet(self.stack_global()))
                .instruction(&Instruction::I32Const(i32::try_from(self.survey.chains[index]).unwrap()))
                .instruction(&Instruction::I32LtS)
                .instruction(&Instruction::If(BlockType::Empty))
                .instruction(&Instruction::I32Const(1))
                .instruction(&Instruction::GlobalSet(self.survey.globals + 2))
                .instruction(&Instruction::Unreachable)
                .instruction(&Instruction::End);
        }
    }

    fn give_back(&self, function: &mut Function, index: usize) {
        function
            .instruction(&Instruction::GlobalGet(self.stack_global()))
            .instruction(&Instruction::I32Const(i32::try_from(self.survey.facts[index].frame).unwrap()))
            .instruction(&Instruction::I32Add)
            .instruction(&Instruction::GlobalSet(self.stack_global()));
    }

    fn bulk(&self, function: &mut Function, kind: Bulk, op: &Instruction<'_>, length: u32) {
        let scaled = |function: &mut Function, unit: i64, divide: bool| {
            function
                .instruction(&Instruction::GlobalGet(self.fuel_global()))
                .instruction(&Instruction::LocalGet(length))
                .instruction(&Instruction::I64ExtendI32U)
                .instruction(&Instruction::I64Const(unit))
                .instruction(if divide { &Instruction::I64DivU } else { &Instruction::I64Mul })
                .instruction(&Instruction::I64Sub)
                .instruction(&Instruction::GlobalSet(self.fuel_global()));
        };
        function.instruction(&Instruction::LocalTee(length));
        let grown = match kind {
            Bulk::Bytes => None,
            Bulk::Elements => None,
            Bulk::GrowPages => Some(1_024),
            Bulk::GrowElements => Some(1),
        };
        if let Some(unit) = grown {
            function
                .instruction(op)
                .instruction(&Instruction::LocalTee(length + 1))
                .instruction(&Instruction::I32Const(-1))
                .instruction(&Instruction::I32Ne)
                .instruction(&Instruction::If(BlockType::Empty));
            scaled(function, unit, false);
            function.instruction(&Instruction::End).instruction(&Instruction::LocalGet(length + 1));
            return;
        }
        scaled(function, if matches!(kind, Bulk::Bytes) { 8 } else { 1 }, matches!(kind, Bulk::Bytes));
        if self.mode == Mode::Points {
            self.end_if_spent(function);
        }
        function.instruction(op);
    }
}

impl Reencode for Naive<'_> {
    type Error = std::convert::Infallible;

    fn parse_global_section(
        &mut self,
        globals: &mut wasm_encoder::GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error<Self::Error>> {
        wasm_encoder::reencode::utils::parse_global_section(self, globals, section)?;
        self.add_globals(globals);
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut wasm_encoder::Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), wasm_encoder::reencode::Error<Self::Error>> {
        let late = [SectionId::Export, SectionId::Start, SectionId::Element, SectionId::DataCount, SectionId::Code];
        if !self.has_globals && before.is_some_and(|before| late.contains(&before)) {
            let mut globals = wasm_encoder::GlobalSection::new();
            self.add_globals(&mut globals);
            module.section(&globals);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut wasm_encoder::ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error<Self::Error>> {
        wasm_encoder::reencode::utils::parse_export_section(self, exports, section)?;
        for (index, name) in (self.survey.globals..).zip(["fuel", "stack", "stack-ended"]) {
            exports.export(name, ExportKind::Global, index);
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut wasm_encoder::CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error<Self::Error>> {
        let index = self.next_body;
        self.next_body += 1;
        let own = self.survey.imported_functions + index as u32;
        let mut locals = Vec::new();
        for run in body.get_locals_reader().unwrap() {
            let (count, ty) = run.unwrap();
            locals.push((count, RoundtripReencoder.val_type(ty).unwrap()));
        }
        // Two lengths, and the stack at the call: three more locals.
        let first_free = self.survey.facts[index].locals;
        locals.push((3, ValType::I32));
        let mut function = Function::new(locals);
        let ops = live_ops(&body);
        let charges = if self.survey.leaf(own).is_some() { Charges::new() } else { points(&ops, self.survey) };
        let counts = self.survey.leaf(own).is_none();
        for (at, (op, live)) in ops.iter().enumerate() {
            if let Some(&(cost, checked)) = charges.get(&at)
                && self.mode == Mode::Points
            {
                self.pay(&mut function, cost, checked);
            }
            if at == 0 && counts {
                self.enter(&mut function, index);
            }
            self.op(&mut function, op, *live, index, first_free, counts);
        }
        code.function(&function);
        Ok(())
    }
}

impl Naive<'_> {
    fn op(&self, function: &mut Function, op: &Operator<'_>, live: bool, index: usize, free: u32, counts: bool) {
        let instruction = RoundtripReencoder.instruction(op.clone()).unwrap();
        if !live || !counts {
            function.instruction(&instruction);
            return;
        }
        if self.mode == Mode::Instructions {
            let leaf = match op {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    self.survey.leaf(*function_index).map_or(0, |facts| facts.cost)
                }
                _ => 0,
            };
            if cost(op) + leaf > 0 {
                self.pay(function, cost(op) + leaf, false);
            }
        }
        match op {
            Operator::Call { function_index } if self.survey.leaf(*function_index).is_none() => {
                self.around_call(function, &instruction, free);
            }
            Operator::CallIndirect { .. } => self.around_call(function, &instruction, free),
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => {
                self.give_back(function, index);
                function.instruction(&instruction);
            }
            op => match bulk_kind(op) {
                Some(kind) => self.bulk(function, kind, &instruction, free),
                None => {
                    function.instruction(&instruction);
                }
            },
        }
    }

    /// Every function takes its frame itself; its caller puts the stack back.
    fn around_call(&self, function: &mut Function, call: &Instruction<'_>, free: u32) {
        function
            .instruction(&Instruction::GlobalGet(self.stack_global()))
            .instruction(&Instruction::LocalSet(free + 2))
            .instruction(call)
            .instruction(&Instruction::LocalGet(free + 2))
            .instruction(&Instruction::GlobalSet(self.stack_global()));
    }
}
