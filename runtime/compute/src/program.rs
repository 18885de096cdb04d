//! What a kernel is compiled to: flat instructions over the registers of one invocation, and the tree that they were
//! written out from, for whoever cannot jump.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::arithmetic::{Binary, Ternary, Unary};

/// A register's number.
pub(crate) type Reg = u16;

/// The first registers of every invocation, which the executor sets: global and local invocation, index in the workgroup,
/// workgroup, number of workgroups.
pub(crate) mod builtin {
    use super::Reg;

    pub(crate) const GLOBAL_INVOCATION: Reg = 0;
    pub(crate) const LOCAL_INVOCATION: Reg = 3;
    pub(crate) const LOCAL_INDEX: Reg = 6;
    pub(crate) const WORKGROUP: Reg = 7;
    pub(crate) const WORKGROUPS: Reg = 10;
    pub(crate) const COUNT: Reg = 13;
}

/// The address of no word: what an index out of range makes of a place.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// What an address counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// The invocation's own registers.
    Registers,
    /// The workgroup's words.
    Workgroup,
    /// The words of a bound buffer.
    Storage(u8),
}

/// How many elements an index may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Fixed(u32),
    /// The whole elements that a buffer has room for behind so many words.
    Runtime {
        binding: u8,
        before: u32,
    },
}

/// One instruction. Where it names several lanes, they are registers in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// Takes fuel for all up to the next one, or the next jump.
    Charge(u32),
    Jump(u32),
    JumpIf {
        condition: Reg,
        target: u32,
    },
    JumpUnless {
        condition: Reg,
        target: u32,
    },
    Copy {
        to: Reg,
        from: Reg,
        words: u16,
    },
    /// One word to several.
    Splat {
        to: Reg,
        from: Reg,
        words: u16,
    },
    Unary {
        op: Unary,
        lanes: u8,
        to: Reg,
        a: Reg,
    },
    Binary {
        op: Binary,
        lanes: u8,
        to: Reg,
        a: Reg,
        b: Reg,
    },
    Ternary {
        op: Ternary,
        lanes: u8,
        to: Reg,
        a: Reg,
        b: Reg,
        c: Reg,
    },
    /// Whole values by one condition.
    Select {
        condition: Reg,
        to: Reg,
        yes: Reg,
        no: Reg,
        words: u16,
    },
    /// Whether all, or any, of the lanes are true.
    Holds {
        all: bool,
        lanes: u8,
        to: Reg,
        a: Reg,
    },
    /// The address of an element: `base` (0 if none) and so many strides, or nowhere.
    Address {
        stride: u16,
        to: Reg,
        index: Reg,
        base: Option<Reg>,
    },
    /// Elements of an array that has its buffer's length.
    Length {
        stride: u16,
        to: Reg,
    },
    /// From memory; nowhere gives zeros.
    Load {
        space: Space,
        to: Reg,
        address: Option<Reg>,
        fixed: u32,
        words: u16,
    },
    /// To memory; nowhere takes nothing.
    Store {
        space: Space,
        address: Option<Reg>,
        fixed: u32,
        from: Reg,
        words: u16,
    },
    /// Changes a word of memory at once, so that no other change is lost: to what an operation makes of it and of a
    /// register. Nowhere is not changed.
    Atomic {
        op: Binary,
        space: Space,
        address: Option<Reg>,
        fixed: u32,
        from: Reg,
    },
    Barrier,
    End,
}

/// What an instruction has to do with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) space: Space,
    pub(crate) address: Option<Reg>,
    pub(crate) fixed: u32,
    pub(crate) words: u16,
    pub(crate) manner: Manner,
}

/// How memory is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Manner {
    Read,
    Write,
    Change(Binary),
}

impl Op {
    /// What it has to do with memory.
    pub(crate) fn touch(&self) -> Option<Touch> {
        match *self {
            Self::Load { space, address, fixed, words, .. } => {
                Some(Touch { space, address, fixed, words, manner: Manner::Read })
            }
            Self::Store { space, address, fixed, words, .. } => {
                Some(Touch { space, address, fixed, words, manner: Manner::Write })
            }
            Self::Atomic { op, space, address, fixed, .. } => {
                Some(Touch { space, address, fixed, words: 1, manner: Manner::Change(op) })
            }
            _ => None,
        }
    }

    /// The first of the registers that it writes, and how many; not what a computed index reaches.
    pub(crate) fn written(&self) -> Option<(Reg, u16)> {
        match *self {
            Self::Copy { to, words, .. }
            | Self::Splat { to, words, .. }
            | Self::Select { to, words, .. }
            | Self::Load { to, words, .. } => Some((to, words)),
            Self::Unary { to, lanes, .. } | Self::Binary { to, lanes, .. } | Self::Ternary { to, lanes, .. } => {
                Some((to, lanes.into()))
            }
            Self::Holds { to, .. } | Self::Address { to, .. } | Self::Length { to, .. } => Some((to, 1)),
            Self::Charge(_) | Self::Jump(_) | Self::JumpIf { .. } | Self::JumpUnless { .. } => None,
            Self::Store { .. } | Self::Atomic { .. } | Self::Barrier | Self::End => None,
        }
    }
}

/// What indices of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stride {
    pub(crate) bound: Bound,
    /// Words between two elements.
    pub(crate) words: u32,
}

/// A part of a program's tree. Jumps stand among [`Node::Ops`] too: what they do is what the node behind does.
#[derive(Debug)]
pub(crate) enum Node {
    /// Instructions in a row.
    Ops(Range<usize>),
    If {
        condition: Reg,
        accept: Vec<Node>,
        reject: Vec<Node>,
    },
    /// For ever, unless `break_if` holds in the end of a turn.
    Loop {
        body: Vec<Node>,
        continuing: Vec<Node>,
        break_if: Option<Reg>,
    },
    Switch {
        selector: Reg,
        /// The instructions that compare the selector, which no [`Node::Ops`] has.
        tests: Range<usize>,
        cases: Vec<Case>,
    },
    /// A function that is written out.
    Call(Vec<Node>),
    /// Out of the loop or switch around.
    Break,
    Continue,
    /// To the end of the call around.
    Return,
}

/// A case of a switch.
#[derive(Debug)]
pub(crate) struct Case {
    /// What selects it.
    pub(crate) values: Vec<Selected>,
    pub(crate) body: Vec<Node>,
}

/// What selects a case, and what the tests cost until it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    /// None of all other values.
    pub(crate) value: Option<u32>,
    pub(crate) cost: u32,
}

/// A compiled entry point.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) ops: Vec<Op>,
    /// The same as a tree.
    pub(crate) tree: Vec<Node>,
    pub(crate) strides: Vec<Stride>,
    /// The registers of one invocation.
    pub(crate) registers: u32,
    /// What some registers hold before anything runs, and for ever.
    pub(crate) constants: Vec<(Reg, u32)>,
    /// Words of workgroup memory.
    pub(crate) workgroup_words: u32,
}

impl Program {
    /// The operations by which words of a space are changed at once.
    pub(crate) fn changes(&self, space: Space) -> BTreeSet<Binary> {
        let change = |op: &Op| match op.touch() {
            Some(Touch { space: touched, manner: Manner::Change(op), .. }) if touched == space => Some(op),
            _ => None,
        };
        self.ops.iter().filter_map(change).collect()
    }
}
