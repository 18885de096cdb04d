use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::at_most;
use crate::{ClaimId, Fuel, Limits, Link, Object, ObjectError, Outcome, OutputName, RunId, TraceId};

/// What a run produced: deterministic fields only.
///
/// Two honest hosts make byte-identical claims, so a claim's CID *is* the agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What was executed.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// What it wrote; empty if it trapped.
    pub outputs: BTreeMap<OutputName, Link>,
    /// What it cost. An out-of-fuel run costs exactly its limit.
    pub fuel: Fuel,
    /// Its accelerated calls.
    pub trace: TraceId,
}

impl Claim {
    /// The first field, in the order of the type, in which two claims differ.
    pub fn first_difference(&self, other: &Claim) -> Option<Field> {
        if self.run != other.run {
            return Some(Field::Run);
        }
        if self.outcome != other.outcome {
            return Some(Field::Outcome);
        }
        let names = self.outputs.keys().chain(other.outputs.keys());
        let differing = names.filter(|name| self.outputs.get(*name) != other.outputs.get(*name)).min();
        if let Some(name) = differing {
            return Some(Field::Output { name: name.clone() });
        }
        if self.fuel != other.fuel {
            return Some(Field::Fuel);
        }
        (self.trace != other.trace).then_some(Field::Trace)
    }
}

impl Object for Claim {
    const KIND: &'static str = "poai/claim";
    const VERSION: u64 = 1;
    type Id = ClaimId;

    fn validate(&self) -> Result<(), ObjectError> {
        at_most(Self::KIND, "outputs", self.outputs.len(), Limits::MAX_OUTPUTS as usize)?;
        let name_bytes = self.outputs.keys().map(|name| name.as_str().len()).sum();
        at_most(Self::KIND, "output name bytes", name_bytes, Limits::MAX_OUTPUT_NAME_BYTES)?;
        if self.fuel > Limits::MAX_FUEL {
            return Err(ObjectError::TooLarge { kind: Self::KIND, limit: "fuel", allowed: Limits::MAX_FUEL.0 });
        }
        match &self.outcome {
            Outcome::Failed { message } => {
                at_most(Self::KIND, "message bytes", message.len(), Outcome::MAX_MESSAGE_BYTES)
            }
            Outcome::Trapped { .. } if !self.outputs.is_empty() => {
                Err(ObjectError::Malformed { kind: Self::KIND, reason: "a run that trapped has no outputs".into() })
            }
            Outcome::Trapped { .. } | Outcome::Ok => Ok(()),
        }
    }
}

/// A field of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Field {
    /// Another run altogether.
    Run,
    /// How it ended.
    Outcome,
    /// One output: its content, or whether it is there.
    Output {
        /// Which one.
        name: OutputName,
    },
    /// The metered work.
    Fuel,
    /// The accelerated calls.
    Trace,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Run => f.write_str("run"),
            Field::Outcome => f.write_str("outcome"),
            Field::Output { name } => write!(f, "output {name}"),
            Field::Fuel => f.write_str("fuel"),
            Field::Trace => f.write_str("trace"),
        }
    }
}
