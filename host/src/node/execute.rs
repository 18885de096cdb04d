use std::sync::Arc;
use std::time::Duration;

use poai_objects::{Claim, Object, Program, Run, Telemetry};
use poai_sandbox::worker::{Attempt as Work, Cancel, Ran, RunError};
use poai_sandbox::{Sink, Word};
use poai_store::InUse;
use tokio_util::sync::CancellationToken;

use super::{Node, broken_off, interrupted, machine};
use crate::accelerator::Chosen;
use crate::clock;
use crate::content::StoreContent;
use crate::errors::{Failure, Kind};
use crate::events::Event;
use crate::output_sink::{OutputSink, Written};
use crate::recording::StoreRecording;
use crate::scheduler::Place;
use crate::shelf::Shelf;

/// One execution to be made.
pub(super) struct Order<'a> {
    pub(super) run: &'a Run,
    pub(super) place: Place,
    pub(super) timeout: Option<Duration>,
    /// Of a replay that computes a sample: where the other results come from.
    pub(super) recording: Option<Arc<StoreRecording>>,
}

impl<'a> Order<'a> {
    /// An execution that computes everything.
    pub(super) fn whole(run: &'a Run, place: Place) -> Self {
        Self { run, place, timeout: None, recording: None }
    }
}

/// What one execution came to.
#[derive(Clone, Debug)]
pub(super) struct Executed {
    pub(super) claim: Claim,
    pub(super) telemetry: Telemetry,
    /// The first recalled effect that came out otherwise when it was computed again.
    pub(super) first_difference: Option<u64>,
}

/// Why effects' tensors are kept, for a while.
const TENSORS: &str = "effects";

/// Hears what happens during an execution.
pub(super) type Say = Arc<dyn Fn(Event) + Send + Sync>;

impl Node {
    /// Executes a run here and gives its claim, never from the cache. What it links to must be at hand;
    /// `in_use` holds what comes of it.
    pub(super) async fn execute(
        self: &Arc<Self>,
        order: Order<'_>,
        in_use: &InUse,
        say: &Say,
        cancel: &CancellationToken,
    ) -> Result<Executed, Failure> {
        let timeout = order.timeout;
        let deadline = timeout.map(|timeout| tokio::time::Instant::now() + timeout);
        let timed_out = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let work = self.execute_in_turn(order, in_use, say, cancel);
        tokio::select! {
            done = work => done,
            () = timed_out => Err(Failure::new(
                Kind::TimedOut,
                format!("the run took longer than the {:?} that it was given", timeout.unwrap_or_default()),
            ).hint("raise --timeout; the same run goes on from nothing, since it leaves no claim")),
        }
    }

    async fn execute_in_turn(
        self: &Arc<Self>,
        order: Order<'_>,
        in_use: &InUse,
        say: &Say,
        cancel: &CancellationToken,
    ) -> Result<Executed, Failure> {
        let Order { run, mut place, recording, .. } = order;
        let ahead = place.ahead();
        let load = self.scheduler.load();
        if ahead > 0 || load.0 >= self.scheduler.limits().slots {
            say(Event::Queued { ahead });
        }
        tokio::select! {
            () = place.turn() => {}
            () = cancel.cancelled() => return Err(interrupted()),
        }
        say(Event::Started { on: "local".into() });
        let workers = self.workers().await?;
        let program: Program = self.store.object(run.program)?;
        let stop =
            Cancel::new().map_err(|error| Failure::new(Kind::HostFault, format!("no descriptor is left: {error}")))?;
        // Whoever drops this future, or cancels, kills the worker.
        let _killer = Killer(stop.clone());
        let started_ms = clock::now_ms();
        let (node, run, in_use, say) = (self.clone(), run.clone(), in_use.clone(), say.clone());
        let mut work = tokio::task::spawn_blocking({
            let stop = stop.clone();
            move || {
                let tensor_bytes = if recording.is_some() { 0 } else { node.config.store.effect_bytes };
                let content = StoreContent::new(node.store.clone(), node.whole_files.clone(), recording);
                let say = move |word: Word| say(word.into());
                let mut sink = OutputSink::new(node.store.clone(), &in_use, tensor_bytes, say);
                let mut execute =
                    |sink: &mut dyn Sink| workers.run(Work { program: &program, run: &run }, &content, sink, &stop);
                let ran = node.executor.run(&mut execute, &mut sink).map_err(failure_of)?;
                let telemetry = telemetry(&ran, started_ms, node.computing());
                node.speed.measured(ran.finished.fuel, ran.finished.guest_us);
                let first_difference = ran.finished.first_difference;
                let Written { claim, tensors } = sink.claim(run.id(), ran.finished)?;
                if let Some(tensors) = tensors {
                    node.store.keep(tensors, TENSORS, Some(node.end_of_retention()))?;
                }
                Ok::<Executed, Failure>(Executed { claim, telemetry, first_difference })
            }
        });
        let done = tokio::select! {
            done = &mut work => done,
            () = cancel.cancelled() => {
                stop.cancel();
                work.await
            }
        };
        done.map_err(broken_off)?
    }
}

/// Cancels an attempt when it is dropped.
struct Killer(Cancel);

impl Drop for Killer {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The accelerator is named if it did anything for the run.
fn telemetry(ran: &Ran, started_ms: u64, accelerator: Option<&Chosen>) -> Telemetry {
    let processor = machine::processor();
    let did = ran.finished.accelerated;
    let device = match accelerator.filter(|_| did.is_any()) {
        Some(chosen) => {
            tracing::info!(device = chosen.name(), models = did.models, kernels = did.kernels, "computed for a run");
            format!("{}; {processor}", machine::plain(chosen.name()))
        }
        None => processor,
    };
    Telemetry { started_ms, wall_us: ran.finished.guest_us, prepare_us: ran.prepare_us, device }
}

fn failure_of(error: RunError) -> Failure {
    match error {
        RunError::Refused { rule, message } => Failure::refused(&rule, &message),
        RunError::Fault(fault) => fault.into(),
        RunError::Busy { .. } => Failure::new(Kind::HostFault, error.to_string()),
    }
}
