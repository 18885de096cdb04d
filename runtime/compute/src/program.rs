//! What a kernel is compiled to: flat instructions over the registers of one invocation.

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
    Barrier,
    End,
}

/// What indices of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stride {
    pub(crate) bound: Bound,
    /// Words between two elements.
    pub(crate) words: u32,
}

/// A compiled entry point.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) ops: Vec<Op>,
    pub(crate) strides: Vec<Stride>,
    /// The registers of one invocation.
    pub(crate) registers: u32,
    /// What some registers hold before anything runs, and for ever.
    pub(crate) constants: Vec<(Reg, u32)>,
    /// Words of workgroup memory.
    pub(crate) workgroup_words: u32,
}
