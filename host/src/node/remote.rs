//! Runs on other hosts: whom to ask, what they say, and what their word is worth.

use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use poai_net::{
    Ask, DeclineReason, NetError, PeerId, ReceiptAnswer, RunEvent, SignedBytes, Stage, VerdictAnswer, peer_of,
};
use poai_objects::{Claim, Object, Package, RunId, Signed};
use tokio_util::sync::CancellationToken;

use super::hosts::Hosts;
use super::network::{Network, address};
use super::prepare::PreparedRun;
use super::run::Claimed;
use super::statements::Retention;
use super::{Node, interrupted};
use crate::attempts::Attempt;
use crate::control::{Place, RunRequest};
use crate::errors::{Failure, Kind};
use crate::events::{Event, Events, LogLevel};
use crate::shelf::Shelf;

/// How long a host may take to hear that its work is done: a courtesy, which no run waits long for.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the last word of a host was.
pub(super) enum LastWord {
    Receipt(ReceiptAnswer),
    Verdict(VerdictAnswer),
    Declined { reason: String, busy: bool, refused: bool },
    Faulted(String),
}

impl Node {
    /// Has a run executed by another host, and takes its claim, receipt and outputs in.
    pub(super) async fn claim_remotely(
        self: &Arc<Self>,
        request: &RunRequest,
        prepared: &PreparedRun,
        attempt: &Arc<Attempt>,
        events: &Events,
    ) -> Result<Claimed, Failure> {
        let work = self.claim_from_hosts(request, prepared, events, &attempt.cancel);
        let Some(timeout) = request.timeout else { return work.await };
        tokio::time::timeout(timeout, work).await.map_err(|_| {
            Failure::new(Kind::TimedOut, format!("no host was done within the {timeout:?} that the run was given"))
        })?
    }

