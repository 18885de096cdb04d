//! The life of a run in this process: a thread of its own, one instance, one call, one ending.

mod ending; // what every error of wasmtime means
pub(crate) mod float_control; // the processor's rounding modes
mod stage; // the thread on which guests live

use std::sync::Arc;
use std::time::Instant;

use poai_objects::{Fuel, Outcome, OutputName, Run, TraceRoot, Trap};
use serde::{Deserialize, Serialize};
use wasmtime::Store;
use wasmtime::component::Instance;

use self::ending::{Ending, classify};
pub use self::stage::Stage;
use crate::guest::Guest;
use crate::guest::host::Host;
use crate::guest_text::printable;
use crate::link::Entry;
use crate::models::Models;
use crate::{Content, Fault, Loaded, Sink};

/// Bytes that one host call may lift from the guest: what this host must hold for it. More is an error of the
/// component model, the same everywhere.
const LIFTED_BYTES: usize = 128 << 20;

/// What the device beside the processor did for a run: telemetry, never part of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accelerated {
    /// How often it computed a part of a model.
    pub models: u64,
    /// Dispatches of the task's own kernels.
    pub kernels: u64,
}

impl Accelerated {
    /// Whether it did anything.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.models > 0 || self.kernels > 0
    }
}

/// How a run ended: what a claim says, before the outputs have their CIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How the guest ended.
    pub outcome: Outcome,
    /// What it cost; exactly the limit if it ran out.
    pub fuel: Fuel,
    /// The outputs that the sink has whole, in the order of their names. Empty if the run trapped: whatever the sink
    /// was given is to be forgotten.
    pub outputs: Vec<OutputName>,
    /// The accelerated calls.
    pub trace: TraceRoot,
    /// The first recalled effect that came out otherwise when it was computed again: of replays alone.
    pub first_difference: Option<u64>,
    /// Wall time inside the guest, microseconds: telemetry, never part of a claim.
    pub guest_us: u64,
    /// What the device beside the processor did.
    pub accelerated: Accelerated,
}

/// Executes one run on a [`Stage`] of its own.
///
/// # Errors
/// A fault of this host; never anything that the guest did.
pub fn execute(loaded: &Loaded, run: &Run, content: &dyn Content, sink: &mut dyn Sink) -> Result<Finished, Fault> {
    Stage::new()?.execute(loaded, run, content, sink)
}

/// A whole life, on the guest's thread.
fn live(loaded: &Loaded, run: Run, host: Host, models: &Arc<Models>) -> Result<Finished, Fault> {
    float_control::reset();
    let runs_before = models.accelerator_runs();
    let begin = Instant::now();
    let mut store = Store::new(loaded.instance.engine(), Guest::new(run, loaded, host, Arc::clone(models)));
    store.limiter(|guest| &mut guest.limiter);
    store.set_hostcall_fuel(LIFTED_BYTES);
    let ending = match call(loaded, &mut store) {
        Ok(ending) => ending,
        Err(error) => classify(&error, &mut store)?,
    };
    let ending = close(ending, store.data_mut())?;
    let first_difference = store.data_mut().end_recomputing()?;
    let trace = store.data_mut().end_trace();
    let accelerated = Accelerated {
        models: models.accelerator_runs().saturating_sub(runs_before),
        kernels: store.data().dispatches_on_device,
    };
    let guest_us = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(Finished {
        outcome: ending.outcome,
        fuel: store.data().meter.spent_when(ending.fuel_left),
        outputs: ending.outputs,
        trace,
        first_difference,
        guest_us,
        accelerated,
    })
}

/// Instantiates and calls the entry. An error is everything that did not end by itself.
fn call(loaded: &Loaded, store: &mut Store<Guest>) -> wasmtime::Result<Ending> {
    store.data_mut().begin()?;
    let instance = loaded.instance.instantiate(&mut *store)?;
    store.data_mut().limiter.born();
    let outcome = match loaded.entry {
        Entry::Task(run) => {
            let run = instance.get_typed_func::<(), (Result<(), String>,)>(&mut *store, run)?;
            let (result,) = run.call(&mut *store, ())?;
            result.map_or_else(|message| Outcome::failed(&printable(&message)), |()| Outcome::Ok)
        }
        Entry::Command(run) => {
            let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, run)?;
            let (result,) = run.call(&mut *store, ())?;
            exit_outcome(u8::from(result.is_err()))
        }
    };
    let left = fuel_left(loaded, &instance, store)?;
    Ok(Ending::new(outcome, store.data().meter.left_of(left)))
}

/// What the guest's own counter says at the end.
fn fuel_left(loaded: &Loaded, instance: &Instance, store: &mut Store<Guest>) -> wasmtime::Result<i64> {
    let fuel_left = instance.get_typed_func::<(), (i64,)>(&mut *store, loaded.fuel_left)?;
    let (left,) = fuel_left.call(&mut *store, ())?;
    Ok(left)
}

/// A plain program's exit status as an outcome.
fn exit_outcome(status: u8) -> Outcome {
    match status {
        0 => Outcome::Ok,
        status => Outcome::failed(&format!("exit status {status}")),
    }
}

/// Sends out what is left to send, and settles what only the whole can tell.
fn close(mut ending: Ending, guest: &mut Guest) -> Result<Ending, Fault> {
    if ending.fuel_left < 0 {
        ending.outcome = Outcome::Trapped { trap: Trap::OutOfFuel };
    }
    if !matches!(ending.outcome, Outcome::Trapped { .. }) {
        match guest.finish() {
            Ok(outputs) => ending.outputs = outputs,
            Err(stop) => ending.outcome = ending::of_stop(&stop)?,
        }
    }
    guest.finish_words().or_else(|stop| ending::of_stop(&stop).map(drop))?;
    Ok(ending)
}
