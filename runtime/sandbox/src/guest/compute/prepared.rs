use std::num::NonZeroUsize;
use std::sync::OnceLock;

use poai_compute::{Binding, DispatchError, Kernel, NotReady, Ready, Resident};

use super::super::Guest;
use super::super::stop::Stop;
use crate::execution::float_control;
use crate::{Fault, Level};

/// Kernels of one run that are compiled for a device; more stay on the processor, so that no run keeps a driver's
/// compiler busy.
const ON_DEVICES: u32 = 64;

/// A kernel, and what a device has made of it: not before its first dispatch that is not recalled.
pub(super) struct Prepared {
    pub(super) kernel: Kernel,
    ready: OnceLock<Option<Box<dyn Ready>>>,
}

impl Prepared {
    pub(super) fn new(kernel: Kernel) -> Self {
        Self { kernel, ready: OnceLock::new() }
    }

    /// Whether it is ready on a device.
    pub(super) fn is_on_device(&self) -> bool {
        matches!(self.ready.get(), Some(Some(_)))
    }

    /// Runs it where it is ready, else on so many threads of the processor: the bits and the fuel are the same. Tells how it
    /// ended, and whether a device did it.
    pub(super) fn dispatch(
        &self,
        threads: NonZeroUsize,
        bindings: &mut [Binding<'_>],
        residents: &[Resident],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<(Result<(), DispatchError>, bool), Stop> {
        let ready = self.ready.get().and_then(|ready| ready.as_ref());
        let done = match ready {
            Some(ready) => {
                ready.dispatch(&self.kernel, bindings, residents, workgroups, budget).map_err(|fault| lost(fault.0))?
            }
            None => None,
        };
        Ok(match done {
            Some(done) => (done, true),
            None => {
                let written = |binding: &Binding<'_>| binding.offer().stride.is_some();
                let residents = bindings.iter().zip(residents).filter(|(binding, _)| written(binding));
                residents.for_each(|(_, resident)| resident.forget());
                (self.kernel.dispatch_on(threads, bindings, workgroups, budget), false)
            }
        })
    }
}

fn lost(device: String) -> Stop {
    Stop::Fault(Fault::DeviceLost { device })
}

impl Guest {
    /// Makes a kernel ready on this host's device, if there is one that takes it, and says where it runs.
    pub(super) fn make_ready(&mut self, prepared: &Prepared, entry_point: &str) -> Result<(), Stop> {
        let Some(device) = self.nn.device_for_kernels() else { return Ok(()) };
        if prepared.ready.get().is_some() {
            return Ok(());
        }
        let made = if self.kernels_on_devices < ON_DEVICES {
            self.kernels_on_devices += 1;
            let made = device.prepare(&prepared.kernel);
            // A driver may have changed how this thread calculates.
            float_control::reset();
            made
        } else {
            Err(NotReady::ForProcessor(format!("a run has at most {ON_DEVICES} kernels on a device")))
        };
        let (ready, level, words) = match made {
            Ok(ready) => (Some(ready), Level::Info, format!("kernel {entry_point} runs on {}", device.name())),
            Err(NotReady::ForProcessor(reason)) => {
                (None, Level::Info, format!("kernel {entry_point} runs on the processor: {reason}"))
            }
            Err(NotReady::Fault(fault)) => return Err(lost(fault.0)),
        };
        prepared.ready.set(ready).ok();
        self.words.log(&self.host, level, &format!("poai-compute: {words}"))
    }
}
