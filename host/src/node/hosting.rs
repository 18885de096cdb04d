//! Runs of others: whose are taken, and what they get.

use std::sync::Arc;
use std::time::Duration;

use poai_net::{
    Ask, Decline, DeclineReason, FaultKind, IncomingRun, LogLine, NetEvent, PeerId, Progress, ReceiptAnswer, Responder,
    RunFault, Stage, VerdictAnswer,
};
use poai_objects::{Claim, EngineName, Object, Package, Run, Signed};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::execute::{Executed, Order, Say};
use super::network::Network;
use super::prepare::PreparedRun;
use super::run::state_of;
use super::statements::Retention;
use super::{Node, offer};
use crate::claim_cache;
use crate::control::{Place as On, RunRequest, Target};
use crate::errors::{Failure, Kind};
use crate::events::{Event, Events, LogLevel};
use crate::policy::Asked;
use crate::scheduler::{NoPlace, Place};
use crate::shelf::Shelf;

/// How often a daemon drops what nothing keeps.
const COLLECT_EVERY: Duration = Duration::from_secs(3600);

/// A run that this host has agreed to look at.
struct Taken {
    run: Run,
    /// The claim in doubt, if a verdict is asked for.
    seen: Option<Claim>,
    package: Option<Signed<Package>>,
    place: Place,
}

impl Node {
    /// Makes this node a daemon: joins the network, takes runs by the policy, and offers itself. Gives the
    /// peer's id and where it listens.
    pub(crate) async fn start_hosting(self: &Arc<Self>) -> Result<(String, Vec<String>), Failure> {
        self.hosting.get_or_init(|| ());
        let network = self.network().await?;
        if !self.policy.is_closed() {
            self.workers().await?;
            let incoming = network.net.incoming_runs();
            if let Some(mut incoming) = incoming {
                let (node, stop) = (self.clone(), network.stop.clone());
                tokio::spawn(async move {
                    while let Some(asked) = next_or_stop(&mut incoming, &stop).await {
                        let node = node.clone();
                        tokio::spawn(async move { node.serve(asked).await });
                    }
                });
            }
            self.let_go_of_what_is_fetched(network);
            self.offer_again_and_again(network);
        }
        self.provide_all().await?;
        self.collect_again_and_again(network);
        let addresses = network.net.addresses().await?.iter().map(ToString::to_string).collect();
        Ok((network.net.peer().to_string(), addresses))
    }

    /// Whether this node is a daemon.
    pub(super) fn is_daemon(&self) -> bool {
        self.hosting.get().is_some()
    }

