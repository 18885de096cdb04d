//! Replays by other hosts: who is asked, and what a verdict is worth.

use std::sync::Arc;

use poai_net::{Ask, PeerId, VerdictAnswer, peer_of};
use poai_objects::{Claim, Object, Run};
use tokio_util::sync::CancellationToken;

use super::Node;
use super::hosts::Hosts;
use super::prepare::PreparedRun;
use super::remote::{LastWord, check_run, check_signer};
use super::replay::difference_words;
use super::run::Claimed;
use crate::control::{Place, RunRequest, VerdictWord, VerdictWords};
use crate::errors::{Failure, Kind};
use crate::events::{Event, Events};
use crate::shelf::Shelf;

impl Node {
    /// Has other hosts replay a claim, as many as the request wants.
    pub(super) async fn verify_elsewhere(
        self: &Arc<Self>,
        request: &RunRequest,
        prepared: &PreparedRun,
        claimed: &Claimed,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Vec<VerdictWords>, Failure> {
        let wanted = request.verify as usize;
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let elsewhere = RunRequest { on: Place::Network, ..request.clone() };
        let mut hosts = self.hosts_for(&elsewhere, prepared, events, cancel).await?;
        // Nobody replays its own claim.
        hosts.leave_out(claimed.host.unwrap_or_else(|| peer_of(&claimed.receipt.key)));
        let mut ask = self.ask_for_run(prepared)?;
        ask.purpose = Ask::for_verdict(&prepared.run, &claimed.claim).purpose;
        // What the task says was heard when it was run.
        ask.want_log = false;
        let mut verdicts = Vec::new();
        while verdicts.len() < wanted {
            let host =
                hosts.next(cancel).await.map_err(|failure| too_few(wanted, verdicts.len(), &claimed.claim, failure))?;
            match self.verdict_of(&hosts, host, ask.clone(), &claimed.claim, events, cancel).await {
                Ok(words) => {
                    hosts.leave_out(host);
                    events.send(Event::Verdict(words.clone()));
                    verdicts.push(words);
                }
                Err(failure) if failure.kind == Kind::Interrupted => return Err(failure),
                Err(failure) => hosts.give_up(host, failure.message, events),
            }
        }
        Ok(verdicts)
    }

    async fn verdict_of(
        self: &Arc<Self>,
        hosts: &Hosts<'_>,
        host: PeerId,
        ask: Ask,
        seen: &Claim,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<VerdictWords, Failure> {
        match self.ask_host(hosts.network, host, ask, events, cancel).await? {
            LastWord::Verdict(answer) => self.take_verdict(host, seen, &answer).await,
            LastWord::Receipt(_) => Err(Failure::new(Kind::Network, "it answered something else than was asked")),
            LastWord::Declined { reason, .. } | LastWord::Faulted(reason) => Err(Failure::new(Kind::Declined, reason)),
        }
    }

    /// Checks a host's verdict on a claim, and keeps it.
    async fn take_verdict(
        self: &Arc<Self>,
        host: PeerId,
        seen: &Claim,
        answer: &VerdictAnswer,
    ) -> Result<VerdictWords, Failure> {
        let (verdict, found) = answer.open()?;
        check_signer(&verdict, host)?;
        if verdict.object().seen != seen.id() {
            return Err(Failure::new(Kind::Network, format!("{host} judged another claim than it was asked about")));
        }
        check_run(&found, seen.run)?;
        let difference = verdict.object().first_difference.as_ref().map(difference_words);
        self.blocking(move |node| {
            let found = node.store.put_object(&found)?;
            let signed = node.keep_verdict(&verdict)?;
            Ok(VerdictWords {
                host: host.to_string(),
                verdict: if difference.is_none() { VerdictWord::Same } else { VerdictWord::Differs },
                first_difference: difference,
                found: found.to_string(),
                signed: signed.to_string(),
            })
        })
        .await
    }

    /// Has hosts replay a claim for `verify --on`.
    pub(super) async fn verdict_from(
        self: &Arc<Self>,
        request: &RunRequest,
        run: &Run,
        seen: &Claim,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<VerdictWords, Failure> {
        let prepared = self.prepared_again(run)?;
        let ask = Ask { want_log: false, ..Ask::for_verdict(run, seen) };
        let mut hosts = self.hosts_for(request, &prepared, events, cancel).await?;
        loop {
            let host = hosts.next(cancel).await?;
            match self.verdict_of(&hosts, host, ask.clone(), seen, events, cancel).await {
                Ok(words) => return Ok(words),
                Err(failure) if failure.kind == Kind::Interrupted => return Err(failure),
                Err(failure) => hosts.give_up(host, failure.message, events),
            }
        }
    }
}

fn too_few(wanted: usize, got: usize, claim: &Claim, failure: Failure) -> Failure {
    if failure.kind == Kind::Interrupted {
        return failure;
    }
    let message = format!("{got} of {wanted} replays were made of the claim {}: {}", claim.id(), failure.message);
    Failure { message, ..failure }.hint("the run itself is done, and kept: `poai verify CLAIM` replays it here")
}
