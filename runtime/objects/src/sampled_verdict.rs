use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ClaimId, Difference, Object, ObjectError, SampledVerdictId};

/// A verifier's answer after a replay that computed a sample of the claim's effects, and took the results of the others
/// from what the executor recorded. To be signed.
///
/// Another kind than [`Verdict`](crate::Verdict), so that nobody takes the one for the other: no difference means that
/// none was found. One that was found is as good as in a full replay: the claim cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampledVerdict {
    /// The claim that was to be checked.
    pub seen: ClaimId,
    /// Which effects were to be computed: anybody can tell whether they were chosen fairly.
    pub sample: Sample,
    /// Effects of the claim's trace.
    pub effects: u64,
    /// How many the replay computed: those of the sample, and those of which nothing was recorded.
    pub recomputed: u64,
    /// The first place at which claim and replay part, if one was found.
    pub first_difference: Option<Difference>,
}

/// A choice among the effects of a claim, which nobody can foresee who does not know the seed.
///
/// The verifier draws the seed when it has the claim. An effect's number is the first 8 bytes, big-endian, of
/// SHA-256(`poai/sample/1` ‖ seed ‖ the claim's CID ‖ the effect's index in 8 bytes, big-endian). An effect is chosen
/// if its number is below `per_million` millionths of 2^64; and one is always chosen, whose index is the number of index
/// 2^64 - 1 modulo the number of effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Drawn by the verifier.
    #[serde(with = "serde_bytes")]
    pub seed: [u8; 32],
    /// How many of a million effects, about; all of them, if a million.
    pub per_million: u32,
}

impl Sample {
    /// A sample that leaves nothing out.
    pub const ALL: u32 = 1_000_000;

    /// Whether it has one of a claim's effects.
    pub fn has(&self, claim: &ClaimId, effects: u64, index: u64) -> bool {
        let below = (u128::from(self.per_million) << 64) / u128::from(Self::ALL);
        let always = self.number(claim, u64::MAX).checked_rem(effects);
        u128::from(self.number(claim, index)) < below || Some(index) == always
    }

    fn number(&self, claim: &ClaimId, index: u64) -> u64 {
        let hash = Sha256::new()
            .chain_update(b"poai/sample/1")
            .chain_update(self.seed)
            .chain_update(claim.cid().to_bytes())
            .chain_update(index.to_be_bytes())
            .finalize();
        let (first, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
        u64::from_be_bytes(*first)
    }
}

impl Object for SampledVerdict {
    const KIND: &'static str = "poai/sampled-verdict";
    const VERSION: u64 = 1;
    type Id = SampledVerdictId;

    fn validate(&self) -> Result<(), ObjectError> {
        let malformed = |reason: &str| Err(ObjectError::Malformed { kind: Self::KIND, reason: reason.into() });
        if !(1..=Sample::ALL).contains(&self.sample.per_million) {
            return malformed("its sample is not between 1 and 1,000,000 millionths");
        }
        if self.recomputed > self.effects {
            return malformed("it computed more effects than there are");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{DAG_CBOR, cid_of};

    fn chosen(per_million: u32, effects: u64) -> Vec<u64> {
        let claim = ClaimId::try_from(cid_of(DAG_CBOR, b"claim")).unwrap();
        let sample = Sample { seed: [7; 32], per_million };
        (0..effects).filter(|&index| sample.has(&claim, effects, index)).collect()
    }

    /// The indices were computed by Python's hashlib, from the words of the definition.
    #[test]
    fn the_choice_is_the_defined_one() {
        assert_eq!(chosen(100_000, 40), [12, 23, 37]);
        assert_eq!(chosen(1, 40), [12]);
    }

    #[test]
    fn a_sample_has_its_share_and_never_nothing() {
        assert_eq!(chosen(Sample::ALL, 1_000).len(), 1_000);
        let share = chosen(100_000, 20_000).len();
        assert!((1_800..2_200).contains(&share), "{share} of 20,000");
        for effects in 1..50 {
            assert_eq!(chosen(1, effects).len(), 1, "of {effects}");
        }
        assert!(chosen(Sample::ALL, 0).is_empty());
    }
}
