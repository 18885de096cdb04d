//! Receipts and verdicts: signing them, keeping them, finding them.

use std::time::{Duration, SystemTime};

use cid::Cid;
use poai_net::PeerId;
use poai_objects::{Claim, ClaimId, Finding, Object, PackageId, Receipt, SampledVerdict, Signed, Telemetry, Verdict};

use super::Node;
use crate::errors::Failure;
use crate::records::{ClaimRecord, Statement, StatementKind};
use crate::shelf::Shelf;

/// Why content of this home's own runs is kept.
const OWN: &str = "run";
/// Why content of replays is kept, for a while.
const REPLAYED: &str = "replayed";

/// A receipt that is kept here.
#[derive(Clone, Debug)]
pub(super) struct KeptReceipt {
    /// The receipt's payload.
    pub(super) id: Cid,
    /// Its signature.
    pub(super) envelope: Cid,
    pub(super) receipt: Receipt,
    pub(super) key: poai_objects::PublicKey,
}

/// How long a receipt's content is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// It is this home's own run.
    Own,
    /// It was a replay, which nobody fetches: until `store.retention_s` have passed.
    Replayed,
    /// It was this peer's: until it has fetched it, or `store.retention_s` have passed.
    Hosted { requester: PeerId },
}

impl Retention {
    /// The pin's name. Each requester has one of its own: what another has fetched says nothing of it.
    fn pin_name(self) -> String {
        match self {
            Self::Own => OWN.to_owned(),
            Self::Replayed => REPLAYED.to_owned(),
            Self::Hosted { requester } => format!("hosted for {requester}"),
        }
    }
}

impl Node {
    /// Signs this host's word for a claim that it computed, and keeps both.
    pub(super) fn sign_receipt(
        &self,
        claim: &Claim,
        package: Option<PackageId>,
        telemetry: Telemetry,
        retention: Retention,
    ) -> Result<(Signed<Receipt>, KeptReceipt), Failure> {
        let receipt = Receipt { claim: claim.id(), package, telemetry };
        let signed = Signed::sign(receipt, &self.keys.host)?;
        let kept = self.keep_receipt(&signed, claim, true, retention)?;
        Ok((signed, kept))
    }

    /// Keeps a receipt that was checked, its claim and all content. Everything must be here.
    pub(super) fn keep_receipt(
        &self,
        signed: &Signed<Receipt>,
        claim: &Claim,
        computed_here: bool,
        retention: Retention,
    ) -> Result<KeptReceipt, Failure> {
        let envelope = self.store.put_signed(signed)?;
        let claim_id = self.store.put_object(claim)?;
        let for_a_while = retention != Retention::Own;
        let until = for_a_while.then(|| self.end_of_retention());
        self.store.keep(envelope, &retention.pin_name(), until)?;
        let id: Cid = signed.object().id().into();
        let statement = Statement { kind: StatementKind::Receipt, object: id, envelope, key: *signed.key() };
        self.records.add_claim(claim.run, ClaimRecord { claim: claim_id, computed_here }, statement)?;
        Ok(KeptReceipt { id, envelope, receipt: signed.object().clone(), key: *signed.key() })
    }

    /// Until when content is kept that begins to be kept for a while.
    pub(super) fn end_of_retention(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.config.store.retention_s)
    }

    /// A requester has fetched all that a receipt leads to: it is kept for it no longer.
    pub(super) fn let_go_of_fetched(&self, requester: PeerId, envelope: &Cid) {
        let name = Retention::Hosted { requester }.pin_name();
        if let Err(error) = self.store.unpin(envelope, &name) {
            tracing::debug!(%requester, %envelope, %error, "what a peer says it fetched was not kept for it");
        }
    }

    /// Signs this host's verdict on a claim, and keeps it.
    pub(super) fn sign_verdict(&self, verdict: Verdict) -> Result<(Signed<Verdict>, Cid), Failure> {
        let signed = Signed::sign(verdict, &self.keys.host)?;
        let envelope = self.keep_verdict(&signed)?;
        Ok((signed, envelope))
    }

    /// Keeps a verdict that was checked. The claims that it names may be elsewhere, so nothing is pinned
    /// but the two blocks.
    pub(super) fn keep_verdict(&self, signed: &Signed<Verdict>) -> Result<Cid, Failure> {
        let kind = match signed.object().finding() {
            Finding::Same => StatementKind::Same,
            Finding::Differs => StatementKind::Differs,
        };
        self.keep_answer(signed, signed.object().seen, kind)
    }

    /// Signs this host's verdict by a sample, and keeps it. That nothing differed makes nobody believe a claim; that
    /// something did counts as in a full replay.
    pub(super) fn sign_sampled_verdict(&self, verdict: SampledVerdict) -> Result<Cid, Failure> {
        let signed = Signed::sign(verdict, &self.keys.host)?;
        let kind = match signed.object().first_difference {
            None => StatementKind::Sampled,
            Some(_) => StatementKind::Differs,
        };
        self.keep_answer(&signed, signed.object().seen, kind)
    }

    fn keep_answer<T: Object<Id: Into<Cid>>>(
        &self,
        signed: &Signed<T>,
        seen: ClaimId,
        kind: StatementKind,
    ) -> Result<Cid, Failure> {
        let envelope = self.store.put_signed(signed)?;
        let object: Cid = signed.object().id().into();
        for cid in [envelope, object] {
            self.store.pin(&poai_store::Pin {
                cid,
                mode: poai_store::PinMode::Direct,
                name: "verdict".into(),
                until: None,
            })?;
        }
        self.records.add_statement(seen, Statement { kind, object, envelope, key: *signed.key() })?;
        Ok(envelope)
    }

    /// A receipt about a claim: this host's own if it has one, else the first.
    pub(super) fn receipt_of(&self, claim: ClaimId) -> Result<Option<KeptReceipt>, Failure> {
        let own = self.keys.host.public();
        let mut receipts: Vec<Statement> = self.records.statements(claim)?;
        receipts.retain(|statement| statement.kind == StatementKind::Receipt);
        receipts.sort_by_key(|statement| statement.key != own);
        for statement in receipts {
            // A receipt that was collected or damaged meanwhile is no receipt.
            if let Ok(signed) = self.store.signed::<Receipt>(&statement.envelope) {
                let key = *signed.key();
                let kept = KeptReceipt {
                    id: statement.object,
                    envelope: statement.envelope,
                    receipt: signed.into_object(),
                    key,
                };
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }
}
