//! What a computation may cost, and what operators cost.

use crate::RunError;

/// What one operator costs, by a formula over its operands' types and shapes alone, known before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-adds of products, convolutions and recurrences.
    pub multiply_adds: u64,
    /// Elements read and written, weighted for operations that do much with one.
    pub elements: u64,
}

impl Cost {
    /// Multiply-adds for a unit of fuel: about how many a core does in the time of one instruction of a guest.
    pub const MULTIPLY_ADDS_PER_FUEL: u64 = 16;
    /// Elements for a unit of fuel.
    pub const ELEMENTS_PER_FUEL: u64 = 4;
    /// Fuel of any operator, however small: looking at it costs something.
    pub const NODE_FUEL: u64 = 100;

    /// The fuel that it is.
    pub fn fuel(self) -> u64 {
        Self::NODE_FUEL
            .saturating_add(self.multiply_adds.div_ceil(Self::MULTIPLY_ADDS_PER_FUEL))
            .saturating_add(self.elements.div_ceil(Self::ELEMENTS_PER_FUEL))
    }
}

/// What a computation may still use. Charged before each operator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Fuel left.
    pub fuel: u64,
    /// Bytes of values that may be alive at once; weights are not counted.
    pub memory_bytes: u64,
}

impl Budget {
    /// Without bounds, for trusted models.
    pub const UNBOUNDED: Self = Self { fuel: u64::MAX, memory_bytes: u64::MAX };
}

/// A [`Budget`] that is being used: fuel spent before each operator runs, bytes held while values are alive.
pub(crate) struct Account<'a> {
    budget: &'a mut Budget,
    held_bytes: u64,
}

impl<'a> Account<'a> {
    pub(crate) fn new(budget: &'a mut Budget) -> Self {
        Self { budget, held_bytes: 0 }
    }

    /// Takes fuel before the work that it pays for; what cannot be paid takes all that is left.
    pub(crate) fn spend(&mut self, node: &str, fuel: u64) -> Result<(), RunError> {
        let left = self.budget.fuel.checked_sub(fuel);
        self.budget.fuel = left.unwrap_or(0);
        left.map(|_| ()).ok_or_else(|| RunError::OutOfFuel(node.to_owned()))
    }

    /// Counts values that are about to live. They are counted by type and shape, whatever a device really uses.
    pub(crate) fn hold(&mut self, node: &str, bytes: u64) -> Result<(), RunError> {
        let held = self.held_bytes.saturating_add(bytes);
        let limit_bytes = self.budget.memory_bytes;
        if held > limit_bytes {
            return Err(RunError::OutOfMemory { node: node.to_owned(), bytes: held - limit_bytes, limit_bytes });
        }
        self.held_bytes = held;
        Ok(())
    }

    /// Counts values no more.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.held_bytes -= bytes;
    }
}
