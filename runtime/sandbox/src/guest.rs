//! What a running guest sees of the world: nothing of this machine.
//!
//! [`Guest`] is the state behind every host call. The interfaces are thin: [`task`], [`wasi`], [`nn`] and [`compute`] translate them to
//! the few things that a run has: an account of fuel and time, inputs, outputs, a disk in memory, randomness, models, kernels, words.

mod bindings; // generated from wit/
#[expect(unreachable_pub, reason = "the generated bindings re-export the types of resources")]
mod compute; // poai:compute
mod disk; // files under /out
mod effects; // the trace
mod handles; // what handles stand for
pub(crate) mod host; // the way to the caller's content and sink
mod inputs; // folders and files to read
pub(crate) mod memory; // the memory limit
pub(crate) mod meter; // fuel and time
#[expect(unreachable_pub, reason = "the generated bindings re-export the types of resources")]
mod nn; // wasi:nn
mod outputs; // named bytes to write
mod random; // what follows from the seed
pub(crate) mod stop; // why a host call ends the run
#[expect(unreachable_pub, reason = "the generated bindings re-export the types of resources")]
mod task; // poai:task
#[expect(unreachable_pub, reason = "the generated bindings re-export the types of resources")]
pub(crate) mod wasi; // the virtual WASI
mod words; // log and progress

use std::sync::Arc;

use poai_objects::{OutputName, Run, TraceRoot, World};
use wasmtime::component::{HasSelf, Linker};

use self::disk::Disk;
use self::effects::Effects;
use self::handles::Handles;
use self::host::Host;
use self::inputs::Inputs;
use self::memory::{Limiter, Memory};
use self::meter::Meter;
use self::nn::Nn;
use self::outputs::Outputs;
use self::random::Random;
use self::stop::Stop;
use self::words::Words;
use crate::models::Models;
use crate::{Fault, Loaded};

/// The state behind every host call of one run.
pub(crate) struct Guest {
    pub(crate) meter: Meter,
    pub(crate) limiter: Limiter,
    run: Run,
    world: World,
    host: Host,
    handles: Handles,
    inputs: Inputs,
    outputs: Outputs,
    disk: Disk,
    random: Random,
    nn: Nn,
    effects: Effects,
    memory: Arc<Memory>,
    words: Words,
    /// Kernels that a device has compiled, or was to.
    kernels_on_devices: u32,
    /// Dispatches that a device did.
    pub(crate) dispatches_on_device: u64,
}

/// The output that a plain program's standard output is.
const STDOUT: &str = "stdout";
/// The input that is a program's standard input.
const STDIN: &str = "stdin";

impl Guest {
    /// A guest that has done nothing yet.
    pub(crate) fn new(run: Run, loaded: &Loaded, host: Host, models: Arc<Models>) -> Self {
        let memory = Memory::new(run.limits.memory_bytes);
        Self {
            meter: Meter::new(&run.limits),
            limiter: Limiter::new(Arc::clone(&memory)),
            world: loaded.world(),
            handles: Handles::default(),
            inputs: Inputs::new(run.inputs.clone(), Arc::clone(&memory)),
            outputs: Outputs::new(&run.limits),
            disk: Disk::new(Arc::clone(&memory)),
            nn: Nn::new(Arc::clone(&loaded.models), models, Arc::clone(&memory)),
            effects: Effects::new(host.tensor_bytes),
            memory,
            random: Random::new(run.seed),
            words: Words::default(),
            kernels_on_devices: 0,
            dispatches_on_device: 0,
            host,
            run,
        }
    }

    /// A plain program's standard output is there even if nothing is written.
    pub(crate) fn begin(&mut self) -> Result<(), Stop> {
        match self.world {
            World::Task => Ok(()),
            World::Command => self.outputs.create(&self.host, &stdout_name()),
        }
    }

    /// Sends out what is left: files under `/out`, gathered bytes, the last line of log.
    pub(crate) fn finish(&mut self) -> Result<Vec<OutputName>, Stop> {
        for (name, file) in self.disk.files() {
            self.outputs.create(&self.host, &name)?;
            file.with_bytes(|bytes| self.outputs.append(&self.host, &name, bytes))?;
        }
        self.outputs.finish(&self.host)
    }

    /// The words that still wait for their line's end, however the run ended.
    pub(crate) fn finish_words(&mut self) -> Result<(), Stop> {
        self.words.finish(&self.host)
    }

    /// The trace of all accelerated calls; afterwards there is none.
    pub(crate) fn end_trace(&mut self) -> TraceRoot {
        self.effects.end()
    }

    /// Waits until everything is computed that was to be computed again. Gives the first effect that came out otherwise.
    pub(crate) fn end_recomputing(&mut self) -> Result<Option<u64>, Fault> {
        self.nn.end_recomputing()
    }

    /// Offers everything that a run offers.
    pub(crate) fn link(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        Meter::link(linker)?;
        bindings::Offered::add_to_linker::<_, HasSelf<Self>>(linker, |guest| guest)
    }
}

fn stdout_name() -> OutputName {
    STDOUT.parse().expect("the name is valid")
}
