use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cid::Cid;
use poai_net::PeerId;
use poai_objects::{Claim, Object, Outcome, PackageId, Trap};
use poai_store::unixfs::{self, ExportLimits};
use tokio_util::sync::CancellationToken;

use super::execute::{Order, Say};
use super::prepare::PreparedRun;
use super::statements::{KeptReceipt, Retention};
use super::{Node, broken_off};
use crate::attempts::Attempt;
use crate::claim_cache::{self, Why};
use crate::clock;
use crate::control::{
    Answer, DetachedAnswer, OutcomeKind, OutcomeWords, OutputWords, Place, RunAnswer, RunRequest, TelemetryWords,
    VerdictWords,
};
use crate::errors::{Failure, Kind};
use crate::events::{Event, Events};
use crate::output_folder;
use crate::records::{AttemptRecord, AttemptState};
use crate::shelf::Shelf;

/// Said before anything leaves this machine.
const SEEN: &str = "a host sees the task's code and all its inputs, and anybody who knows an output's CID can fetch it";
/// The output that is a plain program's standard output.
const STDOUT: &str = "stdout";

/// How a run came to its claim.
pub(super) struct Claimed {
    pub(super) claim: Claim,
    pub(super) receipt: KeptReceipt,
    /// Who executed it; none if this node did.
    pub(super) host: Option<PeerId>,
    /// Why the claim was believed without executing.
    pub(super) known: Option<Why>,
}

impl Node {
    /// Runs what a command asks for, here or elsewhere, unless its claim is known.
    pub(super) async fn run(
        self: &Arc<Self>,
        request: RunRequest,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let prepared = self.prepare(&request, events, cancel).await?;
        let known = if request.cache && !request.detach { self.known_claim(&prepared).await? } else { None };
        if request.verify > 0 || (known.is_none() && request.on != Place::Local) {
            events.notice(SEEN);
        }
        if let Some(claimed) = known {
            let verdicts = self.verify_elsewhere(&request, &prepared, &claimed, events, cancel).await?;
            return self.present(&request, &prepared, claimed, verdicts).await.map(|run| Answer::Ran(Box::new(run)));
        }
        if request.on != Place::Local {
            self.check_quarantine(prepared.id, request.cache)?;
        }
        let cancel = if request.detach { CancellationToken::new() } else { cancel.child_token() };
        let attempt = self.begin_attempt(&prepared, &request, None, cancel)?;
        if !request.detach {
            attempt.watch(events.clone());
        }
        let number = attempt.record().number;
        let run = prepared.id.to_string();
        events.send(Event::Attempt { attempt: number, run: run.clone() });
        let detach = request.detach;
        let node = self.clone();
        let work = tokio::spawn(async move { node.work(request, prepared, &attempt).await });
        if detach {
            return Ok(Answer::Detached(DetachedAnswer { attempt: number, run }));
        }
        work.await.map_err(broken_off)?.map(|run| Answer::Ran(Box::new(run)))
    }

    /// Gives an attempt its number and writes it down.
    pub(super) fn begin_attempt(
        &self,
        prepared: &PreparedRun,
        request: &RunRequest,
        requester: Option<String>,
        cancel: CancellationToken,
    ) -> Result<Arc<Attempt>, Failure> {
        let on = match &request.on {
            Place::Local => "local".to_owned(),
            Place::Network => "network".to_owned(),
            Place::Peer(peer) => peer.clone(),
        };
        let record = AttemptRecord {
            number: 0,
            run: prepared.id,
            target: request.label.clone(),
            on,
            requester,
            detached: request.detach,
            started_ms: clock::now_ms(),
            ended_ms: None,
            state: AttemptState::Waiting,
            claim: None,
            receipt: None,
            failure: None,
        };
        let (record, forgotten) = self.records.add_attempt(record)?;
        self.attempts.forget(&forgotten);
        self.attempts.begin(record, cancel)
    }

    /// One attempt from its number to its answer. Whatever comes of it is written down before it ends.
    async fn work(
        self: Arc<Self>,
        request: RunRequest,
        prepared: PreparedRun,
        attempt: &Arc<Attempt>,
    ) -> Result<RunAnswer, Failure> {
        let answer = self.claim_and_present(&request, &prepared, attempt).await;
        self.end_attempt(attempt, answer.as_ref().err());
        answer
    }