    fn offer_again_and_again(self: &Arc<Self>, network: &Network) {
        let (node, stop) = (self.clone(), network.stop.clone());
        tokio::spawn(async move {
            loop {
                if let Some(network) = node.network.get()
                    && let Err(failure) = node.publish_offer(network).await
                {
                    tracing::warn!(%failure, "this host's offer is not spread");
                }
                tokio::select! {
                    () = tokio::time::sleep(offer::EVERY) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    /// Ends the retention of outputs that their requesters have fetched. One that is not heard lasts its time.
    fn let_go_of_what_is_fetched(self: &Arc<Self>, network: &Network) {
        let (node, stop, mut events) = (self.clone(), network.stop.clone(), network.net.events());
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    event = events.recv() => event,
                    () = stop.cancelled() => return,
                };
                match event {
                    Ok(NetEvent::ReceiptFetched { peer, envelope }) => {
                        let done = node.blocking(move |node| {
                            node.let_go_of_fetched(peer, &envelope);
                            Ok(())
                        });
                        if let Err(failure) = done.await {
                            tracing::warn!(%failure, "what a requester fetched is still kept");
                        }
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    /// Drops what nothing keeps any more, for instance outputs that nobody fetched in time.
    fn collect_again_and_again(self: &Arc<Self>, network: &Network) {
        let (node, stop) = (self.clone(), network.stop.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(COLLECT_EVERY) => {}
                    () = stop.cancelled() => return,
                }
                if let Err(failure) = node.collect_garbage(false).await {
                    tracing::warn!(%failure, "nothing was collected");
                }
            }
        });
    }

    /// Announces what is published here.
    async fn provide_all(self: &Arc<Self>) -> Result<(), Failure> {
        let packages = self.records.packages()?;
        let node = self.clone();
        tokio::spawn(async move {
            for record in packages {
                node.provide(record.package).await;
            }
        });
        Ok(())
    }

    /// Serves one ask to its last word. A requester that goes away or cancels ends the work.
    async fn serve(self: &Arc<Self>, asked: IncomingRun) {
        let IncomingRun { peer, ask, responder } = asked;
        let taken = match self.take(peer, &ask) {
            Ok(taken) => taken,
            Err(decline) => {
                tracing::info!(%peer, reason = decline.text, "a run is declined");
                return responder.decline(decline).await;
            }
        };
        responder.accept(taken.place.ahead()).await;
        let cancel = CancellationToken::new();
        let responder = Arc::new(responder);
        let done = {
            let work = self.work_for(peer, taken, &responder, &cancel);
            tokio::pin!(work);
            tokio::select! {
                done = &mut work => done,
                ending = responder.ended() => {
                    tracing::info!(%peer, ?ending, "the requester no longer wants its run");
                    cancel.cancel();
                    work.await
                }
            }
        };
        let Some(responder) = Arc::into_inner(responder) else {
            return tracing::warn!(%peer, "an answer was still being written when its run had ended");
        };
        match done {
            Ok(Answered::Receipt(answer)) => responder.receipt(answer).await,
            Ok(Answered::Verdict(answer)) => responder.verdict(answer).await,
            Err(failure) if failure.kind == Kind::Refused => responder.decline(refused(&failure)).await,
            Err(failure) => {
                tracing::info!(%peer, %failure, "a run came to no claim");
                responder.fault(RunFault { kind: fault_kind(&failure), text: failure.message }).await;
            }
        }
    }

    /// Looks at an ask before anything is fetched: form, engine, policy, limits, a place in the queue.
    fn take(&self, peer: PeerId, ask: &Ask) -> Result<Taken, Decline> {
        let malformed =
            |error: poai_objects::ObjectError| Decline { reason: DeclineReason::Malformed, text: error.to_string() };
        let run = ask.run().map_err(malformed)?;
        let seen = ask.claim().map_err(malformed)?;
        let package = ask.package.as_ref().map(|package| package.open::<Package>()).transpose().map_err(malformed)?;
        let package = package.filter(|package| package.object().program == run.program);
        if run.engine != EngineName::CURRENT {
            let text = format!("this host speaks engine {}, and the run is for {}", EngineName::CURRENT, run.engine);
            return Err(Decline { reason: DeclineReason::Engine, text });
        }
        if seen.as_ref().is_some_and(|claim| claim.run != run.id()) {
            return Err(Decline { reason: DeclineReason::Malformed, text: "the claim is about another run".into() });
        }
        let named = package.as_ref().map(|package| (package.object().id(), *package.key()));
        if !self.policy.accepts(&Asked { peer, program: run.program, package: named }) {
            let text = format!("its operator has named neither the program {} nor this requester", run.program);
            return Err(Decline { reason: DeclineReason::Policy, text });
        }
        let place =
            self.scheduler.enter(Some(&peer.to_string()), run.limits.memory_bytes).map_err(|no_place| Decline {
                reason: if matches!(no_place, NoPlace::TooMuchMemory { .. }) {
                    DeclineReason::Limits
                } else {
                    DeclineReason::Busy
                },
                text: no_place.to_string(),
            })?;
        Ok(Taken { run, seen, package, place })
    }

    /// Fetches what a run needs, executes it, and makes the signed answer.
    async fn work_for(
        self: &Arc<Self>,
        peer: PeerId,
        taken: Taken,
        responder: &Arc<Responder>,
        cancel: &CancellationToken,
    ) -> Result<Answered, Failure> {
        let Taken { run, seen, package, place } = taken;
        let in_use = self.store.in_use();
        let id = run.id();
        in_use.hold_dag(id.cid());
        self.store.put_object(&run)?;
        if let Some(package) = &package {
            in_use.hold_dag(package.object().id().cid());
            self.store.put_signed(package)?;
        }
        if seen.is_none()
            && let Some(answer) = self.known_answer(peer, &run, package.as_ref()).await?
        {
            return Ok(answer);
        }
        let (events, mut heard) = Events::channel();
        let relay = tokio::spawn({
            let responder = responder.clone();
            async move {
                while let Some(event) = heard.recv().await {
                    pass_on(event, &responder);
                }
            }
        });
        let executed = self.fetch_and_execute(peer, run, in_use, place, &events, cancel).await;
        drop(events);
        relay.await.map_err(super::broken_off)?;
        let executed = executed?;
        match seen {
            None => self.receipt_for(peer, executed, package.as_ref()).await,
            Some(seen) => self.verdict_on(seen, executed).await,
        }
    }

    async fn fetch_and_execute(
        self: &Arc<Self>,
        peer: PeerId,
        run: Run,
        in_use: poai_store::InUse,
        place: Place,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Executed, Failure> {
        self.bring(*run.id().cid(), &[], events, cancel).await?;
        let prepared = PreparedRun { resolved: self.resolve(&run.program.to_string())?, id: run.id(), run, in_use };
        let request =
            RunRequest { on: On::Local, ..RunRequest::plain(Target::Named(prepared.resolved.id.to_string())) };
        let attempt = self.begin_attempt(&prepared, &request, Some(peer.to_string()), cancel.child_token())?;
        let say: Say = {
            let (attempt, events) = (attempt.clone(), events.clone());
            Arc::new(move |event: Event| {
                attempt.say(&event);
                events.send(event);
            })
        };
        let order = Order::whole(&prepared.run, place);
        let done = self.execute(order, &prepared.in_use, &say, &attempt.cancel).await;
        if let Ok(executed) = &done {
            attempt.change(|record| {
                record.state = state_of(&executed.claim.outcome);
                record.claim = Some(executed.claim.id());
            });
        }
        self.end_attempt(&attempt, done.as_ref().err());
        done
    }

    /// A new receipt for a run whose claim this host knows by its own rule.
    async fn known_answer(
        self: &Arc<Self>,
        requester: PeerId,
        run: &Run,
        package: Option<&Signed<Package>>,
    ) -> Result<Option<Answered>, Failure> {
        let (id, package) = (run.id(), package.map(|package| package.object().id()));
        self.blocking(move |node| {
            let Some(known) = claim_cache::look_up(id, &node.trust, &node.records, &node.store)? else {
                return Ok(None);
            };
            if known.why != claim_cache::Why::ComputedHere {
                return Ok(None);
            }
            let Some(receipt) = node.receipt_of(known.id)? else { return Ok(None) };
            let retention = Retention::Hosted { requester };
            let (signed, _) = node.sign_receipt(&known.claim, package, receipt.receipt.telemetry, retention)?;
            Ok(Some(Answered::Receipt(ReceiptAnswer::of(&signed, &known.claim))))
        })
        .await
    }

    async fn receipt_for(
        self: &Arc<Self>,
        requester: PeerId,
        executed: Executed,
        package: Option<&Signed<Package>>,
    ) -> Result<Answered, Failure> {
        let package = package.map(|package| package.object().id());
        self.blocking(move |node| {
            let Executed { claim, telemetry, .. } = executed;
            let (signed, _) = node.sign_receipt(&claim, package, telemetry, Retention::Hosted { requester })?;
            Ok(Answered::Receipt(ReceiptAnswer::of(&signed, &claim)))
        })
        .await
    }

    async fn verdict_on(self: &Arc<Self>, seen: Claim, executed: Executed) -> Result<Answered, Failure> {
        self.blocking(move |node| {
            let verdict = node.judge(&seen, &executed.claim);
            node.sign_receipt(&executed.claim, None, executed.telemetry, Retention::Replayed)?;
            let (signed, _) = node.sign_verdict(verdict)?;
            Ok(Answered::Verdict(VerdictAnswer::of(&signed, &executed.claim)))
        })
        .await
    }
}

/// A host's signed last word.
enum Answered {
    Receipt(ReceiptAnswer),
    Verdict(VerdictAnswer),
}

async fn next_or_stop(incoming: &mut poai_net::IncomingRuns, stop: &CancellationToken) -> Option<IncomingRun> {
    tokio::select! {
        asked = incoming.next() => asked,
        () = stop.cancelled() => None,
    }
}

fn refused(failure: &Failure) -> Decline {
    Decline {
        reason: DeclineReason::Refused { rule: failure.rule.clone().unwrap_or_default() },
        text: failure.message.clone(),
    }
}

fn fault_kind(failure: &Failure) -> FaultKind {
    match failure.kind {
        Kind::NotFound | Kind::NoPeer | Kind::Network | Kind::WrongCid => FaultKind::Content,
        Kind::DiskFull => FaultKind::Storage,
        Kind::TimedOut => FaultKind::Watchdog,
        Kind::Interrupted => FaultKind::Stopped,
        Kind::HostFault => FaultKind::WorkerDied,
        _ => FaultKind::Unknown,
    }
}

/// Tells the requester what happens here.
fn pass_on(event: Event, responder: &Responder) {
    let progress = |stage, done, total, what: String| responder.progress(Progress { stage, done, total, what });
    match event {
        Event::Queued { ahead } => progress(Stage::Queued, ahead, None, String::new()),
        Event::Fetching { done_bytes, total_bytes, .. } => {
            progress(Stage::Fetching, done_bytes, total_bytes, String::new())
        }
        Event::Started { .. } => progress(Stage::Running, 0, None, "running".into()),
        Event::Progress { done, total, what } => progress(Stage::Running, done, total, what),
        Event::Log { level, message } => responder.log(LogLine { level: level_of(level), text: message }),
        _ => {}
    }
}

fn level_of(level: LogLevel) -> poai_net::LogLevel {
    match level {
        LogLevel::Trace => poai_net::LogLevel::Trace,
        LogLevel::Debug => poai_net::LogLevel::Debug,
        LogLevel::Info => poai_net::LogLevel::Info,
        LogLevel::Warn => poai_net::LogLevel::Warn,
        LogLevel::Error => poai_net::LogLevel::Error,
    }
}
