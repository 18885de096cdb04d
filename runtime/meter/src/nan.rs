//! Where a function must make its NaNs canonical, so that their bits are the same on every machine.
//!
//! The definition is: the result of every arithmetic instruction, if it is a NaN, is the canonical one. But arithmetic
//! and comparisons do not see a NaN's bits, so the machine's own choice may live on until something does: a store, a
//! reinterpretation, a call. So each value is followed from where it is made to where its bits are seen:
//!
//! - *raw*: made by arithmetic; to be read as canonical. It is made canonical right after the instruction that pushed
//!   the operand whose bits are seen.
//! - *exact*: loaded, passed in, computed from bits: it must stay as it is.
//! - *clean*: never a NaN.
//!
//! Where raw and exact values merge, in a local or as a block's result, nobody could tell them apart later: there the
//! raw ones are made canonical where they are made. Values that merge are found by phi nodes, as in SSA form, and only
//! those phi nodes count from which some path leads to where bits are seen: compilers reuse one local for many values.

use std::collections::BTreeMap;

use wasmparser::{FuncValidator, FunctionBody, ModuleArity, Operator, ValType, ValidatorResources};

use crate::Refused;
use crate::float_ops::{Float, FloatOp, float_op};
use crate::nan_webs::{EXACT, Graph, NUMBER, Sight};
use crate::reach::Reachability;

/// Values that may be noted at labels, over a function: beyond it, every result of arithmetic is made canonical, since
/// the time to follow values grows with the number of labels times that of locals.
const MERGE_BUDGET: usize = 1_000_000;

/// The instructions after which the value on top of the operand stack is made canonical.
pub(crate) type CanonicalPoints = BTreeMap<usize, Float>;

/// Finds a body's points. The validator is fresh: it follows the types.
///
/// # Errors
/// [`Refused::Invalid`].
pub(crate) fn canonical_points(
    mut validator: FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
) -> Result<CanonicalPoints, Refused> {
    let arithmetic = arithmetic_points(body)?;
    if arithmetic.is_empty() {
        return Ok(arithmetic);
    }
    validator.read_locals(&mut body.get_binary_reader())?;
    let mut flow = Flow::new(&validator);
    let mut reach = Reachability::default();
    let mut ops = body.get_operators_reader()?;
    let mut index = 0;
    while !ops.eof() {
        let offset = ops.original_position();
        let op = ops.read()?;
        let live = reach.admits(&op);
        let arity = op.operator_arity(&validator);
        validator.op(offset, &op)?;
        if live {
            flow.step(index, &op, arity.unwrap_or((0, 0)), &validator, reach.is_dead());
            if flow.budget == 0 {
                return Ok(arithmetic);
            }
        }
        index += 1;
    }
    Ok(flow.graph.resolve())
}

fn arithmetic_points(body: &FunctionBody<'_>) -> Result<CanonicalPoints, Refused> {
    let mut points = CanonicalPoints::new();
    let mut reach = Reachability::default();
    for (index, op) in body.get_operators_reader()?.into_iter().enumerate() {
        let op = op?;
        if reach.admits(&op)
            && let FloatOp::Arithmetic { gives, .. } = float_op(&op)
        {
            points.insert(index, gives);
        }
    }
    Ok(points)
}

/// An operand: its value, if it is a float or a vector, and the instruction that pushed it alone on top.
#[derive(Debug, Clone, Copy)]
struct Operand {
    node: Option<u32>,
    pushed_by: Option<usize>,
}

const OPAQUE: Operand = Operand { node: None, pushed_by: None };

/// A label, and what comes to it.
struct Label {
    kind: LabelKind,
    /// Height of the operand stack under the label's parameters.
    height: usize,
    /// How many values a branch to it carries, and how many it leaves at its end.
    branch_arity: usize,
    results: usize,
    /// The state where branches go: a loop's head, another label's end.
    merged: Option<State>,
    /// The state before an `if`, for its other arm.
    before: Option<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LabelKind {
    Function,
    Block,
    Loop,
    If,
}

/// Values of locals that are floats, then values that a branch carries.
#[derive(Clone)]
struct State {
    locals: Vec<u32>,
    carried: Vec<Option<u32>>,
}

struct Flow {
    graph: Graph,
    /// Per local, its place among those that are floats or vectors.
    places: Vec<Option<usize>>,
    locals: Vec<u32>,
    stack: Vec<Operand>,
    labels: Vec<Label>,
    /// Whether the last instruction ended the path, so that nothing falls through.
    dead: bool,
    budget: usize,
}

impl Flow {
    fn new(validator: &FuncValidator<ValidatorResources>) -> Self {
        let params = validator
            .sub_type_at(validator.type_index_of_function(validator.index()).expect("the function has a type"))
            .expect("validated: the type is there")
            .unwrap_func()
            .clone();
        let mut places = Vec::new();
        let mut locals = Vec::new();
        for local in 0..validator.len_locals() {
            let ty = validator.get_local_type(local).expect("it is below the count of locals");
            if !is_float(ty) {
                places.push(None);
                continue;
            }
            places.push(Some(locals.len()));
            let is_param = (local as usize) < params.params().len();
            locals.push(if is_param { EXACT } else { NUMBER });
        }
        let results = params.results().len();
        let body =
            Label { kind: LabelKind::Function, height: 0, branch_arity: results, results, merged: None, before: None };
        Self {
            graph: Graph::default(),
            places,
            locals,
            stack: Vec::new(),
            labels: vec![body],
            dead: false,
            budget: MERGE_BUDGET,
        }
    }