    async fn claim_and_present(
        self: &Arc<Self>,
        request: &RunRequest,
        prepared: &PreparedRun,
        attempt: &Arc<Attempt>,
    ) -> Result<RunAnswer, Failure> {
        let (events, mut heard) = Events::channel();
        let relay = {
            let attempt = attempt.clone();
            tokio::spawn(async move {
                while let Some(event) = heard.recv().await {
                    attempt.say(&event);
                }
            })
        };
        let claimed = self.claimed(request, prepared, attempt, &events).await;
        let done = match claimed {
            Ok(claimed) => {
                self.records.forget_faults(prepared.id)?;
                attempt.change(|record| {
                    record.state = state_of(&claimed.claim.outcome);
                    record.claim = Some(claimed.claim.id());
                    record.receipt = Some(claimed.receipt.envelope);
                });
                self.give_to_kubo(claimed.receipt.envelope, &events, &attempt.cancel).await;
                match self.verify_elsewhere(request, prepared, &claimed, &events, &attempt.cancel).await {
                    Ok(verdicts) => self.present(request, prepared, claimed, verdicts).await,
                    Err(failure) => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        };
        // The task's last lines are kept and shown before the attempt ends.
        drop(events);
        relay.await.map_err(broken_off)?;
        done
    }

    async fn claimed(
        self: &Arc<Self>,
        request: &RunRequest,
        prepared: &PreparedRun,
        attempt: &Arc<Attempt>,
        events: &Events,
    ) -> Result<Claimed, Failure> {
        if request.cache
            && let Some(claimed) = self.known_claim(prepared).await?
        {
            return Ok(claimed);
        }
        let package = prepared.resolved.package.as_ref().map(|(id, _)| *id);
        match &request.on {
            Place::Local => self.claim_locally(request, prepared, package, attempt, events).await,
            _ => self.claim_remotely(request, prepared, attempt, events).await,
        }
    }

    async fn claim_locally(
        self: &Arc<Self>,
        request: &RunRequest,
        prepared: &PreparedRun,
        package: Option<PackageId>,
        attempt: &Arc<Attempt>,
        events: &Events,
    ) -> Result<Claimed, Failure> {
        self.bring(*prepared.id.cid(), &request.peers, events, &attempt.cancel).await?;
        let place = self.scheduler.enter(None, prepared.run.limits.memory_bytes).map_err(|reason| {
            Failure::new(Kind::BadInput, reason.to_string()).hint("raise the limit in this home's configuration")
        })?;
        let say = say_to(events);
        let order = Order { timeout: request.timeout, ..Order::whole(&prepared.run, place) };
        let executed = self.execute(order, &prepared.in_use, &say, &attempt.cancel).await?;
        self.blocking(move |node| {
            let (_, receipt) = node.sign_receipt(&executed.claim, package, executed.telemetry, Retention::Own)?;
            Ok(Claimed { claim: executed.claim, receipt, host: None, known: None })
        })
        .await
    }

    /// The claim that is known for a run, with a receipt for it.
    async fn known_claim(self: &Arc<Self>, prepared: &PreparedRun) -> Result<Option<Claimed>, Failure> {
        let id = prepared.id;
        self.blocking(move |node| {
            let Some(known) = claim_cache::look_up(id, &node.trust, &node.records, &node.store)? else {
                return Ok(None);
            };
            // Without a receipt at hand there is nothing to show for it: the run is executed again.
            let Some(receipt) = node.receipt_of(known.id)? else { return Ok(None) };
            Ok(Some(Claimed { claim: known.claim, receipt, host: None, known: Some(known.why) }))
        })
        .await
    }

    /// Writes down how an attempt ended, and lets those who wait for it go on.
    pub(super) fn end_attempt(&self, attempt: &Attempt, failure: Option<&Failure>) {
        let record = attempt.change(|record| {
            record.ended_ms = Some(clock::now_ms());
            record.failure = failure.cloned();
            if let Some(failure) = failure
                && record.claim.is_none()
            {
                record.state = match failure.kind {
                    Kind::Interrupted => AttemptState::Cancelled,
                    Kind::Refused => AttemptState::Refused,
                    _ => AttemptState::Faulted,
                };
            }
        });
        if let Err(failure) = self.records.update_attempt(&record) {
            tracing::error!(%failure, attempt = record.number, "how the attempt ended is not written down");
        }
        self.attempts.end(attempt);
    }

    /// The answer to a run, once its outputs are where the request wants them.
    async fn present(
        self: &Arc<Self>,
        request: &RunRequest,
        prepared: &PreparedRun,
        claimed: Claimed,
        verdicts: Vec<VerdictWords>,
    ) -> Result<RunAnswer, Failure> {
        let plain = prepared.resolved.is_plain();
        let (output, stdout_to) = (request.output.clone(), request.stdout_to.clone().filter(|_| plain));
        self.blocking(move |node| {
            if let Some(folder) = &output {
                output_folder::write(&node.store, &claimed.claim.outputs, folder)?;
            }
            if let (Some(path), Some(link)) = (&stdout_to, claimed.claim.outputs.get(STDOUT)) {
                export_to(node, link.cid(), path)?;
            }
            node.run_answer(&claimed, plain, verdicts)
        })
        .await
    }

    /// The words for a claim and its receipt.
    pub(super) fn run_answer(
        &self,
        claimed: &Claimed,
        plain: bool,
        verdicts: Vec<VerdictWords>,
    ) -> Result<RunAnswer, Failure> {
        let Claimed { claim, receipt, host, known } = claimed;
        let mut outputs = BTreeMap::new();
        for (name, link) in &claim.outputs {
            let words = OutputWords { cid: link.to_string(), bytes: self.content_bytes(link.cid())? };
            outputs.insert(name.to_string(), words);
        }
        let telemetry = &receipt.receipt.telemetry;
        Ok(RunAnswer {
            run: claim.run.to_string(),
            claim: claim.id().to_string(),
            receipt: receipt.id.to_string(),
            envelope: Some(receipt.envelope.to_string()),
            outcome: outcome_words(&claim.outcome),
            fuel: claim.fuel.0,
            outputs,
            cached: known.is_some(),
            cached_from: known.map(|why| why.to_string()),
            host: host.map(|host| host.to_string()),
            verdicts,
            telemetry: TelemetryWords {
                started_ms: telemetry.started_ms,
                wall_us: telemetry.wall_us,
                prepare_us: telemetry.prepare_us,
                device: telemetry.device.clone(),
            },
            plain,
        })
    }

    /// The answer of a claim that is written down, for `wait`.
    pub(super) fn answer_of_record(&self, record: &AttemptRecord) -> Result<RunAnswer, Failure> {
        if let Some(failure) = &record.failure {
            return Err(failure.clone());
        }
        let gone = || {
            Failure::new(
                Kind::NotFound,
                format!(
                    "attempt {} ended as {}, and its claim is no longer here",
                    record.number,
                    record.state.as_str()
                ),
            )
        };
        let claim_id = record.claim.ok_or_else(gone)?;
        let claim: Claim = self.store.object(claim_id)?;
        let receipt = self.receipt_of(claim_id)?.ok_or_else(gone)?;
        let run: poai_objects::Run = self.store.object(claim.run)?;
        let program: poai_objects::Program = self.store.object(run.program)?;
        let host = record.on.parse().ok();
        let plain = program.world == poai_objects::World::Command;
        self.run_answer(&Claimed { claim, receipt, host, known: None }, plain, Vec::new())
    }
}

/// Hands what happens to whoever watches.
pub(super) fn say_to(events: &Events) -> Say {
    let events = events.clone();
    Arc::new(move |event| events.send(event))
}

/// How an attempt stands once its run has this outcome.
pub(super) fn state_of(outcome: &Outcome) -> AttemptState {
    match outcome {
        Outcome::Ok => AttemptState::Ok,
        Outcome::Failed { .. } => AttemptState::Failed,
        Outcome::Trapped { .. } => AttemptState::Trapped,
    }
}

fn export_to(node: &Node, cid: &Cid, path: &Path) -> Result<(), Failure> {
    unixfs::export(&node.store, cid, path, &ExportLimits::default())?;
    Ok(())
}

/// The words for an outcome. A plain program's exit status is told apart.
fn outcome_words(outcome: &Outcome) -> OutcomeWords {
    let words = |kind| OutcomeWords { kind, message: None, exit_code: None, trap: None };
    match outcome {
        Outcome::Ok => words(OutcomeKind::Ok),
        Outcome::Failed { message } => OutcomeWords {
            message: Some(message.clone()),
            exit_code: message.strip_prefix("exit status ").and_then(|code| code.parse().ok()),
            ..words(OutcomeKind::Failed)
        },
        Outcome::Trapped { trap } => {
            let trap: &Trap = trap;
            OutcomeWords { trap: Some(trap.to_string()), ..words(OutcomeKind::Trapped) }
        }
    }
}
