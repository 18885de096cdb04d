use std::path::PathBuf;
use std::sync::Arc;

use cid::Cid;
use poai_objects::codec::{self, DecodeLimits};
use poai_objects::{
    Claim, ClaimId, Difference, Envelope, Object, PublicKey, Receipt, Run, TraceChunk, TraceChunkId, TraceRoot, Verdict,
};
use poai_sandbox::{Account, compare};
use tokio_util::sync::CancellationToken;

use super::Node;
use super::execute::{Executed, Order};
use super::prepare::PreparedRun;
use super::run::say_to;
use super::statements::Retention;
use crate::control::{Answer, Place, RunRequest, SampleWords, Target, VerdictWord, VerifyAnswer, VerifyTarget};
use crate::errors::{Failure, Kind};
use crate::events::Events;
use crate::scheduler::Place as Slot;
use crate::shelf::Shelf;

/// A claim to be verified, and who signed for it.
pub(super) struct Seen {
    pub(super) id: ClaimId,
    pub(super) claim: Claim,
    pub(super) signer: Option<PublicKey>,
}

impl Node {
    /// Replays a claim, here or on a host, and says whether it stands. Never looks at the claim cache.
    pub(super) async fn verify(
        self: &Arc<Self>,
        target: VerifyTarget,
        on: Place,
        per_million: Option<u32>,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let in_use = self.store.in_use();
        let seen = match target {
            VerifyTarget::Cid(text) => {
                let cid = Cid::try_from(text.as_str()).map_err(|_| {
                    Failure::new(Kind::BadInput, format!("{text:?} is neither a CID nor an archive (.car)"))
                })?;
                in_use.hold_dag(&cid);
                self.bring_seen(&cid, peers, events, cancel).await?
            }
            VerifyTarget::File(path) => self.seen_in_file(path, &in_use, events, cancel).await?,
        };
        self.bring(*seen.claim.run.cid(), peers, events, cancel).await?;
        let run: Run = self.store.object(seen.claim.run)?;
        match (on, per_million) {
            (Place::Local, Some(per_million)) => {
                self.verify_by_sample(&run, seen, per_million, peers, events, cancel).await
            }
            (Place::Local, None) => self.verify_here(&run, seen, events, cancel).await,
            (elsewhere, _) => self.verify_there(&run, seen, elsewhere, peers, events, cancel).await,
        }
    }

    async fn verify_here(
        self: &Arc<Self>,
        run: &Run,
        seen: Seen,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let slot = self.slot(run)?;
        let in_use = self.store.in_use();
        let executed = self.execute(Order::whole(run, slot), &in_use, &say_to(events), cancel).await?;
        self.blocking(move |node| {
            let verdict = node.judge(&seen.claim, &executed.claim);
            node.answer_replay(&seen, executed, verdict, None).map(Answer::Verified)
        })
        .await
    }

    /// Signs the verdict of a replay that computed everything.
    pub(super) fn answer_replay(
        &self,
        seen: &Seen,
        executed: Executed,
        verdict: Verdict,
        sample: Option<SampleWords>,
    ) -> Result<VerifyAnswer, Failure> {
        // What a replay found, this home has computed.
        self.sign_receipt(&executed.claim, None, executed.telemetry, Retention::Replayed)?;
        let (signed, envelope) = self.sign_verdict(verdict)?;
        let Verdict { found, first_difference, .. } = signed.object();
        Ok(VerifyAnswer { sample, ..seen.answer(*found, first_difference.as_ref(), envelope) })
    }

    async fn verify_there(
        self: &Arc<Self>,
        run: &Run,
        seen: Seen,
        on: Place,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let request =
            RunRequest { on, peers: peers.to_vec(), ..RunRequest::plain(Target::Named(seen.claim.run.to_string())) };
        let words = self.verdict_from(&request, run, &seen.claim, events, cancel).await?;
        Ok(Answer::Verified(VerifyAnswer {
            claim: seen.id.to_string(),
            verdict: words.verdict,
            first_difference: words.first_difference,
            found: words.found,
            run: seen.claim.run.to_string(),
            signed: words.signed,
            receipt_key: seen.signer.map(|key| key.to_string()),
            by: Some(words.host),
            sample: None,
        }))
    }

    /// A slot for a replay of this home's own.
    pub(super) fn slot(&self, run: &Run) -> Result<Slot, Failure> {
        self.scheduler.enter(None, run.limits.memory_bytes).map_err(|reason| {
            Failure::new(Kind::HostFault, reason.to_string()).hint("raise the limit in this home's configuration")
        })
    }