    /// Follows one live instruction, which the validator has already seen.
    fn step(
        &mut self,
        index: usize,
        op: &Operator<'_>,
        (pops, pushes): (u32, u32),
        validator: &FuncValidator<ValidatorResources>,
        ends_path: bool,
    ) {
        match op {
            Operator::Block { blockty } => self.enter(LabelKind::Block, index, validator.block_type_arity(*blockty)),
            Operator::Loop { blockty } => self.enter(LabelKind::Loop, index, validator.block_type_arity(*blockty)),
            Operator::If { blockty } => {
                self.stack.pop();
                self.enter(LabelKind::If, index, validator.block_type_arity(*blockty));
            }
            Operator::Else => self.turn(),
            Operator::End => self.leave(index),
            Operator::Br { relative_depth } => self.branch(*relative_depth),
            Operator::BrIf { relative_depth } => {
                self.stack.pop();
                self.branch(*relative_depth);
            }
            Operator::BrTable { targets } => {
                self.stack.pop();
                targets.targets().map_while(Result::ok).for_each(|target| self.branch(target));
                self.branch(targets.default());
            }
            Operator::Return => self.branch(u32::try_from(self.labels.len() - 1).expect("nesting is limited")),
            Operator::LocalGet { local_index } => {
                let node = self.places[*local_index as usize].map(|place| self.locals[place]);
                self.stack.push(Operand { node, pushed_by: Some(index) });
            }
            Operator::LocalSet { local_index } => {
                let operand = self.pop();
                self.set(*local_index, operand);
            }
            Operator::LocalTee { local_index } => {
                let operand = self.pop();
                self.set(*local_index, operand);
                self.stack.push(Operand { pushed_by: Some(index), ..operand });
            }
            Operator::Drop => {
                self.stack.pop();
            }
            op => self.compute(index, op, pops as usize, pushes as usize, validator),
        }
        self.dead = ends_path;
        if ends_path && let Some(label) = self.labels.last() {
            self.stack.truncate(label.height);
        }
    }

    fn pop(&mut self) -> Operand {
        self.stack.pop().unwrap_or(OPAQUE)
    }

    fn set(&mut self, local: u32, operand: Operand) {
        if let (Some(place), Some(node)) = (self.places[local as usize], operand.node) {
            self.locals[place] = node;
        }
    }

    /// An instruction that takes and gives operands.
    fn compute(
        &mut self,
        index: usize,
        op: &Operator<'_>,
        pops: usize,
        pushes: usize,
        validator: &FuncValidator<ValidatorResources>,
    ) {
        let taken = self.stack.split_off(self.stack.len().saturating_sub(pops));
        let given = match float_op(op) {
            FloatOp::Arithmetic { takes, gives } => {
                self.see(&taken, Some(takes));
                self.graph.raw(gives, index)
            }
            FloatOp::Blind { takes } => {
                self.see(&taken, Some(takes));
                EXACT
            }
            FloatOp::Copy { takes } => self.choice(&taken, Some(takes)),
            FloatOp::Choice { takes } => self.choice(&taken, takes),
            FloatOp::Number => {
                // The integers of a vector may be what arithmetic made.
                self.see(&taken, None);
                NUMBER
            }
            FloatOp::Constant { has_nan: false } => NUMBER,
            FloatOp::Constant { has_nan: true } => EXACT,
            FloatOp::Other => {
                self.see(&taken, None);
                EXACT
            }
        };
        for depth in (0..pushes).rev() {
            let is_float = validator.get_operand_type(depth).flatten().is_some_and(is_float);
            let pushed_by = (pushes == 1).then_some(index);
            self.stack.push(Operand { node: is_float.then_some(given), pushed_by });
        }
    }

    /// A value whose bits, lane by lane if it is taken for a float, are those of one of the operands.
    fn choice(&mut self, taken: &[Operand], takes: Option<Float>) -> u32 {
        let phi = self.graph.phi(takes);
        taken.iter().filter_map(|operand| operand.node).for_each(|node| self.graph.flow(node, phi));
        phi
    }

    /// Operands are seen, as floats of one type or bit by bit.
    fn see(&mut self, operands: &[Operand], as_float: Option<Float>) {
        for operand in operands {
            if let Some(node) = operand.node {
                self.graph.sights.push(Sight { node, pushed_by: operand.pushed_by, as_float });
            }
        }
    }

    fn enter(&mut self, kind: LabelKind, index: usize, arity: Option<(u32, u32)>) {
        let (params, results) = arity.map_or((0, 0), |(params, results)| (params as usize, results as usize));
        let height = self.stack.len().saturating_sub(params);
        let mut label = Label { kind, height, branch_arity: results, results, merged: None, before: None };
        match kind {
            LabelKind::Loop => {
                label.branch_arity = params;
                self.enter_loop(&mut label, index);
            }
            LabelKind::If => label.before = Some(self.state(params)),
            LabelKind::Function | LabelKind::Block => {}
        }
        self.labels.push(label);
    }

