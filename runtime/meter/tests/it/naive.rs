//! The oracle: a slow, obvious way to count what the meter counts, written from the rules and sharing no code with it.
//!
//! Fuel and stack are mutable globals, read and written at every turn. [`Mode::Points`] charges at the documented
//! points and is the reference for every trap; [`Mode::Instructions`] charges each instruction as it runs, and is the
//! reference for what a run that ends well has really executed.

use std::collections::{BTreeMap, BTreeSet};

use poai_meter::CostTable;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder, utils::parse_core_module};
use wasm_encoder::{BlockType, ConstExpr, ExportKind, Function, GlobalType, Instruction, SectionId, ValType};
use wasmparser::{
    ElementItems, ExternalKind, FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload,
    TypeRef, ValidPayload, Validator, ValidatorResources,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Points,
    Instructions,
}

/// Rewrites a module so that it counts naively in three added exports: the globals `fuel`, `stack`, `stack-ended`.
pub(crate) fn naive(module: &[u8], mode: Mode, fuel: i64, stack: i32) -> Vec<u8> {
    let survey = Survey::read(module);
    let mut rewriter = Naive { survey: &survey, mode, fuel, stack, next_body: 0, has_globals: false };
    let mut out = wasm_encoder::Module::new();
    parse_core_module(&mut rewriter, &mut out, Parser::new(0), module).unwrap();
    out.finish()
}

/// What an instance of the module costs, by the rules.
pub(crate) fn instance_cost(module: &[u8]) -> i64 {
    let costs = CostTable::VERSION_1;
    let mut total = u64::from(costs.instance);
    let mut data_bytes = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::TableSection(section) => {
                total += section.into_iter().map(|table| table.unwrap().ty.initial).sum::<u64>();
            }
            Payload::MemorySection(section) => {
                total += section.into_iter().map(|memory| memory.unwrap().initial).sum::<u64>() * 1_024;
            }
            Payload::ElementSection(section) => {
                for segment in section {
                    let segment = segment.unwrap();
                    if matches!(segment.kind, wasmparser::ElementKind::Active { .. }) {
                        total += u64::from(match segment.items {
                            ElementItems::Functions(items) => items.count(),
                            ElementItems::Expressions(_, items) => items.count(),
                        });
                    }
                }
            }
            Payload::DataSection(section) => {
                for segment in section {
                    let segment = segment.unwrap();
                    if matches!(segment.kind, wasmparser::DataKind::Active { .. }) {
                        data_bytes += segment.data.len() as u64 / 8;
                    }
                }
            }
            _ => {}
        }
    }
    i64::try_from(total + data_bytes).unwrap()
}

#[derive(Clone, Default)]
struct Facts {
    locals: u32,
    frame: i64,
    cost: i64,
    callees: BTreeSet<u32>,
    calls_out: bool,
    loops_or_bulk: bool,
}

#[derive(Default)]
struct Survey {
    imported_functions: u32,
    globals: u32,
    function_types: Vec<u32>,
    results: Vec<usize>,
    taken: BTreeSet<u32>,
    facts: Vec<Facts>,
    checked: Vec<bool>,
    chains: Vec<i64>,
}

