//! Rewrites one function body: charges, stores, stack tests, and calls with the counters in them.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{BlockType, Encode, Function, Instruction, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::calls::{Convention, Role};
use crate::charge::{ChargePlan, Point};
use crate::float_ops::Float;
use crate::nan::CanonicalPoints;
use crate::ops::{can_trap, cost_of, is_bulk};
use crate::reach::Reachability;
use crate::scan::FunctionFacts;
use crate::signatures::Signatures;
use crate::wasm_types::val_type;
use crate::{CostTable, Refused, StaticRule};

/// What WebAssembly engines allow one body to be, in bytes.
const ENGINE_BODY_BYTES: usize = 7_654_321;

/// What a body's rewriting needs to know of its module.
pub(crate) struct ModuleContext<'a> {
    /// The module's bytes, in which the parser's offsets count.
    pub(crate) bytes: &'a [u8],
    pub(crate) costs: &'a CostTable,
    /// The type of every function, imported ones first.
    pub(crate) function_types: &'a [u32],
    pub(crate) imported_functions: u32,
    /// Per defined function.
    pub(crate) facts: &'a [FunctionFacts],
    pub(crate) roles: &'a [Role],
    pub(crate) globals: MeterGlobals,
}

/// Where the meter's globals are among a module's: after the imported ones, before the defined ones.
#[derive(Clone, Copy)]
pub(crate) struct MeterGlobals {
    pub(crate) first: u32,
}

impl MeterGlobals {
    /// How many there are.
    pub(crate) const COUNT: u32 = 2;

    pub(crate) fn fuel(self) -> u32 {
        self.first
    }

    pub(crate) fn stack(self) -> u32 {
        self.first + 1
    }

    /// Where one of the module's own globals goes.
    pub(crate) fn moved(self, global: u32) -> u32 {
        if global < self.first { global } else { global + Self::COUNT }
    }
}

/// Rewrites the body of defined function `function`.
///
/// # Errors
/// [`StaticRule::BodyBytes`] if it grows beyond what engines allow.
pub(crate) fn rewrite(
    function: usize,
    body: &FunctionBody<'_>,
    module: &ModuleContext<'_>,
    signatures: &mut Signatures,
) -> Result<Function, Refused> {
    let mut locals = Vec::new();
    for run in body.get_locals_reader()? {
        let (count, ty) = run?;
        locals.push((count, val_type(ty)));
    }
    let facts = &module.facts[function];
    if facts.has_bulk || facts.calls_indirect {
        locals.push((2, ValType::I32));
    }
    let floats: BTreeSet<Float> = facts.canonical.values().copied().collect();
    locals.extend(floats.iter().map(|float| (1, float_type(*float))));
    let points = charge_points(body, module)?;
    let mut rewriter = Rewriter::new(function, module, signatures);
    rewriter.body(body, &points)?;
    let mut rewritten = Function::new(locals);
    rewritten.raw(rewriter.out);
    let found = rewritten.byte_len();
    if found > ENGINE_BODY_BYTES {
        let (found, limit) = (found as u64, ENGINE_BODY_BYTES as u64);
        return Err(Refused::OverLimit { rule: StaticRule::BodyBytes, found, limit });
    }
    Ok(rewritten)
}

fn charge_points(body: &FunctionBody<'_>, module: &ModuleContext<'_>) -> Result<Vec<Point>, Refused> {
    let mut plan = ChargePlan::new();
    let mut reach = Reachability::default();
    let mut ops = body.get_operators_reader()?;
    while !ops.eof() {
        let op = ops.read()?;
        if reach.admits(&op) {
            plan.visit(&op, cost_of(&op, module.costs) + module.leaf_cost(&op));
        } else {
            plan.skip();
        }
    }
    Ok(plan.finish())
}

impl ModuleContext<'_> {
    /// The defined function that an instruction calls directly.
    fn callee(&self, op: &Operator<'_>) -> Option<usize> {
        match op {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                function_index.checked_sub(self.imported_functions).map(|defined| defined as usize)
            }
            _ => None,
        }
    }

    /// What the caller pays for a small leaf.
    fn leaf_cost(&self, op: &Operator<'_>) -> u64 {
        let leaf = self.callee(op).filter(|&callee| self.roles[callee].convention == Convention::Plain);
        leaf.map_or(0, |callee| self.facts[callee].cost)
    }
}