    async fn claim_from_hosts(
        self: &Arc<Self>,
        request: &RunRequest,
        prepared: &PreparedRun,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Claimed, Failure> {
        let ask = self.ask_for_run(prepared)?;
        let mut hosts = self.hosts_for(request, prepared, events, cancel).await?;
        loop {
            let host = hosts.next(cancel).await?;
            events.send(Event::Started { on: host.to_string() });
            match self.ask_host(hosts.network, host, ask.clone(), events, cancel).await {
                Ok(LastWord::Receipt(answer)) => match self.take_receipt(host, prepared, &answer, events, cancel).await
                {
                    Ok(claimed) => return Ok(claimed),
                    Err(failure) if failure.kind == Kind::Interrupted => return Err(failure),
                    Err(failure) => hosts.give_up(host, failure.message, events),
                },
                Ok(LastWord::Verdict(_)) => {
                    hosts.give_up(host, "it answered something else than was asked".into(), events)
                }
                Ok(LastWord::Declined { refused: true, reason, .. }) => {
                    return Err(Failure::new(Kind::Refused, reason));
                }
                Ok(LastWord::Declined { busy: true, reason, .. }) => hosts.is_busy(host, reason),
                Ok(LastWord::Declined { reason, .. }) => hosts.give_up(host, reason, events),
                Ok(LastWord::Faulted(reason)) => {
                    hosts.came_to_nothing(host, reason.clone(), events);
                    self.count_fault(prepared.id, host, reason)?;
                }
                Err(failure) if failure.kind == Kind::Interrupted => return Err(failure),
                Err(failure) => hosts.give_up(host, failure.message, events),
            }
        }
    }

    /// What is asked of a host: the run, and the signed package by which it is known.
    pub(super) fn ask_for_run(&self, prepared: &PreparedRun) -> Result<Ask, Failure> {
        let mut ask = Ask::for_run(&prepared.run);
        if let Some((_, Some(envelope))) = &prepared.resolved.package {
            ask.package = Some(SignedBytes::of(&self.store.signed::<Package>(envelope)?));
        }
        Ok(ask)
    }

    pub(super) async fn hosts_for(
        self: &Arc<Self>,
        request: &RunRequest,
        prepared: &PreparedRun,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Hosts<'_>, Failure> {
        let network = self.network().await?;
        let mut only = None;
        if let Place::Peer(peer) = &request.on {
            only = Some(self.peer_named(network, peer).await?);
        }
        events.send(Event::LookingForHosts);
        tokio::select! {
            dialled = network.dial_all(&request.peers) => dialled?,
            () = cancel.cancelled() => return Err(interrupted()),
        };
        let patience = Duration::from_secs(self.config.network.patience_s);
        Ok(Hosts::new(network, only, prepared.run.limits.memory_bytes, patience))
    }

    /// A host that a request names: by its peer id, or by an address that ends in one.
    async fn peer_named(&self, network: &Network, text: &str) -> Result<PeerId, Failure> {
        if let Ok(peer) = text.parse() {
            return Ok(peer);
        }
        if !text.starts_with('/') {
            return Err(Failure::new(Kind::BadInput, format!("{text:?} is neither a peer id nor a multiaddr")));
        }
        network.dial(address(text)?).await
    }

    /// Asks one host, passes on what it says, and gives its last word. Dropping the stream cancels.
    pub(super) async fn ask_host(
        self: &Arc<Self>,
        network: &Network,
        host: PeerId,
        ask: Ask,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<LastWord, Failure> {
        reach(network, host).await;
        let asking = network.net.ask_run(host, ask);
        let mut stream = tokio::select! {
            stream = asking => stream?,
            () = cancel.cancelled() => return Err(interrupted()),
        };
        loop {
            let said = tokio::select! {
                said = stream.next() => said,
                () = cancel.cancelled() => return Err(interrupted()),
            };
            let said =
                said.ok_or_else(|| Failure::new(Kind::Network, format!("{host} went away without a last word")))?;
            match said {
                Ok(RunEvent::Receipt(answer)) => return Ok(LastWord::Receipt(answer)),
                Ok(RunEvent::Verdict(answer)) => return Ok(LastWord::Verdict(answer)),
                Ok(RunEvent::Declined(decline)) => {
                    let busy = decline.reason == DeclineReason::Busy;
                    let refused = matches!(decline.reason, DeclineReason::Refused { .. });
                    return Ok(LastWord::Declined { reason: format!("it declines: {}", decline.text), busy, refused });
                }
                Ok(RunEvent::Faulted(fault)) => return Ok(LastWord::Faulted(fault.text)),
                Ok(other) => pass_on(other, events),
                // A host that goes away in the middle may well have died of the run.
                Err(error @ (NetError::Disconnected { .. } | NetError::Silent { .. })) => {
                    return Ok(LastWord::Faulted(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Checks a host's receipt, fetches what the claim links to, and keeps all of it.
    async fn take_receipt(
        self: &Arc<Self>,
        host: PeerId,
        prepared: &PreparedRun,
        answer: &ReceiptAnswer,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Claimed, Failure> {
        let (receipt, claim) = answer.open()?;
        check_signer(&receipt, host)?;
        check_run(&claim, prepared.id)?;
        let id = self.store.put_object(&claim)?;
        prepared.in_use.hold_dag(id.cid());
        self.bring(*id.cid(), &[], events, cancel).await?;
        let claimed = self
            .blocking(move |node| {
                let receipt = node.keep_receipt(&receipt, &claim, false, Retention::Own)?;
                Ok(Claimed { claim, receipt, host: Some(host), known: None })
            })
            .await?;
        self.tell_fetched(host, claimed.receipt.envelope).await;
        Ok(claimed)
    }

    /// Tells a host that it need keep a run's outputs no longer. One that does not hear it keeps them for its time.
    async fn tell_fetched(self: &Arc<Self>, host: PeerId, envelope: Cid) {
        let Some(network) = self.network.get() else { return };
        let telling = tokio::time::timeout(FAREWELL, network.net.receipt_fetched(host, envelope));
        if !matches!(telling.await, Ok(Ok(()))) {
            tracing::debug!(%host, %envelope, "the host was not told that the outputs are fetched");
        }
    }
}

/// Connects to a host, at the addresses of its offer if no other is known. Asking says what is wrong if that fails.
async fn reach(network: &Network, host: PeerId) {
    if network.net.connect(host).await.is_ok() {
        return;
    }
    let offers = network.net.offers();
    let offer = offers.iter().find(|signed| peer_of(signed.key()) == host);
    for text in offer.iter().flat_map(|signed| &signed.object().addresses) {
        if let Ok(address) = text.parse()
            && network.net.dial(address).await.is_ok()
        {
            return;
        }
    }
}

pub(super) fn check_signer<T: Object>(signed: &Signed<T>, host: PeerId) -> Result<(), Failure> {
    let signer = peer_of(signed.key());
    if signer == host {
        return Ok(());
    }
    Err(Failure::new(Kind::ForgedSignature, format!("{host} gave something that {signer} signed")))
}

pub(super) fn check_run(claim: &Claim, run: RunId) -> Result<(), Failure> {
    if claim.run == run {
        return Ok(());
    }
    Err(Failure::new(Kind::Network, format!("the claim is about the run {}, not about {run}", claim.run)))
}

fn pass_on(event: RunEvent, events: &Events) {
    match event {
        RunEvent::Accepted { queue_position } if queue_position > 0 => {
            events.send(Event::Queued { ahead: queue_position })
        }
        RunEvent::Progress(progress) => {
            let what = match progress.stage {
                Stage::Queued => "waiting for a slot there".to_owned(),
                Stage::Fetching => "fetching there".to_owned(),
                Stage::Compiling => "compiling there".to_owned(),
                Stage::Running => progress.what,
                Stage::Storing => "storing there".to_owned(),
            };
            events.send(Event::Progress { done: progress.done, total: progress.total, what });
        }
        RunEvent::Log { lines, dropped } => {
            for line in lines {
                events.send(Event::Log { level: level_of(line.level), message: line.text });
            }
            if dropped > 0 {
                events.send(Event::Dropped { count: dropped });
            }
        }
        _ => {}
    }
}

fn level_of(level: poai_net::LogLevel) -> LogLevel {
    match level {
        poai_net::LogLevel::Trace => LogLevel::Trace,
        poai_net::LogLevel::Debug => LogLevel::Debug,
        poai_net::LogLevel::Info => LogLevel::Info,
        poai_net::LogLevel::Warn => LogLevel::Warn,
        poai_net::LogLevel::Error => LogLevel::Error,
    }
}
