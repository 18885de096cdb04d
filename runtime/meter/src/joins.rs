//! Some of what makes the compiler take long over a function, besides its size: docs/security.md says what is left.

use wasmparser::Operator;

/// Places that a loop counts as: what it may change meets at its head before it is known whether it does.
const LOOP_WEIGHT: u64 = 8;

/// Places that a parameter of a block counts as.
const PARAMETER_WEIGHT: u64 = 2;

/// Where control joins in a function, and how many values may meet there: the compiler keeps account of each value at
/// each such place, and of what a loop changes at every loop around it.
#[derive(Default)]
pub(crate) struct Joins {
    /// Blocks with their parameters, and targets of branches.
    places: u64,
    loops: u64,
    /// The greatest operand height.
    height: u64,
    /// Whether each open block is a loop.
    open: Vec<bool>,
    loops_open: u64,
}

impl Joins {
    /// Follows a valid instruction; `height` is that of the operands after it.
    pub(crate) fn follow(&mut self, op: &Operator<'_>, height: u32) {
        self.height = self.height.max(height.into());
        match op {
            Operator::Block { .. } | Operator::If { .. } | Operator::Loop { .. } => {
                let is_loop = matches!(op, Operator::Loop { .. });
                self.places += 1;
                self.loops += u64::from(is_loop);
                self.open.push(is_loop);
                self.loops_open += u64::from(is_loop);
            }
            // The function's own end closes none.
            Operator::End => self.loops_open -= u64::from(self.open.pop() == Some(true)),
            Operator::Br { .. } | Operator::BrIf { .. } => self.places += 1,
            Operator::BrTable { targets } => self.places += u64::from(targets.len()) + 1,
            _ => {}
        }
    }

    /// Follows the parameters of the block that was just opened.
    pub(crate) fn take_parameters(&mut self, count: u64) {
        self.places += PARAMETER_WEIGHT * count;
    }

    /// Places so far.
    pub(crate) fn places(&self) -> u64 {
        self.places
    }

    /// Loops so far.
    pub(crate) fn loops(&self) -> u64 {
        self.loops
    }

    /// Loops open here, one in another.
    pub(crate) fn loops_open(&self) -> u64 {
        self.loops_open
    }

    /// Values times places, in a function of so many parameters and locals.
    pub(crate) fn count(&self, locals: u32) -> u64 {
        let values = u64::from(locals) + self.height;
        values.saturating_mul(self.places + (LOOP_WEIGHT - 1) * self.loops)
    }
}