/// A label that branches may go to, and whether the fuel is stored where it is reached.
struct Label {
    kind: LabelKind,
    /// Whether the fuel was stored on every path that came to its end so far; none before the first.
    stored: Option<bool>,
}

enum LabelKind {
    Block,
    Loop,
    /// An `if` whose `else` has not come, and whether the fuel was stored before it.
    If {
        stored_before: bool,
    },
}

struct Rewriter<'a> {
    module: &'a ModuleContext<'a>,
    signatures: &'a mut Signatures,
    role: Role,
    type_index: u32,
    /// A block around the body takes the branches to the function's own label, and has its depth.
    has_body_block: bool,
    /// Parameters of the original: locals after them move up by the counters.
    params: u32,
    fuel: u32,
    stack: u32,
    /// The first of two free i32 locals, if the function has bulk operations or indirect calls.
    scratch: u32,
    /// Where NaNs are made canonical, and the free local for each type of float that is.
    canonical: &'a CanonicalPoints,
    float_scratch: BTreeMap<Float, u32>,
    out: Vec<u8>,
    labels: Vec<Label>,
    /// Whether the global has the fuel that the local has.
    stored: bool,
}

impl<'a> Rewriter<'a> {
    fn new(function: usize, module: &'a ModuleContext<'a>, signatures: &'a mut Signatures) -> Self {
        let facts = &module.facts[function];
        let role = module.roles[function];
        let type_index = module.function_types[module.imported_functions as usize + function];
        let params = u32::try_from(signatures.original(type_index).params().len()).expect("parameters are limited");
        let scratch = facts.locals + counters(role.convention);
        let after_scratch = scratch + if facts.has_bulk || facts.calls_indirect { 2 } else { 0 };
        let floats: BTreeSet<Float> = facts.canonical.values().copied().collect();
        Self {
            module,
            signatures,
            role,
            type_index,
            has_body_block: facts.branches_to_body && role.convention != Convention::Plain,
            params,
            fuel: params,
            stack: params + 1,
            scratch,
            canonical: &facts.canonical,
            float_scratch: floats.into_iter().zip(after_scratch..).collect(),
            out: Vec::new(),
            labels: vec![Label { kind: LabelKind::Block, stored: None }],
            stored: false,
        }
    }

    fn body(&mut self, body: &FunctionBody<'_>, points: &[Point]) -> Result<(), Refused> {
        let counts = self.role.convention != Convention::Plain;
        let mut points = points.iter().copied().filter(|_| counts).peekable();
        let entry = points.next_if(|point| point.at == 0);
        self.enter(entry);
        if self.has_body_block {
            let block = self.signatures.body_block(self.type_index);
            self.emit(&Instruction::Block(block));
        }
        let mut reach = Reachability::default();
        let mut ops = body.get_operators_reader()?;
        let mut index = 0;
        while !ops.eof() {
            let start = ops.original_position();
            let op = ops.read()?;
            let raw = &self.module.bytes[start..ops.original_position()];
            if reach.admits(&op) {
                if let Some(point) = points.next_if(|point| point.at == index) {
                    self.charge(point);
                }
                self.instruction(&op, raw);
                if let Some(&float) = self.canonical.get(&index) {
                    self.make_canonical(float);
                }
                if reach.is_dead() {
                    // Whatever path comes to the end of this label, it is not this one.
                    self.stored = true;
                }
            }
            index += 1;
        }
        Ok(())
    }

    fn instruction(&mut self, op: &Operator<'_>, raw: &[u8]) {
        if self.role.convention == Convention::Plain {
            return self.copy(op, raw);
        }
        match op {
            op if is_bulk(op) => self.bulk(op, raw),
            Operator::Call { function_index } => self.call(*function_index, false),
            Operator::ReturnCall { function_index } => self.call(*function_index, true),
            Operator::CallIndirect { type_index, table_index } => {
                self.call_indirect(*type_index, *table_index, false);
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                self.call_indirect(*type_index, *table_index, true);
            }
            Operator::Return => self.emit_all(&[Instruction::LocalGet(self.fuel), Instruction::Return]),
            Operator::End if self.labels.len() == 1 => self.leave_frame(),
            op => {
                if can_trap(op) {
                    self.store();
                }
                self.copy(op, raw);
                self.follow(op);
            }
        }
    }

