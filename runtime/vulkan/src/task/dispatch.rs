use std::sync::Arc;

use poai_compute::{Binding, DeviceFault, DispatchError, Job, Kernel, Offer, Ready};
use poai_numerics::float_environment;

use crate::device::{Compute, DeviceError, Kind};

/// How a device's dispatches are parted. The first job finds out what an invocation costs; no job may spend more than a
/// driver's watchdog lets pass.
struct Parts {
    first_invocations: u64,
    /// What all invocations of a job may spend.
    job_fuel: u64,
}

/// Thousands of invocations at a time: less than a second.
const GPU: Parts = Parts { first_invocations: 4_096, job_fuel: 1 << 36 };
/// About a second.
const SOFTWARE: Parts = Parts { first_invocations: 256, job_fuel: 1 << 31 };
/// How much more an invocation may spend than those of earlier jobs did.
const MARGIN: u64 = 8;
/// How much larger a job may be than the one before.
const GROWTH: u64 = 16;
/// Invocations of a job: each has a word that is read back.
const JOB_INVOCATIONS: u64 = 1 << 20;

/// A kernel on a device.
pub(super) struct Compiled<D: Compute> {
    device: Arc<D>,
    kernel: D::Kernel,
}

impl<D: Compute> Compiled<D> {
    pub(super) fn new(device: Arc<D>, kernel: D::Kernel) -> Self {
        Self { device, kernel }
    }
}

impl<D: Compute> Ready for Compiled<D> {
    fn dispatch(
        &self,
        kernel: &Kernel,
        bindings: &mut [Binding<'_>],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<Option<Result<(), DispatchError>>, DeviceFault> {
        let dispatched =
            Dispatch { device: &*self.device, compiled: &self.kernel }.run(kernel, bindings, workgroups, budget);
        // A driver may have changed how this thread calculates.
        float_environment::reset();
        Ok(dispatched?)
    }
}

/// A dispatch of a kernel that is compiled for a device.
pub(crate) struct Dispatch<'d, D: Compute> {
    pub(crate) device: &'d D,
    pub(crate) compiled: &'d D::Kernel,
}

/// What the jobs have come to.
enum Outcome {
    Done,
    OutOfFuel,
    /// It is the processor's.
    TooLong,
}

impl<D: Compute> Dispatch<'_, D> {
    /// Runs it as [`Ready::dispatch`] says.
    pub(crate) fn run(
        &self,
        kernel: &Kernel,
        bindings: &mut [Binding<'_>],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<Option<Result<(), DispatchError>>, DeviceError> {
        let offers: Vec<_> = bindings.iter().map(Binding::offer).collect();
        if let Err(error) = kernel.check(&offers, workgroups) {
            return Ok(Some(Err(error)));
        }
        if offers.iter().any(|offer| offer.words > self.device.largest_buffer()) {
            return Ok(None);
        }
        let filled = bindings.iter().map(|binding| self.device.filled(binding.words()));
        let buffers = filled.collect::<Result<Vec<_>, _>>()?;
        let mut left = *budget;
        match self.run_jobs(kernel, &offers, &buffers, workgroups, &mut left)? {
            Outcome::Done => {}
            Outcome::OutOfFuel => {
                *budget = 0;
                return Ok(Some(Err(DispatchError::OutOfFuel)));
            }
            Outcome::TooLong => return Ok(None),
        }
        for (binding, buffer) in bindings.iter_mut().zip(&buffers) {
            if let Binding::ReadWrite { words, .. } = binding {
                words.copy_from_slice(&self.device.read(buffer)?);
            }
        }
        *budget = left;
        Ok(Some(Ok(())))
    }

    /// Runs one job after the other. What is left of the budget is only true of what ends well.
    fn run_jobs(
        &self,
        kernel: &Kernel,
        offers: &[Offer],
        buffers: &[D::Buffer],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<Outcome, DeviceError> {
        if kernel.charge_beginning(workgroups, budget).is_err() {
            return Ok(Outcome::OutOfFuel);
        }
        let all: u64 = workgroups.iter().map(|axis| u64::from(*axis)).product();
        let each = kernel.invocations_of_workgroup();
        let is_software = self.device.description().kind == Kind::Processor;
        let Parts { first_invocations, job_fuel: fuel } = if is_software { SOFTWARE } else { GPU };
        let (mut first, mut count) = (0, first_invocations.div_ceil(each));
        let mut most = 0;
        while first < all {
            let limit = (fuel / (count * each)).max(most);
            let Some(job) = Job::new(kernel, offers, workgroups, (first, count), [limit, *budget]) else { break };
            let (spent, highest) = self.run_job(&job, buffers)?;
            if highest > job.limit() {
                return Ok(if u64::from(job.limit()) == *budget { Outcome::OutOfFuel } else { Outcome::TooLong });
            }
            let Some(left) = budget.checked_sub(spent) else { return Ok(Outcome::OutOfFuel) };
            *budget = left;
            first += u64::from(job.count());
            most = most.max(u64::from(highest));
            let wanted = fuel / (MARGIN * most.max(1)) / each;
            count = wanted.min(count * GROWTH).min(JOB_INVOCATIONS / each).max(1);
        }
        Ok(Outcome::Done)
    }

    /// What a job has spent, and the most that an invocation has.
    fn run_job(&self, job: &Job<'_>, buffers: &[D::Buffer]) -> Result<(u64, u32), DeviceError> {
        let told = self.device.filled(&job.words())?;
        let account = self.device.buffer(job.account_words())?;
        let all: Vec<_> = buffers.iter().chain([&told, &account]).collect();
        self.device.run(self.compiled, &all, [job.count(), 1, 1])?;
        Ok(Job::spent(&self.device.read(&account)?))
    }
}
