//! How invocations come to places, and what is known where their ways meet.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut, Range};
use std::rc::Rc;

use super::since::Since;
use super::value::Value;
use crate::program::Manner;

/// What is known of all registers.
pub(super) type Registers = Vec<Value>;

/// What is known at a place.
#[derive(Clone, PartialEq)]
pub(super) struct State {
    pub(super) registers: Registers,
    pub(super) since: Since,
}

impl State {
    /// What is known after all came one of two ways.
    pub(super) fn join(&mut self, other: &Self) {
        for (register, other) in self.registers.iter_mut().zip(&other.registers) {
            if register != other {
                *register = register.or(other);
            }
        }
        self.since.join(&other.since);
    }
}

impl Deref for State {
    type Target = Registers;

    fn deref(&self) -> &Registers {
        &self.registers
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Registers {
        &mut self.registers
    }
}

/// How invocations come to a place.
#[derive(Clone)]
pub(super) struct Here {
    /// All of a workgroup together.
    pub(super) together: bool,
    /// Those that may come.
    pub(super) mask: Rc<[bool]>,
}

impl Here {
    pub(super) fn parted(&self) -> Self {
        Self { together: false, mask: Rc::clone(&self.mask) }
    }
}

/// How a part of the tree is left.
#[derive(Clone, Copy, Default)]
pub(super) struct Flow {
    /// Whether its end is reached.
    pub(super) ends: bool,
    /// Whether some may have left the loop or switch around, while others have not.
    pub(super) breaks: bool,
    /// Whether some may have gone on with the next turn.
    pub(super) continues: bool,
    /// Whether some may have left the call around.
    pub(super) returns: bool,
}

impl Flow {
    pub(super) fn leaves(self) -> bool {
        self.breaks || self.continues || self.returns
    }

    /// What either does, but that its end is reached.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            ends: self.ends,
            breaks: self.breaks || other.breaks,
            continues: self.continues || other.continues,
            returns: self.returns || other.returns,
        }
    }
}

/// What is known where a loop, switch or call is left.
pub(super) enum Around {
    Loop { breaks: Vec<State>, continues: Vec<State> },
    Switch { breaks: Vec<State> },
    Call { returns: Vec<State> },
}

/// Where workgroup memory is touched.
pub(super) struct Site {
    pub(super) manner: Manner,
    /// The first word of each invocation that may come here; none if it is not known.
    pub(super) known: Option<Vec<(u32, u32)>>,
    /// All words that it may touch.
    pub(super) reach: Range<u32>,
    pub(super) words: u32,
}

impl Site {
    /// Words that it is known to touch, for each invocation.
    pub(super) fn touches(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.len() * self.words as usize)
    }
}

/// What the walk has found.
pub(super) struct Walked {
    /// Of every instruction, whether all come to it together.
    pub(super) uniform: Vec<bool>,
    pub(super) sites: Vec<Site>,
    /// The sites that some may touch between two barriers, by their numbers.
    pub(super) intervals: BTreeSet<Rc<BTreeSet<usize>>>,
}

/// What is known after all came one of several ways; none if there is none.
pub(super) fn joined(ways: Vec<State>) -> Option<State> {
    let mut ways = ways.into_iter();
    let mut first = ways.next()?;
    ways.for_each(|way| first.join(&way));
    Some(first)
}
