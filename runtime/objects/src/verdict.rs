use serde::{Deserialize, Serialize};

use crate::{ClaimId, Field, Object, ObjectError, VerdictId};

/// A verifier's answer after a replay, to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The claim that was to be checked.
    pub seen: ClaimId,
    /// The claim that the replay made.
    pub found: ClaimId,
    /// Where they part; none exactly if `seen` and `found` are the same.
    pub first_difference: Option<Difference>,
}

/// The first place at which two claims part: an effect if the traces tell, else a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Difference {
    /// An accelerated call, by its number in the trace, from 0.
    Effect {
        /// The effect's number.
        index: u64,
    },
    /// A field of the claim.
    Field(Field),
}

/// What a verdict comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The replay made the same claim.
    Same,
    /// It made another.
    Differs,
}

impl Verdict {
    /// Whether the claim stood.
    pub fn finding(&self) -> Finding {
        if self.seen == self.found { Finding::Same } else { Finding::Differs }
    }
}

impl Object for Verdict {
    const KIND: &'static str = "poai/verdict";
    const VERSION: u64 = 1;
    type Id = VerdictId;

    fn validate(&self) -> Result<(), ObjectError> {
        if self.first_difference.is_some() == (self.seen == self.found) {
            let reason = "it must name a difference exactly if the claims differ".into();
            return Err(ObjectError::Malformed { kind: Self::KIND, reason });
        }
        Ok(())
    }
}
