use std::collections::BTreeMap;
use std::fmt;
use std::ops::Add;

use serde::{Deserialize, Serialize};

use crate::codec::{at_most, quoted};
use crate::{EngineName, InputName, Link, Object, ObjectError, Params, ProgramId, RunId};

/// Metered work, in the engine's units. Never mixed with money, time or bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fuel(pub u64);

impl fmt::Display for Fuel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Add for Fuel {
    type Output = Fuel;

    fn add(self, other: Fuel) -> Fuel {
        Fuel(self.0.saturating_add(other.0))
    }
}

/// What a run may use. Part of its id: reaching a limit is an outcome that everyone reproduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Units of metered work; at most 2⁶⁰, so that a signed counter holds any overdraft.
    pub fuel: Fuel,
    /// Bytes of all linear memories and tables together (16 bytes for a table's element).
    pub memory_bytes: u64,
    /// Units of call stack: each call takes 64 + 16 × (parameters + locals + greatest operand height).
    pub stack_units: u64,
    /// Bytes of all outputs together.
    pub output_bytes: u64,
    /// How many outputs there may be.
    pub output_count: u32,
}

impl Limits {
    /// The greatest fuel limit: a signed 64-bit counter still holds any overdraft beyond it.
    pub const MAX_FUEL: Fuel = Fuel(1 << 60);
    /// The greatest stack limit: the native stack beneath it is sized for this many units.
    pub const MAX_STACK_UNITS: u64 = 8 << 20;
    /// The greatest memory and output limits, so that sums of bytes never overflow.
    pub const MAX_BYTES: u64 = (1 << 62) - 1;
    /// The greatest number of outputs: a claim names them all, and a claim is one block.
    pub const MAX_OUTPUTS: u32 = 8_192;
    /// Bytes of all outputs' names together, for the same reason. A run that writes more of them
    /// reaches the output limit.
    pub const MAX_OUTPUT_NAME_BYTES: usize = 512 << 10;

    fn validate(&self, kind: &'static str) -> Result<(), ObjectError> {
        for (limit, found, allowed) in [
            ("fuel", self.fuel.0, Self::MAX_FUEL.0),
            ("stack_units", self.stack_units, Self::MAX_STACK_UNITS),
            ("memory_bytes", self.memory_bytes, Self::MAX_BYTES),
            ("output_bytes", self.output_bytes, Self::MAX_BYTES),
            ("output_count", self.output_count.into(), Self::MAX_OUTPUTS.into()),
        ] {
            if found > allowed {
                return Err(ObjectError::TooLarge { kind, limit, allowed });
            }
        }
        Ok(())
    }
}

impl Default for Limits {
    /// Generous: about an hour of one core, 4 GiB of memory, all the stack there is, 64 GiB of outputs.
    fn default() -> Self {
        Self {
            fuel: Fuel(10_000_000_000_000),
            memory_bytes: 4 << 30,
            stack_units: Self::MAX_STACK_UNITS,
            output_bytes: 64 << 30,
            output_count: Self::MAX_OUTPUTS,
        }
    }
}

/// One execution, described completely: program, inputs, parameters, seed, limits, engine.
///
/// It names no package, requester, price or time, so the same work has the same id for everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What executes.
    pub program: ProgramId,
    /// Named content, files or folders. `stdin` is a plain program's standard input.
    pub inputs: BTreeMap<InputName, Link>,
    /// The parameters in canonical form, schema defaults filled in.
    pub params: Params,
    /// A plain program's arguments, without its own name.
    pub args: Vec<String>,
    /// A plain program's environment.
    pub env: BTreeMap<String, String>,
    /// The wall clock's reading at the start, nanoseconds since 1970-01-01T00:00:00Z.
    pub clock_ns: u64,
    /// Where all randomness of the run comes from.
    pub seed: u64,
    /// What the run may use.
    pub limits: Limits,
    /// The rules that it runs under.
    pub engine: EngineName,
}

impl Run {
    /// A run of `program` with nothing else asked for: no inputs, seed 0, default limits.
    pub fn new(program: ProgramId, engine: EngineName) -> Self {
        Self {
            program,
            inputs: BTreeMap::new(),
            params: Params::default(),
            args: Vec::new(),
            env: BTreeMap::new(),
            clock_ns: 0,
            seed: 0,
            limits: Limits::default(),
            engine,
        }
    }

    /// Arguments of one run.
    pub const MAX_ARGS: usize = 1_024;
    /// Variables in the environment of one run.
    pub const MAX_ENV: usize = 1_024;
    /// Inputs of one run.
    pub const MAX_INPUTS: usize = 4_096;
    /// Bytes of one argument, or of one variable's name or value.
    pub const MAX_TEXT_BYTES: usize = 64 << 10;
}

impl Object for Run {
    const KIND: &'static str = "poai/run";
    const VERSION: u64 = 1;
    type Id = RunId;

    fn validate(&self) -> Result<(), ObjectError> {
        self.limits.validate(Self::KIND)?;
        at_most(Self::KIND, "args", self.args.len(), Self::MAX_ARGS)?;
        at_most(Self::KIND, "env", self.env.len(), Self::MAX_ENV)?;
        at_most(Self::KIND, "inputs", self.inputs.len(), Self::MAX_INPUTS)?;
        for text in self.args.iter().chain(self.env.keys()).chain(self.env.values()) {
            at_most(Self::KIND, "text bytes", text.len(), Self::MAX_TEXT_BYTES)?;
            // Most languages read arguments and variables up to a NUL: two runs would do the same work.
            if text.contains('\0') {
                let reason = "an argument or environment variable has a NUL".into();
                return Err(ObjectError::Malformed { kind: Self::KIND, reason });
            }
        }
        match self.env.keys().find(|name| name.is_empty() || name.contains('=')) {
            Some(name) => Err(ObjectError::InvalidName {
                name: quoted(name),
                what: "environment variable",
                rule: "it is empty, or has a '='",
            }),
            None => Ok(()),
        }
    }
}
