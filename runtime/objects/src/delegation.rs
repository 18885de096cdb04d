use serde::{Deserialize, Serialize};

use crate::{DelegationId, Object, ObjectError, PublicKey};

/// An account's word that a host's key may act for it until a time, to be signed by the account:
/// so the purse need not lie on a worker machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The host's key, which is also its peer id.
    pub host: PublicKey,
    /// The first second, since 1970-01-01T00:00:00Z, in which it holds.
    pub from_s: u64,
    /// The first second in which it no longer holds.
    pub until_s: u64,
}

impl Delegation {
    /// Whether it holds at `now_s` (seconds since 1970).
    pub fn holds_at(&self, now_s: u64) -> bool {
        (self.from_s..self.until_s).contains(&now_s)
    }
}

impl Object for Delegation {
    const KIND: &'static str = "poai/delegation";
    const VERSION: u64 = 1;
    type Id = DelegationId;

    fn validate(&self) -> Result<(), ObjectError> {
        if self.from_s >= self.until_s {
            let reason = "it ends before it begins".into();
            return Err(ObjectError::Malformed { kind: Self::KIND, reason });
        }
        Ok(())
    }
}
