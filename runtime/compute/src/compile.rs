//! From naga's expressions and statements to a flat [`Program`]: and the list of what kernels may say, for what has no
//! instruction here is refused by name.
//!
//! Functions are written out where they are called, so that an invocation is one row of registers and a place in the
//! program: nothing more has to be kept while it waits at a barrier.

mod atomics; // words that are changed at once
mod control; // statements
mod expressions; // values
mod frame; // a function that is being written out
mod globals; // variables of a module
mod matrices; // matrices
mod memory; // places, loads and stores
mod operations; // arithmetic

use std::collections::BTreeMap;

use naga::Module;
use naga::valid::ModuleInfo;

use crate::program::{Node, Op, Program, Reg, Stride, builtin};
use crate::shape::{Shape, Shapes};
use crate::source::within;
use crate::{KernelError, Limits, cost};

/// A program in the making.
pub(crate) struct Compiler<'m> {
    module: &'m Module,
    info: &'m ModuleInfo,
    shapes: &'m Shapes,
    ops: Vec<Op>,
    /// The blocks of the tree that are being written, the innermost last.
    blocks: Vec<Vec<Node>>,
    /// The [`Op::Charge`] that takes for what is added now.
    open: Option<usize>,
    strides: Vec<Stride>,
    constants: BTreeMap<u32, Reg>,
    /// The first register of constants that this pass found.
    late: u32,
    /// The next free register.
    next: u32,
    /// How many registers are in use where most are.
    most: u32,
    globals: Vec<globals::Global>,
    workgroup_words: u32,
    call_depth: usize,
    /// Statements and expressions so far.
    compiled: u64,
}

/// Writes out the entry point of a number.
pub(crate) fn compile(
    (module, info): (&Module, &ModuleInfo),
    shapes: &Shapes,
    entry: usize,
) -> Result<Program, KernelError> {
    // The first pass finds the constants. They stand before everything else in the second.
    let found = Compiler::new((module, info), shapes, &BTreeMap::new()).run(entry)?.constants;
    let mut last = Compiler::new((module, info), shapes, &found).run(entry)?;
    let tree = last.end_block();
    let registers = u64::from(last.most);
    within("registers", registers, u64::from(Limits::REGISTERS))?;
    Ok(Program {
        ops: last.ops,
        tree,
        strides: last.strides,
        registers: last.most,
        constants: last.constants.into_iter().map(|(word, register)| (register, word)).collect(),
        workgroup_words: last.workgroup_words,
    })
}

impl<'m> Compiler<'m> {
    fn new((module, info): (&'m Module, &'m ModuleInfo), shapes: &'m Shapes, found: &BTreeMap<u32, Reg>) -> Self {
        let places = builtin::COUNT..;
        let constants: BTreeMap<_, _> = found.keys().copied().zip(places).collect();
        let next = u32::from(builtin::COUNT) + constants.len() as u32;
        Self {
            module,
            info,
            shapes,
            ops: Vec::new(),
            blocks: vec![Vec::new()],
            open: None,
            strides: Vec::new(),
            constants,
            // Beyond all others: only the first pass finds any, and its program is thrown away.
            late: Limits::REGISTERS,
            next,
            most: next,
            globals: Vec::new(),
            workgroup_words: 0,
            call_depth: 0,
            compiled: 0,
        }
    }

    fn run(mut self, entry: usize) -> Result<Self, KernelError> {
        self.declare_globals()?;
        self.write_entry(entry)?;
        Ok(self)
    }

    /// Counts what is compiled: a call of a function of nothing adds no instruction, but takes time.
    fn count(&mut self, more: usize) -> Result<(), KernelError> {
        self.compiled = self.compiled.saturating_add(more as u64);
        within("statements and expressions, calls written out", self.compiled, Limits::COMPILED)
    }

    /// Adds an instruction, for which the open charge takes.
    fn push(&mut self, op: Op) -> Result<usize, KernelError> {
        let charge = match self.open {
            Some(charge) => charge,
            None => self.charge(0),
        };
        self.add_cost(charge, cost::of(&op));
        let place = self.add(op);
        within("instructions", self.ops.len() as u64, Limits::INSTRUCTIONS as u64)?;
        Ok(place)
    }

    /// Opens a charge, which begins with this.
    fn charge(&mut self, cost: u32) -> usize {
        let place = self.add(Op::Charge(cost));
        *self.open.insert(place)
    }

    fn add(&mut self, op: Op) -> usize {
        let place = self.ops.len();
        self.ops.push(op);
        let block = self.blocks.last_mut().expect("the program's own is never ended");
        match block.last_mut() {
            Some(Node::Ops(ops)) if ops.end == place => ops.end += 1,
            _ => block.push(Node::Ops(place..place + 1)),
        }
        place
    }

    /// Adds a node to the tree.
    fn node(&mut self, node: Node) {
        self.blocks.last_mut().expect("the program's own is never ended").push(node);
    }

    fn begin_block(&mut self) -> Result<(), KernelError> {
        self.blocks.push(Vec::new());
        within("blocks inside each other, calls written out", self.blocks.len() as u64, Limits::BLOCK_DEPTH)
    }

    fn end_block(&mut self) -> Vec<Node> {
        self.blocks.pop().expect("it was begun")
    }

    fn add_cost(&mut self, charge: usize, more: u32) {
        if let Op::Charge(cost) = &mut self.ops[charge] {
            // At most 2¹⁶ instructions of at most 2¹⁰ lanes or words, each less than 2⁸.
            *cost = cost.saturating_add(more);
        }
    }

    /// Jumps may lead here: what comes next is charged apart.
    fn label(&mut self) -> u32 {
        self.open = None;
        self.ops.len() as u32
    }

    /// Adds a jump whose target is set later.
    fn jump(&mut self, op: Op) -> Result<usize, KernelError> {
        let place = self.push(op)?;
        self.open = None;
        Ok(place)
    }

    /// Lets jumps lead here.
    fn land(&mut self, jumps: impl IntoIterator<Item = usize>) {
        let here = self.label();
        self.aim(jumps, here);
    }

    fn aim(&mut self, jumps: impl IntoIterator<Item = usize>, aim: u32) {
        for jump in jumps {
            match &mut self.ops[jump] {
                Op::Jump(target) | Op::JumpIf { target, .. } | Op::JumpUnless { target, .. } => *target = aim,
                _ => unreachable!("only jumps are aimed"),
            }
        }
    }

    /// Registers in a row.
    fn allocate(&mut self, words: u32) -> Result<Reg, KernelError> {
        let first = self.next;
        self.next = first.saturating_add(words);
        within("registers", u64::from(self.next), u64::from(Limits::REGISTERS))?;
        self.most = self.most.max(self.next);
        Ok(Reg::try_from(first).expect("within the limit"))
    }

    /// Registers for a value.
    fn allocate_value(&mut self, shape: &Shape) -> Result<Reg, KernelError> {
        within("words of a value", u64::from(shape.words().packed), u64::from(Limits::VALUE_WORDS))?;
        self.allocate(shape.words().packed)
    }

    /// A register that always holds this word.
    fn constant(&mut self, word: u32) -> Result<Reg, KernelError> {
        if let Some(&register) = self.constants.get(&word) {
            return Ok(register);
        }
        within("constants", self.constants.len() as u64 + 1, u64::from(Limits::REGISTERS))?;
        let register = Reg::try_from(self.late).expect("twice the limit fits");
        self.late += 1;
        self.constants.insert(word, register);
        Ok(register)
    }
}
