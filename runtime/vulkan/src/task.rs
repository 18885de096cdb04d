//! Kernels that tasks bring, on a device: a [`poai_compute::Device`].
//!
//! `poai-compute` proves a kernel free of races and writes it anew in WGSL; here it gets the rules of numbers in front
//! of it, and is compiled. A dispatch runs in jobs that are short enough for any driver's watchdog. What a job may spend
//! is limited, so that every shader ends; an invocation that would spend more leaves the whole dispatch to the processor.

mod dispatch; // jobs
mod memory; // what stays on the device
pub(crate) mod shader; // the whole WGSL

pub(crate) use dispatch::Dispatch;
pub(crate) use memory::Memory;
use std::sync::Arc;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use poai_compute::{DeviceFault, Kernel, NotReady, Ready};

use crate::device::{Compute, DeviceError};
use crate::kernels::Step;
use crate::proof::Verdict;
use crate::spirv::Shader;

/// How long a driver may take over a kernel.
const COMPILE_TIME: Duration = Duration::from_secs(60);

/// The part of a device's memory that buffers may have between dispatches.
const KEPT_PART: u64 = 4;

/// A device that has passed its proof, for kernels.
pub struct Tasks<D: Compute> {
    device: Arc<D>,
    step: Step,
    memory: Arc<Memory>,
    /// The driver has not come back from compiling: nothing more is asked of it.
    is_given_up: AtomicBool,
}

impl<D: Compute> Tasks<D> {
    /// The device for kernels; none if its verdict is that it serves nothing.
    #[must_use]
    pub fn new(device: Arc<D>, verdict: &Verdict) -> Option<Self> {
        let bytes = device.description().memory_bytes / KEPT_PART;
        let memory = Arc::new(Memory::new(usize::try_from(bytes / 4).unwrap_or(usize::MAX)));
        Some(Self { device, step: verdict.step?, memory, is_given_up: AtomicBool::new(false) })
    }

    /// Compiles on a thread of its own, which is left alone if it takes too long.
    fn compile(&self, shader: Shader) -> Result<D::Kernel, DeviceError> {
        if self.is_given_up.load(Ordering::Relaxed) {
            return Err(DeviceError::Lost);
        }
        let (done, compiled) = sync_channel(1);
        let device = Arc::clone(&self.device);
        let work = move || {
            // Nobody waits for what took too long.
            done.send(device.kernel(&shader)).ok();
        };
        let builder = thread::Builder::new().name("shader".into());
        let thread = builder.spawn(work).map_err(|error| DeviceError::Driver(error.to_string()))?;
        let kernel = match compiled.recv_timeout(COMPILE_TIME) {
            Ok(kernel) => kernel,
            Err(RecvTimeoutError::Timeout) => {
                self.is_given_up.store(true, Ordering::Relaxed);
                return Err(DeviceError::TimedOut { after: COMPILE_TIME });
            }
            Err(RecvTimeoutError::Disconnected) => Err(DeviceError::Driver("it broke down over a shader".to_owned())),
        };
        // It lets go of the device now. Were it the last to hold it, it would destroy it while the process ends.
        thread.join().ok();
        kernel
    }
}

impl<D: Compute> poai_compute::Device for Tasks<D> {
    fn name(&self) -> &str {
        &self.device.description().name
    }

    fn prepare(&self, kernel: &Kernel) -> Result<Box<dyn Ready>, NotReady> {
        let stays = |reason: String| NotReady::ForProcessor(reason);
        let lowered = kernel.lowered().map_err(|unproven| stays(unproven.to_string()))?;
        let source = shader::source(self.step, &lowered);
        let controls = self.step.controls(self.device.description().features);
        let shader = Shader::of_task(&source, controls).map_err(|error| stays(error.to_string()))?;
        let limit = self.device.most_bindings();
        if shader.bindings() > limit {
            return Err(stays(format!("it needs {} buffers, and the device has {limit}", shader.bindings())));
        }
        match self.compile(shader) {
            Ok(kernel) => {
                let (device, memory) = (Arc::clone(&self.device), Arc::clone(&self.memory));
                Ok(Box::new(dispatch::Compiled { device, kernel, memory }))
            }
            Err(DeviceError::Refused(reason)) => Err(stays(format!("the driver refuses its shader: {reason}"))),
            Err(error) => Err(NotReady::Fault(error.into())),
        }
    }
}

impl From<DeviceError> for DeviceFault {
    fn from(error: DeviceError) -> Self {
        Self(error.to_string())
    }
}