    /// At a loop's head every value may be one that a branch brings back: each becomes a phi node.
    fn enter_loop(&mut self, label: &mut Label, index: usize) {
        self.spend(self.locals.len());
        for node in &mut self.locals {
            let phi = self.graph.phi(None);
            self.graph.flow(*node, phi);
            *node = phi;
        }
        let alone = label.branch_arity == 1;
        for operand in &mut self.stack[label.height..] {
            operand.node = operand.node.map(|node| {
                let phi = self.graph.phi(None);
                self.graph.flow(node, phi);
                phi
            });
            operand.pushed_by = alone.then_some(index);
        }
        label.merged = Some(self.state(label.branch_arity));
    }

    fn state(&mut self, carried: usize) -> State {
        self.spend(self.locals.len() + carried);
        let from = self.stack.len().saturating_sub(carried);
        State { locals: self.locals.clone(), carried: self.stack[from..].iter().map(|operand| operand.node).collect() }
    }

    fn spend(&mut self, values: usize) {
        self.budget = self.budget.saturating_sub(values);
    }

    fn branch(&mut self, relative_depth: u32) {
        let target = self.labels.len() - 1 - relative_depth as usize;
        let carried = self.labels[target].branch_arity;
        if self.labels[target].kind == LabelKind::Function {
            return self.give_results(carried);
        }
        let state = self.state(carried);
        self.merge(target, &state);
    }

    /// A function's results leave it: their bits are seen.
    fn give_results(&mut self, results: usize) {
        let from = self.stack.len().saturating_sub(results);
        let given = self.stack[from..].to_vec();
        self.see(&given, None);
    }

    /// Brings a state to a label. A label's phi nodes are its own: made here, or at the loop's head.
    fn merge(&mut self, target: usize, state: &State) {
        let label = &mut self.labels[target];
        let is_loop = label.kind == LabelKind::Loop;
        match &mut label.merged {
            None => {
                let mut own = |node: u32| {
                    let phi = self.graph.phi(None);
                    self.graph.flow(node, phi);
                    phi
                };
                label.merged = Some(State {
                    locals: state.locals.iter().map(|&node| own(node)).collect(),
                    carried: state.carried.iter().map(|node| node.map(&mut own)).collect(),
                });
            }
            Some(merged) => {
                debug_assert!(!is_loop || merged.carried.len() == state.carried.len());
                for (&from, &to) in state.locals.iter().zip(&merged.locals) {
                    self.graph.flow(from, to);
                }
                for (from, to) in state.carried.iter().zip(&merged.carried) {
                    if let (Some(from), Some(to)) = (from, to) {
                        self.graph.flow(*from, *to);
                    }
                }
            }
        }
    }

    /// From one arm of an `if` to the other.
    fn turn(&mut self) {
        let top = self.labels.len() - 1;
        let (results, height) = (self.labels[top].results, self.labels[top].height);
        if !self.dead {
            let state = self.state(results);
            self.merge(top, &state);
        }
        let before = self.labels[top].before.take().expect("validated: an else has its if");
        self.labels[top].kind = LabelKind::Block;
        self.locals.copy_from_slice(&before.locals);
        self.stack.truncate(height);
        // What pushed them is on the other side of the condition; it can be told no more.
        self.stack.extend(before.carried.iter().map(|&node| Operand { node, pushed_by: None }));
    }

    fn leave(&mut self, index: usize) {
        let top = self.labels.len() - 1;
        let (kind, results, height) = (self.labels[top].kind, self.labels[top].results, self.labels[top].height);
        let falls_through = !self.dead;
        if kind == LabelKind::Function {
            if falls_through {
                self.give_results(results);
            }
            self.labels.pop();
            return;
        }
        if kind == LabelKind::Loop {
            // Its branches went to the head; only what falls through comes here, as it is.
            self.labels.pop();
            return self.settle_stack(height, results, None, index);
        }
        if falls_through {
            let state = self.state(results);
            self.merge(top, &state);
        }
        if let Some(before) = self.labels[top].before.take() {
            self.merge(top, &before);
        }
        let label = self.labels.pop().expect("the label is on top");
        if let Some(merged) = &label.merged {
            self.locals.copy_from_slice(&merged.locals);
        }
        self.settle_stack(height, results, label.merged, index);
    }

    /// Leaves a label's results on the stack.
    fn settle_stack(&mut self, height: usize, results: usize, merged: Option<State>, index: usize) {
        let pushed_by = (results == 1).then_some(index);
        if let Some(merged) = merged {
            self.stack.truncate(height);
            self.stack.extend(merged.carried.iter().map(|&node| Operand { node, pushed_by }));
        }
        // No path leads on: whatever stands here is never run.
        self.stack.resize(height + results, Operand { node: None, pushed_by });
    }
}

fn is_float(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64 | ValType::V128)
}
