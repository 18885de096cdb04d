//! What a computation may cost, and what operators cost.

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
