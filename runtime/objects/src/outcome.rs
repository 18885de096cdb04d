use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run ended. Deterministic: a fault of the host is not an outcome, and never enters a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// The task did its work.
    Ok,
    /// The task itself said that it failed. Its outputs are kept.
    Failed {
        /// The task's own words, cut to [`Outcome::MAX_MESSAGE_BYTES`] at a character's boundary.
        message: String,
    },
    /// The task was stopped by a rule of the engine. It has no outputs.
    Trapped {
        /// Which rule.
        trap: Trap,
    },
}

impl Outcome {
    /// Bytes of a failure's message.
    pub const MAX_MESSAGE_BYTES: usize = 4 << 10;

    /// The outcome of a task that said it failed, with its message cut to the limit.
    pub fn failed(message: &str) -> Self {
        let mut end = message.len().min(Self::MAX_MESSAGE_BYTES);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        Self::Failed { message: message[..end].to_owned() }
    }
}

/// Why a run was stopped. The names are part of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trap {
    /// An `unreachable` was executed: most languages' abort or panic.
    Unreachable,
    /// A memory or table was accessed outside its bounds.
    Bounds,
    /// An integer was divided by zero, or a quotient or a converted float overflowed.
    Division,
    /// A NaN was converted to an integer.
    Conversion,
    /// An indirect call met a null or a function of another type.
    IndirectCall,
    /// The fuel limit was reached.
    OutOfFuel,
    /// The stack limit was reached.
    Stack,
    /// The memory limit is less than the program's memories and tables begin with.
    MemoryLimit,
    /// The outputs are larger or more than the run allows.
    OutputLimit,
    /// The rules of the component model were broken: lifting, lowering, handles, re-entrance.
    Abi,
}

impl Trap {
    /// All of them, for tests and documentation.
    pub const ALL: [Trap; 10] = [
        Trap::Unreachable,
        Trap::Bounds,
        Trap::Division,
        Trap::Conversion,
        Trap::IndirectCall,
        Trap::OutOfFuel,
        Trap::Stack,
        Trap::MemoryLimit,
        Trap::OutputLimit,
        Trap::Abi,
    ];
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trap::Unreachable => "unreachable",
            Trap::Bounds => "bounds",
            Trap::Division => "division",
            Trap::Conversion => "conversion",
            Trap::IndirectCall => "indirect-call",
            Trap::OutOfFuel => "out-of-fuel",
            Trap::Stack => "stack",
            Trap::MemoryLimit => "memory-limit",
            Trap::OutputLimit => "output-limit",
            Trap::Abi => "abi",
        })
    }
}
