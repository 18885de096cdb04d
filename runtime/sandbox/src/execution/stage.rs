use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use poai_objects::{EngineName, Run};

use super::{Finished, live};
use crate::engine::NATIVE_STACK_BYTES;
use crate::guest::host::{Host, serve, way};
use crate::models::{Accelerator, Models, Numerics};
use crate::{Content, Fault, Loaded, Sink};

/// Bytes of the thread's stack: wasm's part, and what host calls need above it.
const STACK_BYTES: usize = NATIVE_STACK_BYTES + (16 << 20);

/// A thread with a large stack, on which guests live one after another: making it takes longer than a short run.
pub struct Stage {
    lives: SyncSender<Life>,
    ends: Receiver<Result<Finished, Fault>>,
}

/// What the thread needs to let a guest live.
struct Life {
    loaded: Loaded,
    run: Run,
    host: Host,
}

impl Stage {
    /// Makes the thread. Models are computed as the default of [`Numerics`] says.
    ///
    /// # Errors
    /// [`Fault::HostMemory`] if this host has no thread or address space left.
    pub fn new() -> Result<Self, Fault> {
        Self::with(Numerics::default(), None)
    }

    /// Makes the thread. Models are kept ready from one life to the next, and computed by the accelerator if there is one.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub fn with(numerics: Numerics, accelerator: Option<Arc<dyn Accelerator>>) -> Result<Self, Fault> {
        let models = Arc::new(Models::new(numerics, accelerator));
        let (lives, next) = sync_channel::<Life>(1);
        let (ended, ends) = sync_channel(1);
        let act = move || {
            for Life { loaded, run, host } in next {
                // Whoever does not wait for the end has gone, and takes the stage along.
                ended.send(live(&loaded, run, host, &models)).ok();
            }
        };
        let thread = thread::Builder::new().name("guest".into()).stack_size(STACK_BYTES);
        thread.spawn(act).map_err(|error| Fault::HostMemory { reason: error.to_string() })?;
        Ok(Self { lives, ends })
    }

    /// Executes a run. `content` and `sink` are used from the caller's thread.
    ///
    /// # Errors
    /// A fault of this host; never anything that the guest did.
    pub fn execute(
        &mut self,
        loaded: &Loaded,
        run: &Run,
        content: &dyn Content,
        sink: &mut dyn Sink,
    ) -> Result<Finished, Fault> {
        if run.engine != EngineName::CURRENT {
            return Err(Fault::WrongEngine { asked: run.engine });
        }
        let panicked = || Fault::Unknown { reason: "the guest's thread panicked".into() };
        let (host, requests) = way(sink.tensor_bytes(), content.recording().is_some());
        self.lives.send(Life { loaded: loaded.clone(), run: run.clone(), host }).map_err(|_| panicked())?;
        // If the caller's side fails, its receiver is gone, and so the guest ends at its next request.
        let served = serve(requests, content, sink);
        let lived = self.ends.recv().unwrap_or_else(|_| Err(panicked()));
        served.and(lived)
    }
}
