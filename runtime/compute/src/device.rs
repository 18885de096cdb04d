//! Devices that run kernels in place of the executor: the seam between this crate and those that know any.

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
    /// changed.
    ///
    /// # Errors
    /// What is wrong with the device: never anything that a kernel did.
    fn dispatch(
        &self,
        kernel: &Kernel,
        bindings: &mut [Binding<'_>],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<Option<Result<(), DispatchError>>, DeviceFault>;
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
