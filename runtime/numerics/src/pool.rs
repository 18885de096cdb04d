//! Warm threads that share out the parts of one operation.
//!
//! The parts of an operation never depend on each other, so neither the number of threads nor who does which part can
//! show in a result. A pool serves one caller at a time; another caller meanwhile does its work itself.
#![expect(unsafe_code, reason = "workers outlive the borrow of the work that they are lent")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::error::NumericsError;
use crate::float_environment;

/// The most threads of one pool.
pub const THREADS_LIMIT: usize = 256;
/// How often a worker without work, or a caller whose workers are not done, looks before it sleeps: some tens of
/// microseconds.
const SPINS: usize = 4_000;

type Work<'a> = &'a (dyn Fn(usize) + Sync);

#[derive(Clone, Copy)]
struct Job {
    work: Work<'static>,
    parts: usize,
}

#[derive(Default)]
struct State {
    job: Option<Job>,
    epoch: u64,
    /// Workers that hold the job.
    active: usize,
    panic: Option<Box<dyn Any + Send>>,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
    finished: Condvar,
    /// Twins of the state's epoch and active workers, to look at without the lock.
    epoch: AtomicU64,
    active: AtomicUsize,
    next_part: AtomicUsize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_through(&self, job: Job) -> Result<(), Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(|| {
            loop {
                let part = self.next_part.fetch_add(1, Ordering::Relaxed);
                if part >= job.parts {
                    return;
                }
                (job.work)(part);
            }
        }))
    }
}

/// A fixed number of threads: the caller's and the workers.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held by the caller that the workers serve.
    busy: Mutex<()>,
}

impl Pool {
    /// Starts `threads - 1` workers.
    pub(crate) fn new(threads: usize) -> Result<Self, NumericsError> {
        if threads == 0 || threads > THREADS_LIMIT {
            return Err(NumericsError::Threads { asked: threads, limit: THREADS_LIMIT });
        }
        let shared = Arc::new(Shared::default());
        let mut pool = Self { shared, workers: Vec::new(), busy: Mutex::new(()) };
        for _ in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = Builder::new()
                .name("poai-numerics".into())
                .spawn(move || serve(&shared))
                .map_err(|_| NumericsError::NoThread)?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// The number of threads, the caller's included.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work` once for each part in `0..parts`, and returns when all are done. A panic of any reaches the caller.
    pub(crate) fn run(&self, parts: usize, work: Work<'_>) {
        let turn = if self.workers.is_empty() || parts < 2 { None } else { self.busy.try_lock().ok() };
        if turn.is_none() {
            return (0..parts).for_each(work);
        }
        // SAFETY: the job is taken back below, under the lock, and no worker is active when this function returns or
        // unwinds, so no use of `work` outlasts the borrow.
        let work: Work<'static> = unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        let job = Job { work, parts };
        self.shared.next_part.store(0, Ordering::Relaxed);
        {
            let mut state = self.shared.lock();
            state.job = Some(job);
            state.epoch += 1;
            self.shared.epoch.store(state.epoch, Ordering::Release);
        }
        self.shared.woken.notify_all();
        let own = self.shared.work_through(job);
        self.shared.lock().job = None;
        // Nobody takes the job any more; who has it is most often about to end.
        for _ in 0..SPINS {
            if self.shared.active.load(Ordering::Acquire) == 0 {
                break;
            }
            std::hint::spin_loop();
        }
        let mut state = self.shared.lock();
        while state.active > 0 {
            state = self.shared.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let theirs = state.panic.take();
        drop(state);
        drop(turn);
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    /// Cuts `out` into pieces of `size` elements and calls `work` with each piece and its number.
    pub(crate) fn chunks<T: Send>(&self, out: &mut [T], size: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        if out.len() <= size {
            if !out.is_empty() {
                work(0, out);
            }
            return;
        }
        let pieces: Vec<Mutex<&mut [T]>> = out.chunks_mut(size).map(Mutex::new).collect();
        self.run(pieces.len(), &|i| work(i, &mut pieces[i].lock().expect("each piece is taken once")));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.epoch.fetch_add(1, Ordering::Release);
        self.shared.woken.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its work and has none of its own.
            let _ = worker.join();
        }
    }
}

fn serve(shared: &Shared) {
    float_environment::reset();
    let mut seen = 0;
    while let Some(job) = next_job(shared, &mut seen) {
        let outcome = shared.work_through(job);
        let mut state = shared.lock();
        if let Err(panic) = outcome {
            state.panic = Some(panic);
        }
        state.active -= 1;
        shared.active.store(state.active, Ordering::Release);
        if state.active == 0 {
            shared.finished.notify_one();
        }
    }
}

/// Waits for a job that this worker has not seen; nothing when the pool ends.
fn next_job(shared: &Shared, seen: &mut u64) -> Option<Job> {
    for _ in 0..SPINS {
        if shared.epoch.load(Ordering::Acquire) != *seen {
            break;
        }
        std::hint::spin_loop();
    }
    let mut state = shared.lock();
    loop {
        if state.stop {
            return None;
        }
        if state.epoch != *seen {
            *seen = state.epoch;
            if let Some(job) = state.job {
                state.active += 1;
                shared.active.store(state.active, Ordering::Release);
                return Some(job);
            }
        }
        state = shared.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_done_once() {
        let pool = Pool::new(3).unwrap();
        for parts in [0, 1, 2, 3, 100] {
            let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            pool.run(parts, &|i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{parts} parts");
        }
    }

    #[test]
    fn work_within_work_and_from_two_threads_ends() {
        let pool = Pool::new(2).unwrap();
        let total = AtomicUsize::new(0);
        let nested = |_| {
            pool.run(4, &|_| {
                total.fetch_add(1, Ordering::Relaxed);
            });
        };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..100).for_each(|_| pool.run(3, &nested)));
            }
        });
        assert_eq!(total.into_inner(), 2 * 100 * 3 * 4);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| pool.run(8, &|i| assert_ne!(i, 5))));
        assert!(outcome.is_err());
        let mut out = [0; 10];
        pool.chunks(&mut out, 3, |i, piece| piece.fill(i));
        assert_eq!(out, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn thread_counts_are_limited() {
        for asked in [0, THREADS_LIMIT + 1] {
            assert_eq!(Pool::new(asked).err(), Some(NumericsError::Threads { asked, limit: THREADS_LIMIT }));
        }
    }
}
