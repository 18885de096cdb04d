use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use poai_objects::codec;

use super::super::memory::Memory;
use super::super::stop::Stop;
use super::Nn;
use super::computing::Computation;
use super::errors::Failure;
use super::manifest::Results;
use crate::Fault;
use crate::execution::float_control;

/// Computations that may wait, each with its operands; then the guest waits.
const WAITING: usize = 4;

/// A computation to be made again.
pub(super) struct Job {
    /// The effect's number.
    pub(super) index: u64,
    pub(super) computation: Computation,
    /// Bytes that the run's memory limit had left for its results.
    pub(super) room: u64,
    /// The recorded results.
    pub(super) expected: Vec<u8>,
}

/// Threads that compute recorded results again while the guest goes on with what is recorded.
pub(super) struct Recomputing {
    jobs: SyncSender<Job>,
    threads: Vec<JoinHandle<Result<(), Fault>>>,
    first_difference: Arc<AtomicU64>,
}

/// No effect has this number.
const NONE: u64 = u64::MAX;

impl Recomputing {
    fn begin(threads: usize) -> Result<Self, Fault> {
        let (jobs, next) = sync_channel(WAITING);
        let next = Arc::new(Mutex::new(next));
        let first_difference = Arc::new(AtomicU64::new(NONE));
        let thread = |_| {
            let (next, first_difference) = (Arc::clone(&next), Arc::clone(&first_difference));
            let act = move || {
                float_control::reset();
                while let Some(job) = take(&next) {
                    if job.comes_out_otherwise()? {
                        first_difference.fetch_min(job.index, Ordering::Relaxed);
                    }
                }
                Ok(())
            };
            let thread = thread::Builder::new().name("recompute".into()).spawn(act);
            thread.map_err(|error| Fault::HostMemory { reason: error.to_string() })
        };
        let threads = (0..threads).map(thread).collect::<Result<_, _>>()?;
        Ok(Self { jobs, threads, first_difference })
    }

    /// Waits for all of it. Gives the first effect that came out otherwise.
    pub(super) fn finish(self) -> Result<Option<u64>, Fault> {
        drop(self.jobs);
        for thread in self.threads {
            thread.join().map_err(|_| Fault::Unknown { reason: "a thread that computes again panicked".into() })??;
        }
        let first = self.first_difference.load(Ordering::Relaxed);
        Ok((first != NONE).then_some(first))
    }
}

/// The next job; none when there will be no more.
fn take(next: &Mutex<Receiver<Job>>) -> Option<Job> {
    next.lock().expect("no holder of the queue panics").recv().ok()
}

impl Job {
    fn comes_out_otherwise(&self) -> Result<bool, Fault> {
        let (fuel, mut answer) = self.computation.perform(&Memory::new(self.room));
        let results = Results::of(fuel, &mut answer);
        match answer {
            Err(Failure::Stop(Stop::Fault(fault))) => Err(fault),
            _ => Ok(results.is_none_or(|results| codec::encode(&results) != self.expected)),
        }
    }
}

impl Nn {
    /// Has a computation made again. Its threads are those of the run's models, begun with the first.
    pub(super) fn recompute(&mut self, job: Job) -> Result<(), Stop> {
        let recomputing = match &self.recomputing {
            Some(recomputing) => recomputing,
            None => self.recomputing.insert(Recomputing::begin(self.models.threads().get()).map_err(Stop::Fault)?),
        };
        // Its threads end early by a fault alone, which the end of the run finds.
        recomputing.jobs.send(job).ok();
        Ok(())
    }
}