impl Survey {
    fn read(module: &[u8]) -> Self {
        let mut this = Self::default();
        let mut validator = Validator::new_with_features(poai_meter::features());
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.unwrap();
            if let ValidPayload::Func(function, body) = validator.payload(&payload).unwrap() {
                let facts = this.facts_of(function, &body);
                this.facts.push(facts);
            }
            this.note(payload);
        }
        for f in 0..this.facts.len() {
            let number = this.imported_functions + f as u32;
            let checked = this.taken.contains(&number) || this.reaches(f, f);
            this.checked.push(checked);
        }
        this.chains = vec![-1; this.facts.len()];
        for f in 0..this.facts.len() {
            this.chain(f);
        }
        this
    }

    fn note(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    self.results.push(ty.unwrap().results().len());
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    match import.unwrap().ty {
                        TypeRef::Func(ty) => {
                            self.imported_functions += 1;
                            self.function_types.push(ty);
                        }
                        TypeRef::Global(_) => self.globals += 1,
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(section) => {
                self.function_types.extend(section.into_iter().map(|ty| ty.unwrap()));
            }
            Payload::GlobalSection(section) => {
                self.globals += section.count();
                for global in section {
                    self.note_expression(global.unwrap().init_expr);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.unwrap();
                    if export.kind == ExternalKind::Func {
                        self.taken.insert(export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => {
                self.taken.insert(func);
            }
            Payload::ElementSection(section) => {
                for segment in section {
                    match segment.unwrap().items {
                        ElementItems::Functions(items) => {
                            self.taken.extend(items.into_iter().map(|item| item.unwrap()));
                        }
                        ElementItems::Expressions(_, items) => {
                            items.into_iter().for_each(|item| self.note_expression(item.unwrap()));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn note_expression(&mut self, expression: wasmparser::ConstExpr<'_>) {
        for op in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = op.unwrap() {
                self.taken.insert(function_index);
            }
        }
    }

    fn facts_of(&self, function: FuncToValidate<ValidatorResources>, body: &FunctionBody<'_>) -> Facts {
        let mut validator = function.into_validator(FuncValidatorAllocations::default());
        validator.read_locals(&mut body.get_binary_reader()).unwrap();
        let mut facts = Facts::default();
        let (mut height, mut values) = (0, 0);
        let live = live_ops(body);
        for (op, is_live) in &live {
            validator.op(1, op).unwrap();
            if !is_live {
                continue;
            }
            height = height.max(validator.operand_stack_height());
            facts.cost += cost(op);
            values += i64::from(computes(op));
            facts.loops_or_bulk |= matches!(op, Operator::Loop { .. }) || bulk_kind(op).is_some();
            match op {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    if *function_index < self.imported_functions {
                        facts.calls_out = true;
                    } else {
                        facts.callees.insert(*function_index - self.imported_functions);
                    }
                }
                Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => facts.calls_out = true,
                _ => {}
            }
        }
        facts.locals = validator.len_locals();
        facts.frame = 64 + 16 * i64::from(validator.len_locals() + height) + values / 2;
        facts
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        let mut seen = BTreeSet::new();
        let mut pending: Vec<u32> = self.facts[from].callees.iter().copied().collect();
        while let Some(f) = pending.pop() {
            if f as usize == to {
                return true;
            }
            if seen.insert(f) {
                pending.extend(&self.facts[f as usize].callees);
            }
        }
        false
    }

    fn chain(&mut self, f: usize) -> i64 {
        if self.chains[f] < 0 {
            let mut deepest = 0;
            for g in self.facts[f].callees.clone() {
                if !self.checked[g as usize] {
                    deepest = deepest.max(self.facts[g as usize].frame + self.chain(g as usize));
                }
            }
            self.chains[f] = deepest;
        }
        self.chains[f]
    }

    /// The defined function's facts, if it is a small leaf that its callers charge for.
    fn leaf(&self, function: u32) -> Option<&Facts> {
        let facts = &self.facts[function.checked_sub(self.imported_functions)? as usize];
        let small = facts.callees.is_empty() && !facts.calls_out && !facts.loops_or_bulk && facts.cost <= 64;
        (small && !self.taken.contains(&function)).then_some(facts)
    }
}

/// The instructions of a body, and whether some path leads to each. An `else` or `end` belongs to its block.
fn live_ops<'a>(body: &FunctionBody<'a>) -> Vec<(Operator<'a>, bool)> {
    let mut live = vec![true];
    body.get_operators_reader()
        .unwrap()
        .into_iter()
        .map(|op| {
            let op = op.unwrap();
            let here = match op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    let here = *live.last().unwrap();
                    live.push(here);
                    here
                }
                Operator::Else => {
                    let around = live[live.len() - 2];
                    *live.last_mut().unwrap() = around;
                    around
                }
                Operator::End => {
                    live.pop();
                    // After the function's own end nothing is asked.
                    live.last().copied().unwrap_or(true)
                }
                Operator::Br { .. }
                | Operator::BrTable { .. }
                | Operator::Return
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::Unreachable => std::mem::replace(live.last_mut().unwrap(), false),
                _ => *live.last().unwrap(),
            };
            (op, here)
        })
        .collect()
}

fn name(op: &Operator<'_>) -> String {
    format!("{op:?}").split([' ', '{', '(']).next().unwrap().to_owned()
}

/// Whether an instruction makes a value that was not there before.
fn computes(op: &Operator<'_>) -> bool {
    use Operator::*;
    match op {
        LocalGet { .. } | LocalSet { .. } | LocalTee { .. } | GlobalGet { .. } | GlobalSet { .. } => false,
        I32Const { .. } | I64Const { .. } | F32Const { .. } | F64Const { .. } | V128Const { .. } => false,
        Br { .. } | BrIf { .. } | BrTable { .. } | If { .. } | Return => false,
        Call { .. } | ReturnCall { .. } | CallIndirect { .. } | ReturnCallIndirect { .. } => false,
        op => cost(op) > 0,
    }
}

fn cost(op: &Operator<'_>) -> i64 {
    let name = name(op);
    match name.as_str() {
        "Block" | "Loop" | "Else" | "End" | "Nop" | "Drop" | "Unreachable" => 0,
        "Br" | "BrIf" | "If" | "Return" => 1,
        "BrTable" => 3,
        "Call" | "ReturnCall" => 4,
        "CallIndirect" | "ReturnCallIndirect" => 8,
        "TableGet" | "TableSet" | "RefFunc" => 4,
        _ if bulk_kind(op).is_some() => 16,
        name if name.contains("Load") || name.contains("Store") => 2,
        name if name.contains("Div") || name.contains("Rem") || name.contains("Sqrt") => 8,
        _ => 1,
    }
}

enum Bulk {
    Bytes,
    Elements,
    GrowPages,
    GrowElements,
}

fn bulk_kind(op: &Operator<'_>) -> Option<Bulk> {
    Some(match name(op).as_str() {
        "MemoryCopy" | "MemoryFill" | "MemoryInit" => Bulk::Bytes,
        "TableCopy" | "TableFill" | "TableInit" => Bulk::Elements,
        "MemoryGrow" => Bulk::GrowPages,
        "TableGrow" => Bulk::GrowElements,
        _ => return None,
    })
}

/// A charge to be made before an instruction, and whether the sign is tested there.
type Charges = BTreeMap<usize, (i64, bool)>;

struct Frame {
    point: Option<usize>,
    is_block: bool,
    is_target: bool,
}

/// Where a body charges: every frame remembers its point, and a branch makes frames forget.
fn points(ops: &[(Operator<'_>, bool)], survey: &Survey) -> Charges {
    let mut charges = Charges::from([(0, (0, true))]);
    let mut frames = vec![Frame { point: Some(0), is_block: true, is_target: false }];
    for (index, (op, live)) in ops.iter().enumerate() {
        if !live && !matches!(op, Operator::Else | Operator::End) {
            // Blocks in dead code still need their frames.
            if matches!(op, Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }) {
                frames.push(Frame { point: None, is_block: false, is_target: false });
            }
            continue;
        }
        let mut price = cost(op);
        if let Operator::Call { function_index } | Operator::ReturnCall { function_index } = op {
            price += survey.leaf(*function_index).map_or(0, |facts| facts.cost);
        }
        if price > 0 {
            let top = frames.last_mut().unwrap();
            let at = *top.point.get_or_insert(index);
            charges.entry(at).or_insert((0, false)).0 += price;
        }
        match op {
            Operator::Block { .. } => {
                let point = frames.last().unwrap().point;
                frames.push(Frame { point, is_block: true, is_target: false });
            }
            Operator::Loop { .. } => {
                charges.insert(index + 1, (0, true));
                frames.push(Frame { point: Some(index + 1), is_block: false, is_target: false });
            }
            Operator::If { .. } => frames.push(Frame { point: Some(index + 1), is_block: false, is_target: false }),
            Operator::Else => {
                frames.pop();
                frames.push(Frame { point: Some(index + 1), is_block: false, is_target: false });
            }
            Operator::End => {
                let inner = frames.pop().unwrap();
                if let Some(outer) = frames.last_mut()
                    && inner.is_block
                    && !inner.is_target
                    && outer.point.is_none()
                {
                    outer.point = inner.point;
                }
            }
            _ => {}
        }
        for depth in targets(op, frames.len()) {
            let target = frames.len() - 1 - depth;
            frames[target].is_target = true;
            frames[target..].iter_mut().for_each(|frame| frame.point = None);
        }
    }
    charges.retain(|_, (cost, _)| *cost > 0);
    charges
}

fn targets(op: &Operator<'_>, frames: usize) -> Vec<usize> {
    match op {
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => vec![*relative_depth as usize],
        Operator::BrTable { targets } => {
            let mut all: Vec<usize> = targets.targets().map(|target| target.unwrap() as usize).collect();
            all.push(targets.default() as usize);
            all
        }
        Operator::Return | Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => vec![frames - 1],
        _ => vec![],
    }
}

struct Naive<'s> {
    survey: &'s Survey,
    mode: Mode,
    fuel: i64,
    stack: i32,
    next_body: usize,
    has_globals: bool,
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
