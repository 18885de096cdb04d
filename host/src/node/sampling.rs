use std::sync::Arc;

use poai_objects::{Difference, Object, Run, Sample, SampledVerdict, Verdict};
use tokio_util::sync::CancellationToken;

use super::Node;
use super::execute::{Executed, Order};
use super::replay::Seen;
use super::run::say_to;
use crate::control::{Answer, SampleWords, VerdictWord, VerifyAnswer};
use crate::errors::{Failure, Kind};
use crate::events::Events;
use crate::recording::{StoreRecording, put_list};

impl Node {
    /// Replays a claim with the results that its executor recorded, and computes a sample of them again, which is drawn
    /// now: whoever made the claim could not foresee it.
    pub(super) async fn verify_by_sample(
        self: &Arc<Self>,
        run: &Run,
        seen: Seen,
        per_million: u32,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let in_use = self.store.in_use();
        in_use.hold_dag(seen.claim.trace.cid());
        self.bring(*seen.claim.trace.cid(), peers, events, cancel).await.map_err(without_trace)?;
        let sample = Sample { seed: drawn_seed()?, per_million };
        let recording = Arc::new(StoreRecording::new(self.store.clone(), &seen.claim, sample)?);
        self.bring_recorded(&recording, &in_use, peers, events, cancel).await?;
        let slot = self.slot(run)?;
        let order = Order { recording: Some(recording.clone()), ..Order::whole(run, slot) };
        let executed = self.execute(order, &in_use, &say_to(events), cancel).await?;
        self.blocking(move |node| node.answer_sample(&seen, &recording, executed).map(Answer::Verified)).await
    }

    /// Brings the recorded tensors that are not here. Those that nobody has are computed.
    async fn bring_recorded(
        self: &Arc<Self>,
        recording: &Arc<StoreRecording>,
        in_use: &poai_store::InUse,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let (recording, in_use) = (recording.clone(), in_use.clone());
        let list = self.blocking(move |node| {
            let missing = recording.missing()?;
            if missing.is_empty() {
                return Ok(None);
            }
            let list = put_list(&node.store, &missing)?;
            in_use.hold_dag(&list);
            Ok(Some(list))
        });
        let Some(list) = list.await? else { return Ok(()) };
        match self.bring(list, peers, events, cancel).await {
            Err(failure) if failure.kind == Kind::Interrupted => Err(failure),
            Err(failure) => {
                events.notice(format!("not all recorded results are to be had, so more is computed: {failure}"));
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    fn answer_sample(
        &self,
        seen: &Seen,
        recording: &StoreRecording,
        executed: Executed,
    ) -> Result<VerifyAnswer, Failure> {
        let (sample, tally) = (recording.sample(), recording.tally());
        let verdict = self.judge(&seen.claim, &executed.claim);
        // With all results computed, and as recorded as far as they were taken, it was a full replay.
        let full = tally.taken == 0 && executed.first_difference.is_none();
        let words = SampleWords {
            full,
            seed: sample.seed.iter().map(|byte| format!("{byte:02x}")).collect(),
            per_million: sample.per_million,
            effects: recording.effects(),
            recomputed: tally.recomputed,
            indices: tally.indices,
            unrecorded: tally.unrecorded,
        };
        if full {
            return self.answer_replay(seen, executed, verdict, Some(words));
        }
        let sampled = SampledVerdict {
            seen: seen.id,
            sample,
            effects: recording.effects(),
            recomputed: tally.recomputed,
            first_difference: first(executed.first_difference, verdict),
        };
        let difference = sampled.first_difference.clone();
        let signed = self.sign_sampled_verdict(sampled)?;
        let answer = seen.answer(executed.claim.id(), difference.as_ref(), signed);
        let verdict = if difference.is_none() { VerdictWord::SameBySample } else { VerdictWord::Differs };
        Ok(VerifyAnswer { verdict, sample: Some(words), ..answer })
    }
}

/// The first of the places at which a recorded effect came out otherwise, and at which the traces or claims part.
fn first(recomputed: Option<u64>, verdict: Verdict) -> Option<Difference> {
    match (recomputed, verdict.first_difference) {
        (Some(index), Some(Difference::Effect { index: parting })) => {
            Some(Difference::Effect { index: index.min(parting) })
        }
        (Some(index), _) => Some(Difference::Effect { index }),
        (None, parting) => parting,
    }
}

fn drawn_seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::new(Kind::HostFault, format!("this machine gives no random bytes: {error}")))?;
    Ok(seed)
}

fn without_trace(failure: Failure) -> Failure {
    if failure.kind == Kind::Interrupted {
        return failure;
    }
    let message = format!("the claim's trace is not to be had, and a sample is drawn from it: {}", failure.message);
    Failure { message, ..failure }.hint("without --sample, everything is computed, and nothing but the claim is needed")
}

#[cfg(test)]
mod tests {
    use poai_objects::codec::{DAG_CBOR, cid_of};
    use poai_objects::{ClaimId, Field};

    use super::*;

    #[test]
    fn the_first_difference_is_the_one_that_came_first() {
        let claim = |name: &[u8]| ClaimId::try_from(cid_of(DAG_CBOR, name)).unwrap();
        let effect = |index| Difference::Effect { index };
        for (recomputed, parting, expected) in [
            (None, None, None),
            (Some(3), None, Some(effect(3))),
            (Some(3), Some(effect(2)), Some(effect(2))),
            (Some(3), Some(effect(4)), Some(effect(3))),
            (Some(3), Some(Difference::Field(Field::Fuel)), Some(effect(3))),
            (None, Some(Difference::Field(Field::Fuel)), Some(Difference::Field(Field::Fuel))),
        ] {
            let verdict = Verdict { seen: claim(b"one"), found: claim(b"other"), first_difference: parting };
            assert_eq!(first(recomputed, verdict), expected);
        }
    }
}