    /// Copies an instruction as it is but for moved locals and globals.
    fn copy(&mut self, op: &Operator<'_>, raw: &[u8]) {
        let globals = self.module.globals;
        match *op {
            Operator::LocalGet { local_index } => self.emit(&Instruction::LocalGet(self.moved(local_index))),
            Operator::LocalSet { local_index } => self.emit(&Instruction::LocalSet(self.moved(local_index))),
            Operator::LocalTee { local_index } => self.emit(&Instruction::LocalTee(self.moved(local_index))),
            Operator::GlobalGet { global_index } => self.emit(&Instruction::GlobalGet(globals.moved(global_index))),
            Operator::GlobalSet { global_index } => self.emit(&Instruction::GlobalSet(globals.moved(global_index))),
            _ => self.out.extend_from_slice(raw),
        }
    }

    fn moved(&self, local: u32) -> u32 {
        if local < self.params { local } else { local + counters(self.role.convention) }
    }

    /// Makes the float or vector on top of the operand stack canonical, if it is a NaN.
    fn make_canonical(&mut self, float: Float) {
        let local = self.float_scratch[&float];
        let (get, tee) = (Instruction::LocalGet(local), Instruction::LocalTee(local));
        let (nan, is_number, choose) = match float {
            Float::F32 => {
                (Instruction::F32Const(f32::from_bits(CANONICAL_F32).into()), Instruction::F32Eq, Instruction::Select)
            }
            Float::F64 => {
                (Instruction::F64Const(f64::from_bits(CANONICAL_F64).into()), Instruction::F64Eq, Instruction::Select)
            }
            Float::F32x4 => {
                let lane = u128::from(CANONICAL_F32);
                let lanes = lane | lane << 32 | lane << 64 | lane << 96;
                (Instruction::V128Const(lanes.cast_signed()), Instruction::F32x4Eq, Instruction::V128Bitselect)
            }
            Float::F64x2 => {
                let lanes = u128::from(CANONICAL_F64) | u128::from(CANONICAL_F64) << 64;
                (Instruction::V128Const(lanes.cast_signed()), Instruction::F64x2Eq, Instruction::V128Bitselect)
            }
        };
        self.emit_all(&[tee, nan, get.clone(), get, is_number, choose]);
    }

