//! Warm threads that share out the parts of one operation.
//!
//! The parts of an operation never depend on each other, so neither the number of threads nor who does which part can
//! show in a result. A pool serves one caller at a time; another caller meanwhile does its work itself.
#![expect(unsafe_code, reason = "workers outlive the borrow of the work that they are lent")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::NumericsError;
use crate::float_environment;

/// The most threads of one pool.
pub const THREADS_LIMIT: usize = 256;
/// How long a worker without work looks for more before it sleeps: longer than most of a model's operators take, so that
/// workers stay awake while one is computed.
const WARM: Duration = Duration::from_micros(200);
/// How often one looks before it looks at the clock.
const LOOKS: usize = 64;

type Work<'a> = &'a (dyn Fn(usize) + Sync);

#[derive(Clone, Copy)]
struct Job {
    work: Work<'static>,
    parts: usize,
}

/// Of [`Shared::state`]: the workers that hold the job.
const HOLDERS: u64 = OPEN - 1;
/// Of the same: the job may be taken.
const OPEN: u64 = 1 << 16;
/// Of the same: above this, the job's number.
const NUMBER: u64 = OPEN << 1;

/// What caller and workers share. Nobody waits for a lock, or calls the operating system, while all are awake.
#[derive(Default)]
struct Shared {
    /// The job's number, whether it may be taken, and how many workers hold it.
    state: AtomicU64,
    /// Changed only while no worker can take or hold it.
    job: Mutex<Option<Job>>,
    next_part: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    stop: AtomicBool,
    /// Held by who goes to sleep and by who wakes others, so that nobody goes to sleep in between.
    sleep: Mutex<()>,
    woken: Condvar,
    /// Workers that sleep.
    sleepers: AtomicUsize,
    finished: Condvar,
    /// The caller sleeps.
    awaited: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks for something for a while, if at all: whether it came.
fn soon(looks: bool, mut is_there: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while looks && start.elapsed() < WARM {
        for _ in 0..LOOKS {
            if is_there() {
                return true;
            }
            std::hint::spin_loop();
        }
    }
    is_there()
}

impl Shared {
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

    /// Lets workers take a job. None holds the one before.
    fn open(&self, job: Job) {
        *lock(&self.job) = Some(job);
        self.next_part.store(0, Ordering::Relaxed);
        let number = self.state.load(Ordering::Relaxed) / NUMBER + 1;
        // In one order with `sleepers`: either this is seen before a worker sleeps, or the sleeper is seen here.
        self.state.store(number * NUMBER + OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.sleep));
            self.woken.notify_all();
        }
    }

    /// Whether there is a job that a worker has not seen.
    fn is_new(&self, seen: u64, order: Ordering) -> bool {
        let state = self.state.load(order);
        state & OPEN != 0 && state / NUMBER != seen
    }

    /// Takes a job that this worker has not seen.
    fn take(&self, seen: &mut u64) -> Option<Job> {
        let new = |state: u64| (state & OPEN != 0 && state / NUMBER != *seen).then_some(state + 1);
        let state = self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, new).ok()?;
        *seen = state / NUMBER;
        *lock(&self.job)
    }

    /// A worker holds the job no more.
    fn give_back(&self) {
        // In one order with `awaited`, as above.
        self.state.fetch_sub(1, Ordering::SeqCst);
        if self.awaited.load(Ordering::SeqCst) {
            drop(lock(&self.sleep));
            self.finished.notify_one();
        }
    }

    /// Takes the job back: returns when no worker holds it.
    fn close(&self, looks: bool) {
        self.state.fetch_and(!OPEN, Ordering::AcqRel);
        // Who has it is most often about to end.
        if soon(looks, || self.state.load(Ordering::Acquire) & HOLDERS == 0) {
            return;
        }
        let mut asleep = lock(&self.sleep);
        self.awaited.store(true, Ordering::SeqCst);
        while self.state.load(Ordering::SeqCst) & HOLDERS != 0 {
            asleep = self.finished.wait(asleep).unwrap_or_else(PoisonError::into_inner);
        }
        self.awaited.store(false, Ordering::SeqCst);
    }
}

/// A fixed number of threads: the caller's and the workers.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held by the caller that the workers serve.
    busy: Mutex<()>,
    /// Each thread can have a processor of its own: who waits keeps none from working.
    looks: bool,
}

impl Pool {
    /// Starts `threads - 1` workers.
    pub(crate) fn new(threads: usize) -> Result<Self, NumericsError> {
        if threads == 0 || threads > THREADS_LIMIT {
            return Err(NumericsError::Threads { asked: threads, limit: THREADS_LIMIT });
        }
        let looks = std::thread::available_parallelism().is_ok_and(|processors| threads <= processors.get());
        let mut pool = Self { shared: Arc::default(), workers: Vec::new(), busy: Mutex::new(()), looks };
        for _ in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = Builder::new()
                .name("poai-numerics".into())
                .spawn(move || serve(&shared, looks))
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
        // SAFETY: the job is taken back below, and no worker holds it when this function returns or unwinds, so no use
        // of `work` outlasts the borrow.
        let work: Work<'static> = unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        let job = Job { work, parts };
        self.shared.open(job);
        let own = self.shared.work_through(job);
        self.shared.close(self.looks);
        let theirs = lock(&self.shared.panic).take();
        drop(turn);
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    /// Cuts `out` into pieces of `size` elements and calls `work` with each piece and its number.
    pub(crate) fn chunks<T: Send>(&self, out: &mut [T], size: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        if out.is_empty() {
            return;
        }
        if self.workers.is_empty() || out.len() <= size {
            return out.chunks_mut(size).enumerate().for_each(|(i, piece)| work(i, piece));
        }
        let pieces: Vec<Mutex<&mut [T]>> = out.chunks_mut(size).map(Mutex::new).collect();
        self.run(pieces.len(), &|i| work(i, &mut pieces[i].lock().expect("each piece is taken once")));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(lock(&self.shared.sleep));
        self.shared.woken.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its work and has none of its own.
            let _ = worker.join();
        }
    }
}

fn serve(shared: &Shared, looks: bool) {
    float_environment::reset();
    let mut seen = 0;
    while await_job(shared, seen, looks) {
        let Some(job) = shared.take(&mut seen) else { continue };
        if let Err(panic) = shared.work_through(job) {
            *lock(&shared.panic) = Some(panic);
        }
        shared.give_back();
    }
}

/// Waits for a job that this worker has not seen; false when the pool ends.
fn await_job(shared: &Shared, seen: u64, looks: bool) -> bool {
    let stops = || shared.stop.load(Ordering::SeqCst);
    if !soon(looks, || shared.is_new(seen, Ordering::Acquire) || stops()) {
        let mut asleep = lock(&shared.sleep);
        shared.sleepers.fetch_add(1, Ordering::SeqCst);
        while !shared.is_new(seen, Ordering::SeqCst) && !stops() {
            asleep = shared.woken.wait(asleep).unwrap_or_else(PoisonError::into_inner);
        }
        shared.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
    !stops()
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
