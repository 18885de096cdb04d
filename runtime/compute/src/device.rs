//! Devices that run kernels in place of the executor: the seam between this crate and those that know any.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Binding, DispatchError, Kernel};

/// A device that runs kernels with the same bits and the same fuel as the executor.
pub trait Device: Send + Sync {
    /// The device's name.
    fn name(&self) -> &str;

    /// Makes a kernel ready.
    ///
    /// # Errors
    /// See [`NotReady`].
    fn prepare(&self, kernel: &Kernel) -> Result<Box<dyn Ready>, NotReady>;
}

/// A kernel that is ready on a device.
pub trait Ready: Send + Sync {
    /// As [`Kernel::dispatch`] of the kernel that was made ready; none if that has to do it, and then nothing has
    /// changed. What the device keeps of the buffers is beside them, one for each: if it did not do the dispatch, it keeps
    /// nothing of what is bound for writing.
    ///
    /// # Errors
    /// What is wrong with the device: never anything that a kernel did.
    fn dispatch(
        &self,
        kernel: &Kernel,
        bindings: &mut [Binding<'_>],
        residents: &[Resident],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<Option<Result<(), DispatchError>>, DeviceFault>;
}

/// What a device keeps of a buffer for later dispatches. Whoever has the buffer has this beside it, and forgets it when the
/// words become others; the device forgets it when it needs the memory.
#[derive(Clone, Debug, Default)]
pub struct Resident(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Resident {
    /// What is kept, if it is of this type.
    #[must_use]
    pub fn get<T: Any + Clone>(&self) -> Option<T> {
        self.kept().as_ref()?.downcast_ref().cloned()
    }

    /// Keeps this.
    pub fn keep<T: Any + Send>(&self, what: T) {
        *self.kept() = Some(Box::new(what));
    }

    /// Keeps nothing any more.
    pub fn forget(&self) {
        // Whatever is dropped here may take its time, and needs no lock.
        let kept = self.kept().take();
        drop(kept);
    }

    /// Whether anything is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept().is_some()
    }

    fn kept(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a kernel is not ready on a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The executor is to run it: it is not proven, or the device lacks something.
    #[error("it stays on the processor: {0}")]
    ForProcessor(String),
    /// The device failed.
    #[error(transparent)]
    Fault(#[from] DeviceFault),
}

/// What is wrong with a device: a fault of this host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeviceFault(pub String);