    /// Follows labels, to know where the fuel is stored.
    fn follow(&mut self, op: &Operator<'_>) {
        match op {
            Operator::Block { .. } => self.labels.push(Label { kind: LabelKind::Block, stored: None }),
            Operator::Loop { .. } => {
                self.labels.push(Label { kind: LabelKind::Loop, stored: None });
                // Branches back come with whatever they have.
                self.stored = false;
            }
            Operator::If { .. } => {
                let kind = LabelKind::If { stored_before: self.stored };
                self.labels.push(Label { kind, stored: None });
            }
            Operator::Else => {
                let stored = self.stored;
                let label = self.labels.last_mut().expect("validated: else has its if");
                label.join(stored);
                if let LabelKind::If { stored_before } = label.kind {
                    self.stored = stored_before;
                }
                label.kind = LabelKind::Block;
            }
            Operator::End => {
                let mut label = self.labels.pop().expect("validated: each end has its label");
                label.join(self.stored);
                if let LabelKind::If { stored_before } = label.kind {
                    label.join(stored_before);
                }
                self.stored = label.stored.unwrap_or(false);
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => self.branch(*relative_depth),
            Operator::BrTable { targets } => {
                targets.targets().map_while(Result::ok).for_each(|target| self.branch(target));
                self.branch(targets.default());
            }
            _ => {}
        }
    }

    fn branch(&mut self, relative_depth: u32) {
        let stored = self.stored;
        let target = self.labels.len() - 1 - relative_depth as usize;
        let label = &mut self.labels[target];
        if !matches!(label.kind, LabelKind::Loop) {
            label.join(stored);
        }
    }

    /// Subtracts a point's cost.
    fn charge(&mut self, point: Point) {
        let cost = i64::try_from(point.cost).expect("a body's cost is limited by its size");
        self.emit_all(&[Instruction::LocalGet(self.fuel), Instruction::I64Const(cost), Instruction::I64Sub]);
        if point.checked {
            self.emit(&Instruction::LocalTee(self.fuel));
            self.end_if_negative();
        } else {
            self.emit(&Instruction::LocalSet(self.fuel));
        }
        self.stored = false;
    }

    /// Takes the fuel from the operand stack and ends the run if it is below zero.
    fn end_if_negative(&mut self) {
        self.emit_all(&[
            Instruction::I64Const(0),
            Instruction::I64LtS,
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(self.fuel),
            Instruction::GlobalSet(self.module.globals.fuel()),
            Instruction::Unreachable,
            Instruction::End,
        ]);
    }

    /// Stores the fuel, if it is not, before an instruction that may trap.
    fn store(&mut self) {
        if !self.stored {
            self.emit_all(&[Instruction::LocalGet(self.fuel), Instruction::GlobalSet(self.module.globals.fuel())]);
            self.stored = true;
        }
    }

    /// Charges the entry point, takes the function's frame from the stack left, and tests both where asked for.
    fn enter(&mut self, entry: Option<Point>) {
        if self.role.convention == Convention::Full {
            self.emit_all(&[
                Instruction::LocalGet(self.stack),
                Instruction::I32Const(self.role.frame.cast_signed()),
                Instruction::I32Sub,
                Instruction::LocalSet(self.stack),
            ]);
        }
        match (entry, self.role.reserve) {
            (Some(point), Some(reserve)) => {
                self.charge(Point { checked: false, ..point });
                self.test_both(reserve);
            }
            (Some(point), None) => self.charge(point),
            (None, Some(reserve)) => self.test_both(reserve),
            (None, None) => {}
        }
    }

    /// Ends the run if the fuel left is below zero, or the stack left below the reserve: one test for both, since
    /// almost always neither is. If both are, the fuel counts.
    fn test_both(&mut self, reserve: u32) {
        self.emit_all(&[
            Instruction::LocalGet(self.fuel),
            Instruction::LocalGet(self.stack),
            Instruction::I32Const(reserve.cast_signed()),
            Instruction::I32Sub,
            Instruction::I64ExtendI32S,
            Instruction::I64Or,
            Instruction::I64Const(0),
            Instruction::I64LtS,
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(self.fuel),
            Instruction::GlobalSet(self.module.globals.fuel()),
            Instruction::LocalGet(self.fuel),
            Instruction::I64Const(0),
            Instruction::I64GeS,
            Instruction::If(BlockType::Empty),
            Instruction::I32Const(-1),
            Instruction::GlobalSet(self.module.globals.stack()),
            Instruction::End,
            Instruction::Unreachable,
            Instruction::End,
        ]);
    }

    fn leave_frame(&mut self) {
        if self.has_body_block {
            self.emit(&Instruction::End);
        }
        self.emit_all(&[Instruction::LocalGet(self.fuel), Instruction::End]);
    }

    fn call(&mut self, callee: u32, tail: bool) {
        let defined = callee.checked_sub(self.module.imported_functions).map(|defined| defined as usize);
        let convention = defined.map_or(Convention::Full, |defined| self.module.roles[defined].convention);
        if convention == Convention::Plain {
            if defined.is_some_and(|defined| self.module.facts[defined].can_trap) {
                self.store();
            }
            self.emit(&Instruction::Call(callee));
            if tail {
                self.emit_all(&[Instruction::LocalGet(self.fuel), Instruction::Return]);
            }
            return;
        }
        self.pass_counters(convention, tail);
        if tail {
            return self.emit(&Instruction::ReturnCall(callee));
        }
        self.emit(&Instruction::Call(callee));
        self.take_fuel();
    }

    fn call_indirect(&mut self, type_index: u32, table_index: u32, tail: bool) {
        let type_index = self.signatures.counted(type_index, Convention::Full);
        self.store();
        self.emit(&Instruction::LocalSet(self.scratch));
        self.pass_counters(Convention::Full, tail);
        self.emit(&Instruction::LocalGet(self.scratch));
        if tail {
            return self.emit(&Instruction::ReturnCallIndirect { type_index, table_index });
        }
        self.emit(&Instruction::CallIndirect { type_index, table_index });
        self.take_fuel();
    }

    /// Pushes the counters for a callee. A tail call gives its own frame back first.
    fn pass_counters(&mut self, convention: Convention, tail: bool) {
        self.emit(&Instruction::LocalGet(self.fuel));
        if convention == Convention::Full {
            self.emit(&Instruction::LocalGet(self.stack));
            if tail {
                self.emit_all(&[Instruction::I32Const(self.role.frame.cast_signed()), Instruction::I32Add]);
            }
        }
    }

    fn take_fuel(&mut self) {
        self.emit(&Instruction::LocalSet(self.fuel));
        self.stored = false;
    }

    /// A bulk operation: its length, on top of the operand stack, is charged before it runs. Growth is charged after,
    /// if granted: the run's memory limit bounds it, and asking in vain does nothing.
    fn bulk(&mut self, op: &Operator<'_>, raw: &[u8]) {
        let costs = self.module.costs;
        self.emit(&Instruction::LocalTee(self.scratch));
        match op {
            Operator::MemoryGrow { .. } => self.grow(raw, costs.page),
            Operator::TableGrow { .. } => self.grow(raw, costs.table_element),
            Operator::TableCopy { .. } | Operator::TableFill { .. } | Operator::TableInit { .. } => {
                self.charge_length(&[Instruction::I64Const(i64::from(costs.table_element)), Instruction::I64Mul]);
                self.store();
                self.out.extend_from_slice(raw);
            }
            _ => {
                self.charge_length(&[Instruction::I64Const(i64::from(costs.bulk_bytes_shift)), Instruction::I64ShrU]);
                self.store();
                self.out.extend_from_slice(raw);
            }
        }
    }

    /// Subtracts the length in the scratch local, made fuel by `scale`, and ends the run if that is too much.
    fn charge_length(&mut self, scale: &[Instruction<'_>]) {
        self.emit_all(&[
            Instruction::LocalGet(self.fuel),
            Instruction::LocalGet(self.scratch),
            Instruction::I64ExtendI32U,
        ]);
        self.emit_all(scale);
        self.emit_all(&[Instruction::I64Sub, Instruction::LocalTee(self.fuel)]);
        self.end_if_negative();
        self.stored = false;
    }

    fn grow(&mut self, raw: &[u8], unit_cost: u32) {
        self.store();
        self.out.extend_from_slice(raw);
        self.emit_all(&[
            Instruction::LocalTee(self.scratch + 1),
            Instruction::I32Const(-1),
            Instruction::I32Ne,
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(self.fuel),
            Instruction::LocalGet(self.scratch),
            Instruction::I64ExtendI32U,
            Instruction::I64Const(i64::from(unit_cost)),
            Instruction::I64Mul,
            Instruction::I64Sub,
            Instruction::LocalSet(self.fuel),
            Instruction::End,
            Instruction::LocalGet(self.scratch + 1),
        ]);
        self.stored = false;
    }

    fn emit(&mut self, instruction: &Instruction<'_>) {
        instruction.encode(&mut self.out);
    }

    fn emit_all(&mut self, instructions: &[Instruction<'_>]) {
        instructions.iter().for_each(|instruction| instruction.encode(&mut self.out));
    }
}

impl Label {
    /// One more path comes to the label's end.
    fn join(&mut self, stored: bool) {
        self.stored = Some(self.stored.unwrap_or(true) && stored);
    }
}

/// The bits of the canonical NaNs.
const CANONICAL_F32: u32 = 0x7fc0_0000;
const CANONICAL_F64: u64 = 0x7ff8_0000_0000_0000;

fn float_type(float: Float) -> ValType {
    match float {
        Float::F32 => ValType::F32,
        Float::F64 => ValType::F64,
        Float::F32x4 | Float::F64x2 => ValType::V128,
    }
}

/// How many parameters a convention adds.
fn counters(convention: Convention) -> u32 {
    match convention {
        Convention::Plain => 0,
        Convention::Fuel => 1,
        Convention::Full => 2,
    }
}
