//! Which known claims answer for a run without executing it.
//!
//! A claim answers only if this home computed it, or if enough of the operator's trusted keys signed
//! that a replay made the same; and only while all its outputs are at hand. Verifying and auditing
//! never come here.

use std::collections::BTreeSet;

use poai_objects::{Claim, ClaimId, PublicKey, RunId};
use poai_store::{Store, Walk};

use crate::config::CacheConfig;
use crate::errors::{Failure, Kind};
use crate::records::{ClaimRecord, Records, Statement, StatementKind};
use crate::shelf::Shelf;

/// Whose claims are believed besides this home's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrustPolicy {
    keys: BTreeSet<PublicKey>,
    verdicts: usize,
}

/// A claim that answers, and why it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: ClaimId,
    pub(crate) claim: Claim,
    pub(crate) why: Why,
}

/// Why a claim is believed without computing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    ComputedHere,
    Verdicts { same: usize },
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::ComputedHere => f.write_str("computed by this home"),
            Why::Verdicts { same: 1 } => f.write_str("1 verdict of a trusted key"),
            Why::Verdicts { same } => write!(f, "{same} verdicts of trusted keys"),
        }
    }
}

impl TrustPolicy {
    pub(crate) fn parse(config: &CacheConfig) -> Result<Self, Failure> {
        let keys = config.trusted_keys.iter().map(|text| {
            text.parse().map_err(|error| Failure::new(Kind::Config, format!("cache.trusted_keys: {text:?}: {error}")))
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, verdicts: config.verdicts })
    }

    /// Why a claim is believed, if it is: pure, over what was recorded. A trusted key that found
    /// another claim takes the belief away.
    fn believes(&self, record: &ClaimRecord, statements: &[Statement]) -> Option<Why> {
        if record.computed_here {
            return Some(Why::ComputedHere);
        }
        let signers = |kind: StatementKind| -> BTreeSet<PublicKey> {
            let said =
                statements.iter().filter(|statement| statement.kind == kind && self.keys.contains(&statement.key));
            said.map(|statement| statement.key).collect()
        };
        let same = signers(StatementKind::Same).len();
        let enough = !self.keys.is_empty() && same >= self.verdicts && signers(StatementKind::Differs).is_empty();
        enough.then_some(Why::Verdicts { same })
    }
}

/// The claim that answers for a run, if there is one.
pub(crate) fn look_up(
    run: RunId,
    policy: &TrustPolicy,
    records: &Records,
    store: &Store,
) -> Result<Option<Known>, Failure> {
    for record in records.claims(run)? {
        let statements = records.statements(record.claim)?;
        let Some(why) = policy.believes(&record, &statements) else { continue };
        // What was collected or damaged meanwhile is no answer; the run is executed again.
        let Ok(claim) = store.object::<Claim>(record.claim) else { continue };
        if claim.run == run && outputs_are_here(&claim, store) {
            return Ok(Some(Known { id: record.claim, claim, why }));
        }
    }
    Ok(None)
}

fn outputs_are_here(claim: &Claim, store: &Store) -> bool {
    claim.outputs.values().all(|link| Walk::check_whole(store, link.cid()).is_ok())
}

#[cfg(test)]
mod tests {
    use poai_objects::SecretKey;
    use poai_objects::codec::{DAG_CBOR, cid_of};

    use super::*;

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed(&[seed; 32]).public()
    }

    fn said(kind: StatementKind, seed: u8) -> Statement {
        let cid = cid_of(DAG_CBOR, &[seed]);
        Statement { kind, object: cid, envelope: cid, key: key(seed) }
    }

    #[test]
    fn a_claim_is_believed_by_the_rule_alone() {
        use StatementKind::{Differs, Receipt, Same, Sampled};
        let policy = TrustPolicy { keys: [key(1), key(2)].into(), verdicts: 2 };
        let heard = ClaimRecord { claim: cid_of(DAG_CBOR, b"c").try_into().unwrap(), computed_here: false };
        let computed = ClaimRecord { computed_here: true, ..heard.clone() };
        for (record, statements, policy, expected) in [
            (&computed, vec![], &TrustPolicy::default(), Some(Why::ComputedHere)),
            (&heard, vec![said(Same, 1), said(Same, 2)], &TrustPolicy::default(), None),
            (&heard, vec![said(Same, 1)], &policy, None),
            (&heard, vec![said(Same, 1), said(Same, 1)], &policy, None),
            (&heard, vec![said(Same, 1), said(Same, 3)], &policy, None),
            (&heard, vec![said(Receipt, 1), said(Receipt, 2)], &policy, None),
            (&heard, vec![said(Same, 1), said(Sampled, 2)], &policy, None),
            (&heard, vec![said(Same, 1), said(Same, 2)], &policy, Some(Why::Verdicts { same: 2 })),
            (&heard, vec![said(Same, 1), said(Same, 2), said(Differs, 2)], &policy, None),
        ] {
            assert_eq!(policy.believes(record, &statements), expected);
        }
    }
}
