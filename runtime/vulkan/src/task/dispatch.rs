use std::sync::Arc;

use poai_compute::{Binding, DeviceFault, DispatchError, Job, Kernel, Offer, Ready, Resident};
use poai_numerics::float_environment;

use super::Memory;
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
    pub(super) device: Arc<D>,
    pub(super) kernel: D::Kernel,
    pub(super) memory: Arc<Memory>,
}

impl<D: Compute> Ready for Compiled<D> {
    fn dispatch(
        &self,
        kernel: &Kernel,
        bindings: &mut [Binding<'_>],
        residents: &[Resident],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<Option<Result<(), DispatchError>>, DeviceFault> {
        let dispatch = Dispatch { device: &*self.device, compiled: &self.kernel, memory: &self.memory };
        let dispatched = dispatch.run(kernel, bindings, residents, workgroups, budget);
        // A driver may have changed how this thread calculates.
        float_environment::reset();
        Ok(dispatched?)
    }
}

/// A dispatch of a kernel that is compiled for a device.
pub(crate) struct Dispatch<'d, D: Compute> {
    pub(crate) device: &'d D,
    pub(crate) compiled: &'d D::Kernel,
    pub(crate) memory: &'d Memory,
}

/// What the jobs have come to.
enum Outcome {
    Done,
    OutOfFuel,
    /// It is the processor's.
    TooLong,
}

impl<D: Compute> Dispatch<'_, D> {
    /// Runs it as [`Ready::dispatch`] says. If the device has no memory for it, nothing is kept of other buffers.
    pub(crate) fn run(
        &self,
        kernel: &Kernel,
        bindings: &mut [Binding<'_>],
        residents: &[Resident],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<Option<Result<(), DispatchError>>, DeviceError> {
        match self.attempt(kernel, bindings, residents, workgroups, budget) {
            Err(DeviceError::OutOfMemory) if self.memory.forget() => {
                self.attempt(kernel, bindings, residents, workgroups, budget)
            }
            done => done,
        }
    }

    /// Runs it with what the device has of the buffers, and what it has not. An error leaves everything as it was.
    fn attempt(
        &self,
        kernel: &Kernel,
        bindings: &mut [Binding<'_>],
        residents: &[Resident],
        workgroups: [u32; 3],
        budget: &mut u64,
    ) -> Result<Option<Result<(), DispatchError>>, DeviceError> {
        let offers: Vec<_> = bindings.iter().map(Binding::offer).collect();
        if let Err(error) = kernel.check(&offers, workgroups) {
            return Ok(Some(Err(error)));
        }
        if offers.iter().any(|offer| offer.words > self.device.largest_buffer()) {
            forget_written(&offers, residents);
            return Ok(None);
        }
        let there = bindings.iter().zip(residents).map(|(binding, resident)| self.there(binding, resident));
        let buffers = there.collect::<Result<Vec<_>, _>>()?;
        // Until it is done, nobody knows what they hold.
        forget_written(&offers, residents);
        let mut left = *budget;
        match self.run_jobs(kernel, &offers, &buffers, workgroups, &mut left)? {
            Outcome::Done => {}
            Outcome::OutOfFuel => {
                *budget = 0;
                return Ok(Some(Err(DispatchError::OutOfFuel)));
            }
            Outcome::TooLong => return Ok(None),
        }
        let read = buffers.iter().zip(&offers).map(|(buffer, offer)| offer.stride.map(|_| self.device.read(buffer)));
        let read = read.map(Option::transpose).collect::<Result<Vec<_>, _>>()?;
        for (binding, read) in bindings.iter_mut().zip(read) {
            if let (Binding::ReadWrite { words, .. }, Some(read)) = (binding, read) {
                words.copy_from_slice(&read);
            }
        }
        residents.iter().zip(buffers).for_each(|(resident, buffer)| resident.keep(buffer));
        self.memory.note(residents.iter().cloned().zip(offers.iter().map(|offer| offer.words)));
        *budget = left;
        Ok(Some(Ok(())))
    }

    /// A buffer on the device: the one that is kept there, or a new one.
    fn there(&self, binding: &Binding<'_>, resident: &Resident) -> Result<Arc<D::Buffer>, DeviceError> {
        match resident.get() {
            Some(buffer) => Ok(buffer),
            None => self.device.filled(binding.words()).map(Arc::new),
        }
    }

    /// Runs one job after the other. What is left of the budget is only true of what ends well.
    fn run_jobs(
        &self,
        kernel: &Kernel,
        offers: &[Offer],
        buffers: &[Arc<D::Buffer>],
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
    fn run_job(&self, job: &Job<'_>, buffers: &[Arc<D::Buffer>]) -> Result<(u64, u32), DeviceError> {
        let told = self.device.filled(&job.words())?;
        let account = self.device.buffer(job.account_words())?;
        let all: Vec<_> = buffers.iter().map(|buffer| &**buffer).chain([&told, &account]).collect();
        self.device.run(self.compiled, &all, [job.count(), 1, 1])?;
        Ok(Job::spent(&self.device.read(&account)?))
    }
}

/// Nothing is kept of what is bound for writing.
fn forget_written(offers: &[Offer], residents: &[Resident]) {
    for (_, resident) in offers.iter().zip(residents).filter(|(offer, _)| offer.stride.is_some()) {
        resident.forget();
    }
}