    /// The verdict on a claim by a replay's, as far as their traces are at hand.
    pub(super) fn judge(&self, seen: &Claim, found: &Claim) -> Verdict {
        let root = |claim: &Claim| self.store.object::<TraceRoot>(claim.trace).ok();
        let (seen_trace, found_trace) = (root(seen), root(found));
        let chunk = |id: &TraceChunkId| self.store.object::<TraceChunk>(*id).ok();
        compare(
            Account { claim: seen, trace: seen_trace.as_ref(), chunk: &chunk },
            Account { claim: found, trace: found_trace.as_ref(), chunk: &chunk },
        )
    }

    /// The claim that a CID leads to: a claim, a receipt, a signed receipt, or a run with a known claim.
    async fn bring_seen(
        self: &Arc<Self>,
        cid: &Cid,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Seen, Failure> {
        self.bring_object(cid, peers, events, cancel).await?;
        let block = self.store.need(cid)?;
        let (kind, _) = codec::kind_of(block.bytes(), &DecodeLimits::default())?;
        let (id, signer) = match kind.as_str() {
            Claim::KIND => (ClaimId::try_from(*cid)?, None),
            Receipt::KIND => {
                let receipt: Receipt = self.store.object(*cid)?;
                let signers = self.envelopes_of_receipt(*cid)?;
                let signer = signers.first().map(|envelope| self.store.signed::<Receipt>(envelope)).transpose()?;
                (receipt.claim, signer.map(|signed| *signed.key()))
            }
            Envelope::KIND => {
                let envelope: Envelope = self.store.object(*cid)?;
                self.bring_object(&envelope.payload, peers, events, cancel).await?;
                let signed = self.store.signed::<Receipt>(cid)?;
                (signed.object().claim, Some(*signed.key()))
            }
            Run::KIND => {
                let known = self.records.claims((*cid).try_into()?)?;
                let first = known.first().ok_or_else(|| {
                    Failure::new(Kind::NotFound, format!("no claim about the run {cid} is known here"))
                        .hint("verify a receipt or a claim instead")
                })?;
                (first.claim, None)
            }
            other => {
                return Err(Failure::new(
                    Kind::BadInput,
                    format!("{cid} is a {other}: receipts, claims and runs can be verified"),
                ));
            }
        };
        self.bring_object(id.cid(), peers, events, cancel).await?;
        Ok(Seen { id, claim: self.store.object(id)?, signer })
    }

    async fn seen_in_file(
        self: &Arc<Self>,
        path: PathBuf,
        in_use: &poai_store::InUse,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Seen, Failure> {
        let summary = self.take_in_archive(&path, in_use).await?;
        let root = summary
            .roots
            .first()
            .ok_or_else(|| Failure::new(Kind::BadInput, format!("{} has no root", path.display())))?;
        self.bring_seen(root, &[], events, cancel).await
    }

    /// The signatures on a receipt that this home has, by the receipt's CID.
    pub(super) fn envelopes_of_receipt(&self, cid: Cid) -> Result<Vec<Cid>, Failure> {
        let Ok(receipt) = self.store.object::<Receipt>(cid) else { return Ok(Vec::new()) };
        let statements = self.records.statements(receipt.claim)?;
        Ok(statements
            .into_iter()
            .filter(|statement| statement.object == cid)
            .map(|statement| statement.envelope)
            .collect())
    }

    /// A run that is here already, as if it had been asked for.
    pub(super) fn prepared_again(&self, run: &Run) -> Result<PreparedRun, Failure> {
        let in_use = self.store.in_use();
        let id = run.id();
        in_use.hold_dag(id.cid());
        let resolved = self.resolve(&run.program.to_string())?;
        Ok(PreparedRun { resolved, run: run.clone(), id, in_use })
    }
}

impl Seen {
    /// The answer that a verdict of this home is.
    pub(super) fn answer(&self, found: ClaimId, difference: Option<&Difference>, signed: Cid) -> VerifyAnswer {
        let difference = difference.map(difference_words);
        VerifyAnswer {
            claim: self.id.to_string(),
            verdict: word(difference.as_ref()),
            first_difference: difference,
            found: found.to_string(),
            run: self.claim.run.to_string(),
            signed: signed.to_string(),
            receipt_key: self.signer.map(|key| key.to_string()),
            by: None,
            sample: None,
        }
    }
}

fn word(difference: Option<&String>) -> VerdictWord {
    if difference.is_none() { VerdictWord::Same } else { VerdictWord::Differs }
}

/// A difference as people and scripts read it.
pub(super) fn difference_words(difference: &Difference) -> String {
    match difference {
        Difference::Effect { index } => format!("effect {index}"),
        Difference::Field(field) => field.to_string(),
    }
}
